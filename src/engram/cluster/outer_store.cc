#include "engram/cluster/outer_store.h"

#include <algorithm>

#include "engram/cluster/static_store.h"

namespace engram::cluster {

using replication::Answer;
using replication::Mutant;
using replication::Stamp;

bool OuterStore::MadeBy(Epoch epoch, size_t place) const {
  return (epoch.value() & 0xff) == place + 1;
}

void OuterStore::Drop() {
  round_.reset();
  work_.reset();
}

std::optional<StoreReply> OuterStore::Start(const StoreRequest& request,
                                            const StoreContext& context, Effects* effects) {
  if (request.kind == StoreRequest::Kind::kLead) return StartLead(request, context, effects);
  work_ = Work{.request = request, .epoch = context.current.epoch};
  const bool known = known_.has_value() && known_->space.record.epoch == work_->epoch;
  if (known && request.kind != StoreRequest::Kind::kRead) work_->seen = known_;
  return Move(context, effects);
}

std::optional<StoreReply> OuterStore::StartLead(const StoreRequest& request,
                                                const StoreContext& context, Effects* effects) {
  const LogState& log = *context.log;
  const uint64_t n = std::max(EpochNumber(log.promised), EpochNumber(log.end.epoch)) + 1;
  // Who is forced, or is handed an epoch, goes by what the others promise; else the lease that is
  // gone, and the set, are enough.
  const bool binding = !request.dry_run && (request.force || request.handed_by.has_value());
  const Epoch epoch = MakeEpoch(n, options_.me);
  Round round(options_, request, ++rounds_, epoch, binding, context);
  if (binding) effects->promise = epoch;
  round.AskAll(context, effects);
  if (request.dry_run) {
    probe_ = std::move(round);
    probed_ = Work{.request = request};
    return MoveProbe(context, effects);
  }
  round_ = std::move(round);
  work_ = Work{.request = request};
  return Move(context, effects);
}

std::optional<StoreReply> OuterStore::OnPeerUp(size_t peer, const StoreContext& context,
                                               Effects* effects) {
  if (round_.has_value()) round_->AskOne(peer, context, effects);
  if (probe_.has_value()) probe_->AskOne(peer, context, effects);
  return std::nullopt;
}

std::optional<StoreReply> OuterStore::OnAnswer(size_t peer, const Stamp& stamp,
                                               const Answer& answer, const StoreContext& context,
                                               Effects* effects) {
  if (probe_.has_value() && probe_->Belongs(stamp, answer)) {
    probe_->Take(peer, stamp, answer);
    return MoveProbe(context, effects);
  }
  if (!round_.has_value() || !round_->Belongs(stamp, answer)) return std::nullopt;
  round_->Take(peer, stamp, answer);
  return Move(context, effects);
}

std::optional<StoreReply> OuterStore::OnTick(const StoreContext& context, Effects* effects) {
  if (probe_.has_value()) {
    if (auto reply = MoveProbe(context, effects)) return reply;
  }
  return Move(context, effects);
}

// ---- calls of the store ----

bool OuterStore::MayCall(const Work& work, const StoreContext& context) const {
  if (work.call != 0) return false;
  return work.calls == 0 || context.now - work.called >= options_.ask_again;
}

void OuterStore::Call(Work* work, const StoreContext& context, Effects* effects) {
  work->call = ++calls_;
  ++work->calls;
  work->called = context.now;
  effects->store.push_back({.id = work->call, .write = work->write});
}

std::optional<StoreReply> OuterStore::OnStore(const StoreAnswered& answered,
                                              const StoreContext& context, Effects* effects) {
  const bool probed = probed_.has_value() && probed_->call == answered.id;
  if (!probed && (!work_.has_value() || work_->call != answered.id)) return std::nullopt;
  Work& work = probed ? *probed_ : *work_;
  work.call = 0;
  if (answered.outcome == Outcome::kUnknown) {
    // It may still arrive. What was to be written is written again, until one of both was seen.
    work.lost = true;
    if (Is(Mutant::kSettleByReading)) work.write.reset(), work.seen.reset();
    return std::nullopt;
  }
  work.seen = known_ = answered;
  if (probed) return MoveProbe(context, effects);
  if (!work.write.has_value()) return Move(context, effects);
  const StoreCall::Write write = *std::exchange(work.write, std::nullopt);
  const StoredSpace& now = answered.space;
  // An earlier try whose answer was lost took effect.
  const bool by_earlier = now.there && now.record == write.record &&
                          now.resigned == write.resigned &&
                          now.lease == answered.leases[options_.me].number;
  if (answered.outcome == Outcome::kDone || by_earlier) work.wrote = write.record;
  return Move(context, effects);
}

std::optional<StoreReply> OuterStore::Move(const StoreContext& context, Effects* effects) {
  if (!work_.has_value()) return std::nullopt;
  if (work_->request.kind == StoreRequest::Kind::kLead) return MoveLead(context, effects);
  return MoveChange(context, effects);
}

// ---- changes of the set ----

std::optional<StoreReply> OuterStore::MoveChange(const StoreContext& context, Effects* effects) {
  Work& work = *work_;
  if (work.call != 0) return std::nullopt;
  if (!work.seen.has_value() || work.write.has_value()) {
    if (MayCall(work, context)) Call(&work, context, effects);
    return std::nullopt;
  }
  StoreReply reply{.request = work.request, .outcome = Outcome::kConflict};
  const StoredSpace& now = work.seen->space;
  if (now.there) reply.record = now.record;
  const auto end = [&](Outcome outcome) {
    reply.outcome = outcome;
    work_.reset();
    return reply;
  };
  using Kind = StoreRequest::Kind;
  const Kind kind = work.request.kind;
  if (kind == Kind::kRead) return end(Outcome::kDone);
  if (work.lost && Is(Mutant::kSettleByReading)) return end(Outcome::kConflict);
  if (!now.there || now.record.epoch != work.epoch) return end(Outcome::kConflict);
  StoreCall::Write write{.record = now.record, .over = now.revision};
  if (kind == Kind::kGrow) Add(&write.record.in_sync, work.request.member);
  if (kind == Kind::kShrink) Remove(&write.record.in_sync, work.request.member);
  write.resigned = now.resigned || kind == Kind::kResign;
  if (write.record == now.record && write.resigned == now.resigned) return end(Outcome::kDone);
  work.write = std::move(write);
  Call(&work, context, effects);
  return std::nullopt;
}

// ---- leading ----

// As the store has it.
SpaceRecord OuterStore::Before(const Work& work) const {
  SpaceRecord before = work.seen->space.record;
  if (Is(Mutant::kIgnoreIncarnations) && HasNode(before.in_sync, options_.self.node)) {
    std::erase_if(before.in_sync, [&](const Member& m) { return m.node == options_.self.node; });
    Add(&before.in_sync, options_.self);
  }
  return before;
}

bool OuterStore::HasLease(const Member& member, const StoreAnswered& seen) const {
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    if (options_.nodes[place] != member.node) continue;
    const StoreAnswered::Lease& lease = seen.leases[place];
    return lease.number != 0 && lease.incarnation == member.incarnation;
  }
  return false;
}

