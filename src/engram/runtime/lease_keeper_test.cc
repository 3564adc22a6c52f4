// This node's lease: which it is, until when it may be counted on, and what becomes of it when the
// store is silent, forgets it, or has another's key.
#include "engram/runtime/lease_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/runtime/fake_store.h"

namespace engram::runtime {
namespace {

using namespace std::chrono_literals;  // NOLINT
using replication::Mutant;
using testing::HasSubstr;
using Fault = FakeStore::Fault;

const std::string kKey = "nodes/n1";

class LeaseKeeperTest : public testing::Test {
 protected:
  void Start(Mutant mutant = Mutant::kNone, Duration ttl = 2s, Duration margin = 200ms) {
    LeaseOptions options;
    options.key = kKey;
    options.value = "me, now";
    options.ttl = ttl;
    options.margin = margin;
    options.is_own = [](const std::string& value) { return value.starts_with("me"); };
    options.mutant = mutant;
    keeper_ = std::make_shared<LeaseKeeper>(store_, clock_, executor_, options,
                                            [this] { numbers_.push_back(keeper_->number()); });
    keeper_->Start();
    executor_.RunAll();
  }
  void Run(Duration time) {
    for (Duration passed = 0ms; passed < time; passed += 10ms) {
      clock_.Advance(10ms);
      executor_.RunAll();
    }
  }
  Duration Deadline() const { return keeper_->deadline() - Instant(); }

