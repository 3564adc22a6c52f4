// Following: the verdict, the log of somebody else, acknowledgements, the commit as it is told.
#include <algorithm>
#include <utility>

#include "engram/base/probe.h"
#include "engram/cluster/copy.h"
#include "engram/record/history.h"

namespace engram::cluster {

using replication::Answer;
using replication::Ask;
using replication::Confirm;
using replication::Confirmed;
using replication::Entries;
using replication::Gap;
using replication::Joined;
using replication::Mutant;
using replication::Open;
using replication::Refused;
using replication::Stamp;

namespace {

// What is rare about two logs that part at `fork`.
void VisitFork(const Open& leader, const record::History& own, Sequence fork) {
  if (own.empty()) return;
  const auto is = [](Epoch epoch) {
    return [epoch](const record::EpochBegin& begin) { return begin.epoch == epoch; };
  };
  const record::History& theirs = leader.history;
  if (std::none_of(theirs.begin(), theirs.end(), is(own.back().epoch))) {
    Visit(Probe::kUnknownEpoch);
  }
  if (own.back().first == fork.next()) Visit(Probe::kForkAtEpochStart);
  const auto above =
      std::count_if(theirs.begin(), theirs.end(),
                    [&](const record::EpochBegin& begin) { return begin.first > fork; });
  if (above > 1 && !fork.is_zero()) Visit(Probe::kDoubleFailover);
}

}  // namespace

void Copy::OnMessage(size_t peer, const Stamp& stamp, const Open& open, Effects* out) {
  if (!Fence(peer, stamp, /*from_primary=*/true, out)) return;
  // Doubled, or overtaken by a later one: what was acknowledged since then may lie above the end
  // that it tells, and must not be cut.
  const bool follows = following_ == stamp.epoch && leader_.value_or(peer) == peer;
  if (follows && open.id <= open_id_ && !Is(Mutant::kOldOpensCount)) return;
  const auto refuse = [&](Refused::Why why, std::string text) {
    out->Say(peer, Stamp{log_.space, stamp.epoch, options_.self.incarnation},
             Refused{.why = why, .promised = log_.promised, .text = std::move(text)});
  };
  if (role_ != Role::kReplica) StepDown(out);
  if (!log_.fit) return refuse(Refused::Why::kBroken, alarm_);
  if (log_.end.sequence > open.end.sequence) Visit(Probe::kReplicaAhead);
  StartFollowing(peer, stamp, open);
  if (handing_.has_value()) NoteLed(peer, out);
  const replication::PrimaryLog theirs{log_.space, stamp.epoch, open.history, open.end.sequence,
                                       open.floors};
  const record::History history = HistoryOf(log_);
  const replication::CopyLog mine{
      .space = log_.space, .history = history, .end = log_.end.sequence, .floors = log_.floors};
  const replication::Verdict verdict = replication::DecideCatchUp(theirs, mine, options_.mutant);
  if (std::holds_alternative<replication::Stream>(verdict)) {
    alarm_.clear();
    if (log_.end.sequence.is_zero()) {
      KeepFloors(replication::BeginAtOne(following_, leader_floors_), out);
    }
    Join(out);
    return FollowCommit(out);
  }
  if (std::holds_alternative<replication::Ahead>(verdict) ||
      std::holds_alternative<replication::Foreign>(verdict)) {
    leader_.reset();
    return refuse(Refused::Why::kStaleEpoch, "this copy knows a newer epoch");
  }
  const Sequence fork = replication::ForkOf(theirs, mine);
  VisitFork(open, history, fork);
  if (!MayCut(fork, open)) {
    Visit(Probe::kBelowCommitRefused);
    RaiseAlarm("rewind_below_commit",
               "following " + options_.nodes[peer] + " would cut above " + ToString(fork) +
                   ", but " + ToString(commit_) + " is committed here",
               out);
    leader_.reset();
    return refuse(Refused::Why::kBelowCommit, alarm_);
  }
  alarm_.clear();
  if (std::holds_alternative<replication::Restart>(verdict)) return BeginAnew(fork, out);
  Visit(Probe::kRewind);
  if (fork < commit_) Visit(Probe::kLossStated);
  rewinding_ = true;
  cutting_to_ = fork;
  cut_ = std::max(cut_, log_.end.sequence.value() - fork.value());
  out->rewind = Rewind{fork, /*lossy=*/fork < commit_};
}

// Its log is moved away. Under which floor it begins again is noted, or a long catch-up would begin
// again at every connect.
void Copy::BeginAnew(Sequence fork, Effects* out) {
  rewinding_ = true;
  cutting_to_ = Sequence();
  cut_ = std::max(cut_, log_.end.sequence.value());
  out->restart = fork;
  KeepFloors(replication::BeginAtOne(following_, leader_floors_), out);
}

void Copy::KeepFloors(const replication::LogFloors& floors, Effects* out) {
  if (floors == log_.floors) return;
  log_.floors = floors;
  out->floors = floors;
}

void Copy::StartFollowing(size_t peer, const Stamp& stamp, const Open& open) {
  if (following_ != stamp.epoch) cut_ = 0;
  leader_ = peer;
  following_ = stamp.epoch;
  leader_contact_ = now_;
  leader_end_ = open.end.sequence;
  leader_commit_ = open.commit;
  leader_replicated_ = open.replicated_end;
  leader_floors_ = open.floors;
  losses_ = open.losses;
  open_id_ = open.id;
  joined_ = false;
  acked_ = gap_said_ = Sequence();
}

// A cut below the own commit is right only inside of a loss that the primary states.
bool Copy::MayCut(Sequence to, const Open& open) const {
  if (to >= commit_ || Is(Mutant::kCutBelowCommit)) return true;
  return std::any_of(open.losses.begin(), open.losses.end(),
                     [&](const auto& loss) { return loss.at > to && loss.after.sequence <= to; });
}

void Copy::On(const InHole&, Effects* out) {
  if (rewinding_ && leader_.has_value()) BeginAnew(cutting_to_, out);
}

void Copy::On(const Rewound& event, Effects* out) {
  const Sequence hint = log_.commit;
  CutTo(event.end, event.end_crc, &log_);
  if (Is(Mutant::kHintSurvivesRewind)) log_.commit = hint;
  log_.durable = event.end.sequence;
  commit_ = std::min(commit_, event.end.sequence);
  replicated_end_ = std::min(replicated_end_, event.end.sequence);
  if (!rewinding_) return;
  rewinding_ = false;
  if (!leader_.has_value()) return;
  Join(out);
  FollowCommit(out);
}

void Copy::Join(Effects* out) {
  joined_ = true;
  acked_ = log_.durable;
  out->Say(*leader_, Stamp{log_.space, following_, options_.self.incarnation},
           Joined{.end = log_.end,
                  .end_crc = log_.end_crc,
                  .durable = log_.durable,
                  .visible = commit_,
                  .id = open_id_,
                  .rewound = cut_});
}

void Copy::OnMessage(size_t peer, const Stamp& stamp, const Entries& entries, Effects* out) {
  if (!Fence(peer, stamp, /*from_primary=*/true, out)) return;
  if (leader_ != peer || !joined_ || following_ != stamp.epoch || rewinding_) {
    if (!rewinding_) {
      out->Say(peer, Stamp{log_.space, stamp.epoch, options_.self.incarnation}, Gap{Sequence()});
    }
    return;
  }
  leader_contact_ = now_;
  cut_ = 0;
  leader_end_ = std::max(leader_end_, entries.end);
  LearnCommit(entries.commit, entries.replicated_end);
  if (entries.batch == nullptr) return FollowCommit(out);
  if (entries.first == log_.end.sequence.next()) {
    if (TakesHoles(peer, stamp, entries, out)) out->append = entries;
  } else if (entries.first > log_.end.sequence) {
    Visit(Probe::kBatchAhead);
    SayGap(out);
  } else {
    out->compare = entries;
    comparing_ = entries.last;
  }
  FollowCommit(out);
}

// The floors under which this batch is taken are kept before it is appended. False: not taken.
bool Copy::TakesHoles(size_t peer, const Stamp& stamp, const Entries& entries, Effects* out) {
  const Sequence sure = policy_.local_space ? entries.replicated_end : entries.commit;
  if (entries.holes_through > sure) {
    On(Compared{peer, false, "a Hole reaches beyond what is committed"}, out);
    return false;
  }
  const auto floors =
      replication::TakeBatch(log_.floors, log_.end.sequence, stamp.epoch, entries.floors,
                             !entries.holes_through.is_zero(), options_.mutant);
  if (floors.has_value()) {
    KeepFloors(*floors, out);
    return true;
  }
  joined_ = false;  // the verdict is asked again
  out->Say(peer, Stamp{log_.space, stamp.epoch, options_.self.incarnation}, Gap{Sequence()});
  return false;
}

void Copy::On(const Compared& event, Effects* out) {
  if (leader_ != event.peer || !joined_) return;
  const Stamp stamp{log_.space, following_, options_.self.incarnation};
  if (event.equal) {
    Visit(Probe::kRepeatedBatch);
    out->Say(event.peer, stamp, replication::Ack{log_.durable, commit_});
    if (comparing_ > log_.end.sequence) SayGap(out);
    return;
  }
  joined_ = false;
  RaiseAlarm("bad_batch", event.why, out);
  out->Say(event.peer, stamp,
           Refused{.why = Refused::Why::kBadBatch, .promised = log_.promised, .text = event.why});
}

// Once for each place: everything that is under way behind the gap shows it again, and each saying
// would have all of it sent again. One that gets lost is made up for by the next Open.
void Copy::SayGap(Effects* out) {
  const Sequence expected = log_.end.sequence.next();
  if (std::exchange(gap_said_, expected) == expected) return;
  out->Say(*leader_, Stamp{log_.space, following_, options_.self.incarnation}, Gap{expected});
}

void Copy::Acknowledge(Effects* out) {
  if (!leader_.has_value() || !joined_) return;
  const Sequence durable = Is(Mutant::kAckBeforeSync) ? log_.end.sequence : log_.durable;
  if (durable <= acked_) return;
  acked_ = durable;
  out->Say(*leader_, Stamp{log_.space, following_, options_.self.incarnation},
           replication::Ack{durable, commit_});
}

void Copy::LearnCommit(Sequence commit, Sequence replicated_end) {
  leader_commit_ = std::max(leader_commit_, commit);
  leader_replicated_ = std::max(leader_replicated_, replicated_end);
}

// What the primary says is committed, as far as this log has it durably.
void Copy::FollowCommit(Effects* out) {
  if (!leader_.has_value() || !joined_) return;
  const Sequence commit = std::max(commit_, std::min(leader_commit_, log_.durable));
  const Sequence replicated = std::max(replicated_end_, std::min(leader_replicated_, log_.durable));
  if (commit == commit_ && replicated == replicated_end_) return;
  commit_ = commit;
  replicated_end_ = replicated;
  told_ = {commit_, replicated_end_, 1};
  out->commit = told_;
}

void Copy::OnMessage(size_t peer, const Stamp& stamp, const Confirm& confirm, Effects* out) {
  if (!Fence(peer, stamp, /*from_primary=*/true, out)) return;
  out->Say(peer, Stamp{log_.space, stamp.epoch, options_.self.incarnation},
           Confirmed{confirm.id, log_.promised});
}

// Promising ends whatever was led or followed here; what is answered is what a crash would leave.
void Copy::OnMessage(size_t peer, const Stamp& stamp, const Ask& ask, Effects* out) {
  Answer answer;
  answer.round = ask.round;
  answer.has_space = true;
  answer.fit = log_.fit;
  // Asked again (the answer was lost): the promise stands, and an epoch has but one maker.
  answer.granted = stamp.epoch >= log_.promised && store_->MadeBy(stamp.epoch, peer) &&
                   stamp.epoch.value() - log_.promised.value() <= kEpochJump;
  const bool first = stamp.epoch > log_.promised;
  // Who handed nothing over, or has called it off, writes: its log may go on behind the other's.
  const bool led = newest() != nullptr && newest()->primary == options_.self;
  if (ask.handed_over && first && led && !HandsOverTo(peer)) answer.granted = false;
  if (answer.granted && first && !ask.dry_run && !Is(Mutant::kAskWithoutPromise)) {
    out->promise = stamp.epoch;
    log_.promised = stamp.epoch;
    StepDown(out);
  }
  answer.promised = log_.promised;
  // Of a hand-over both logs have to be equal, to the last entry that somebody may have sent.
  const Sequence end = ask.handed_over ? log_.end.sequence : log_.durable;
  answer.end = {record::EpochAt(HistoryOf(log_), end), end};
  answer.floor = policy_.local_space ? replicated_end_ : commit_;
  if (const SpaceRecord* record = NewestRecord(log_, log_.durable)) answer.record = *record;
  out->Say(peer, Stamp{log_.space, stamp.epoch, options_.self.incarnation}, std::move(answer));
}

}  // namespace engram::cluster
