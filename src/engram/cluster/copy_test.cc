// One copy, event by event: what it admits, refuses, resends, and how much it has under way. The
// walks (walk_*_test.cc) play whole clusters.
#include "engram/cluster/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/cluster/static_store.h"

namespace engram::cluster {
namespace {

using replication::Ack;
using replication::Answer;
using replication::Ask;
using replication::Confirmed;
using replication::Entries;
using replication::Gap;
using replication::Joined;
using replication::Open;
using replication::Refused;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Incarnation kSpace{{9}};
const Member kSelf{"n1", {{1}}, {}};
const Member kOther{"n2", {{2}}, {}};

SpaceRecord FirstRecord() {
  SpaceRecord record;
  record.epoch = MakeEpoch(1, 0);
  record.at = Sequence(1);
  record.primary = kSelf;
  record.in_sync = record.voters = {kSelf, kOther};
  return record;
}

// n1 of a pair; its log holds the first record.
class CopyTest : public testing::Test {
 protected:
  CopyTest() { Make(FirstRecord(), 0); }

  void Make(const SpaceRecord& record, size_t me) {
    me_ = me;
    LogState log;
    log.space = kSpace;
    log.end = {record.epoch, record.at};
    log.end_crc = 7;
    log.durable = record.at;
    log.records = {record};
    CopyOptions options;
    options.nodes = {"n1", "n2"};
    options.me = me;
    options.self = me == 0 ? kSelf : kOther;
    options.batch_bytes = 1000;
    options.window_bytes = 2500;
    StaticOptions store{{.nodes = options.nodes, .me = me, .self = options.self}};
    copy_ =
        std::make_unique<Copy>(options, std::make_unique<StaticStore>(store), log, Prng(1), now_);
  }

  template <class What>
  Effects Do(What what) {
    Effects effects = copy_->Step({now_, std::move(what)});
    EXPECT_EQ(copy_->CheckInvariants(), "");
    return effects;
  }
  template <class Body>
  Effects Hear(Body body, Epoch epoch = MakeEpoch(1, 0)) {
    const Member& from = me_ == 0 ? kOther : kSelf;
    return Do(Received{1 - me_, {{kSpace, epoch, from.incarnation}, std::move(body)}});
  }
  template <class Body>
  static const Body* Said(const Effects& effects) {
    for (const Outgoing& out : effects.send) {
      if (const Body* body = std::get_if<Body>(&out.message.body)) return body;
    }
    return nullptr;
  }
  // Leads, with the other joined and nothing under way.
  void Lead() {
    Do(Created{FirstRecord()});
    const Effects up = Do(PeerUp{1, kOther.incarnation});
    ASSERT_NE(Said<Open>(up), nullptr);
    Hear(Joined{.end = {MakeEpoch(1, 0), Sequence(1)},
                .end_crc = 7,
                .durable = Sequence(1),
                .visible = {},
                .id = Said<Open>(up)->id});
    ASSERT_TRUE(copy_->serving());
  }
  Effects LogAt(uint64_t end, uint64_t durable) {
    return Do(LogMoved{.end = {MakeEpoch(1, 0), Sequence(end)},
                       .end_crc = static_cast<uint32_t>(end),
                       .durable = Sequence(durable)});
  }
  // n2, which follows n1.
  void Follow() {
    Make(FirstRecord(), 1);
    Do(PeerUp{0, kSelf.incarnation});
    const Effects opened = Hear(Told(1));
    ASSERT_NE(Said<Joined>(opened), nullptr);
  }
  Open Told(uint64_t end) {
    return {.id = ++opens_,
            .history = {{MakeEpoch(1, 0), Sequence(1)}},
            .end = {MakeEpoch(1, 0), Sequence(end)},
            .end_crc = 7,
            .commit = Sequence(1),
            .replicated_end = Sequence(1),
            .floors = {},
            .losses = {}};
  }
  static Entries Batch(uint64_t first, uint64_t last) {
    Entries entries;
    entries.batch = std::make_shared<std::string>("batch");
    entries.first = Sequence(first);
    entries.last = entries.end = Sequence(last);
    return entries;
  }

