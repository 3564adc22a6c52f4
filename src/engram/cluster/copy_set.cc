// The set: standing for primary, growing, expelling, renewing.
#include <algorithm>

#include "engram/base/probe.h"
#include "engram/cluster/copy.h"

namespace engram::cluster {

using replication::Answer;
using replication::Mutant;
using replication::Stamp;

void Copy::OnMessage(size_t peer, const Stamp& stamp, const Answer& answer, Effects* out) {
  TakeReply(store_->OnAnswer(peer, stamp, answer, Context(), out), out);
}

void Copy::On(const Stand& event, Effects* out) {
  stand_by_itself_ = stand_by_itself_ || event.request.id == 0;
  const bool allowed = event.request.force || event.request.dry_run || alarm_.empty();
  if (!allowed || log_.records.empty()) {
    if (event.request.id == 0) return;
    PromotionReport report{.id = event.request.id};
    report.why = log_.records.empty() ? "it has nothing of this space yet" : alarm_;
    report.what_helps = "promote another node, or --force and lose what this copy lacks";
    report.nodes.resize(options_.nodes.size());
    report.own_end = log_.end;
    out->reports.push_back(std::move(report));
    return;
  }
  if (event.request.id == 0 && (role_ != Role::kReplica || leader_.has_value())) return;
  StoreRequest request = event.request;
  request.kind = StoreRequest::Kind::kLead;
  if (request.dry_run) {
    TakeReply(store_->Start(request, Context(), out), out);
    return;
  }
  // A store outside may refuse, and nobody has promised anything until it has not: who follows
  // goes on following.
  if (store_->outside() && !request.force && leader().has_value() && role_ == Role::kReplica) {
    TakeReply(store_->Start(request, Context(), out), out);
    return;
  }
  // What was led ends here: the new epoch is another, and entries that were shipped and not synced
  // may live on replicas.
  StepDown(out);
  if (Is(Mutant::kResumeEpoch) && newest()->primary == options_.self &&
      log_.promised == newest()->epoch) {
    view_ = *newest();
    start_ = view_.at;
    SetRole(Role::kPrimary, out);
    return;
  }
  SetRole(Role::kCandidate, out);
  TakeReply(store_->Start(request, Context(), out), out);
}

void Copy::On(const StoreAnswered& event, Effects* out) {
  TakeReply(store_->OnStore(event, Context(), out), out);
}

// Whoever takes over goes by the lease of the record: under another this node has to win anew.
void Copy::On(const LeaseChanged&, Effects* out) {
  if (role_ != Role::kPrimary || handing_.has_value()) return;
  StepDown(out);
  SetRole(Role::kCandidate, out);
  TakeReply(store_->Start({.kind = StoreRequest::Kind::kLead}, Context(), out), out);
}

void Copy::TakeReply(std::optional<StoreReply> reply, Effects* out) {
  if (!reply.has_value()) return;
  if (out->promise.has_value()) log_.promised = std::max(log_.promised, *out->promise);
  switch (reply->request.kind) {
    case StoreRequest::Kind::kLead:
      return TakeLead(*reply, out);
    case StoreRequest::Kind::kGrow:
    case StoreRequest::Kind::kShrink:
      return TakeSet(*reply, out);
    case StoreRequest::Kind::kRead:
      return TakeRead(*reply, out);
    case StoreRequest::Kind::kResign:
      return;
  }
}

void Copy::TakeLead(const StoreReply& reply, Effects* out) {
  if (reply.request.dry_run) {
    if (reply.report.has_value()) out->reports.push_back(*reply.report);
    return;
  }
  const bool follows = store_->outside() && role_ == Role::kReplica;
  if (role_ != Role::kCandidate && !follows) return;
  // More may have been promised while the store was asked.
  if (reply.outcome == Outcome::kDone && reply.record->epoch >= log_.promised) {
    if (follows) {
      StepDown(out);
      SetRole(Role::kCandidate, out);
    }
    if (reply.record->epoch > log_.promised) out->promise = log_.promised = reply.record->epoch;
    lease_ = reply.lease;
    beginning_ = Begin{*reply.record, /*new_epoch=*/true};
    beginning_holders_ = reply.holders;
    beginning_report_ = reply.request.id != 0 ? reply.report : std::nullopt;
    if (beginning_report_.has_value()) beginning_report_->id = reply.request.id;
    out->begin = beginning_;
    return;
  }
  if (reply.retry_at_once && ++stands_in_a_row_ < 4 && reply.request.id != 0) {
    TakeReply(store_->Start(reply.request, Context(), out), out);
    return;
  }
  if (!follows) StepDown(out);
  if (reply.two_histories && reply.report.has_value()) {
    Visit(Probe::kTwoHistories);
    RaiseAlarm("two_histories", reply.report->why, out);
  }
  if (reply.request.id != 0 && reply.report.has_value()) out->reports.push_back(*reply.report);
}

void Copy::TakeSet(const StoreReply& reply, Effects* out) {
  if (role_ != Role::kPrimary) return;
  const bool of_epoch = reply.record.has_value() && reply.record->epoch == view_.epoch;
  if (!of_epoch) {
    set_change_under_way_ = false;
    if (reply.record.has_value() && reply.record->epoch > view_.epoch) StepDown(out);
    return;
  }
  if (reply.outcome == Outcome::kDone && reply.append) {
    beginning_ = Begin{*reply.record, /*new_epoch=*/false};
    beginning_->record.fork = log_.end;
    beginning_holders_ = reply.holders;
    out->begin = beginning_;
    return;
  }
  set_change_under_way_ = false;
  if (reply.request.kind == StoreRequest::Kind::kShrink) NoteExpelled(reply.request.member);
  view_.in_sync = reply.record->in_sync;
  if (joining_.has_value() && Has(view_.in_sync, *joining_)) joining_.reset();
  AdvanceCommit(out);
}

// The store outside still names this node: it leads, in a new epoch.
void Copy::TakeRead(const StoreReply& reply, Effects* out) {
  const bool idle = role_ == Role::kReplica && !leader().has_value() && alarm_.empty();
  if (!idle || !reply.record.has_value() || !(reply.record->primary == options_.self)) return;
  On(Stand{}, out);
}

// What a primary does about its set, now and then.
void Copy::MindTheSet(Effects* out) {
  if (role_ != Role::kPrimary || set_change_under_way_ || beginning_.has_value()) return;
  if (joining_.has_value() && !Responsive(*joining_, now_)) StopJoining(out);
  if (handing_.has_value()) return;  // its log shall not grow
  if (store_->outside()) ExpelSilent(out);
  if (set_change_under_way_) return;
  if (!joining_.has_value()) StartJoining();
  if (joining_.has_value() && ReadyToGrow()) {
    set_change_under_way_ = true;
    TakeReply(
        store_->Start({.kind = StoreRequest::Kind::kGrow, .member = *joining_}, Context(), out),
        out);
    return;
  }
  if ((!joining_.has_value() || GhostInSet()) && NeedsRenewal()) StandAgain(out);
}

// Counts a copy that has what is committed; it is added once it has a little more.
void Copy::StartJoining() {
  if (commit_ < start_ && !Is(Mutant::kGrowBeforeEpochStart)) return;
  for (size_t place = 0; place < peers_.size(); ++place) {
    const Peer& peer = peers_[place];
    if (place == options_.me || !peer.joined || !peer.connected || peer.broken) continue;
    const Member member = MemberOf(place);
    if (Has(view_.in_sync, member)) continue;
    if (Have(member) < std::min(replicated_end_, commit_) || !MayReturn(member)) continue;
    joining_ = member;
    return;
  }
}

// Nobody knows of its joining yet: it need not be waited for.
void Copy::StopJoining(Effects* out) {
  joining_.reset();
  AdvanceCommit(out);
}

bool Copy::ReadyToGrow() const {
  const Sequence have = Have(*joining_);
  const Sequence committed = policy_.local_space ? replicated_end_ : commit_;
  if (Is(Mutant::kGrowToKnownCommit)) return have >= committed;
  if (Is(Mutant::kGrowBeforeEpochStart)) return have >= committed;
  return have >= std::max(committed, view_.at) && committed >= start_ && committed >= view_.at;
}

// A node of the set that lost its disk answers as another member now, and the one that it was holds
// commit back for ever. Only an epoch that is asked for takes it out; where too few voters can be
// asked, that needs an operator.
bool Copy::GhostInSet() const {
  const auto voting = std::count_if(view_.voters.begin(), view_.voters.end(),
                                    [&](const Member& voter) { return Responsive(voter, now_); });
  if (2 * static_cast<size_t>(voting) <= view_.voters.size()) return false;
  return std::any_of(view_.in_sync.begin(), view_.in_sync.end(), [&](const Member& member) {
    const auto place = PlaceOf(member.node);
    return place.has_value() && !(MemberOf(*place) == member) && peers_[*place].joined;
  });
}

// A member whose incarnation is no voter yet becomes one by an epoch of its own.
bool Copy::NeedsRenewal() const {
  if (view_.voters.empty()) return false;
  if (GhostInSet()) return Visit(Probe::kWipedMemberNoticed), true;
  if (replicated_end_ < view_.at) return false;
  return std::any_of(view_.in_sync.begin(), view_.in_sync.end(), [&](const Member& member) {
    return !Has(view_.voters, member) && Have(member) >= view_.at && Responsive(member, now_);
  });
}

// Leads anew, in an epoch that is asked for.
void Copy::StandAgain(Effects* out) {
  const SpaceRecord* record = newest();
  if (record == nullptr || !(record->primary == options_.self) || !log_.fit || !alarm_.empty()) {
    stand_at_ = now_ + options_.stand_after;
    return;
  }
  StepDown(out);
  SetRole(Role::kCandidate, out);
  TakeReply(store_->Start({.kind = StoreRequest::Kind::kLead}, Context(), out), out);
}

// Whether the store outside names this node nobody tells it: it may have died before it heard.
void Copy::AskWhetherNamed(Effects* out) {
  stand_at_ = now_ + options_.stand_after;
  if (!log_.fit) return;
  TakeReply(store_->Start({.kind = StoreRequest::Kind::kRead}, Context(), out), out);
}

void Copy::NoteExpelled(const Member& member) {
  const auto before = expelled_.find(member);
  const bool again =
      before != expelled_.end() && now_ - before->second.at < options_.expelled_again_within;
  const Duration wait =
      again ? std::min(2 * before->second.wait, options_.return_after_max) : options_.return_after;
  expelled_[member] = {now_, wait};
}

bool Copy::MayReturn(const Member& member) const {
  const auto it = expelled_.find(member);
  return it == expelled_.end() || now_ - it->second.at >= it->second.wait;
}

// A member without progress while a write waits for it leaves, where the store allows that.
void Copy::ExpelSilent(Effects* out) {
  for (const Member& member : view_.in_sync) {
    if (member == options_.self || Have(member) >= log_.durable) {
      progress_wait_.erase(member);
      continue;
    }
    const auto [it, fresh] = progress_wait_.try_emplace(member, now_);
    if (fresh || Responsive(member, now_)) continue;
    if (now_ - it->second < options_.shrink_after) continue;
    progress_wait_.erase(it);
    set_change_under_way_ = true;
    const Member silent = member;
    if (Is(Mutant::kShrinkBeforeAnswer)) Remove(&view_.in_sync, silent);
    TakeReply(
        store_->Start({.kind = StoreRequest::Kind::kShrink, .member = silent}, Context(), out),
        out);
    return;
  }
}

}  // namespace engram::cluster
