// Rules that a test may break on purpose, one at a time, to see that a checker notices. A copy in
// service has kNone. Each names a rule of docs/protocol.md; docs/simulation.md lists who catches
// which.
#pragma once

namespace engram::replication {

enum class Mutant {
  kNone,
  // with any configuration store
  kResumeEpoch,           // a restarted primary goes on in its old epoch
  kGrowWithoutCounting,   // a member is added before its acknowledgements count
  kGrowToKnownCommit,     // … when it has the commit, though not this epoch's EpochStart
  kShrinkBeforeAnswer,    // a member stops counting before the store has said so
  kIgnoreIncarnations,    // a wiped node counts as the one that it was
  kCommitByMajority,      // commit by most of the set instead of all
  kAcceptLowerEpoch,      // a lower epoch than promised is accepted
  kOldAcksCount,          // acknowledgements of an earlier epoch count
  kOldOpensCount,         // an Open that a later one overtook, or that is doubled, is acted on
  kAckBeforeSync,         // acknowledged when appended
  kSettleByReading,       // a change whose answer was lost is what the store says now
  kCommitCountsUnsynced,  // the primary counts what it has not synced
  // the static store
  kRecordOnPrimaryOnly,    // an epoch commits before most voters hold its record
  kWipedAnswersCount,      // a new incarnation counts as a voter
  kAdmittedVotesAtOnce,    // joining the set makes a voter
  kAskWithoutPromise,      // the asked do not promise
  kNoMajority,             // any answers suffice
  kOwnRecord,              // the own record instead of the newest that was answered
  kGrowInNewEpochUnasked,  // growth makes an epoch without asking
  kGrowBeforeEpochStart,   // growth before the epoch's first entry is committed
  kShrinkByTimeout,        // a silent member leaves by itself
  kCreateWithoutAsking,    // a space is created without asking who has it
  kPlainEpochs,            // epochs without the place of their maker
  kCutBelowCommit,         // a rewind cuts what was committed
  kSetOfAllAnswers,        // everybody who answered is in the set
  kLeadOutsideSet,         // a candidate leads that is not in the in-sync set
  kLeadBelowFloor,         // a candidate leads whose log ends below what another has as committed
  // a `local` space
  kStartCommittedAlone,         // commit before the EpochStart is on all of the set
  kNoStatedLoss,                // a promotion states no loss
  kRestartStatesNoLoss,         // a restart never states one
  kReplicatedAnsweredAtCommit,  // `replicated` is answered at the commit
  kHintSurvivesRewind,          // the commit hint is not lowered at a rewind
  // holes and floors
  kFloorByLogEnd,              // the verdict compares the log end with the floor, not the fork
  kNoRestartBelowFloor,        // a fork below the tombstone floor is streamed from
  kAlwaysRestartBelowFloor,    // … begins anew at every connect, too
  kBegunInAnyEpoch,            // a log begun under another epoch or floor counts as begun here
  kCompactionFloorIgnored,     // a log may leave out the position its holes are true at
  kFloorNotInherited,          // who takes a Hole keeps its tombstone floor
  kCompactionFloorStatedOnce,  // … and its compaction floor, once it has one
  kHolesUnchecked,             // a batch with Holes is taken under any floor
  // mending
  kMendTakesHoles,         // a fetched range may have Holes of any copy
  kMendEndsBelowFloor,     // … may end inside of what this copy's own tombstone floor covers
  kMendFloorWithoutEpoch,  // … its compaction floor is compared by sequence alone
  kMendGivesUp,            // what is damaged is given up, as `wal repair` would
  kDamagedStaysFit,        // a log that is known to be damaged goes on as if nothing was
  // switchover
  kHandOverBeforeAll,       // an epoch is handed over before the other node has all of its log
  kHandOverWithoutPromise,  // … and taken without the promise of the old primary
  kHandOverKeepsWriting,    // … and written to meanwhile
  // leases
  kServePastLease,   // reads of the primary, and `local` answers, when the lease has run out
  kLeaseFromAnswer,  // a lease is counted from its answer, not from when it was asked for
  // what runs the protocol
  kReplyBeforeCommit,   // the space is told that all of its log is replicated
  kKeepIndex,           // a rewind below what was shown leaves the indexes as they are
  kLossNotCounted,      // what a rewind cuts is not counted
  kFailTogether,        // an effect that fails for one space fails for all
  kLagZeroWhenCut,      // a replica that is not heard of is said to have all
  kReconnectUnnoticed,  // a peer that comes back is not told to the copies
  kStaleFlushCounts,    // a sync that a rewind overtook counts for what was cut
  kPoisonForgotten,     // a copy whose log has failed goes on as if nothing was
  kWindowIgnored,       // a replica is sent more than it may have on its way
};

}  // namespace engram::replication