// Whether the primary before may still believe that it leads.
bool OuterStore::LeaseHolds(const Round& round, const Work& work) const {
  const StoredSpace& now = work.seen->space;
  const Member& primary = now.record.primary;
  if (now.resigned || primary == options_.self || round.request().handed_by == primary) {
    return false;
  }
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    if (options_.nodes[place] == primary.node) {
      return work.seen->leases[place].number == now.lease && now.lease != 0;
    }
  }
  return false;
}

Epoch OuterStore::NextEpoch(const Round& round, const SpaceRecord& before,
                            const StoreContext& context) const {
  uint64_t n = std::max({EpochNumber(before.epoch), EpochNumber(context.log->promised),
                         EpochNumber(context.log->end.epoch)});
  for (const auto& [place, answered] : round.answers()) {
    if (place != options_.me) n = std::max(n, EpochNumber(answered.answer.promised));
  }
  return MakeEpoch(n + 1, options_.me);
}

SpaceRecord OuterStore::Next(const Round& round, const Work& work,
                             const StoreContext& context) const {
  const SpaceRecord before = Before(work);
  const StoreRequest& request = round.request();
  SpaceRecord next;
  next.epoch = request.force || request.handed_by.has_value() ? round.epoch()
                                                              : NextEpoch(round, before, context);
  next.primary = options_.self;
  next.fork = context.log->end;
  next.handed_by = request.handed_by;
  next.loss_after =
      LossOf(request, before, options_.self, round.promised_before(), context, options_.mutant);
  if (next.loss_after.has_value()) {
    next.loss_why = request.force ? "forced promotion" : "unplanned promotion";
  }
  for (const Member& member : before.in_sync) {
    const bool gives_up = member == before.primary && request.handed_by != member;
    if (request.force || gives_up || member.node == request.remove) continue;
    if (HasLease(member, *work.seen) || request.handed_by == member) Add(&next.in_sync, member);
  }
  Add(&next.in_sync, options_.self);
  return next;
}

