// From Options to the replication of a node: what the runtime asks for, and the transport over gRPC
// that carries it.
#include "engram/runtime/replication.h"

#include <algorithm>

#include "engram/etcd/etcd_store.h"
#include "engram/rpc/grpc_transport.h"
#include "engram/server/server.h"
#include "engram/server/version.h"

namespace engram::server {
namespace {

rpc::GrpcTransportOptions TransportOptions(const Options& options) {
  const Options::Replication& from = options.replication;
  rpc::GrpcTransportOptions to;
  to.cluster = options.cluster.name;
  to.nodes = options.cluster.nodes;
  to.me = OwnPlace(options);
  to.listen = options.listen.replication;
  to.program_version = kVersion;
  to.connect_timeout = from.connect_timeout;
  to.read_timeout = from.read_timeout;
  to.write_timeout = from.write_timeout;
  to.failures_max = static_cast<int>(from.max_retries);
  to.compression = record::CompressionFrom(from.compression).value();
  to.keepalive = from.keepalive;
  to.heartbeat = from.heartbeat;
  std::copy(from.backoff.begin(), from.backoff.end(), to.back_off.begin());
  to.stream_bytes = from.stream_memory;
  return to;
}

etcd::EtcdOptions StoreOptions(const Options& options) {
  const Options::Cluster& from = options.cluster;
  const std::string prefix = from.etcd_prefix.empty() ? "engram/" + from.name : from.etcd_prefix;
  return {.endpoints = from.etcd_endpoints,
          .prefix = prefix.ends_with('/') ? prefix : prefix + "/",
          .ca_file = from.etcd_ca_file,
          .user = from.etcd_user,
          .password_file = from.etcd_password_file};
}

}  // namespace

std::optional<runtime::ReplicationOptions> ReplicationOptionsOf(const Options& options) {
  if (!options.cluster.has_nodes()) return std::nullopt;
  const Options::Replication& from = options.replication;
  runtime::ReplicationOptions to;
  to.nodes = options.cluster.nodes;
  to.me = OwnPlace(options);
  to.first_primary = options.cluster.first_primary;
  to.start_alone = options.cluster.static_start_alone;
  to.batch_entries = from.batch_entries;
  to.batch_bytes = from.batch_bytes;
  to.catch_up_batch_bytes = from.catch_up_batch_bytes;
  to.catch_up_rate = from.catch_up_rate;
  to.window_bytes = from.window_bytes;
  to.shrink_after = from.shrink_after;
  to.commit_timeout = options.space_defaults.commit_timeout;
  to.failures_max = static_cast<int>(from.max_retries);
  to.lag_alert = from.lag_alert;
  to.lag_degraded = from.lag_degraded;
  to.lease_ttl = options.cluster.lease_ttl;
  to.lease_margin = options.cluster.lease_margin;
  to.lease_grace = options.cluster.lease_grace;
  if (options.cluster.has_store()) {
    to.make_store = [store = StoreOptions(options)] { return etcd::MakeEtcdStore(store); };
  }
  to.make_transport = [transport = TransportOptions(options)](
                          NodeId id, Incarnation incarnation,
                          auto... calls) mutable -> Result<std::unique_ptr<runtime::Transport>> {
    transport.id = id;
    transport.incarnation = incarnation;
    if constexpr (sizeof...(calls) > 0) transport.calls = (calls, ...);
    return rpc::MakeGrpcTransport(transport);
  };
  return to;
}

}  // namespace engram::server
