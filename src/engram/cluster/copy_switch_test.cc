// Handing an epoch over, event by event: when it is offered, refused, called off and taken. The
// walk (walk_switch_test.cc) plays it between nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/cluster/copy.h"
#include "engram/cluster/static_store.h"

namespace engram::cluster {
namespace {

using replication::Ack;
using replication::Answer;
using replication::Ask;
using replication::HandOver;
using replication::Joined;
using replication::Open;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr Incarnation kSpace{{9}};
const Member kFirst{"n1", {{1}}, {}}, kSecond{"n2", {{2}}, {}};
const Epoch kEpoch = MakeEpoch(1, 0), kNext = MakeEpoch(2, 1);

SpaceRecord FirstRecord() {
  SpaceRecord record;
  record.epoch = kEpoch;
  record.at = Sequence(1);
  record.primary = kFirst;
  record.in_sync = record.voters = {kFirst, kSecond};
  return record;
}

class CopySwitchTest : public testing::Test {
 protected:
  void Make(size_t me, uint64_t end, bool local_space = false) {
    me_ = me;
    LogState log;
    log.space = kSpace;
    log.end = {kEpoch, Sequence(end)};
    log.end_crc = 7;
    log.durable = Sequence(end);
    log.records = {FirstRecord()};
    CopyOptions options;
    options.nodes = {"n1", "n2"};
    options.me = me;
    options.self = me == 0 ? kFirst : kSecond;
    options.policy.local_space = local_space;
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
  Effects Hear(Body body, Epoch epoch = kEpoch) {
    const Member& from = me_ == 0 ? kSecond : kFirst;
    return Do(Received{1 - me_, {{kSpace, epoch, from.incarnation}, std::move(body)}});
  }
  template <class Body>
  static const Body* Said(const Effects& effects) {
    for (const Outgoing& out : effects.send) {
      if (const Body* body = std::get_if<Body>(&out.message.body)) return body;
    }
    return nullptr;
  }
  // n1 leads; n2 has all of its one entry.
  void Lead() {
    Make(0, 1);
    Do(Created{FirstRecord()});
    const Effects up = Do(PeerUp{1, kSecond.incarnation});
    Hear(Joined{.end = {kEpoch, Sequence(1)},
                .end_crc = 7,
                .durable = Sequence(1),
                .visible = {},
                .id = Said<Open>(up)->id});
    ASSERT_TRUE(copy_->serving());
  }
  Effects Log(uint64_t end, uint64_t durable) {
    return Do(LogMoved{
        .end = {kEpoch, Sequence(end)}, .end_crc = 7, .durable = Sequence(durable), .records = {}});
  }
  Effects Hold(uint64_t end, uint64_t durable) {
    const Effects asked = Do(SwitchOver{.id = 5, .to = 1});
    EXPECT_EQ(asked.hold, true);
    EXPECT_EQ(Said<HandOver>(asked), nullptr);
    return Do(Held{{kEpoch, Sequence(end)}, 7, Sequence(durable)});
  }
  // n2 follows n1 and has `end` entries.
  void Follow(uint64_t end, bool local_space = false) {
    Make(1, end, local_space);
    Do(PeerUp{0, kFirst.incarnation});
    Hear(Open{.id = 1,
              .history = {{kEpoch, Sequence(1)}},
              .end = {kEpoch, Sequence(end)},
              .end_crc = 7,
              .commit = Sequence(1),
              .replicated_end = Sequence(1),
              .floors = {},
              .losses = {}});
    ASSERT_TRUE(copy_->joined());
  }
  static Answer Promised(const Ask& ask, uint64_t end) {
    Answer answer;
    answer.round = ask.round;
    answer.granted = answer.has_space = answer.fit = true;
    answer.promised = kNext;
    answer.end = {kEpoch, Sequence(end)};
    answer.floor = Sequence(end);
    answer.record = FirstRecord();
    return answer;
  }
  std::string WhyNot(size_t to) {
    const Effects effects = Do(SwitchOver{.id = 6, .to = to});
    EXPECT_FALSE(effects.hold.has_value());
    return effects.switched.empty() ? "" : effects.switched[0].why;
  }

  size_t me_ = 0;
  Instant now_{1'000'000'000'000};
  std::unique_ptr<Copy> copy_;
};

TEST_F(CopySwitchTest, OffersTheEpochWhenTheOtherHasEverything) {
  Lead();
  Log(3, 1);
  EXPECT_EQ(Said<HandOver>(Hold(4, 3)), nullptr);
  EXPECT_EQ(Said<HandOver>(Hear(Ack{Sequence(4), Sequence(3)})), nullptr);  // not synced here
  const Effects synced = Log(4, 4);
  ASSERT_NE(Said<HandOver>(synced), nullptr);
  EXPECT_EQ(Said<HandOver>(synced)->end, (Position{kEpoch, Sequence(4)}));
  EXPECT_EQ(Said<HandOver>(synced)->within_ms, 2000u);
  EXPECT_EQ(Said<HandOver>(Do(Tick{})), nullptr);
  now_ = now_ + milliseconds(100);
  ASSERT_NE(Said<HandOver>(Do(Tick{})), nullptr);  // said again
  EXPECT_FALSE(copy_->idle());
}

TEST_F(CopySwitchTest, StepsDownForTheOtherAndLetsWritesGoWhenItLeads) {
  Lead();
  ASSERT_NE(Said<HandOver>(Hold(1, 1)), nullptr);
  const Effects asked = Hear(Ask{.round = 1, .dry_run = false, .handed_over = true}, kNext);
  EXPECT_EQ(asked.promise, kNext);
  EXPECT_TRUE(Said<Answer>(asked)->granted);
  EXPECT_EQ(copy_->role(), Role::kReplica);
  EXPECT_FALSE(asked.hold.has_value());  // nobody leads yet
  now_ = now_ + milliseconds(20);
  const Effects led = Hear(Open{.id = 1,
                                .history = {{kEpoch, Sequence(1)}, {kNext, Sequence(2)}},
                                .end = {kNext, Sequence(2)},
                                .end_crc = 8,
                                .commit = Sequence(1),
                                .replicated_end = Sequence(1),
                                .floors = {},
                                .losses = {}},
                           kNext);
  EXPECT_EQ(led.hold, false);
  ASSERT_EQ(led.switched.size(), 1u);
  EXPECT_TRUE(led.switched[0].done);
  EXPECT_EQ(led.switched[0].epoch, kNext);
  EXPECT_EQ(led.switched[0].held, milliseconds(20));
  EXPECT_FALSE(led.rewind.has_value());
  EXPECT_EQ(copy_->leader(), 1u);
}

TEST_F(CopySwitchTest, GrantsNothingThatItDidNotOffer) {
  Lead();
  const Effects asked = Hear(Ask{.round = 1, .dry_run = false, .handed_over = true}, kNext);
  EXPECT_FALSE(Said<Answer>(asked)->granted);
  EXPECT_FALSE(asked.promise.has_value());
  EXPECT_EQ(copy_->role(), Role::kPrimary);
}

TEST_F(CopySwitchTest, CallsItOffWhenItTakesTooLong) {
  Lead();
  Log(2, 2);
  Hold(3, 3);
  now_ = now_ + seconds(2);
  const Effects late = Do(Tick{});
  EXPECT_EQ(late.hold, false);
  ASSERT_EQ(late.switched.size(), 1u);
  EXPECT_FALSE(late.switched[0].done);
  EXPECT_EQ(late.switched[0].why, "n2 has 1 of 3 entries");
  EXPECT_EQ(copy_->role(), Role::kPrimary);
  EXPECT_FALSE(Said<Answer>(Hear(Ask{1, false, true}, kNext))->granted);  // too late
}

TEST_F(CopySwitchTest, CallsItOffWhenTheOtherIsGone) {
  Lead();
  Log(2, 2);
  Hold(3, 3);
  const Effects gone = Do(PeerDown{1});
  EXPECT_EQ(gone.hold, false);
  EXPECT_THAT(gone.switched.at(0).why, HasSubstr("not connected"));
  Lead();
  ASSERT_NE(Said<HandOver>(Hold(1, 1)), nullptr);  // also when it was offered the epoch
  EXPECT_EQ(Do(PeerDown{1}).hold, false);
  Do(PeerUp{1, kSecond.incarnation});
  EXPECT_FALSE(Said<Answer>(Hear(Ask{1, false, true}, kNext))->granted);
}

TEST_F(CopySwitchTest, LetsWritesGoWhenThePromisedOneDoesNotBegin) {
  Lead();
  ASSERT_NE(Said<HandOver>(Hold(1, 1)), nullptr);
  Hear(Ask{.round = 1, .dry_run = false, .handed_over = true}, kNext);
  now_ = now_ + milliseconds(1900);
  EXPECT_FALSE(Do(Tick{}).hold.has_value());
  EXPECT_EQ(copy_->role(), Role::kReplica);  // it does not compete with whom it promised
  now_ = now_ + milliseconds(1100);
  const Effects late = Do(Tick{});
  EXPECT_EQ(late.hold, false);
  EXPECT_THAT(late.switched.at(0).why, HasSubstr("did not begin"));
}

TEST_F(CopySwitchTest, EndsWhenAnotherEpochIsPromised) {
  Lead();
  Log(2, 2);
  Hold(3, 3);  // not offered yet: n2 asks for itself
  const Effects asked = Hear(Ask{.round = 1, .dry_run = false, .handed_over = false}, kNext);
  EXPECT_TRUE(Said<Answer>(asked)->granted);
  EXPECT_EQ(asked.hold, false);
  EXPECT_FALSE(asked.switched.at(0).done);
}

TEST_F(CopySwitchTest, RefusesWhomItCannotBeHandedTo) {
  Lead();
  EXPECT_EQ(WhyNot(0), "n1 leads already");
  now_ = now_ + seconds(2);
  EXPECT_EQ(WhyNot(1), "n2 does not answer");
  copy_->Hear(1, now_);
  EXPECT_TRUE(Do(SwitchOver{.id = 1, .to = 1}).hold.has_value());
  EXPECT_THAT(WhyNot(1), HasSubstr("being handed over to n2"));
  Lead();
  Do(PeerDown{1});
  EXPECT_EQ(WhyNot(1), "n2 is not connected");
  Make(0, 1);
  EXPECT_EQ(WhyNot(1), "this node does not lead the space");
}

TEST_F(CopySwitchTest, TriesWithoutChangingAnything) {
  Lead();
  const Effects dry = Do(SwitchOver{.id = 3, .to = 1, .dry_run = true});
  EXPECT_FALSE(dry.hold.has_value());
  ASSERT_EQ(dry.switched.size(), 1u);
  EXPECT_EQ(dry.switched[0].why, "");
  EXPECT_FALSE(dry.switched[0].done);
}

TEST_F(CopySwitchTest, TakesTheEpochWithThePromiseOfItsPrimary) {
  for (bool local_space : {false, true}) {
    Follow(4, local_space);
    EXPECT_TRUE(Hear(HandOver{{kEpoch, Sequence(5)}, 2000}).send.empty());  // it has less
    const Effects offered = Hear(HandOver{{kEpoch, Sequence(4)}, 2000});
    EXPECT_EQ(offered.promise, kNext);
    ASSERT_NE(Said<Ask>(offered), nullptr);
    EXPECT_TRUE(Said<Ask>(offered)->handed_over);
    EXPECT_FALSE(offered.begin.has_value());
    EXPECT_TRUE(Hear(HandOver{{kEpoch, Sequence(4)}, 1900}).send.empty());  // it asks already
    const Effects won = Hear(Promised(*Said<Ask>(offered), 4), kNext);
    ASSERT_TRUE(won.begin.has_value());
    EXPECT_EQ(won.begin->record.handed_by, kFirst);
    EXPECT_EQ(won.begin->record.in_sync, (Members{kFirst, kSecond}));
    EXPECT_FALSE(won.begin->record.loss_after.has_value());
    SpaceRecord begun = won.begin->record;
    begun.at = Sequence(5);
    now_ = now_ + seconds(5);
    copy_->Hear(0, now_);
    Do(Begun{begun, {kNext, Sequence(5)}, 8, Sequence(5)});
    EXPECT_TRUE(copy_->Admit(/*replicated=*/true, now_).ok());  // before n1 has joined
  }
}

TEST_F(CopySwitchTest, DoesNotTakeAnEpochWhoseLogGoesOn) {
  Follow(4);
  const Effects offered = Hear(HandOver{{kEpoch, Sequence(4)}, 2000});
  Answer further = Promised(*Said<Ask>(offered), 5);
  further.floor = Sequence(4);
  const Effects lost = Hear(further, kNext);
  EXPECT_FALSE(lost.begin.has_value());
  EXPECT_EQ(copy_->role(), Role::kReplica);
}

TEST_F(CopySwitchTest, GivesUpWhenThePrimaryDoesNotAnswer) {
  Follow(4);
  ASSERT_NE(Said<Ask>(Hear(HandOver{{kEpoch, Sequence(4)}, 700})), nullptr);
  now_ = now_ + milliseconds(699);
  Do(Tick{});
  EXPECT_EQ(copy_->role(), Role::kCandidate);
  now_ = now_ + milliseconds(1);
  Do(Tick{});
  EXPECT_EQ(copy_->role(), Role::kReplica);
}

}  // namespace
}  // namespace engram::cluster
