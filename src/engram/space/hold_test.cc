// Writes that are held while a space is handed over: kept as they come, then taken or refused.
#include <gtest/gtest.h>

#include "engram/space/pair_kit.h"

namespace engram::space {
namespace {

class HoldTest : public ::testing::Test {
 protected:
  HoldTest() {
    const auto& environment = copy_.node->environment;
    copy_.space = *Space::CreateFirst(environment, "notes", SmallVectors(),
                                      env::MakeIncarnation(env::SystemEntropy()), Epoch(1),
                                      EpochStartPayload(environment, Epoch(1), {}));
    copy_.committer.leads = true;
    copy_.space->CommitThrough(copy_.log().end(), copy_.log().end(), 2);
  }
  struct Write {
    std::shared_ptr<std::atomic<int>> answers = std::make_shared<std::atomic<int>>(0);
    std::shared_ptr<std::promise<Status>> promise = std::make_shared<std::promise<Status>>();
    Status Get() const { return promise->get_future().get(); }
  };
  Write Remember(const std::string& id) {
    Write write;
    v1::WriteOptions options;
    options.set_durability(v1::DURABILITY_LOCAL);
    copy_.space->Remember(MakeEpisode(id, "about " + id), options, [write](const auto& result) {
      if (++*write.answers == 1) write.promise->set_value(result.status());
    });
    return write;
  }

  PairCopy copy_;
};

TEST_F(HoldTest, HeldWritesGoOnInTheirOrder) {
  const Sequence end = copy_.log().end();
  copy_.space->HoldWrites(true);
  const Write first = Remember("x"), second = Remember("x"), third = Remember("y");
  EXPECT_EQ(copy_.log().end(), end);
  EXPECT_EQ(*first.answers, 0);
  EXPECT_EQ(copy_.space->MarkDeleted().reason(), Reason::RECOVERING);
  // What the protocol itself appends is not held.
  ASSERT_TRUE(
      copy_.space->AppendEpochStart(EpochStartPayload(copy_.node->environment, Epoch(1), {})).ok());
  copy_.space->HoldWrites(false);
  EXPECT_TRUE(first.Get().ok());
  EXPECT_TRUE(second.Get().ok());
  EXPECT_TRUE(third.Get().ok());
  EXPECT_EQ(copy_.log().end(), Sequence(end.value() + 3));  // the second found it written
  EXPECT_EQ(*first.answers + *second.answers + *third.answers, 3);
}

TEST_F(HoldTest, HeldWritesAreRefusedByWhoFollowsNow) {
  copy_.space->HoldWrites(true);
  const Write held = Remember("x");
  copy_.Follow();
  EXPECT_EQ(*held.answers, 0);
  copy_.space->HoldWrites(false);
  EXPECT_EQ(held.Get().reason(), Reason::NOT_PRIMARY);
}

TEST_F(HoldTest, ASpaceThatClosesAnswersHeldWrites) {
  copy_.space->HoldWrites(true);
  const Write held = Remember("x");
  ASSERT_TRUE(copy_.space->Close().ok());
  EXPECT_EQ(held.Get().reason(), Reason::SHUTTING_DOWN);
  copy_.space->HoldWrites(true);  // too late to hold anything
  EXPECT_FALSE(Remember("y").Get().ok());
}

// No write is between the decision and the log when the space says that it holds them.
TEST_F(HoldTest, NothingIsAppendedOnceWritesAreHeld) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; !stop; ++i) {
        EXPECT_TRUE(Remember(std::to_string(w) + "-" + std::to_string(i)).Get().ok());
      }
    });
  }
  for (int round = 0; round < 200; ++round) {
    copy_.space->HoldWrites(true);
    const Sequence end = copy_.log().end();
    std::this_thread::yield();
    EXPECT_EQ(copy_.log().end(), end);
    copy_.space->HoldWrites(false);
    std::this_thread::yield();
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace engram::space
