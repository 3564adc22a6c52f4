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

bool StaticStore::shrinks_by_timeout() const {
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
  Round round{.request = request, .id = ++rounds_, .began = context.now, .asked = context.now};
  const uint64_t n = std::max(EpochNumber(log.promised), EpochNumber(log.end.epoch)) + 1;
  round.epoch = Is(Mutant::kPlainEpochs) ? Epoch(n << 8) : MakeEpoch(n, options_.me);
  round.promised_before = log.promised;
  if (!request.dry_run) effects->promise = round.epoch;
  Answered own{.incarnation = options_.self.incarnation};
  own.answer.granted = own.answer.has_space = true;
  own.answer.fit = log.fit;
  own.answer.promised = round.epoch;
  own.answer.end = log.end;
  own.answer.floor = context.floor;
  if (const SpaceRecord* newest = NewestRecord(log, log.end.sequence)) own.answer.record = *newest;
  round.answers[options_.me] = std::move(own);
  AskAll(&round, context, effects);
  if (request.dry_run) {
    probe_ = std::move(round);
    return TickProbe(context);
  }
  round_ = std::move(round);
  std::optional<StoreReply> reply = TryWin(*round_, context);
  if (reply.has_value()) round_.reset();
  return reply;
}

void StaticStore::AskAll(Round* round, const StoreContext& context, Effects* effects) const {
  round->asked = context.now;
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    AskOne(*round, peer, context, effects);
  }
}

void StaticStore::AskOne(const Round& round, size_t peer, const StoreContext& context,
                         Effects* effects) const {
  if (peer == options_.me || !context.connected[peer] || round.answers.contains(peer)) return;
  effects->Say(peer, Stamp{context.log->space, round.epoch, options_.self.incarnation},
               replication::Ask{.round = round.id,
                                .dry_run = round.request.dry_run,
                                .handed_over = round.request.handed_by.has_value()});
}

std::optional<StoreReply> StaticStore::OnPeerUp(size_t peer, const StoreContext& context,
                                                Effects* effects) {
  if (round_.has_value()) AskOne(*round_, peer, context, effects);
  if (probe_.has_value()) AskOne(*probe_, peer, context, effects);
  return std::nullopt;
}

// An answer counts in the round, and for the epoch, that it was asked for: rounds begin at 1 again
// with every process, and a late answer to the one before may still come.
std::optional<StoreReply> StaticStore::OnAnswer(size_t peer, const Stamp& stamp,
                                                const Answer& answer, const StoreContext& context,
                                                Effects* effects) {
  const auto belongs = [&](const std::optional<Round>& round) {
    return round.has_value() && answer.round == round->id && stamp.epoch == round->epoch;
  };
  if (belongs(probe_)) {
    probe_->answers[peer] = {stamp.sender, answer};
    return TickProbe(context);
  }
  if (!belongs(round_)) return std::nullopt;
  std::optional<StoreReply> reply;
  if (!answer.granted) {
    // Somebody promised more: this round can never be won by all who were asked.
    effects->promise =
        std::max({answer.promised, context.log->promised, effects->promise.value_or(Epoch())});
    reply = Lost(*round_, "a higher epoch, " + FormatEpoch(answer.promised) + ", was promised",
                 "ask again above it", context);
    reply->retry_at_once = true;
  } else {
    round_->answers[peer] = {stamp.sender, answer};
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
  if (!AllHeard(*probe_, context)) return std::nullopt;
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
  const Duration since = context.now - round_->began;
  const bool late = (round_->request.id != 0 && since >= options_.request_deadline) ||
                    (round_->request.handed_by.has_value() && since >= round_->request.within);
  if (!reply.has_value() && late) {
    reply = Lost(*round_, "no majority: too few of the voters answered", "", context);
  }
  if (reply.has_value()) {
    round_.reset();
  } else if (context.now - round_->asked >= options_.ask_again) {
    AskAll(&*round_, context, effects);
  }
  return reply;
}

// Whoever can be asked has answered, or has had its time: a winner that is in a hurry leaves
// members out of the set that were about to promise.
bool StaticStore::AllHeard(const Round& round, const StoreContext& context) const {
  if (context.now - round.began >= options_.gather_for) return true;
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    if (peer != options_.me && context.connected[peer] && !round.answers.contains(peer)) {
      return false;
    }
  }
  return true;
}

