#include "engram/runtime/strand.h"

#include <vector>

#include <gtest/gtest.h>

namespace engram::runtime {
namespace {

struct StrandTest : testing::Test {
  env::ManualClock clock;
  env::ManualExecutor executor{clock};
  std::shared_ptr<Strand> strand = std::make_shared<Strand>(executor);
  std::vector<int> order;

  env::Task Task(int number) {
    return [this, number] { order.push_back(number); };
  }
  // As another thread would, while this one runs a task.
  env::Task Bringing(int number, int others) {
    return [this, number, others] {
      order.push_back(number);
      for (int other = 1; other <= others; ++other) strand->Run(Task(number + other));
    };
  }
};

TEST_F(StrandTest, RunsOnTheThreadThatBringsATaskWhileNobodyRunsOne) {
  strand->Run(Bringing(1, 2));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  executor.RunAll();
  strand->Run(Task(4));  // idle again
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
}

TEST_F(StrandTest, HandsTheRestToTheExecutorAfterManyTasks) {
  strand->Run(Bringing(1, 100));
  EXPECT_EQ(order.size(), 64u);
  executor.RunAll();
  EXPECT_EQ(order.size(), 101u);
  EXPECT_EQ(order.back(), 101);
}

TEST_F(StrandTest, RunsNoOtherTaskOnAThreadThatMustNotWait) {
  strand->RunAlone(Bringing(1, 2));
  EXPECT_EQ(order, (std::vector<int>{1}));
  strand->RunAlone(Task(4));  // its turn is behind theirs
  EXPECT_EQ(order, (std::vector<int>{1}));
  executor.RunAll();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
  strand->RunAlone(Task(5));  // nothing was left to the executor
  EXPECT_EQ(order.back(), 5);
}

TEST_F(StrandTest, PostsWhatIsNeverToRunOnThisThread) {
  strand->Post(Task(1));
  EXPECT_TRUE(order.empty());
  strand->Run(Task(2));
  EXPECT_TRUE(order.empty());
  executor.RunAll();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace engram::runtime
