#include "engram/cluster/round.h"

#include <algorithm>

namespace engram::cluster {

using replication::Answer;
using replication::Mutant;
using replication::Stamp;

Round::Round(const RoundOptions& options, StoreRequest request, uint64_t id, Epoch epoch,
             bool binding, const StoreContext& context)
    : options_(options),
      request_(std::move(request)),
      id_(id),
      epoch_(epoch),
      promised_before_(context.log->promised),
      binding_(binding),
      began_(context.now),
      asked_(context.now) {
  const LogState& log = *context.log;
  Answered own{.incarnation = options_.self.incarnation};
  own.answer.granted = own.answer.has_space = true;
  own.answer.fit = log.fit;
  own.answer.promised = epoch;
  own.answer.end = log.end;
  own.answer.floor = context.floor;
  if (const SpaceRecord* newest = NewestRecord(log, log.end.sequence)) own.answer.record = *newest;
  answers_[options_.me] = std::move(own);
}

void Round::AskAll(const StoreContext& context, Effects* effects) {
  asked_ = context.now;
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) AskOne(peer, context, effects);
}

void Round::AskOne(size_t peer, const StoreContext& context, Effects* effects) const {
  if (peer == options_.me || !context.connected[peer] || answers_.contains(peer)) return;
  effects->Say(
      peer, Stamp{context.log->space, epoch_, options_.self.incarnation},
      replication::Ask{
          .round = id_, .dry_run = !binding_, .handed_over = request_.handed_by.has_value()});
}

bool Round::Belongs(const Stamp& stamp, const Answer& answer) const {
  return answer.round == id_ && stamp.epoch == epoch_;
}

void Round::Take(size_t peer, const Stamp& stamp, const Answer& answer) {
  answers_[peer] = {stamp.sender, answer};
}

bool Round::AllHeard(const StoreContext& context) const {
  if (context.now - began_ >= options_.gather_for) return true;
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    if (peer != options_.me && context.connected[peer] && !answers_.contains(peer)) return false;
  }
  return true;
}

Sequence Round::floor() const {
  Sequence floor;
  for (const auto& [place, answered] : answers_) floor = std::max(floor, answered.answer.floor);
  return floor;
}

Members Round::Granted() const {
  Members granted;
  for (const auto& [place, answered] : answers_) {
    if (!answered.answer.granted) continue;
    Add(&granted, Member{options_.nodes[place], answered.incarnation, {}});
  }
  return granted;
}

Handed Round::HandedOver(const StoreContext& context) const {
  for (const auto& [place, answered] : answers_) {
    if (options_.nodes[place] != request_.handed_by->node) continue;
    if (answered.incarnation != request_.handed_by->incarnation) return Handed::kNo;
    const bool same = answered.answer.end == context.log->end;
    return same || Is(Mutant::kHandOverBeforeAll) ? Handed::kYes : Handed::kNo;
  }
  return Is(Mutant::kHandOverWithoutPromise) ? Handed::kYes : Handed::kNotYet;
}

std::vector<NodeView> Round::Nodes(const Members& in_sync, const Members& counted,
                                   const StoreContext& context) const {
  std::vector<NodeView> nodes(options_.nodes.size());
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    NodeView& view = nodes[place];
    view.asked = place == options_.me || context.connected[place];
    view.in_set = HasNode(in_sync, options_.nodes[place]);
    const auto it = answers_.find(place);
    if (it == answers_.end()) continue;
    const Member member{options_.nodes[place], it->second.incarnation, {}};
    view.answered = true;
    view.counted = Has(counted, member);
    view.in_set = Has(in_sync, member);
    view.has_space = it->second.answer.has_space;
    view.fit = it->second.answer.fit && view.in_set;
    view.promised = it->second.answer.promised;
    view.end = it->second.answer.end;
  }
  return nodes;
}

std::optional<std::pair<std::string, std::string>> Unfit(const StoreRequest& request,
                                                         const SpaceRecord& before,
                                                         const Member& self, Sequence floor,
                                                         const StoreContext& context,
                                                         Mutant mutant) {
  const LogState& log = *context.log;
  const bool force = request.force;
  if (!log.fit) return {{"its log is damaged, poisoned or full", "choose another node"}};
  if (!Has(before.in_sync, self) && !force && mutant != Mutant::kLeadOutsideSet) {
    return {{self.node + " is not in the in-sync set of the newest record that answered",
             "promote a member of the set, or --force and lose what this copy lacks"}};
  }
  if (log.end.sequence < floor && !force && mutant != Mutant::kLeadBelowFloor) {
    return {{"its log ends at " + ToString(log.end.sequence) + ", but " + ToString(floor) +
                 " is known to be committed",
             "promote the node that has it, or --force and lose what this copy lacks"}};
  }
  if (force && context.commit < log.floors.floors.compaction.sequence) {
    return {{"its commit has not reached its compaction floor", "let it catch up first"}};
  }
  return std::nullopt;
}

std::optional<Position> LossOf(const StoreRequest& request, const SpaceRecord& before,
                               const Member& self, Epoch promised_before,
                               const StoreContext& context, Mutant mutant) {
  const LogState& log = *context.log;
  const Position after{record::EpochAt(HistoryOf(log), context.floor), context.floor};
  if (request.force) return after;
  // Whatever its primary acknowledged is here, and it acknowledges nothing any more.
  if (request.handed_by == before.primary) return std::nullopt;
  if (!context.local_space || mutant == Mutant::kNoStatedLoss) return std::nullopt;
  // A primary that follows itself lost nothing if its log still has the record's epoch, and it has
  // promised nobody else anything since, who may have cut it.
  const bool itself = before.primary == self;
  const bool has_epoch = record::LastOf(HistoryOf(log), before.epoch, log.end.sequence).has_value();
  const bool untouched = has_epoch && promised_before == before.epoch;
  if (itself && (untouched || mutant == Mutant::kRestartStatesNoLoss)) return std::nullopt;
  return after;
}

}  // namespace engram::cluster