  env::ManualClock clock_;
  env::ManualExecutor executor_{clock_};
  FakeStore store_{clock_, executor_};
  std::vector<int64_t> numbers_;  // at each call of `changed`
  std::shared_ptr<LeaseKeeper> keeper_;
};

TEST_F(LeaseKeeperTest, IsTheRevisionAtWhichItsKeyCameToBe) {
  Start();
  ASSERT_TRUE(store_.keys.contains(kKey));
  EXPECT_EQ(store_.keys[kKey].value, "me, now");
  EXPECT_EQ(store_.keys[kKey].lease, store_.leases.begin()->first);
  EXPECT_EQ(keeper_->number(), store_.keys[kKey].created);
  EXPECT_EQ(numbers_, std::vector<int64_t>{keeper_->number()});
  EXPECT_TRUE(keeper_->Holds());
  EXPECT_EQ(Deadline(), 1800ms);
  EXPECT_EQ(keeper_->left(), 1800ms);
  EXPECT_EQ(keeper_->trouble(), "");
}

TEST_F(LeaseKeeperTest, TheMarginIsATenthOfALongLease) {
  Start(Mutant::kNone, 10s, 200ms);
  EXPECT_EQ(Deadline(), 9s);
  Run(3s);  // kept at 2.5 s
  EXPECT_EQ(Deadline(), 11500ms);
}

// The store may have begun to count when the question came, not when its answer left.
TEST_F(LeaseKeeperTest, CountsFromBeforeTheQuestionLeft) {
  for (const Mutant mutant : {Mutant::kNone, Mutant::kLeaseFromAnswer}) {
    const Duration late = mutant == Mutant::kNone ? 0ms : 1ms;
    const Instant began = clock_.Now();
    store_.answers_take = 300ms;
    Start(mutant);
    Run(600ms);  // granted, announced
    EXPECT_EQ(keeper_->deadline() - began, 1800ms + 600 * late);
    Run(800ms);  // asked to be kept after half a second, and answered
    EXPECT_EQ(keeper_->deadline() - began, 1100ms + 1800ms + 300 * late);
    keeper_->Stop([] {});
    Run(300ms);
    numbers_.clear();
  }
}

TEST_F(LeaseKeeperTest, StaysAsLongAsItIsKept) {
  Start();
  const int64_t number = keeper_->number();
  Run(10s);
  EXPECT_TRUE(keeper_->Holds());
  EXPECT_EQ(keeper_->number(), number);
  EXPECT_EQ(Deadline(), 11800ms);
  EXPECT_EQ(keeper_->losses(), 0u);
  EXPECT_EQ(numbers_.size(), 1u);
}

TEST_F(LeaseKeeperTest, RunsOutWithoutAnswersAndComesBackWithOne) {
  Start();
  const int64_t number = keeper_->number();
  store_.leases_end = false;
  for (uint64_t times = 1; times <= 2; ++times) {
    store_.down = true;
    Run(1s);
    EXPECT_TRUE(keeper_->Holds());
    EXPECT_EQ(keeper_->losses(), times - 1);
    Run(4s);
    EXPECT_FALSE(keeper_->Holds());
    EXPECT_EQ(keeper_->left(), 0ms);
    EXPECT_EQ(keeper_->losses(), times);  // once, however often it is asked for
    EXPECT_THAT(keeper_->trouble(), HasSubstr("did not answer"));
    store_.down = false;
    Run(200ms);
    EXPECT_TRUE(keeper_->Holds());
    EXPECT_EQ(keeper_->number(), number);
    EXPECT_EQ(keeper_->trouble(), "");
  }
  EXPECT_EQ(numbers_.size(), 1u);
}

TEST_F(LeaseKeeperTest, AfterALeaseThatIsLostComesAnother) {
  Start();
  store_.End(store_.leases.begin()->first);
  Run(500ms);
  EXPECT_FALSE(keeper_->Holds());
  EXPECT_EQ(keeper_->number(), 0);
  EXPECT_EQ(keeper_->left(), 0ms);
  EXPECT_EQ(keeper_->losses(), 1u);
  EXPECT_EQ(keeper_->trouble(), "the lease ran out");
  Run(200ms);
  EXPECT_TRUE(keeper_->Holds());
  ASSERT_EQ(numbers_.size(), 2u);
  EXPECT_GT(numbers_[1], numbers_[0]);
  EXPECT_EQ(keeper_->number(), numbers_[1]);
  EXPECT_EQ(keeper_->losses(), 1u);
}

TEST_F(LeaseKeeperTest, WhatRanOutIsNotCountedAgainWhenItIsLost) {
  Start();
  store_.down = true;
  Run(4s);
  EXPECT_EQ(keeper_->losses(), 1u);
  store_.down = false;  // and the store has let it go
  Run(1s);
  EXPECT_EQ(numbers_.size(), 2u);
  EXPECT_EQ(keeper_->losses(), 1u);
}

TEST_F(LeaseKeeperTest, TriesUntilItIsGrantedOne) {
  store_.down = true;
  Start();
  Run(1s);
  EXPECT_EQ(keeper_->number(), 0);
  EXPECT_THAT(keeper_->trouble(), HasSubstr("did not answer"));
  store_.down = false;
  Run(200ms);
  EXPECT_TRUE(keeper_->Holds());
}

TEST_F(LeaseKeeperTest, AKeyOfItsEarlierLifeIsErasedFirst) {
  store_.Put(kKey, "me, before", 7);
  const int64_t before = store_.keys[kKey].created;
  Start();
  EXPECT_TRUE(keeper_->Holds());
  EXPECT_GT(keeper_->number(), before);
  EXPECT_EQ(store_.keys[kKey].value, "me, now");
  ASSERT_EQ(store_.asked.size(), 3u);
  EXPECT_EQ(store_.asked[1].erase, std::vector<std::string>{kKey});
  EXPECT_EQ(store_.asked[1].compares[0].revision, before);  // that life's, and no other's
}

TEST_F(LeaseKeeperTest, AKeyWhoseAnswerWasLostIsMadeAnew) {
  store_.faults = {Fault::kNone, Fault::kAnswerLost, Fault::kCallLost};  // nor is it let go
  Start();
  EXPECT_EQ(keeper_->number(), 0);
  Run(200ms);
  EXPECT_TRUE(keeper_->Holds());
  EXPECT_EQ(keeper_->number(), store_.keys[kKey].created);
}

TEST_F(LeaseKeeperTest, AKeyOfAStrangerIsLeftAlone) {
  store_.Put(kKey, "somebody else", 7);
  Start();
  Run(1s);
  EXPECT_EQ(keeper_->number(), 0);
  EXPECT_EQ(store_.keys[kKey].value, "somebody else");
  EXPECT_EQ(keeper_->trouble(),
            "a node of this name is alive already, with another data directory");
  EXPECT_TRUE(store_.leases.empty());
  store_.End(7);
  Run(200ms);
  EXPECT_TRUE(keeper_->Holds());
}

TEST_F(LeaseKeeperTest, IsLetGoAtTheEnd) {
  Start();
  bool done = false;
  keeper_->Stop([&] { done = true; });
  EXPECT_TRUE(store_.leases.empty());
  EXPECT_FALSE(store_.keys.contains(kKey));
  EXPECT_FALSE(done);
  executor_.RunAll();
  EXPECT_TRUE(done);
  const size_t calls = store_.calls;
  Run(5s);
  EXPECT_EQ(store_.calls, calls);
  // Without one there is nothing to wait for.
  store_.down = true;
  Start();
  done = false;
  keeper_->Stop([&] { done = true; });
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace engram::runtime
