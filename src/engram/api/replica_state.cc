#include "engram/api/replica_state.h"

#include <algorithm>
#include <cstdio>

#include "engram/model/time.h"

namespace engram::api {
namespace {

void Fill(const Position& from, admin_v1::Position* to) {
  to->set_epoch(from.epoch.value());
  to->set_sequence(from.sequence.value());
}

void Fill(const replication::SpaceRecord& from, admin_v1::SpaceRecord* to) {
  to->set_epoch(from.epoch.value());
  to->set_sequence(from.at.value());
  to->set_primary(from.primary.node);
  for (const replication::Member& member : from.in_sync) to->add_in_sync(member.node);
  for (const replication::Member& member : from.voters) to->add_voters(member.node);
  if (from.loss_after) Fill(*from.loss_after, to->mutable_loss_after());
  to->set_loss_why(from.loss_why);
  if (from.handed_by) to->set_handed_by(from.handed_by->node);
  *to->mutable_since() = model::UtcTime::FromNs(from.wall_ns).ToProto();
}

// The time since it was heard of; nothing when it never was.
std::optional<Duration> SinceContact(const runtime::PeerState& peer, Instant now) {
  if (peer.last_contact.ns == 0) return std::nullopt;
  return std::max(Duration::zero(), now - peer.last_contact);
}

void Fill(const cluster::NodeView& view, admin_v1::NodeAnswer* answer) {
  answer->set_answered(view.answered);
  answer->set_counted(view.counted);
  answer->set_has_space(view.has_space);
  answer->set_in_set(view.in_set);
  answer->set_fit(view.fit);
  answer->set_promised(view.promised.value());
  if (view.answered) Fill(view.end, answer->mutable_end());
}

}  // namespace

// To the millisecond, where there is one: what lies below it is noise.
google::protobuf::Duration ToProto(Duration duration) {
  constexpr Duration kMillisecond = std::chrono::milliseconds(1);
  if (duration > kMillisecond) duration -= duration % kMillisecond;
  google::protobuf::Duration proto;
  proto.set_seconds(duration.count() / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(duration.count() % 1'000'000'000));
  return proto;
}

std::string_view RoleName(cluster::Role role) {
  switch (role) {
    case cluster::Role::kPrimary:
      return "primary";
    case cluster::Role::kCandidate:
      return "candidate";
    case cluster::Role::kReplica:
      break;
  }
  return "replica";
}

v1::ReplicaStatus ToProto(const runtime::ReplicaState& replica) {
  v1::ReplicaStatus status;
  status.set_node(replica.node);
  status.set_in_sync(replica.in_set);
  status.set_connected(replica.connected);
  status.set_status(static_cast<int32_t>(replica.lag.status));
  status.set_durable_through(replica.durable.value());
  status.set_applied_through(replica.visible.value());
  status.set_lag_entries(replica.lag.entries);
  status.set_lag_bytes(replica.lag.bytes);
  *status.mutable_lag() = ToProto(replica.lag.time);
  if (replica.since_contact) *status.mutable_since_contact() = ToProto(*replica.since_contact);
  status.set_mode(replica.mode);
  status.set_catch_up_progress(static_cast<float>(replica.catch_up_progress));
  if (replica.catch_up_eta) *status.mutable_catch_up_eta() = ToProto(*replica.catch_up_eta);
  if (replica.came_back) {
    status.set_rewound_entries(replica.came_back->rewound);
    status.set_missing_entries(replica.came_back->missing);
  }
  status.set_why(replica.why);
  return status;
}

admin_v1::SpaceState ToProto(const runtime::SpaceState& state) {
  admin_v1::SpaceState proto;
  proto.set_memory_space_id(state.space);
  proto.set_role(std::string(RoleName(state.role)));
  proto.set_primary(state.primary);
  proto.set_epoch(state.epoch.value());
  proto.set_promised(state.promised.value());
  proto.set_log_end(state.log_end.value());
  proto.set_durable_through(state.durable.value());
  proto.set_committed_through(state.commit.value());
  proto.set_replicated_through(state.replicated_end.value());
  proto.set_copies_in_sync(state.copies_in_sync);
  proto.set_copies_wanted(state.copies_wanted);
  proto.set_min_in_sync(state.min_in_sync);
  proto.set_serving(state.serving);
  proto.set_writes_local(state.writes_local);
  proto.set_writes_replicated(state.writes_replicated);
  proto.set_why_not(state.why_not);
  if (state.record) Fill(*state.record, proto.mutable_record());
  for (const runtime::ReplicaState& replica : state.replicas) {
    *proto.add_replicas() = ToProto(replica);
  }
  proto.set_alarm(state.alarm);
  if (state.without_primary) *proto.mutable_without_primary() = ToProto(*state.without_primary);
  for (const std::string& line : state.history) proto.add_history(line);
  return proto;
}

admin_v1::DamagedRange ToProto(const runtime::DamagedRange& range) {
  admin_v1::DamagedRange proto;
  proto.set_file(range.file);
  proto.set_offset(range.offset);
  proto.set_first(range.first.value());
  proto.set_last(range.last.value());
  proto.set_why(range.why);
  *proto.mutable_since() = model::UtcTime::FromNs(range.since_wall_ns).ToProto();
  proto.set_state(range.state);
  return proto;
}

std::string InWords(const admin_v1::DamagedRange& range) {
  std::string text = "bytes at " + std::to_string(range.offset());
  if (range.first() == range.last()) text = "entry " + std::to_string(range.first());
  if (range.first() < range.last()) {
    text = "entries " + std::to_string(range.first()) + " to " + std::to_string(range.last());
  }
  if (!range.file().empty()) text += " of " + range.file();
  if (range.since().seconds() > 0) {
    const auto second = static_cast<int>(range.since().seconds() % 86'400);
    char clock[32];
    std::snprintf(clock, sizeof clock, ", found %02d:%02d:%02d UTC", second / 3600,
                  second / 60 % 60, second % 60);
    text += clock;
  }
  text += ": " + range.why();
  return range.state().empty() ? text : text + "; " + range.state();
}

admin_v1::NodeState ToProto(const runtime::NodeAddress& node, const runtime::PeerState& peer,
                            bool me, Instant now) {
  admin_v1::NodeState proto;
  proto.set_name(node.name);
  proto.set_grpc(node.grpc);
  proto.set_http(node.http);
  proto.set_ops(node.ops);
  proto.set_replication(node.replication);
  proto.set_me(me);
  proto.set_connected(me || peer.connected);
  if (peer.identity) {
    proto.set_id(FormatUuid(peer.identity->id.bytes));
    proto.set_incarnation(FormatBase32(peer.identity->incarnation.bytes, false));
    proto.set_version(peer.identity->program_version);
  }
  if (me) return proto;
  if (const auto since = SinceContact(peer, now)) *proto.mutable_since_contact() = ToProto(*since);
  if (peer.connected) return proto;
  *proto.mutable_next_try() = ToProto(std::max(Duration::zero(), peer.next_try - now));
  proto.set_failures_in_a_row(static_cast<uint32_t>(peer.failures_in_a_row));
  if (!peer.why.ok()) proto.set_why(peer.why.message());
  return proto;
}

admin_v1::SwitchoverResponse ToProto(const cluster::SwitchReport& report) {
  admin_v1::SwitchoverResponse proto;
  proto.set_done(report.done);
  proto.set_why(report.why);
  proto.set_what_helps(report.what_helps);
  proto.set_epoch_before(report.before.value());
  proto.set_epoch(report.epoch.value());
  *proto.mutable_pause() = ToProto(report.held);
  return proto;
}

admin_v1::PromoteResponse ToProto(const cluster::PromotionReport& report, const Nodes& nodes,
                                  size_t me, Instant now) {
  admin_v1::PromoteResponse proto;
  proto.set_done(report.done);
  proto.set_lossless(report.lossless);
  proto.set_why(report.why);
  proto.set_what_helps(report.what_helps);
  proto.set_epoch(report.epoch.value());
  proto.set_votes(static_cast<uint32_t>(report.votes));
  proto.set_votes_needed(static_cast<uint32_t>(report.votes_needed));
  proto.set_voters(static_cast<uint32_t>(report.voters));
  Fill(report.own_end, proto.mutable_end());
  if (report.loss_after) Fill(*report.loss_after, proto.mutable_loss_after());
  for (size_t place = 0; place < nodes.size(); ++place) {
    const auto& [address, peer] = nodes[place];
    admin_v1::NodeAnswer* answer = proto.add_nodes();
    answer->set_name(address.name);
    answer->set_me(place == me);
    if (place < report.nodes.size()) Fill(report.nodes[place], answer);
    if (place == me) continue;
    if (const auto since = SinceContact(peer, now)) {
      *answer->mutable_since_contact() = ToProto(*since);
    }
    if (!answer->answered() && !peer.why.ok()) answer->set_why(peer.why.message());
  }
  return proto;
}

}  // namespace engram::api
