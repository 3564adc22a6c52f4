#include "engram/cluster/static_store.h"

#include <algorithm>

namespace engram::cluster {

using replication::Answer;
using replication::Mutant;
using replication::Stamp;

std::string FormatEpoch(Epoch epoch) {
  const uint64_t place = epoch.value() & 0xff;
  if (EpochNumber(epoch) == 0) return ToString(epoch);
  return std::to_string(EpochNumber(epoch)) + "." + std::to_string(place);
}

Epoch MakeEpoch(uint64_t n, size_t place) {
  return Epoch((n << 8) + place + 1);
}

bool StaticStore::outside() const {
  return Is(Mutant::kShrinkByTimeout);
}

bool StaticStore::MadeBy(Epoch epoch, size_t place) const {
  return Is(Mutant::kPlainEpochs) || (epoch.value() & 0xff) == place + 1;
}

std::optional<StoreReply> StaticStore::Start(const StoreRequest& request,
                                             const StoreContext& context, Effects* effects) {
  switch (request.kind) {
    case StoreRequest::Kind::kLead:
      return StartRound(request, context, effects);
    case StoreRequest::Kind::kGrow:
      return Grow(request, context);
    case StoreRequest::Kind::kShrink: {
      // Only a promotion shrinks the set (kShrinkByTimeout breaks that on purpose).
      StoreReply reply{.request = request, .outcome = Outcome::kConflict};
      if (!Is(Mutant::kShrinkByTimeout)) return reply;
      reply.outcome = Outcome::kDone;
      reply.record = context.current;
      Remove(&reply.record->in_sync, request.member);
      reply.append = true;
      return reply;
    }
    case StoreRequest::Kind::kResign:
      return std::nullopt;  // nobody else leads by itself
    case StoreRequest::Kind::kRead:
      return StoreReply{.request = request, .outcome = Outcome::kDone, .record = context.current};
  }
  return std::nullopt;
}

StoreReply StaticStore::Grow(const StoreRequest& request, const StoreContext& context) const {
  StoreReply reply{.request = request, .outcome = Outcome::kDone, .append = true};
  SpaceRecord record = context.current;
  Add(&record.in_sync, request.member);
  if (Is(Mutant::kAdmittedVotesAtOnce)) {
    std::erase_if(record.voters,
                  [&](const Member& voter) { return voter.node == request.member.node; });
    Add(&record.voters, request.member);
    reply.holders = {record.voters};
  }
  record.loss_after.reset();
  record.loss_why.clear();
  record.handed_by.reset();
  record.at = Sequence();
  reply.record = std::move(record);
  return reply;
}

std::optional<StoreReply> StaticStore::StartRound(const StoreRequest& request,
                                                  const StoreContext& context, Effects* effects) {
  const LogState& log = *context.log;
  const uint64_t n = std::max(EpochNumber(log.promised), EpochNumber(log.end.epoch)) + 1;
  const Epoch epoch = Is(Mutant::kPlainEpochs) ? Epoch(n << 8) : MakeEpoch(n, options_.me);
  const bool binding = !request.dry_run;
  Round round(options_, request, ++rounds_, epoch, binding, context);
  if (binding) effects->promise = epoch;
  round.AskAll(context, effects);
  if (request.dry_run) {
    probe_ = std::move(round);
    return TickProbe(context);
  }
  round_ = std::move(round);
  std::optional<StoreReply> reply = TryWin(*round_, context);
  if (reply.has_value()) round_.reset();
  return reply;
}

std::optional<StoreReply> StaticStore::OnPeerUp(size_t peer, const StoreContext& context,
                                                Effects* effects) {
  if (round_.has_value()) round_->AskOne(peer, context, effects);
  if (probe_.has_value()) probe_->AskOne(peer, context, effects);
  return std::nullopt;
}

std::optional<StoreReply> StaticStore::OnAnswer(size_t peer, const Stamp& stamp,
                                                const Answer& answer, const StoreContext& context,
                                                Effects* effects) {
  if (probe_.has_value() && probe_->Belongs(stamp, answer)) {
    probe_->Take(peer, stamp, answer);
    return TickProbe(context);
  }
  if (!round_.has_value() || !round_->Belongs(stamp, answer)) return std::nullopt;
  std::optional<StoreReply> reply;
  if (!answer.granted) {
    // Somebody promised more: this round can never be won by all who were asked.
    effects->promise =
        std::max({answer.promised, context.log->promised, effects->promise.value_or(Epoch())});
    reply = Lost(*round_, "a higher epoch, " + FormatEpoch(answer.promised) + ", was promised",
                 "ask again above it", context);
    reply->retry_at_once = true;
  } else {
    round_->Take(peer, stamp, answer);
    reply = TryWin(*round_, context);
  }
  if (reply.has_value()) round_.reset();
  return reply;
}

std::optional<StoreReply> StaticStore::OnTick(const StoreContext& context, Effects* effects) {
  if (std::optional<StoreReply> reply = TickProbe(context)) return reply;
  return TickLead(context, effects);
}

std::optional<StoreReply> StaticStore::TickProbe(const StoreContext& context) {
  if (!probe_.has_value()) return std::nullopt;
  if (!probe_->AllHeard(context)) return std::nullopt;
  std::optional<StoreReply> reply = TryWin(*probe_, context);
  if (!reply.has_value()) {
    reply = Lost(*probe_, "no majority: too few of the voters answered", "", context);
  }
  probe_.reset();
  return reply;
}

std::optional<StoreReply> StaticStore::TickLead(const StoreContext& context, Effects* effects) {
  if (!round_.has_value()) return std::nullopt;
  std::optional<StoreReply> reply = TryWin(*round_, context);
  const Duration since = context.now - round_->began();
  const bool late = (round_->request().id != 0 && since >= options_.request_deadline) ||
                    (round_->request().handed_by.has_value() && since >= round_->request().within);
  if (!reply.has_value() && late) {
    reply = Lost(*round_, "no majority: too few of the voters answered", "", context);
  }
  if (reply.has_value()) {
    round_.reset();
  } else if (context.now - round_->asked() >= options_.ask_again) {
    round_->AskAll(context, effects);
  }
  return reply;
}

bool StaticStore::Counts(const Round& round, const Member& voter) const {
  for (const auto& [place, answered] : round.answers()) {
    if (options_.nodes[place] != voter.node || !answered.answer.granted) continue;
    return answered.incarnation == voter.incarnation || Is(Mutant::kWipedAnswersCount);
  }
  return false;
}

StaticStore::Count StaticStore::CountVotes(const Round& round, const StoreContext& context) const {
  Count count;
  const SpaceRecord* own = NewestRecord(*context.log, context.log->end.sequence);
  if (own != nullptr) count.newest = *own;
  for (const auto& [place, answered] : round.answers()) {
    const Answer& answer = answered.answer;
    if (Is(Mutant::kOwnRecord)) continue;
    if (answer.record.has_value() && Newer(*answer.record, count.newest)) {
      count.newest = *answer.record;
    }
  }
  for (const Member& voter : count.newest.voters) {
    if (Counts(round, voter)) count.votes.push_back(voter);
  }
  count.enough = 2 * count.votes.size() > count.newest.voters.size() || Is(Mutant::kNoMajority);
  if (!count.enough && options_.nodes.size() == 2) {
    count.stated = round.request().stopped == 1 - options_.me || options_.start_alone;
  }
  // A primary of a pair that was promoted alone is the only voter. Its own restart proves nothing
  // of the other, which may have been promoted since: it is asked all the same.
  const bool by_itself = round.request().id == 0 && !options_.start_alone;
  if (options_.nodes.size() == 2 && by_itself && !Is(Mutant::kNoMajority) &&
      !round.answers().contains(1 - options_.me)) {
    count.enough = false;
  }
  // An operator who forces goes by what answered.
  count.stated = count.stated || round.request().force;
  count.enough = count.enough || count.stated;
  return count;
}

std::optional<StoreReply> StaticStore::TryWin(const Round& round,
                                              const StoreContext& context) const {
  const Count count = CountVotes(round, context);
  if (!count.enough || !round.AllHeard(context)) return std::nullopt;
  if (auto why = Unfit(round.request(), count.newest, options_.self, round.floor(), context,
                       options_.mutant)) {
    StoreReply lost = Lost(round, why->first, why->second, context);
    // A member of the newest set has all that was ever committed, in one history.
    lost.two_histories = Has(count.newest.in_sync, options_.self) &&
                         context.log->end.sequence < round.floor() && !round.request().force;
    return lost;
  }
  if (round.request().handed_by.has_value()) {
    const Handed handed = round.HandedOver(context);
    if (handed == Handed::kNotYet) return std::nullopt;
    if (handed == Handed::kNo) {
      return Lost(round, "the log of " + round.request().handed_by->node + " ends elsewhere", "",
                  context);
    }
  }
  return Won(round, count, context);
}

StoreReply StaticStore::Won(const Round& round, const Count& count,
                            const StoreContext& context) const {
  const Members got = round.Granted();
  const SpaceRecord& before = count.newest;
  SpaceRecord record;
  record.epoch = round.epoch();
  record.primary = options_.self;
  record.fork = context.log->end;
  record.handed_by = round.request().handed_by;
  record.loss_after = LossOf(round.request(), before, options_.self, round.promised_before(),
                             context, options_.mutant);
  if (record.loss_after.has_value()) {
    record.loss_why = round.request().force ? "forced promotion" : "unplanned promotion";
  }
  Members voters;
  for (const Member& member : got) {
    if (Has(before.in_sync, member) && !round.request().force) Add(&record.in_sync, member);
    if (Is(Mutant::kSetOfAllAnswers)) Add(&record.in_sync, member);
    if (Has(before.in_sync, member)) Add(&voters, member);
  }
  Add(&record.in_sync, options_.self);
  Add(&voters, options_.self);
  if (round.request().remove.has_value() && *round.request().remove != options_.self.node) {
    std::erase_if(record.in_sync,
                  [&](const Member& m) { return m.node == *round.request().remove; });
  }
  const Members answered = voters;
  for (const Member& voter : before.voters) {
    if (!HasNode(answered, voter.node)) Add(&voters, voter);
  }
  if (count.stated) {
    std::erase_if(
        voters, [&](const Member& voter) { return !Has(got, voter) && !(voter == options_.self); });
  }
  record.voters = voters;
  StoreReply reply{.request = round.request(), .outcome = Outcome::kDone, .append = true};
  reply.report = ReportOf(round, context);
  reply.report->lossless = !record.loss_after.has_value();
  reply.report->loss_after = record.loss_after;
  if (round.request().dry_run) reply.append = false;
  reply.holders =
      count.stated ? std::vector<Members>{voters} : std::vector<Members>{before.voters, voters};
  reply.record = std::move(record);
  return reply;
}

StoreReply StaticStore::Lost(const Round& round, std::string why, std::string what_helps,
                             const StoreContext& context) const {
  StoreReply reply{.request = round.request(), .outcome = Outcome::kConflict};
  reply.report = ReportOf(round, context);
  reply.report->why = std::move(why);
  reply.report->what_helps = std::move(what_helps);
  return reply;
}

PromotionReport StaticStore::ReportOf(const Round& round, const StoreContext& context) const {
  const Count count = CountVotes(round, context);
  PromotionReport report;
  report.id = round.request().id;
  report.epoch = round.epoch();
  report.votes = count.votes.size();
  report.voters = count.newest.voters.size();
  report.votes_needed = report.voters / 2 + 1;
  report.newest = count.newest;
  report.own_end = context.log->end;
  report.nodes = round.Nodes(count.newest.in_sync, count.votes, context);
  return report;
}

}  // namespace engram::cluster