bool StaticStore::Counts(const Round& round, const Member& voter) const {
  for (const auto& [place, answered] : round.answers) {
    if (options_.nodes[place] != voter.node || !answered.answer.granted) continue;
    return answered.incarnation == voter.incarnation || Is(Mutant::kWipedAnswersCount);
  }
  return false;
}

StaticStore::Count StaticStore::CountVotes(const Round& round, const StoreContext& context) const {
  Count count;
  const SpaceRecord* own = NewestRecord(*context.log, context.log->end.sequence);
  if (own != nullptr) count.newest = *own;
  for (const auto& [place, answered] : round.answers) {
    const Answer& answer = answered.answer;
    count.floor = std::max(count.floor, answer.floor);
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
    count.stated = round.request.stopped == 1 - options_.me || options_.start_alone;
  }
  // A primary of a pair that was promoted alone is the only voter. Its own restart proves nothing
  // of the other, which may have been promoted since: it is asked all the same.
  const bool by_itself = round.request.id == 0 && !options_.start_alone;
  if (options_.nodes.size() == 2 && by_itself && !Is(Mutant::kNoMajority) &&
      !round.answers.contains(1 - options_.me)) {
    count.enough = false;
  }
  // An operator who forces goes by what answered.
  count.stated = count.stated || round.request.force;
  count.enough = count.enough || count.stated;
  return count;
}

std::optional<std::pair<std::string, std::string>> StaticStore::Unfit(
    const Round& round, const Count& count, const StoreContext& context) const {
  const LogState& log = *context.log;
  const bool force = round.request.force;
  if (!log.fit) return {{"its log is damaged, poisoned or full", "choose another node"}};
  if (!Has(count.newest.in_sync, options_.self) && !force) {
    return {{options_.self.node + " is not in the in-sync set of the newest record that answered",
             "promote a member of the set, or --force and lose what this copy lacks"}};
  }
  if (log.end.sequence < count.floor && !force) {
    return {{"its log ends at " + ToString(log.end.sequence) + ", but " + ToString(count.floor) +
                 " is known to be committed",
             "promote the node that has it, or --force and lose what this copy lacks"}};
  }
  if (force && context.commit < log.floors.floors.compaction.sequence) {
    return {{"its commit has not reached its compaction floor", "let it catch up first"}};
  }
  return std::nullopt;
}

std::optional<StoreReply> StaticStore::TryWin(const Round& round,
                                              const StoreContext& context) const {
  const Count count = CountVotes(round, context);
  if (!count.enough || !AllHeard(round, context)) return std::nullopt;
  if (auto why = Unfit(round, count, context)) {
    StoreReply lost = Lost(round, why->first, why->second, context);
    // A member of the newest set has all that was ever committed, in one history.
    lost.two_histories = Has(count.newest.in_sync, options_.self) &&
                         context.log->end.sequence < count.floor && !round.request.force;
    return lost;
  }
  if (round.request.handed_by.has_value()) {
    const Handed handed = HandedOver(round, context);
    if (handed == Handed::kNotYet) return std::nullopt;
    if (handed == Handed::kNo) {
      return Lost(round, "the log of " + round.request.handed_by->node + " ends elsewhere", "",
                  context);
    }
  }
  return Won(round, count, context);
}

StaticStore::Handed StaticStore::HandedOver(const Round& round, const StoreContext& context) const {
  for (const auto& [place, answered] : round.answers) {
    if (options_.nodes[place] != round.request.handed_by->node) continue;
    if (answered.incarnation != round.request.handed_by->incarnation) return Handed::kNo;
    const bool same = answered.answer.end == context.log->end;
    return same || Is(Mutant::kHandOverBeforeAll) ? Handed::kYes : Handed::kNo;
  }
  return Is(Mutant::kHandOverWithoutPromise) ? Handed::kYes : Handed::kNotYet;
}

Members StaticStore::Got(const Round& round) const {
  Members got;
  for (const auto& [place, answered] : round.answers) {
    if (!answered.answer.granted) continue;
    Add(&got, Member{options_.nodes[place], answered.incarnation, {}});
  }
  return got;
}

