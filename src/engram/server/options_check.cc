// What no single key shows: keys that contradict each other, and a configured list of nodes that
// cannot work. Each is told with where the key that is wrong was set.
#include <algorithm>
#include <map>

#include "engram/server/options.h"

namespace engram::server {
namespace {

constexpr size_t kNodesMax = 16;

Status Wrong(const std::string& source, const std::string& what) {
  return Status(Reason::CONFIGURATION, source + ": " + what);
}

Status CheckListen(const Options& options) {
  std::vector<std::string> addresses = {options.listen.grpc, options.listen.http,
                                        options.listen.ops};
  if (options.cluster.has_nodes()) addresses.push_back(options.listen.replication);
  for (const std::string& address : addresses) {
    ASSIGN_OR_RETURN(HostPort parsed, ParseHostPort(address));
    if (parsed.loopback || options.tls.insecure) continue;
    return Status(Reason::CONFIGURATION,
                  "Listening on '" + address + "' is refused: there are no keys.")
        .Expected("a loopback address, while everybody who can connect may do everything")
        .Suggest(
            "listen on 127.0.0.1 and reach it through a tunnel or a proxy that authenticates; in a "
            "network of its own: tls.insecure = true")
        .Example("engram serve --grpc 127.0.0.1:50051");
  }
  return OkStatus();
}

std::string Names(const Options& options) {
  std::string text;
  for (const runtime::NodeAddress& node : options.cluster.nodes) {
    text += (text.empty() ? "" : ", ") + node.name;
  }
  return text;
}

bool Configured(const Options& options, const std::string& name) {
  const auto& nodes = options.cluster.nodes;
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const runtime::NodeAddress& node) { return node.name == name; });
}

// Two nodes of one name would make the same epochs; two of one address are one.
Status CheckDifferent(const Options& options, const std::string& source) {
  std::map<std::string, std::string> seen;
  for (const runtime::NodeAddress& node : options.cluster.nodes) {
    for (const std::string& word :
         {"name " + node.name, node.grpc, node.http, node.ops, node.replication}) {
      const auto [at, fresh] = seen.emplace(word, node.name);
      if (fresh) continue;
      return Wrong(source, "cluster.nodes has " + word + " twice: at " + at->second + " and at " +
                               node.name + ".")
          .Expected("names and addresses that differ")
          .Suggest("give each node its own entry, and each listener its own port");
    }
  }
  return OkStatus();
}

Status CheckNames(const Options& options, const SourceOf& source) {
  const std::string name = NodeName(options), all = Names(options);
  std::vector<std::string> known;
  for (const runtime::NodeAddress& node : options.cluster.nodes) known.push_back(node.name);
  if (!Configured(options, name)) {
    return Wrong(source("cluster.nodes"),
                 "cluster.nodes has no entry for this node, '" + name + "'.")
        .Expected("node.name to be one of " + all)
        .Suggest("the nearest is " + NearestWord(name, known))
        .Example("engram serve --name " + NearestWord(name, known))
        .With("field", "node.name");
  }
  const std::string& first = options.cluster.first_primary;
  // An etcd lets only one of them make it.
  if (Configured(options, first) || (first.empty() && options.cluster.has_store())) {
    return OkStatus();
  }
  return Wrong(source("cluster.first_primary"),
               first.empty() ? "cluster.first_primary is not set: nobody would make `default`."
                             : "cluster.first_primary = '" + first + "' is not in cluster.nodes.")
      .Expected("one of " + all + ", the same on every node")
      .Example("first_primary = \"" + known.front() + "\"")
      .With("field", "cluster.first_primary");
}

Status CheckStore(const Options& options, const SourceOf& source) {
  const Options::Cluster& cluster = options.cluster;
  const char* stray = !cluster.etcd_endpoints.empty()       ? "cluster.etcd_endpoints"
                      : !cluster.etcd_prefix.empty()        ? "cluster.etcd_prefix"
                      : !cluster.etcd_ca_file.empty()       ? "cluster.etcd_ca_file"
                      : !cluster.etcd_user.empty()          ? "cluster.etcd_user"
                      : !cluster.etcd_password_file.empty() ? "cluster.etcd_password_file"
                                                            : nullptr;
  if (!cluster.has_store()) {
    if (stray == nullptr) return OkStatus();
    return Wrong(source(stray),
                 std::string(stray) + " has no effect with cluster.mode = " + cluster.mode + ".")
        .Suggest("set cluster.mode, or leave the key out")
        .Example("mode = \"etcd\"")
        .With("field", stray);
  }
  if (cluster.static_start_alone) {
    return Wrong(source("cluster.static_start_alone"),
                 "cluster.static_start_alone has no effect with cluster.mode = etcd.")
        .Suggest("leave it out: the lease in etcd says who may lead");
  }
  if (cluster.etcd_endpoints.empty()) {
    return Wrong(source("cluster.mode"), "cluster.mode = etcd needs cluster.etcd_endpoints.")
        .Expected("the addresses of an etcd")
        .Example("etcd_endpoints = [\"127.0.0.1:2379\"]")
        .With("field", "cluster.etcd_endpoints");
  }
  if (cluster.etcd_user.empty() != cluster.etcd_password_file.empty()) {
    return Wrong(source("cluster.etcd_user"),
                 "cluster.etcd_user and cluster.etcd_password_file need each other.")
        .Expected("both, or neither");
  }
  return OkStatus();
}

