// What replication tells when somebody scrapes.
#include "engram/runtime/replication_impl.h"

namespace engram::runtime {

using obs::Metric;

namespace {

constexpr char kStore[] = "etcd";

double Seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1e9;
}

void CollectReplica(const SpaceState& space, const ReplicaState& replica,
                    const std::string& primary, obs::Metrics::Sample& sample) {
  const obs::Metrics::LabelValues labels{space.space, replica.node, primary};
  const double lag = Seconds(replica.lag.time);
  sample.Set(Metric::kReplicationLagMs, labels, lag * 1e3);
  sample.Set(Metric::kReplicationLagSeconds, labels, lag);
  sample.Set(Metric::kReplicationLagEntries, labels, static_cast<double>(replica.lag.entries));
  sample.Set(Metric::kReplicationLagBytes, labels, static_cast<double>(replica.lag.bytes));
  sample.Set(Metric::kReplicationReplicaStatus, labels, static_cast<double>(replica.lag.status));
  sample.Set(Metric::kReplicationConnected, labels, replica.connected && replica.joined ? 1 : 0);
  sample.Set(Metric::kCatchUpRemaining, labels, Seconds(replica.catch_up_eta.value_or(Duration())));
}

}  // namespace

void ReplicationImpl::CollectPrimary(CopyRunner& runner, const SpaceState& space,
                                     obs::Metrics::Sample& sample) {
  for (const ReplicaState& replica : space.replicas) {
    CollectReplica(space, replica, self_.node, sample);
    if (const auto place = PlaceOf(replica.node)) {
      sample.Set(Metric::kReplicationLagAlerts, {space.space, replica.node, self_.node},
                 static_cast<double>(runner.lag_alerts(*place)));
    }
  }
  sample.Set(Metric::kSpaceCopiesWanted, {space.space}, space.copies_wanted);
  sample.Set(Metric::kSpaceCopiesInSync, {space.space}, space.copies_in_sync);
}

// How a replica sees itself: by what its primary last said.
void ReplicationImpl::CollectReplicaSide(CopyRunner& runner, const SpaceState& space,
                                         obs::Metrics::Sample& sample) {
  const space::CopyState state = runner.State();
  const std::string primary = space.primary.empty() ? "none" : space.primary;
  const obs::Metrics::LabelValues labels{space.space, self_.node, primary};
  const double lag = Seconds(state.behind.value_or(Duration()));
  sample.Set(Metric::kReplicationLagMs, labels, lag * 1e3);
  sample.Set(Metric::kReplicationLagSeconds, labels, lag);
  sample.Set(Metric::kReplicationLagEntries, labels, static_cast<double>(state.behind_entries));
  sample.Set(Metric::kReplicationConnected, labels, state.connected ? 1 : 0);
}

void ReplicationImpl::CollectStore(obs::Metrics::Sample& sample) {
  if (outer_ == nullptr) return;
  const OuterCounts& counts = outer_->counts();
  sample.Set(Metric::kStoreRequests, {kStore, "done"}, static_cast<double>(counts.done));
  sample.Set(Metric::kStoreRequests, {kStore, "conflict"}, static_cast<double>(counts.conflict));
  sample.Set(Metric::kStoreRequests, {kStore, "unknown"}, static_cast<double>(counts.unknown));
  sample.Set(Metric::kLeaseRemaining, {kStore}, Seconds(outer_->lease().left()));
  sample.Set(Metric::kLeaseLosses, {kStore}, static_cast<double>(outer_->lease().losses()));
}

void ReplicationImpl::CollectConnections(obs::Metrics::Sample& sample) {
  double connections = 0;
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    if (place == options_.me) continue;
    const PeerState peer = transport_->peer(place);
    const obs::Metrics::LabelValues labels{options_.nodes[place].name};
    if (peer.connected) connections += kLanes;
    sample.Set(Metric::kReplicationStreamBytes, labels, static_cast<double>(peer.bytes_held));
    sample.Set(Metric::kReplicationCircuitOpen, labels, peer.circuit_open ? 1 : 0);
    sample.Set(Metric::kReplicationCircuitOpenings, labels,
               static_cast<double>(peer.circuit_openings));
  }
  sample.Set(Metric::kReplicationConnections, connections);
  const TransportCounts counts = transport_->counts();
  sample.Set(Metric::kReplicationBatchRawBytes, static_cast<double>(counts.batch_bytes_raw));
  sample.Set(Metric::kReplicationBatchSentBytes, static_cast<double>(counts.batch_bytes_sent));
}

void ReplicationImpl::Collect(obs::Metrics::Sample& sample) {
  CollectConnections(sample);
  CollectStore(sample);
  for (const auto& runner : Runners()) {
    if (!runner->bound()) continue;
    const SpaceState space = runner->Describe();
    const RunnerCounts& counts = runner->counts();
    const auto set = [&](Metric metric, uint64_t value, bool with_primary) {
      obs::Metrics::LabelValues labels{space.space};
      if (with_primary) labels.push_back(self_.node);
      sample.Set(metric, labels, static_cast<double>(value));
    };
    set(Metric::kReplicationBatchBytes, counts.last_batch_bytes, true);
    set(Metric::kReplicationBatchesSent, counts.batches_sent, true);
    set(Metric::kReplicationBatchesFailed, counts.batches_failed, true);
    set(Metric::kReplicationCatchUpEntries, counts.caught_up_entries, true);
    set(Metric::kReplicationReceived, counts.entries_received, false);
    set(Metric::kLocalWritesLost, counts.local_writes_lost, false);
    set(Metric::kFailovers, counts.promotions, false);
    set(Metric::kInSyncChanges, counts.set_changes, false);
    set(Metric::kSwitchovers, counts.switchovers, false);
    set(Metric::kReplicationAlarms, counts.alarms, false);
    sample.Set(Metric::kReplicationThroughput, {space.space, self_.node}, runner->TakeThroughput());
    if (space.role == cluster::Role::kPrimary) {
      CollectPrimary(*runner, space, sample);
    } else {
      CollectReplicaSide(*runner, space, sample);
    }
    sample.Set(Metric::kSpaceHasPrimary, {space.space}, space.primary.empty() ? 0 : 1);
  }
}

}  // namespace engram::runtime