std::optional<Position> StaticStore::LossOf(const Round& round, const Count& count,
                                            const StoreContext& context) const {
  const LogState& log = *context.log;
  const Position after{record::EpochAt(HistoryOf(log), context.floor), context.floor};
  if (round.request.force) return after;
  // Whatever its primary acknowledged is here, and it acknowledges nothing any more.
  if (round.request.handed_by == count.newest.primary) return std::nullopt;
  if (!context.local_space || Is(Mutant::kNoStatedLoss)) return std::nullopt;
  // A primary that follows itself lost nothing if its log still has the record's epoch, and it has
  // promised nobody else anything since, who may have cut it.
  const bool itself = count.newest.primary == options_.self;
  const bool has_epoch =
      record::LastOf(HistoryOf(log), count.newest.epoch, log.end.sequence).has_value();
  const bool untouched = has_epoch && round.promised_before == count.newest.epoch;
  if (itself && (untouched || Is(Mutant::kRestartStatesNoLoss))) return std::nullopt;
  return after;
}

StoreReply StaticStore::Won(const Round& round, const Count& count,
                            const StoreContext& context) const {
  const Members got = Got(round);
  const SpaceRecord& before = count.newest;
  SpaceRecord record;
  record.epoch = round.epoch;
  record.primary = options_.self;
  record.fork = context.log->end;
  record.handed_by = round.request.handed_by;
  record.loss_after = LossOf(round, count, context);
  if (record.loss_after.has_value()) {
    record.loss_why = round.request.force ? "forced promotion" : "unplanned promotion";
  }
  Members voters;
  for (const Member& member : got) {
    if (Has(before.in_sync, member) && !round.request.force) Add(&record.in_sync, member);
    if (Is(Mutant::kSetOfAllAnswers)) Add(&record.in_sync, member);
    if (Has(before.in_sync, member)) Add(&voters, member);
  }
  Add(&record.in_sync, options_.self);
  Add(&voters, options_.self);
  if (round.request.remove.has_value() && *round.request.remove != options_.self.node) {
    std::erase_if(record.in_sync, [&](const Member& m) { return m.node == *round.request.remove; });
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
  StoreReply reply{.request = round.request, .outcome = Outcome::kDone, .append = true};
  reply.report = ReportOf(round, context);
  reply.report->lossless = !record.loss_after.has_value();
  reply.report->loss_after = record.loss_after;
  if (round.request.dry_run) reply.append = false;
  reply.holders =
      count.stated ? std::vector<Members>{voters} : std::vector<Members>{before.voters, voters};
  reply.record = std::move(record);
  return reply;
}

StoreReply StaticStore::Lost(const Round& round, std::string why, std::string what_helps,
                             const StoreContext& context) const {
  StoreReply reply{.request = round.request, .outcome = Outcome::kConflict};
  reply.report = ReportOf(round, context);
  reply.report->why = std::move(why);
  reply.report->what_helps = std::move(what_helps);
  return reply;
}

PromotionReport StaticStore::ReportOf(const Round& round, const StoreContext& context) const {
  const Count count = CountVotes(round, context);
  PromotionReport report;
  report.id = round.request.id;
  report.epoch = round.epoch;
  report.votes = count.votes.size();
  report.voters = count.newest.voters.size();
  report.votes_needed = report.voters / 2 + 1;
  report.newest = count.newest;
  report.own_end = context.log->end;
  report.nodes.resize(options_.nodes.size());
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    NodeView& view = report.nodes[place];
    view.asked = place == options_.me || context.connected[place];
    view.in_set = HasNode(count.newest.in_sync, options_.nodes[place]);
    const auto it = round.answers.find(place);
    if (it == round.answers.end()) continue;
    const Member member{options_.nodes[place], it->second.incarnation, {}};
    view.answered = true;
    view.counted = Has(count.votes, member);
    view.in_set = Has(count.newest.in_sync, member);
    view.has_space = it->second.answer.has_space;
    view.fit = it->second.answer.fit && view.in_set;
    view.promised = it->second.answer.promised;
    view.end = it->second.answer.end;
  }
  return report;
}

}  // namespace engram::cluster
