// The configured list of nodes: cluster.nodes, read from its TOML and checked entry by entry.
#include <algorithm>
#include <sstream>

#include <toml++/toml.h>
#include <unistd.h>

#include "engram/server/options.h"

namespace engram::server {
namespace {

constexpr size_t kNameBytes = 64;
constexpr char kExample[] =
    R"({ name = "n2", grpc = "127.0.0.1:50061", http = "127.0.0.1:7442", ops = "127.0.0.1:7443", )"
    R"(replication = "127.0.0.1:50062" })";

Status BadNode(const std::string& source, const std::string& what) {
  return Status(Reason::CONFIGURATION, source + ": cluster.nodes: " + what)
      .Expected("a name and four addresses: grpc, http, ops, replication")
      .Example(kExample)
      .With("field", "cluster.nodes");
}

bool GoodName(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kNameBytes && std::all_of(name.begin(), name.end(), good);
}

bool NoPlace(std::string_view host) {
  return host == "0.0.0.0" || host == "[::]" || host == "::" || host == "*" || host == "[]";
}

// An address that others can connect to.
Status CheckReachable(const std::string& key, const std::string& text, const std::string& source) {
  const std::string what = key + " = '" + text + "' ";
  if (text.empty()) return BadNode(source, key + " is missing.");
  if (text.front() == ':') return BadNode(source, what + "names no host.");
  const Result<HostPort> address = ParseHostPort(text);
  if (!address.ok()) return BadNode(source, what + "is not an address host:port.");
  if (NoPlace(address->host)) {
    return BadNode(source, what +
                               "is where a server listens on every interface, not where others "
                               "reach it: each would reach itself.")
        .Expected("the host name or address of that one node")
        .Suggest("name it here, and set listen." + key + " where the node shall listen elsewhere");
  }
  if (address->port > 0) return OkStatus();
  return BadNode(source, what + "has no port that others could know.");
}

Result<runtime::NodeAddress> ParseNode(const toml::table& table, const std::string& source) {
  runtime::NodeAddress node;
  const std::pair<const char*, std::string*> keys[] = {{"name", &node.name},
                                                       {"grpc", &node.grpc},
                                                       {"http", &node.http},
                                                       {"ops", &node.ops},
                                                       {"replication", &node.replication}};
  for (const auto& [key, value] : table) {
    const auto* known = std::find_if(std::begin(keys), std::end(keys),
                                     [&](const auto& k) { return key.str() == k.first; });
    if (known == std::end(keys)) {
      const std::string nearest =
          NearestWord(key.str(), {"name", "grpc", "http", "ops", "replication"});
      return BadNode(source, "key '" + std::string(key.str()) + "' is not known.")
          .Suggest("the nearest known key is " + nearest);
    }
    if (!value.is_string()) return BadNode(source, std::string(known->first) + " is no text.");
    *known->second = *value.value<std::string>();
  }
  if (!GoodName(node.name)) {
    return BadNode(source, "'" + node.name + "' is no name of a node.")
        .Expected("1 to 64 of letters, digits, '_', '-' and '.'");
  }
  for (const auto& [key, value] : keys) {
    if (value == &node.name) continue;
    RETURN_IF_ERROR(CheckReachable(key, *value, source));
  }
  return node;
}

}  // namespace

Result<std::vector<runtime::NodeAddress>> ParseNodes(const std::string& text,
                                                     const std::string& source) {
  toml::table table;
  try {
    table = toml::parse("nodes = " + text);
  } catch (const toml::parse_error& error) {
    return BadNode(source, std::string(error.description()) + ".");
  }
  const toml::array* array = table["nodes"].as_array();
  if (array == nullptr) return BadNode(source, "this is not a list.");
  std::vector<runtime::NodeAddress> nodes;
  for (const toml::node& entry : *array) {
    if (!entry.is_table()) return BadNode(source, "an entry is not a table.");
    ASSIGN_OR_RETURN(nodes.emplace_back(), ParseNode(*entry.as_table(), source));
  }
  return nodes;
}

std::string NodeName(const Options& options) {
  if (!options.node.name.empty()) return options.node.name;
  char name[256] = "engram";
  gethostname(name, sizeof name - 1);
  return name;
}

size_t OwnPlace(const Options& options) {
  const auto& nodes = options.cluster.nodes;
  const auto own = std::find_if(nodes.begin(), nodes.end(),
                                [&](const auto& node) { return node.name == NodeName(options); });
  ENGRAM_CHECK(own != nodes.end());
  return static_cast<size_t>(own - nodes.begin());
}

}  // namespace engram::server
