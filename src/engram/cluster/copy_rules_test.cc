// One copy, rule by rule: each scenario is played as the rule has it and with the rule broken, so
// that rules which random walks rarely lean on (docs/simulation.md) are seen to matter. And what a
// copy does with floors and Holes.
#include <gtest/gtest.h>

#include "engram/cluster/copy.h"
#include "engram/cluster/static_store.h"

namespace engram::cluster {
namespace {

using replication::Ack;
using replication::Answer;
using replication::Ask;
using replication::Entries;
using replication::Floors;
using replication::Gap;
using replication::Joined;
using replication::Mutant;
using replication::Open;
using replication::Refused;

constexpr Incarnation kSpace{{9}};
const std::vector<std::string> kNodes{"n1", "n2", "n3"};
const Epoch kFirst = MakeEpoch(1, 0), kSecond = MakeEpoch(2, 0);

Member MemberAt(size_t place) {
  return {kNodes[place], {{static_cast<uint8_t>(place + 1)}}, {}};
}

SpaceRecord RecordOf(Epoch epoch, uint64_t at, Members set, Members voters) {
  SpaceRecord record;
  record.epoch = epoch;
  record.at = Sequence(at);
  record.primary = MemberAt(0);
  record.in_sync = std::move(set);
  record.voters = std::move(voters);
  return record;
}

// Node `me` of three, with a log of one EpochStart and entries behind it.
class CopyRules : public testing::Test {
 protected:
  LogState LogOf(const SpaceRecord& record, uint64_t end, uint64_t commit) {
    LogState log;
    log.space = kSpace;
    log.end = {record.epoch, Sequence(end)};
    log.durable = Sequence(end);
    log.commit = Sequence(commit);
    log.records = {record};
    return log;
  }
  void Make(size_t me, LogState log, Mutant mutant = Mutant::kNone) {
    me_ = me;
    CopyOptions options;
    options.nodes = kNodes;
    options.me = me;
    options.self = MemberAt(me);
    options.mutant = mutant;
    StaticOptions store{{.nodes = kNodes, .me = me, .self = options.self}};
    store.mutant = mutant;
    copy_ = std::make_unique<Copy>(options, std::make_unique<StaticStore>(store), std::move(log),
                                   Prng(1), now_);
  }
  template <class What>
  Effects Do(What what) {
    Effects effects = copy_->Step({now_, std::move(what)});
    EXPECT_EQ(copy_->CheckInvariants(), "");
    return effects;
  }
  template <class Body>
  Effects Hear(size_t from, Epoch epoch, Body body) {
    return Do(Received{from, {{kSpace, epoch, MemberAt(from).incarnation}, std::move(body)}});
  }
  template <class Body>
  static const Body* Said(const Effects& effects) {
    for (const Outgoing& out : effects.send) {
      if (const Body* body = std::get_if<Body>(&out.message.body)) return body;
    }
    return nullptr;
  }
  Effects Join(size_t from, uint64_t end) {
    const Effects up = Do(PeerUp{from, MemberAt(from).incarnation});
    return Hear(from, kFirst,
                Joined{.end = {end == 0 ? Epoch() : kFirst, Sequence(end)},
                       .end_crc = 0,
                       .durable = Sequence(end),
                       .visible = {},
                       .id = Said<Open>(up)->id});
  }
  Open Told(Epoch epoch, uint64_t end, uint64_t commit, Floors floors = {}) {
    Open open;
    open.id = ++opens_;
    open.history = {{kFirst, Sequence(1)}};
    if (epoch != kFirst) open.history.push_back({epoch, Sequence(end)});
    open.end = {epoch, Sequence(end)};
    open.commit = open.replicated_end = Sequence(commit);
    open.floors = floors;
    return open;
  }
  static Entries Batch(uint64_t first, uint64_t last, uint64_t commit, Floors floors = {},
                       uint64_t holes_through = 0) {
    Entries entries;
    entries.batch = std::make_shared<std::string>("batch");
    entries.first = Sequence(first);
    entries.last = entries.end = Sequence(last);
    entries.commit = entries.replicated_end = Sequence(commit);
    entries.floors = floors;
    entries.holes_through = Sequence(holes_through);
    return entries;
  }
  // n2, whose log has the first `end` entries of n1's.
  void Follow(uint64_t end, uint64_t commit) {
    Make(1, LogOf(RecordOf(kFirst, 1, {MemberAt(0)}, {}), end, commit));
    Do(PeerUp{0, MemberAt(0).incarnation});
  }

