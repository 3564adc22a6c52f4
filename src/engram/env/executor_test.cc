#include "engram/env/executor.h"

#include <atomic>
#include <future>
#include <latch>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

namespace engram::env {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST(ThreadPoolTest, RunsTasksOnAllItsThreadsAtOnce) {
  auto pool = MakeThreadPool("test", 4);
  std::latch all(5);
  for (int i = 0; i < 4; ++i) pool->Post([&] { all.arrive_and_wait(); });
  all.arrive_and_wait();  // would never return with fewer threads
}

TEST(ThreadPoolTest, NamesItsThreads) {
  std::promise<std::string> name;
  MakeThreadPool("a-very-long-pool-name", 1)->Post([&] {
    char text[16];
    pthread_getname_np(pthread_self(), text, sizeof(text));
    name.set_value(text);
  });
  EXPECT_EQ(name.get_future().get(), "a-very-long-poo");
}

TEST(ThreadPoolTest, EndsAfterWhatIsQueuedAndWhatThatPosts) {
  std::atomic<int> ran = 0;
  auto pool = MakeThreadPool("test", 2);
  Executor* posts = pool.get();
  for (int i = 0; i < 100; ++i) {
    pool->Post([&ran, posts] {
      ++ran;
      posts->Post([&ran] { ++ran; });
    });
  }
  pool.reset();
  EXPECT_EQ(ran, 200);
}

// The last task waits for others that it posts while the pool ends: another thread must still be
// there.
TEST(ThreadPoolTest, ThreadsStayWhileATaskRuns) {
  auto ending = std::make_shared<int>();  // dropped with the delayed task, when the end begins
  std::future_status waited = std::future_status::timeout;
  auto pool = MakeThreadPool("test", 2);
  pool->PostAfter(seconds(3600), [ending] {});
  pool->Post([&waited, posts = pool.get(), dropped = std::weak_ptr<int>(ending)] {
    while (!dropped.expired()) std::this_thread::yield();
    // Twice: after the first, a thread that does not stay has gone.
    for (int round = 0; round < 2; ++round) {
      std::promise<void> done;
      posts->Post([&done] { done.set_value(); });
      waited = done.get_future().wait_for(seconds(30));
    }
  });
  ending.reset();
  pool.reset();
  EXPECT_EQ(waited, std::future_status::ready);
}

TEST(ThreadPoolTest, DelayedTasksRunEvenWhenTheTimerAlreadyWaits) {
  auto pool = MakeThreadPool("test", 1);
  for (int round = 0; round < 20; ++round) {
    std::promise<void> done;
    pool->PostAfter(milliseconds(1), [&] { done.set_value(); });
    ASSERT_EQ(done.get_future().wait_for(seconds(30)), std::future_status::ready) << round;
  }
}

TEST(ThreadPoolTest, AnEarlierDelayedTaskDoesNotWaitForALaterOne) {
  auto pool = MakeThreadPool("test", 1);
  std::promise<void> done;
  pool->PostAfter(seconds(3600), [] {});
  pool->PostAfter(milliseconds(1), [&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(seconds(30)), std::future_status::ready);
}

TEST(ThreadPoolTest, DelayedTasksRunInOrderOfTheirTimes) {
  auto pool = MakeThreadPool("test", 1);
  std::vector<int> order;
  std::promise<void> done;
  pool->PostAfter(milliseconds(1), [&] { order.push_back(1); });
  pool->PostAfter(milliseconds(30), [&] {
    order.push_back(2);
    done.set_value();
  });
  done.get_future().get();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(ThreadPoolTest, DelayedTasksAreNotEarly) {
  auto pool = MakeThreadPool("test", 1);
  std::promise<Instant> ran;
  const Instant start = SystemClock().Now();
  pool->PostAfter(milliseconds(20), [&] { ran.set_value(SystemClock().Now()); });
  EXPECT_GE(ran.get_future().get() - start, milliseconds(20));
}

TEST(ThreadPoolTest, DropsDelayedTasksAtItsEnd) {
  auto held = std::make_shared<int>(1);
  std::atomic<bool> ran = false;
  auto pool = MakeThreadPool("test", 1);
  pool->PostAfter(seconds(3600), [&ran, held] { ran = true; });
  EXPECT_EQ(held.use_count(), 2);
  pool.reset();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(ran);
}

TEST(ManualExecutorTest, RunsNothingByItself) {
  ManualClock clock;
  ManualExecutor executor(clock);
  std::vector<int> order;
  executor.Post([&] {
    order.push_back(1);
    executor.Post([&] { order.push_back(2); });
  });
  executor.PostAfter(seconds(2), [&] { order.push_back(4); });
  executor.PostAfter(seconds(1), [&] { order.push_back(3); });
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(executor.RunAll(), 2u);
  EXPECT_THAT(order, ElementsAre(1, 2));
  clock.Advance(milliseconds(999));
  EXPECT_EQ(executor.RunAll(), 0u);
  clock.Advance(seconds(5));
  EXPECT_EQ(executor.RunAll(), 2u);
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
}

TEST(ClockTest, ManualClockMovesOnlyWhenTold) {
  ManualClock clock(1000);
  const Instant start = clock.Now();
  clock.Advance(milliseconds(1));
  clock.StepWall(milliseconds(-2));
  EXPECT_EQ(clock.Now() - start, milliseconds(1));
  EXPECT_EQ(clock.WallNs(), 1000 - 1'000'000);
}

TEST(ClockTest, SystemClockGoesForward) {
  const Instant first = SystemClock().Now();
  EXPECT_LE(first, SystemClock().Now());
  EXPECT_GT(SystemClock().WallNs(), int64_t{1'600'000'000'000'000'000});
}

}  // namespace
}  // namespace engram::env
