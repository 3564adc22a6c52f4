// How a copy stands, for replies, operators and metrics.
#include <algorithm>
#include <utility>

#include "engram/cluster/static_store.h"
#include "engram/runtime/copy_runner.h"

namespace engram::runtime {

using cluster::Role;

namespace {

constexpr Duration kReturnIsNews = std::chrono::minutes(10);

}  // namespace

space::CopyState CopyRunner::State() {
  const std::shared_ptr<space::Space> space = Space();
  const Sequence visible = space == nullptr ? Sequence() : space->visible().sequence;
  const Instant now = context_.clock->Now();
  MutexLock lock(mutex_);
  space::CopyState state;
  state.wanted_copies = static_cast<uint32_t>(context_.options->nodes.size());
  if (copy_ == nullptr) return state;
  state.primary = copy_->role() == Role::kPrimary;
  state.epoch = copy_->epoch();
  if (const auto leader = copy_->leader()) {
    state.primary_node = context_.options->nodes[*leader].name;
  }
  if (state.primary) {
    state.copies_in_sync = copy_->copies_in_sync(now);
    return state;
  }
  state.connected = copy_->leader().has_value() && copy_->joined() &&
                    context_.transport->peer(*copy_->leader()).connected;
  const uint64_t end = copy_->leader_end().value();
  state.behind_entries = end - std::min(end, visible.value());
  // What it misses is as old as the oldest of it; cut off it may miss anything.
  if (state.connected) {
    caught_up_at_ = std::max(caught_up_at_, told_times_.FirstAbove(visible).value_or(now));
  }
  state.behind = now - caught_up_at_;
  return state;
}

std::string CopyRunner::WhyOf(size_t place, const cluster::PeerView& view) const {
  if (!view.trouble.empty()) return view.trouble;
  const PeerState peer = context_.transport->peer(place);
  if (!peer.connected) return peer.why.ok() ? "not connected yet" : peer.why.message();
  return "";
}

ReplicaState CopyRunner::DescribePeer(size_t place, Instant now) {
  const cluster::PeerView view = copy_->peer(place);
  const PeerState peer = context_.transport->peer(place);
  ReplicaState state;
  state.node = context_.options->nodes[place].name;
  state.connected = peer.connected;
  state.joined = view.joined;
  state.in_set = view.in_set;
  state.durable = view.acked;
  state.visible = view.visible;
  const Instant contact = std::max(view.last_contact, peer.last_contact);
  if (contact.ns != 0) state.since_contact = now - contact;
  state.lag = monitors_[place].Measure(durable_times_,
                                       {.acked = view.acked,
                                        .connected = peer.connected && view.joined,
                                        .last_contact = contact,
                                        .failures_in_a_row = peer.failures_in_a_row},
                                       now);
  if (Is(replication::Mutant::kLagZeroWhenCut) && !peer.connected) state.lag = {};
  Caught& caught = caught_[place];
  if (!peer.connected) {
    state.mode = "disconnected";
  } else if (!view.trouble.empty()) {
    state.mode = "refused";
  } else if (!view.joined) {
    state.mode = "joining";
  } else {
    state.mode = view.catching_up ? "catching up" : "streaming";
  }
  const uint64_t end = copy_->log().end.sequence.value();
  if (view.catching_up && end > 0) {
    if (caught.from.is_zero()) caught.from = view.acked, caught.began = now;
    state.catch_up_progress = static_cast<double>(view.acked.value()) / static_cast<double>(end);
    const uint64_t done = view.acked.value() - std::min(view.acked, caught.from).value();
    if (done > 0) {
      const double left = static_cast<double>(end - std::min(end, view.acked.value()));
      const double each =
          static_cast<double>((now - caught.began).count()) / static_cast<double>(done);
      state.catch_up_eta = Duration(static_cast<int64_t>(left * each));
    }
  } else {
    caught.from = Sequence();
    state.catch_up_progress = view.joined ? 1 : 0;
  }
  if (view.came_back.has_value() && now - view.came_back->at < kReturnIsNews)
    state.came_back = view.came_back;
  state.why = WhyOf(place, view);
  return state;
}

// Says once, in the log and in the history of the space, that a replica's status is another.
void CopyRunner::TellLag() {
  std::vector<std::string> news;
  {
    const Instant now = context_.clock->Now();
    MutexLock lock(mutex_);
    if (copy_ == nullptr || copy_->role() != Role::kPrimary) return;
    for (size_t place = 0; place < context_.options->nodes.size(); ++place) {
      if (place == me_) continue;
      const ReplicaState state = DescribePeer(place, now);
      const replication::ReplicaStatus before =
          std::exchange(told_status_[place], state.lag.status);
      if (before == state.lag.status) continue;
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(state.lag.time);
      news.push_back(state.node + " is " + NameOf(state.lag.status) + ", was " + NameOf(before) +
                     ": " + std::to_string(ms.count()) + " ms and " +
                     std::to_string(state.lag.entries) + " entries behind" +
                     (state.why.empty() ? "" : "; " + state.why));
    }
  }
  for (const std::string& text : news) {
    Note(text);
    context_.report(name_, "replica_status", text);
  }
}

SpaceState CopyRunner::Describe() {
  const Instant now = context_.clock->Now();
  MutexLock lock(mutex_);
  SpaceState state;
  state.space = name_;
  state.copies_wanted = static_cast<uint32_t>(context_.options->nodes.size());
  if (copy_ == nullptr) return state;
  state.role = copy_->role();
  if (const auto leader = copy_->leader()) state.primary = context_.options->nodes[*leader].name;
  state.epoch = copy_->epoch();
  state.promised = copy_->promised();
  state.log_end = copy_->log().end.sequence;
  state.durable = copy_->log().durable;
  state.commit = copy_->commit();
  state.replicated_end = copy_->replicated_end();
  state.serving = copy_->serving();
  state.alarm = copy_->alarm();
  state.trouble = trouble_;
  state.openings = openings_;
  state.writes_lost = counts_.local_writes_lost;
  state.min_in_sync = copy_->min_in_sync();
  if (const auto* record = copy_->newest()) state.record = *record;
  // With a store outside the log has the set as it was when the epoch began.
  if (state.role == Role::kPrimary) state.record = copy_->current();
  const Status local = copy_->Admit(false, now), replicated = copy_->Admit(true, now);
  state.writes_local = local.ok();
  state.writes_replicated = replicated.ok();
  if (!replicated.ok()) state.why_not = replicated.message();
  if (without_primary_since_.has_value()) state.without_primary = now - *without_primary_since_;
  state.history.assign(history_.begin(), history_.end());
  if (state.role != Role::kPrimary) return state;
  state.copies_in_sync = copy_->copies_in_sync(now);
  for (size_t place = 0; place < context_.options->nodes.size(); ++place) {
    if (place != me_) state.replicas.push_back(DescribePeer(place, now));
  }
  return state;
}

double CopyRunner::TakeThroughput() {
  const Instant now = context_.clock->Now();
  const uint64_t sent = counts_.entries_sent;
  MutexLock lock(mutex_);
  const double seconds = static_cast<double>((now - measured_at_).count()) / 1e9;
  const double rate = seconds > 0 ? static_cast<double>(sent - measured_entries_) / seconds : 0;
  measured_entries_ = sent;
  measured_at_ = now;
  return rate;
}

uint64_t CopyRunner::lag_alerts(size_t peer) {
  MutexLock lock(mutex_);
  return monitors_[peer].alerts();
}

}  // namespace engram::runtime