Status CheckNodes(const Options& options, const SourceOf& source) {
  const std::string where = source("cluster.nodes");
  const size_t count = options.cluster.nodes.size();
  if (count == 0) {
    return Wrong(source("cluster.mode"),
                 "cluster.mode = " + options.cluster.mode + " needs cluster.nodes.")
        .Expected("every node, this one too")
        .Example(R"(nodes = [ { name = "n1", grpc = "127.0.0.1:50051", … } ])")
        .With("field", "cluster.nodes");
  }
  if (count > kNodesMax) {
    return Wrong(where, "cluster.nodes has " + std::to_string(count) + " entries.")
        .Expected("at most " + std::to_string(kNodesMax))
        .With("field", "cluster.nodes");
  }
  RETURN_IF_ERROR(CheckDifferent(options, where));
  RETURN_IF_ERROR(CheckNames(options, source));
  if (Status status = CheckStore(options, source); !status.ok()) return status;
  if (options.cluster.static_start_alone && count != 2) {
    return Wrong(source("cluster.static_start_alone"),
                 "cluster.static_start_alone is for two nodes; there are " + std::to_string(count) +
                     ".")
        .Suggest("leave it out: with one node it changes nothing, with more a majority decides");
  }
  if (count > 1 && options.space_defaults.min_in_sync > count) {
    return Wrong(source("space_defaults.min_in_sync"),
                 "space_defaults.min_in_sync = " +
                     std::to_string(options.space_defaults.min_in_sync) + " is more than " +
                     std::to_string(count) + " nodes.")
        .Expected("at most as many copies as there are nodes");
  }
  return OkStatus();
}

// What would be left without effect.
Status CheckSingle(const Options& options, const SourceOf& source) {
  RETURN_IF_ERROR(CheckStore(options, source));
  const char* stray = !options.cluster.nodes.empty()           ? "cluster.nodes"
                      : !options.cluster.first_primary.empty() ? "cluster.first_primary"
                      : options.cluster.static_start_alone     ? "cluster.static_start_alone"
                                                               : nullptr;
  if (stray == nullptr) return OkStatus();
  return Wrong(source(stray), std::string(stray) + " has no effect with cluster.mode = single.")
      .Suggest("set cluster.mode, or leave the key out")
      .Example("mode = \"static\"")
      .With("field", stray);
}

Status CheckDefaults(const Options& options, const SourceOf& source) {
  const bool alone = !options.cluster.has_nodes() || options.cluster.nodes.size() == 1;
  if (alone && options.space_defaults.durability == "replicated") {
    return Wrong(source("space_defaults.durability"),
                 "space_defaults.durability = replicated needs a second node.")
        .Expected("local or auto on a single node: every write would be refused");
  }
  if (options.replication.lag_alert > options.replication.lag_degraded) {
    return Wrong(source("replication.lag_alert"),
                 "replication.lag_alert is longer than replication.lag_degraded.")
        .Expected("a replica to be lagging before it is degraded");
  }
  if (options.wal.group_commit_bytes > options.wal.segment_bytes) {
    return Status(Reason::CONFIGURATION, "wal.group_commit_bytes is larger than wal.segment_bytes.")
        .Expected("one write to fit into a segment")
        .Suggest("raise segment_bytes or lower group_commit_bytes");
  }
  const std::string& directory = options.node.data_dir;
  const size_t variable = directory.find("${");
  if (variable != std::string::npos && directory.compare(variable, 7, "${name}") != 0) {
    return Wrong(source("node.data_dir"), "node.data_dir = '" + directory + "' is not understood.")
        .Expected("no variable but ${name}");
  }
  return MemoryLimitBytes(options.node.memory_limit).status();
}

}  // namespace

Status CheckTogether(const Options& options, const SourceOf& source) {
  RETURN_IF_ERROR(options.cluster.has_nodes() ? CheckNodes(options, source)
                                              : CheckSingle(options, source));
  RETURN_IF_ERROR(CheckListen(options));
  return CheckDefaults(options, source);
}

}  // namespace engram::server