  size_t me_ = 0;
  uint64_t opens_ = 0;  // told so far
  Instant now_{1'000'000'000'000};
  std::unique_ptr<Copy> copy_;
};

TEST(Epochs, CarryThePlaceOfTheirMaker) {
  EXPECT_EQ(MakeEpoch(1, 0).value(), 257u);
  EXPECT_EQ(FormatEpoch(MakeEpoch(3, 1)), "3.2");
  EXPECT_EQ(FormatEpoch(Epoch(5)), "5");
  EXPECT_EQ(EpochNumber(MakeEpoch(7, 2)), 7u);
  const StaticStore store({{.nodes = {"n1", "n2"}, .me = 0, .self = kSelf}});
  EXPECT_TRUE(store.MadeBy(MakeEpoch(9, 1), 1));
  EXPECT_FALSE(store.MadeBy(MakeEpoch(9, 1), 0));
}

TEST_F(CopyTest, AdmitsWritesOnlyWhereTheyCanBeKept) {
  EXPECT_EQ(copy_->Admit(false, now_).reason(), Reason::NO_PRIMARY);
  Lead();
  EXPECT_TRUE(copy_->Admit(true, now_).ok());
  const Status silent = copy_->Admit(true, now_ + seconds(2));
  EXPECT_EQ(silent.reason(), Reason::NOT_ENOUGH_IN_SYNC);
  EXPECT_EQ(silent.metadata().at("missing"), "n2");
  EXPECT_TRUE(copy_->Admit(false, now_ + seconds(2)).ok());
  Follow();
  const Status replica = copy_->Admit(false, now_);
  EXPECT_EQ(replica.reason(), Reason::NOT_PRIMARY);
  EXPECT_EQ(replica.metadata().at("primary"), "n1");
}

TEST_F(CopyTest, CommitsWhatAllOfTheSetHaveDurably) {
  Lead();
  LogAt(3, 3);
  EXPECT_EQ(copy_->commit(), Sequence(1));
  const Effects acked = Hear(Ack{Sequence(2), Sequence(1)});
  ASSERT_TRUE(acked.commit.has_value());
  EXPECT_EQ(acked.commit->commit, Sequence(2));
  LogAt(4, 3);
  Hear(Ack{Sequence(4), Sequence(1)});
  EXPECT_EQ(copy_->commit(), Sequence(3));  // its own sync is missing
}

TEST_F(CopyTest, HasNoMoreUnderWayThanTheWindow) {
  Lead();
  Effects effects = LogAt(100, 100);
  uint64_t bytes = 0;
  for (uint64_t last = 1; !effects.ship.empty();) {
    ASSERT_EQ(effects.ship.size(), 1u);
    const ShipOrder& order = effects.ship[0];
    EXPECT_EQ(order.from, Sequence(last + 1));
    EXPECT_LE(order.bytes, 1000u);
    bytes += order.bytes;
    effects = Do(Shipped{1, Sequence(++last), order.bytes});
  }
  EXPECT_EQ(bytes, 2500u);
  // Credit comes back with an acknowledgement.
  EXPECT_EQ(Hear(Ack{Sequence(2), {}}).ship.size(), 1u);
}

TEST_F(CopyTest, WaitsForAConnectionThatTakesNothing) {
  Lead();
  ASSERT_EQ(LogAt(2, 2).ship.size(), 1u);
  Do(Shipped{1, {}, 0});
  EXPECT_TRUE(LogAt(3, 3).ship.empty());
  EXPECT_EQ(Do(Writable{1}).ship.size(), 1u);
}

TEST_F(CopyTest, ResendsFromAGapAndIgnoresALateOne) {
  Lead();
  LogAt(9, 9);
  Do(Shipped{1, Sequence(9), 800});
  const Effects again = Hear(Gap{Sequence(4)});
  ASSERT_EQ(again.ship.size(), 1u);
  EXPECT_EQ(again.ship[0].from, Sequence(4));
  Do(Shipped{1, Sequence(9), 600});
  Hear(Ack{Sequence(9), {}});
  EXPECT_TRUE(Hear(Gap{Sequence(4)}).ship.empty());
  EXPECT_NE(Said<Open>(Hear(Gap{})), nullptr);
}

TEST_F(CopyTest, OpensAnewAfterATimeWithoutProgress) {
  Lead();
  LogAt(2, 2);
  Do(Shipped{1, Sequence(2), 100});
  EXPECT_EQ(Said<Open>(Do(Tick{})), nullptr);
  now_ = now_ + seconds(1);
  EXPECT_NE(Said<Open>(Do(Tick{})), nullptr);
}

// A copy that needs longer for a batch than the patience is not sent it each second.
TEST_F(CopyTest, WaitsLongerEachTimeThatOpeningAnewDoesNotHelp) {
  Lead();
  LogAt(2, 2);
  Do(Shipped{1, Sequence(2), 100});
  uint64_t id = 0;
  const auto opens_after = [&](seconds wait) {
    now_ = now_ + wait - milliseconds(1);
    EXPECT_EQ(Said<Open>(Do(Tick{})), nullptr) << wait.count();
    now_ = now_ + milliseconds(1);
    const Effects late = Do(Tick{});
    if (Said<Open>(late) != nullptr) id = Said<Open>(late)->id;
    return Said<Open>(late) != nullptr;
  };
  for (const int wait : {1, 2, 4, 8, 8}) EXPECT_TRUE(opens_after(seconds(wait))) << wait;
  Hear(Joined{.end = {MakeEpoch(1, 0), Sequence(2)},
              .end_crc = 2,
              .durable = Sequence(2),
              .visible = {},
              .id = id});
  Do(Tick{});  // it has everything: patience begins anew
  LogAt(3, 3);
  Do(Shipped{1, Sequence(3), 100});
  EXPECT_TRUE(opens_after(seconds(1)));
}

TEST_F(CopyTest, AsksWhoRefusesAgainEachSecond) {
  Lead();
  for (int i = 0; i < 4; ++i) {
    Hear(Refused{Refused::Why::kBroken, {}, "its disk is full"});
    now_ = now_ + seconds(1);
    EXPECT_NE(Said<Open>(Do(Tick{})), nullptr) << i;
  }
}

TEST_F(CopyTest, AMemberThatLostWhatItAcknowledgedCountsNoMore) {
  Lead();
  LogAt(5, 5);
  Hear(Ack{Sequence(5), {}});
  Do(PeerDown{1});
  const Effects up = Do(PeerUp{1, kOther.incarnation});
  const Effects lost = Hear(Joined{.end = {MakeEpoch(1, 0), Sequence(3)},
                                   .end_crc = 3,
                                   .durable = Sequence(3),
                                   .visible = {},
                                   .id = Said<Open>(up)->id});
  ASSERT_EQ(lost.alarms.size(), 1u);
  EXPECT_EQ(lost.alarms[0].event, "member_lost_entries");
  EXPECT_EQ(copy_->Admit(true, now_).reason(), Reason::NOT_ENOUGH_IN_SYNC);
}

TEST_F(CopyTest, ConfirmsWhenEveryMemberStillFollows) {
  Lead();
  EXPECT_TRUE(Do(ConfirmReads{5}).confirmed.empty());
  const Effects held = Hear(Confirmed{5, MakeEpoch(1, 0)});
  EXPECT_EQ(held.confirmed, (std::vector<std::pair<uint64_t, bool>>{{5, true}}));
  Do(ConfirmReads{6});
  EXPECT_TRUE(Hear(Confirmed{6, MakeEpoch(2, 1)}).confirmed.empty());
  now_ = now_ + seconds(1);
  EXPECT_EQ(Do(Tick{}).confirmed, (std::vector<std::pair<uint64_t, bool>>{{6, false}}));
}

TEST_F(CopyTest, StepsDownForAHigherPromiseAndEndsItsConfirmations) {
  Lead();
  Do(ConfirmReads{7});
  const Effects out = Hear(Ask{.round = 1, .dry_run = false}, MakeEpoch(2, 1));
  EXPECT_EQ(out.promise, MakeEpoch(2, 1));
  EXPECT_EQ(out.role, Role::kReplica);
  EXPECT_EQ(out.confirmed, (std::vector<std::pair<uint64_t, bool>>{{7, false}}));
  ASSERT_NE(Said<Answer>(out), nullptr);
  EXPECT_TRUE(Said<Answer>(out)->granted);
  // Asked again: the promise stands. An epoch of another maker is none.
  EXPECT_TRUE(Said<Answer>(Hear(Ask{.round = 1, .dry_run = false}, MakeEpoch(2, 1)))->granted);
  EXPECT_FALSE(Said<Answer>(Hear(Ask{.round = 2, .dry_run = false}, MakeEpoch(3, 0)))->granted);
}

TEST_F(CopyTest, ADryRunChangesNothing) {
  Lead();
  const Effects begun = Do(Stand{.request = {.id = 3, .dry_run = true}});
  EXPECT_FALSE(begun.promise.has_value());
  EXPECT_TRUE(copy_->serving());
  const Ask* ask = Said<Ask>(begun);
  ASSERT_NE(ask, nullptr);
  EXPECT_TRUE(ask->dry_run);
  now_ = now_ + milliseconds(400);
  const Effects told = Do(Tick{});
  ASSERT_EQ(told.reports.size(), 1u);
  EXPECT_FALSE(told.reports[0].done);
  EXPECT_EQ(told.reports[0].votes, 1u);
  EXPECT_EQ(told.reports[0].votes_needed, 2u);
  EXPECT_TRUE(copy_->serving());
  EXPECT_EQ(copy_->promised(), MakeEpoch(1, 0));
}

TEST_F(CopyTest, ADryRunEndsWithItsLastAnswer) {
  Lead();
  const Effects asked = Do(Stand{.request = {.id = 3, .dry_run = true}});
  EXPECT_TRUE(asked.reports.empty());
  Answer answer;
  answer.round = Said<Ask>(asked)->round;
  answer.granted = answer.has_space = answer.fit = true;
  const Effects told = Hear(answer, MakeEpoch(2, 0));
  ASSERT_EQ(told.reports.size(), 1u);
  EXPECT_EQ(told.reports[0].votes, 2u);
  Do(PeerDown{1});
  EXPECT_EQ(Do(Stand{.request = {.id = 4, .dry_run = true}}).reports.size(), 1u);
}

TEST_F(CopyTest, KnowsWhatAReplicaThatCameBackHadTooMuch) {
  Lead();
  EXPECT_FALSE(copy_->peer(1).came_back.has_value());
  LogAt(9, 9);
  Do(PeerDown{1});
  const Effects opened = Do(PeerUp{1, kOther.incarnation});
  const uint64_t id = Said<Open>(opened)->id;
  Hear(Joined{.end = {MakeEpoch(1, 0), Sequence(7)},
              .durable = Sequence(7),
              .visible = {},
              .id = id,
              .rewound = 3});
  ASSERT_TRUE(copy_->peer(1).came_back.has_value());
  EXPECT_EQ(copy_->peer(1).came_back->rewound, 3u);
  EXPECT_EQ(copy_->peer(1).came_back->missing, 2u);
}

TEST_F(CopyTest, ALateAnswerOfAnotherRoundIsNoVote) {
  Do(PeerUp{1, kOther.incarnation});
  const Effects asked = Do(Stand{});
  ASSERT_NE(Said<Ask>(asked), nullptr);
  Answer answer;
  answer.round = 1;
  answer.granted = answer.has_space = answer.fit = true;
  EXPECT_FALSE(Hear(answer, MakeEpoch(1, 0)).begin.has_value());
  EXPECT_TRUE(Hear(answer, MakeEpoch(2, 0)).begin.has_value());
}

TEST_F(CopyTest, RefusesALowerEpochAndAnAbsurdOne) {
  Follow();
  Hear(Ask{.round = 1, .dry_run = false}, MakeEpoch(4, 0));
  const Effects stale = Hear(Batch(2, 2));
  ASSERT_NE(Said<Refused>(stale), nullptr);
  EXPECT_EQ(Said<Refused>(stale)->why, Refused::Why::kStaleEpoch);
  EXPECT_EQ(Said<Refused>(stale)->promised, MakeEpoch(4, 0));
  const Effects absurd = Hear(Told(1), MakeEpoch(uint64_t{1} << 40, 0));
  EXPECT_EQ(Said<Refused>(absurd)->why, Refused::Why::kBadEpoch);
  EXPECT_EQ(copy_->promised(), MakeEpoch(4, 0));
  EXPECT_EQ(Said<Refused>(Hear(Told(1), MakeEpoch(5, 1)))->why, Refused::Why::kBadEpoch);
}

// Each saying has everything sent again: with many batches under way that would feed itself.
TEST_F(CopyTest, SaysOfAGapOnce) {
  Follow();
  EXPECT_NE(Said<Gap>(Hear(Batch(6, 7))), nullptr);
  EXPECT_EQ(Said<Gap>(Hear(Batch(8, 9))), nullptr);
  EXPECT_EQ(Said<Gap>(Hear(Batch(6, 7))), nullptr);
  LogAt(3, 3);
  EXPECT_EQ(Said<Gap>(Hear(Batch(6, 7)))->expected, Sequence(4));
}

TEST_F(CopyTest, TellsGapRepeatAndOtherBytesApart) {
  Follow();
  EXPECT_TRUE(Hear(Batch(2, 3)).append.has_value());
  LogAt(3, 3);
  const Effects gap = Hear(Batch(6, 7));
  EXPECT_FALSE(gap.append.has_value());
  EXPECT_EQ(Said<Gap>(gap)->expected, Sequence(4));
  EXPECT_TRUE(Hear(Batch(2, 3)).compare.has_value());
  const Effects equal = Do(Compared{.peer = 0, .equal = true});
  EXPECT_EQ(Said<Ack>(equal)->durable, Sequence(3));
  EXPECT_EQ(Said<Gap>(equal), nullptr);
  LogAt(4, 4);
  Hear(Batch(3, 5));  // partly new
  EXPECT_EQ(Said<Gap>(Do(Compared{.peer = 0, .equal = true}))->expected, Sequence(5));
  Hear(Batch(2, 3));
  const Effects other = Do(Compared{.peer = 0, .equal = false, .why = "other bytes"});
  EXPECT_EQ(other.alarms.at(0).event, "bad_batch");
  EXPECT_EQ(Said<Refused>(other)->why, Refused::Why::kBadBatch);
}

TEST_F(CopyTest, AcknowledgesOnlyWhatIsDurable) {
  Follow();
  Hear(Batch(2, 3));
  EXPECT_EQ(Said<Ack>(LogAt(3, 1)), nullptr);
  EXPECT_EQ(Said<Ack>(LogAt(3, 2))->durable, Sequence(2));
  EXPECT_EQ(Said<Ack>(LogAt(3, 2)), nullptr);
}

TEST_F(CopyTest, RefusesToCutWhatItKnowsToBeCommitted) {
  Follow();
  Hear(Batch(2, 5));
  LogAt(5, 5);
  Entries news;
  news.commit = news.replicated_end = Sequence(4);
  Hear(news);
  ASSERT_EQ(copy_->commit(), Sequence(4));
  Open open = Told(2);
  const Epoch next = MakeEpoch(2, 0);
  open.history.push_back({next, Sequence(3)});
  open.end = {next, Sequence(3)};
  const Effects refused = Hear(open, next);
  EXPECT_FALSE(refused.rewind.has_value());
  EXPECT_EQ(refused.alarms.at(0).event, "rewind_below_commit");
  EXPECT_EQ(Said<Refused>(refused)->why, Refused::Why::kBelowCommit);
  // A stated loss that begins at or below the fork makes it right.
  open.losses = {{Sequence(3), {MakeEpoch(1, 0), Sequence(2)}}};
  ++open.id;
  const Effects cut = Hear(open, next);
  ASSERT_TRUE(cut.rewind.has_value());
  EXPECT_EQ(cut.rewind->to, Sequence(2));
  EXPECT_TRUE(cut.rewind->lossy);
}

TEST_F(CopyTest, AFailedLogLeadsNoMore) {
  Lead();
  const Effects failed = Do(Failed{"the disk is full"});
  EXPECT_EQ(failed.role, Role::kReplica);
  EXPECT_EQ(failed.alarms.at(0).event, "log_failed");
  EXPECT_EQ(copy_->Admit(false, now_).reason(), Reason::NO_PRIMARY);
  EXPECT_FALSE(Do(Stand{{.id = 4}}).begin.has_value());
}

// An acknowledgement may come before the Joined that it belongs behind (simulator, seed 385).
TEST_F(CopyTest, WhoJoinsIsToldWhatWasCommittedMeanwhile) {
  Lead();
  LogAt(3, 3);
  const Effects opened = Do(PeerUp{1, kOther.incarnation});
  const Effects acked = Hear(Ack{Sequence(3), Sequence(1)});
  ASSERT_EQ(copy_->commit(), Sequence(3));
  EXPECT_EQ(Said<Entries>(acked), nullptr) << "it has not joined";
  const Effects joined = Hear(Joined{.end = {MakeEpoch(1, 0), Sequence(3)},
                                     .end_crc = 3,
                                     .durable = Sequence(3),
                                     .visible = Sequence(1),
                                     .id = Said<Open>(opened)->id});
  ASSERT_NE(Said<Entries>(joined), nullptr);
  EXPECT_EQ(Said<Entries>(joined)->commit, Sequence(3));
}

// What a full connection did not take is not said again by anything else.
TEST_F(CopyTest, TheCommitIsToldWhenThereIsRoomAgain) {
  Lead();
  const Effects effects = Do(Writable{1});
  ASSERT_NE(Said<Entries>(effects), nullptr);
  EXPECT_EQ(Said<Entries>(effects)->commit, Sequence(1));
}

}  // namespace
}  // namespace engram::cluster