  size_t me_ = 0;
  uint64_t opens_ = 0;  // told so far
  Instant now_{1'000'000'000'000};
  std::unique_ptr<Copy> copy_;
};

// ---- rules that walks rarely lean on ----

TEST_F(CopyRules, TheSetDoesNotGrowBeforeTheEpochsFirstEntryIsCommitted) {
  const SpaceRecord record = RecordOf(kFirst, 1, {MemberAt(0)}, {MemberAt(0), MemberAt(1)});
  const auto grows = [&](Mutant mutant) {
    Make(0, LogOf(record, 1, 0), mutant);
    Do(Created{record});
    return Join(1, 0).begin.has_value();  // most voters do not have the EpochStart yet
  };
  EXPECT_FALSE(grows(Mutant::kNone));
  EXPECT_TRUE(grows(Mutant::kGrowBeforeEpochStart));
}

TEST_F(CopyRules, TheSetDoesNotGrowAgainBeforeItsRecordIsCommitted) {
  const auto grows = [&](Mutant mutant) {
    const SpaceRecord record = RecordOf(kFirst, 1, {MemberAt(0)}, {MemberAt(0)});
    Make(0, LogOf(record, 1, 0), mutant);
    Do(Created{record});
    const Effects joined = Join(1, 1);
    EXPECT_TRUE(joined.begin.has_value());
    SpaceRecord second = joined.begin->record;
    second.at = Sequence(2);
    Do(Begun{second, {kFirst, Sequence(2)}, 0, Sequence(2)});
    EXPECT_EQ(copy_->commit(), Sequence(1));  // n2 does not have it
    return Join(2, 1).begin.has_value();      // n3 has the commit
  };
  EXPECT_FALSE(grows(Mutant::kNone));
  EXPECT_TRUE(grows(Mutant::kGrowToKnownCommit));
}

TEST_F(CopyRules, WhoAnsweredACandidateTakesNothingOfAnEarlierEpoch) {
  const auto takes = [&](Mutant mutant) {
    Make(1, LogOf(RecordOf(kFirst, 1, {MemberAt(0)}, {}), 1, 1), mutant);
    Do(PeerUp{0, MemberAt(0).incarnation});
    Do(PeerUp{2, MemberAt(2).incarnation});
    EXPECT_NE(Said<Joined>(Hear(0, kFirst, Told(kFirst, 1, 1))), nullptr);
    const Effects asked = Hear(2, MakeEpoch(2, 2), Ask{.round = 1, .dry_run = false});
    EXPECT_TRUE(Said<Answer>(asked)->granted);
    return Hear(0, kFirst, Batch(2, 2, 1)).append.has_value();
  };
  EXPECT_FALSE(takes(Mutant::kNone));
  EXPECT_TRUE(takes(Mutant::kAskWithoutPromise));
}

TEST_F(CopyRules, ARewindTakesTheCommitHintWithIt) {
  const auto shown_after_restart = [&](Mutant mutant) {
    Make(1, LogOf(RecordOf(kFirst, 1, {MemberAt(0)}, {}), 5, 4), mutant);
    Do(PeerUp{0, MemberAt(0).incarnation});
    Open open = Told(kSecond, 3, 2);
    open.losses = {{Sequence(3), {kFirst, Sequence(2)}}};
    EXPECT_EQ(Hear(0, kSecond, open).rewind->to, Sequence(2));
    Do(Rewound{{kFirst, Sequence(2)}, 0});
    Do(LogMoved{.end = {kSecond, Sequence(5)}, .end_crc = 0, .durable = Sequence(5)});
    const LogState left = copy_->log();  // of the new branch nothing is known to be committed
    Make(1, left, mutant);
    return copy_->commit();
  };
  EXPECT_EQ(shown_after_restart(Mutant::kNone), Sequence(2));
  EXPECT_EQ(shown_after_restart(Mutant::kHintSurvivesRewind), Sequence(4));
}

// It tells an end from before the entries that this copy has acknowledged since.
TEST_F(CopyRules, AnOpenThatIsLateOrDoubledCutsNothing) {
  for (const uint64_t before : {1, 0}) {  // overtaken; doubled
    const auto cuts = [&](Mutant mutant) {
      Make(1, LogOf(RecordOf(kFirst, 1, {MemberAt(0)}, {}), 5, 5), mutant);
      Do(PeerUp{0, MemberAt(0).incarnation});
      Open open = Told(kFirst, 5, 5);
      EXPECT_NE(Said<Joined>(Hear(0, kFirst, open)), nullptr);
      EXPECT_TRUE(Hear(0, kFirst, Batch(6, 6, 5)).append.has_value());
      Do(LogMoved{.end = {kFirst, Sequence(6)}, .end_crc = 0, .durable = Sequence(6)});
      open.id -= before;
      return Hear(0, kFirst, open).rewind.has_value();
    };
    EXPECT_FALSE(cuts(Mutant::kNone)) << before;
    EXPECT_TRUE(cuts(Mutant::kOldOpensCount)) << before;
  }
}

TEST_F(CopyRules, ANewerOpenOfTheSameEpochIsFollowed) {
  Follow(5, 5);
  Open open = Told(kFirst, 5, 5);
  EXPECT_NE(Said<Joined>(Hear(0, kFirst, open)), nullptr);
  EXPECT_EQ(Said<Joined>(Hear(0, kFirst, open)), nullptr);
  ++open.id;
  EXPECT_NE(Said<Joined>(Hear(0, kFirst, open)), nullptr);
}

TEST_F(CopyRules, ALocalSpaceKnowsLessOfItsSetThanOfItself) {
  LogState log = LogOf(RecordOf(kFirst, 1, {MemberAt(0)}, {}), 9, 8);
  log.replicated_end = Sequence(3);
  Make(0, log);
  Do(PolicyKnown{{.local_space = true, .min_in_sync = 2}});
  EXPECT_EQ(copy_->commit(), Sequence(8));
  EXPECT_EQ(copy_->replicated_end(), Sequence(3));
  Make(0, log);
  Do(PolicyKnown{{.local_space = false, .min_in_sync = 2}});
  EXPECT_EQ(copy_->replicated_end(), Sequence(8));
}

// ---- floors and Holes ----

TEST_F(CopyRules, WhoTakesAHoleTakesOverBothFloorsFirst) {
  Follow(4, 1);
  Hear(0, kFirst, Told(kFirst, 9, 9));
  const Floors floors{Sequence(3), {kFirst, Sequence(8)}};
  EXPECT_FALSE(Hear(0, kFirst, Batch(5, 5, 9, floors)).floors.has_value());  // no Hole
  Do(LogMoved{.end = {kFirst, Sequence(5)}, .end_crc = 0, .durable = Sequence(5)});
  const Effects taken = Hear(0, kFirst, Batch(6, 9, 9, floors, 7));
  ASSERT_TRUE(taken.append.has_value());
  ASSERT_TRUE(taken.floors.has_value());
  EXPECT_EQ(taken.floors->floors, floors);
  EXPECT_EQ(copy_->log().floors.floors, floors);
}

TEST_F(CopyRules, HolesUnderAFloorAboveTheLogAskForTheVerdictAgain) {
  Follow(4, 1);
  Hear(0, kFirst, Told(kFirst, 9, 9));
  const Floors floors{Sequence(6), {kFirst, Sequence(8)}};
  const Effects refused = Hear(0, kFirst, Batch(5, 9, 9, floors, 7));
  EXPECT_FALSE(refused.append.has_value());
  ASSERT_NE(Said<Gap>(refused), nullptr);
  EXPECT_TRUE(Said<Gap>(refused)->expected.is_zero());
  EXPECT_TRUE(Hear(0, kFirst, Told(kFirst, 9, 9, floors)).restart.has_value());
}

TEST_F(CopyRules, AHoleBeyondTheCommitIsABadBatch) {
  Follow(4, 1);
  Hear(0, kFirst, Told(kFirst, 9, 6));
  const Effects refused = Hear(0, kFirst, Batch(5, 9, 6, {}, 7));
  EXPECT_FALSE(refused.append.has_value());
  ASSERT_NE(Said<Refused>(refused), nullptr);
  EXPECT_EQ(Said<Refused>(refused)->why, Refused::Why::kBadBatch);
}

TEST_F(CopyRules, WhoBeginsAnewDoesItOnce) {
  Follow(4, 1);
  const Floors floors{Sequence(6), {kFirst, Sequence(8)}};
  const Effects again = Hear(0, kFirst, Told(kFirst, 9, 9, floors));
  ASSERT_TRUE(again.restart.has_value());
  EXPECT_EQ(*again.restart, Sequence(4));
  EXPECT_EQ(again.floors, (replication::LogFloors{{}, kFirst, Sequence(6)}));
  EXPECT_EQ(Said<Joined>(again), nullptr);
  const Effects joined = Do(Rewound{});
  ASSERT_NE(Said<Joined>(joined), nullptr);
  EXPECT_TRUE(Said<Joined>(joined)->end.sequence.is_zero());
  EXPECT_EQ(Said<Joined>(joined)->rewound, 4u);
  // Holes are taken now, and a new connection goes on where it was.
  EXPECT_TRUE(Hear(0, kFirst, Batch(1, 3, 9, floors, 2)).append.has_value());
  Do(LogMoved{.end = {kFirst, Sequence(3)},
              .end_crc = 0,
              .durable = Sequence(3),
              .records = {RecordOf(kFirst, 1, {MemberAt(0)}, {})}});
  const Effects opened = Hear(0, kFirst, Told(kFirst, 9, 9, floors));
  EXPECT_FALSE(opened.restart.has_value());
  EXPECT_NE(Said<Joined>(opened), nullptr);
  // Under another floor it is not known what it has been told.
  const Floors other{Sequence(7), floors.compaction};
  EXPECT_TRUE(Hear(0, kFirst, Told(kFirst, 9, 9, other)).restart.has_value());
}

TEST_F(CopyRules, ACutInsideOfAHoleBeginsAnew) {
  Follow(5, 2);
  EXPECT_EQ(Hear(0, kSecond, Told(kSecond, 4, 2)).rewind->to, Sequence(3));
  const Effects anew = Do(InHole{});
  ASSERT_TRUE(anew.restart.has_value());
  EXPECT_EQ(*anew.restart, Sequence(3));
  const Effects joined = Do(Rewound{});
  ASSERT_NE(Said<Joined>(joined), nullptr);
  EXPECT_EQ(Said<Joined>(joined)->rewound, 5u);
}

TEST_F(CopyRules, NothingCommittedIsMovedAwayWithoutAStatedLoss) {
  Follow(5, 5);
  const Effects refused =
      Hear(0, kSecond, Told(kSecond, 4, 2, {Sequence(4), {kSecond, Sequence(4)}}));
  EXPECT_FALSE(refused.restart.has_value());
  ASSERT_NE(Said<Refused>(refused), nullptr);
  EXPECT_EQ(Said<Refused>(refused)->why, Refused::Why::kBelowCommit);
}

}  // namespace
}  // namespace engram::cluster