std::optional<StoreReply> OuterStore::Refuse(const Round& round, const Work& work,
                                             const StoreContext& context) const {
  if (!work.seen->space.there) {
    return Lost(round, work, "the configuration store has no record of this space",
                "see engram cluster explain; was the store's data lost?", context);
  }
  const SpaceRecord before = Before(work);
  const StoreRequest& request = round.request();
  const bool by_itself = request.id == 0 && !request.handed_by.has_value();
  if (by_itself && before.primary.node != options_.self.node) {
    return Lost(round, work, before.primary.node + " is its primary", "", context);
  }
  if (auto why = Unfit(request, before, options_.self, round.floor(), context, options_.mutant)) {
    StoreReply lost = Lost(round, work, why->first, why->second, context);
    // A member of the newest set has all that was ever committed, in one history.
    lost.two_histories = Has(before.in_sync, options_.self) &&
                         context.log->end.sequence < round.floor() && !request.force;
    return lost;
  }
  if (request.force || request.handed_by.has_value()) {
    const Members granted = round.Granted();
    if (round.epoch() <= before.epoch || granted.size() < round.answers().size()) {
      StoreReply lost =
          Lost(round, work, "a higher epoch was promised", "ask again above it", context);
      lost.retry_at_once = true;
      return lost;
    }
  }
  if (request.handed_by.has_value() && round.HandedOver(context) == Handed::kNo) {
    return Lost(round, work, "the log of " + request.handed_by->node + " ends elsewhere", "",
                context);
  }
  return std::nullopt;
}

StoreReply OuterStore::EndLead(StoreReply reply) {
  round_.reset();
  work_.reset();
  return reply;
}

