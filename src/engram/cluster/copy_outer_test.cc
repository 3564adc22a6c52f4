// One copy with a configuration store outside, event by event: who was refused goes on following,
// another lease is another epoch, members are expelled and come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/cluster/copy.h"
#include "engram/cluster/outer_store.h"
#include "engram/cluster/static_store.h"

namespace engram::cluster {
namespace {

using replication::Joined;
using replication::Open;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Incarnation kSpace{{9}};
const Member kFirst{"n1", {{1}}, {}}, kSecond{"n2", {{2}}, {}};
const Epoch kEpoch = MakeEpoch(1, 0);
constexpr int64_t kFirstLease = 11, kSecondLease = 22;

SpaceRecord FirstRecord(Members in_sync) {
  SpaceRecord record;
  record.epoch = kEpoch;
  record.at = Sequence(1);
  record.primary = kFirst;
  record.in_sync = std::move(in_sync);
  return record;
}

// A pair; n1 made the space.
class CopyOuterTest : public testing::Test {
 protected:
  void Make(size_t me, const Members& in_sync) {
    me_ = me;
    const SpaceRecord record = FirstRecord(in_sync);
    LogState log;
    log.space = kSpace;
    log.end = {kEpoch, Sequence(1)};
    log.end_crc = 7;
    log.durable = Sequence(1);
    log.records = {record};
    CopyOptions options;
    options.nodes = {"n1", "n2"};
    options.me = me;
    options.self = me == 0 ? kFirst : kSecond;
    OuterStoreOptions store;
    store.nodes = options.nodes;
    store.me = me;
    store.self = options.self;
    copy_ =
        std::make_unique<Copy>(options, std::make_unique<OuterStore>(store), log, Prng(1), now_);
    space_ = {.there = true, .record = record, .lease = kFirstLease, .revision = 40};
    space_.record.at = Sequence();
    leases_ = {{kFirst.incarnation, kFirstLease}, {kSecond.incarnation, kSecondLease}};
  }
  template <class What>
  Effects Do(What what) {
    Effects effects = copy_->Step({now_, std::move(what)});
    EXPECT_EQ(copy_->CheckInvariants(), "");
    if (!effects.store.empty()) call_ = effects.store.back();
    if (const Open* open = Said<Open>(effects)) open_id_ = open->id;
    return effects;
  }
  template <class Body>
  Effects Hear(Body body) {
    const Member& from = me_ == 0 ? kSecond : kFirst;
    return Do(Received{1 - me_, {{kSpace, kEpoch, from.incarnation}, std::move(body)}});
  }
  template <class Body>
  static const Body* Said(const Effects& effects) {
    for (const Outgoing& out : effects.send) {
      if (const Body* body = std::get_if<Body>(&out.message.body)) return body;
    }
    return nullptr;
  }
  // The store carries the last call out, and says so.
  Effects CarryOut() {
    if (const auto& write = call_.write) {
      EXPECT_EQ(write->over, space_.revision);
      space_.record = write->record;
      space_.resigned = write->resigned;
      space_.lease = leases_[me_].number;
      ++space_.revision;
    }
    return Do(StoreAnswered{call_.id, Outcome::kDone, space_, leases_});
  }
  // n1 leads; n2 is connected.
  void Lead(const Members& in_sync) {
    Make(0, in_sync);
    Do(Created{FirstRecord(in_sync), kFirstLease});
    Do(PeerUp{1, kSecond.incarnation});
  }
  // n2 has everything up to `end`.
  Effects Join(uint64_t end) {
    return Hear(Joined{.end = {kEpoch, Sequence(end)},
                       .end_crc = 7,
                       .durable = Sequence(end),
                       .visible = {},
                       .id = open_id_});
  }
  Effects LogAt(uint64_t end) {
    return Do(LogMoved{
        .end = {kEpoch, Sequence(end)}, .end_crc = 7, .durable = Sequence(end), .records = {}});
  }
  // What n2 does not acknowledge costs it its place.
  void Expel(uint64_t end) {
    LogAt(end);
    Do(Tick{});
    now_ = now_ + milliseconds(1500);
    Do(Tick{});
    if (!call_.write.has_value()) CarryOut();  // the first one reads
    ASSERT_TRUE(call_.write.has_value());
    ASSERT_THAT(call_.write->record.in_sync, ElementsAre(kFirst));
    EXPECT_EQ(copy_->commit(), Sequence(end - 1));  // until the store has it
    CarryOut();
    EXPECT_EQ(copy_->commit(), Sequence(end));
    call_ = {};
  }
  // n2 has everything again; whether it is taken back.
  bool Returns(uint64_t end) {
    copy_->Hear(1, now_);
    Do(Tick{});
    Join(end);
    if (!call_.write.has_value()) return false;
    EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kFirst, kSecond));
    CarryOut();
    call_ = {};
    return Has(copy_->current().in_sync, kSecond);
  }

