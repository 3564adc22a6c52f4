#include "engram/runtime/bulk_turns.h"

#include <vector>

#include <gtest/gtest.h>

namespace engram::runtime {
namespace {

using std::chrono::milliseconds;

class BulkTurnsTest : public testing::Test {
 protected:
  // Asks as `who`; the turn says so and keeps what ends it.
  void Ask(BulkTurns& turns, int who) {
    turns.Ask([this, who](BulkTurns::Done done) {
      order_.push_back(who);
      under_way_.push_back(std::move(done));
    });
    executor_.RunAll();
  }
  void EndFirst(uint64_t bytes) {
    const BulkTurns::Done done = std::move(under_way_.front());
    under_way_.erase(under_way_.begin());
    done(bytes);
    executor_.RunAll();
  }
  env::ManualClock clock_;
  env::ManualExecutor executor_{clock_};
  std::vector<int> order_;
  std::vector<BulkTurns::Done> under_way_;
};

TEST_F(BulkTurnsTest, AreTakenInOrderAndFewAtATime) {
  const auto turns = std::make_shared<BulkTurns>(executor_, clock_, 0, 2);
  for (int who = 1; who <= 4; ++who) Ask(*turns, who);
  EXPECT_EQ(order_, (std::vector<int>{1, 2}));
  EXPECT_EQ(turns->waiting(), 2u);
  EndFirst(1000);
  Ask(*turns, 1);  // who comes back stands behind the others
  EndFirst(1000);
  EndFirst(1000);
  EXPECT_EQ(order_, (std::vector<int>{1, 2, 3, 4, 1}));
}

TEST_F(BulkTurnsTest, KeepToTheRate) {
  const auto turns = std::make_shared<BulkTurns>(executor_, clock_, 1000, 2);  // bytes a second
  Ask(*turns, 1);
  Ask(*turns, 2);
  EndFirst(500);  // half a second's worth
  EndFirst(0);
  Ask(*turns, 3);
  const size_t before = order_.size();
  clock_.Advance(milliseconds(400));
  executor_.RunAll();
  EXPECT_EQ(order_.size(), before);
  clock_.Advance(milliseconds(101));
  executor_.RunAll();
  EXPECT_EQ(order_.size(), 3u);
}

}  // namespace
}  // namespace engram::runtime