std::optional<StoreReply> OuterStore::MoveLead(const StoreContext& context, Effects* effects) {
  Work& work = *work_;
  Round& round = *round_;
  if (work.wrote.has_value()) {
    return EndLead(Won(round, work, *work.wrote, context));
  }
  const StoreRequest& request = round.request();
  const Duration since = context.now - round.began();
  const bool late = (request.id != 0 && since >= options_.request_deadline) ||
                    (request.handed_by.has_value() && since >= request.within);
  if (late) {
    const bool lease = work.seen.has_value() && work.seen->space.there && LeaseHolds(round, work);
    if (lease) {
      const std::string& node = work.seen->space.record.primary.node;
      return EndLead(Lost(round, work, node + " leads, and its lease is valid",
                          "engram switchover, while it lives; once it is dead its lease runs out",
                          context));
    }
    return EndLead(Lost(round, work, "the configuration store does not answer",
                        "see whether it runs, and is reached from this node", context));
  }
  if (work.call != 0) return std::nullopt;
  if (context.now - round.asked() >= options_.ask_again) round.AskAll(context, effects);
  if (!work.seen.has_value() || work.write.has_value()) {
    if (MayCall(work, context)) Call(&work, context, effects);
    return std::nullopt;
  }
  if (!round.AllHeard(context)) return std::nullopt;
  if (std::optional<StoreReply> refused = Refuse(round, work, context)) {
    if (refused->retry_at_once) {
      for (const auto& [place, answered] : round.answers()) {
        effects->promise = std::max(
            {answered.answer.promised, context.log->promised, effects->promise.value_or(Epoch())});
      }
      effects->promise = std::max(*effects->promise, Before(work).epoch);
    }
    return EndLead(*std::move(refused));
  }
  const bool handed = request.handed_by.has_value();
  if (handed && round.HandedOver(context) == Handed::kNotYet) return std::nullopt;
  if (LeaseHolds(round, work)) {
    if (MayCall(work, context)) Call(&work, context, effects);  // reads again
    return std::nullopt;
  }
  StoreCall::Write write{.record = Next(round, work, context), .over = work.seen->space.revision};
  const StoredSpace& now = work.seen->space;
  if (!(now.record.primary == options_.self) && !now.resigned && !handed) {
    write.deposes = now.record.primary.node;
    write.deposes_lease = now.lease;
  }
  work.write = std::move(write);
  Call(&work, context, effects);
  return std::nullopt;
}

std::optional<StoreReply> OuterStore::MoveProbe(const StoreContext& context, Effects* effects) {
  Work& work = *probed_;
  const auto end = [&](StoreReply reply) {
    probe_.reset();
    probed_.reset();
    return reply;
  };
  if (context.now - probe_->began() >= options_.request_deadline) {
    return end(Lost(*probe_, work, "the configuration store does not answer",
                    "see whether it runs, and is reached from this node", context));
  }
  if (!work.seen.has_value()) {
    if (MayCall(work, context)) Call(&work, context, effects);
    return std::nullopt;
  }
  if (!probe_->AllHeard(context)) return std::nullopt;
  if (std::optional<StoreReply> refused = Refuse(*probe_, work, context)) {
    return end(*std::move(refused));
  }
  if (LeaseHolds(*probe_, work)) {
    return end(
        Lost(*probe_, work, work.seen->space.record.primary.node + " leads, and its lease is valid",
             "engram switchover, while it lives; once it is dead its lease runs out", context));
  }
  return end(Won(*probe_, work, Next(*probe_, work, context), context));
}

// ---- replies ----

StoreReply OuterStore::Won(const Round& round, const Work& work, const SpaceRecord& record,
                           const StoreContext& context) const {
  StoreReply reply{.request = round.request(), .outcome = Outcome::kDone, .append = true};
  reply.lease = work.seen->space.lease;
  reply.record = record;
  reply.record->fork = context.log->end;
  reply.report = ReportOf(round, work, context);
  reply.report->epoch = record.epoch;
  reply.report->lossless = !record.loss_after.has_value();
  reply.report->loss_after = record.loss_after;
  if (round.request().dry_run) reply.append = false;
  return reply;
}

StoreReply OuterStore::Lost(const Round& round, const Work& work, std::string why,
                            std::string what_helps, const StoreContext& context) const {
  StoreReply reply{.request = round.request(), .outcome = Outcome::kConflict};
  reply.report = ReportOf(round, work, context);
  reply.report->why = std::move(why);
  reply.report->what_helps = std::move(what_helps);
  return reply;
}

PromotionReport OuterStore::ReportOf(const Round& round, const Work& work,
                                     const StoreContext& context) const {
  PromotionReport report;
  report.id = round.request().id;
  report.epoch = round.epoch();
  report.own_end = context.log->end;
  const bool there = work.seen.has_value() && work.seen->space.there;
  if (there) report.newest = work.seen->space.record;
  report.nodes = round.Nodes(there ? report.newest->in_sync : Members(), {}, context);
  return report;
}

}  // namespace engram::cluster