  size_t me_ = 0;
  Instant now_{1'000'000'000'000};
  StoredSpace space_;
  std::vector<StoreAnswered::Lease> leases_;
  StoreCall call_;        // the newest
  uint64_t open_id_ = 0;  // the newest that was said
  std::unique_ptr<Copy> copy_;
};

TEST_F(CopyOuterTest, WhoIsRefusedGoesOnFollowing) {
  Make(1, {kFirst, kSecond});
  Do(PeerUp{0, kFirst.incarnation});
  Hear(Open{.id = 1,
            .history = {{kEpoch, Sequence(1)}},
            .end = {kEpoch, Sequence(1)},
            .end_crc = 7,
            .commit = Sequence(1),
            .replicated_end = Sequence(1),
            .floors = {},
            .losses = {}});
  ASSERT_TRUE(copy_->joined());
  space_.record.in_sync = {kFirst};
  const Effects asked = Do(Stand{.request = {.id = 7}});
  EXPECT_FALSE(asked.role.has_value());
  EXPECT_FALSE(asked.promise.has_value());
  ASSERT_EQ(asked.store.size(), 1u);
  now_ = now_ + milliseconds(300);
  const Effects refused = CarryOut();
  ASSERT_EQ(refused.reports.size(), 1u);
  EXPECT_THAT(refused.reports[0].why, HasSubstr("not in the in-sync set"));
  EXPECT_FALSE(refused.role.has_value());
  EXPECT_TRUE(copy_->joined());
  EXPECT_EQ(copy_->leader(), 0u);
  // When it wins it leads.
  space_.record.in_sync = {kFirst, kSecond};
  leases_[0].number = 0;
  Do(Stand{.request = {.id = 8}});
  now_ = now_ + milliseconds(300);
  CarryOut();
  ASSERT_TRUE(call_.write.has_value());
  const Effects won = CarryOut();
  EXPECT_EQ(won.role, Role::kCandidate);
  ASSERT_TRUE(won.begin.has_value());
  EXPECT_EQ(won.begin->record.epoch, MakeEpoch(2, 1));
  EXPECT_EQ(won.promise, MakeEpoch(2, 1));
  EXPECT_EQ(copy_->lease(), kSecondLease);
}

TEST_F(CopyOuterTest, AnotherLeaseIsAnotherEpoch) {
  Lead({kFirst, kSecond});
  Join(1);
  ASSERT_TRUE(copy_->serving());
  EXPECT_EQ(copy_->lease(), kFirstLease);
  leases_[0].number = 12;
  const Effects changed = Do(LeaseChanged{});
  EXPECT_EQ(changed.role, Role::kCandidate);
  ASSERT_EQ(changed.store.size(), 1u);
  now_ = now_ + milliseconds(300);
  CarryOut();
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_FALSE(call_.write->deposes.has_value());
  const Effects won = CarryOut();
  ASSERT_TRUE(won.begin.has_value());
  EXPECT_EQ(won.begin->record.epoch, MakeEpoch(2, 0));
  EXPECT_THAT(won.begin->record.in_sync, ElementsAre(kFirst, kSecond));
  EXPECT_EQ(copy_->lease(), 12);
  SpaceRecord record = won.begin->record;
  record.at = Sequence(2);
  const Effects begun = Do(Begun{record, {record.epoch, Sequence(2)}, 8, Sequence(2)});
  EXPECT_EQ(begun.role, Role::kPrimary);
}

TEST_F(CopyOuterTest, WhoIsExpelledAgainWaitsTwiceAsLong) {
  Lead({kFirst, kSecond});
  Join(1);
  uint64_t end = 1;
  for (const int wait : {1, 2, 4}) {
    Expel(++end);
    now_ = now_ + seconds(wait) - milliseconds(1);
    EXPECT_FALSE(Returns(end)) << wait;
    now_ = now_ + milliseconds(1);
    EXPECT_TRUE(Returns(end)) << wait;
  }
  now_ = now_ + minutes(10);  // long ago
  Returns(end);
  Expel(++end);
  now_ = now_ + seconds(1);
  EXPECT_TRUE(Returns(end));
}

// A write may wait for it, and neither the commit nor the replicated end moves.
TEST_F(CopyOuterTest, ASecondCopyThatComesIsTold) {
  Lead({kFirst});
  ASSERT_TRUE(copy_->serving());
  EXPECT_EQ(copy_->copies_in_sync(now_), 1u);
  Join(1);
  ASSERT_FALSE(call_.write.has_value());  // it reads first
  CarryOut();
  ASSERT_TRUE(call_.write.has_value());
  const Effects grown = CarryOut();
  ASSERT_TRUE(grown.commit.has_value());
  EXPECT_EQ(*grown.commit, (CommitMove{Sequence(1), Sequence(1), 2}));
}

}  // namespace
}  // namespace engram::cluster
