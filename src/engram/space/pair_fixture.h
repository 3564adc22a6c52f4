// Two copies of one space that agree, and what a test does with them. For tests; one thread.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "engram/space/pair_kit.h"

namespace engram::space {

inline constexpr env::Duration kLong = std::chrono::seconds(30);
inline constexpr env::Duration kShort = std::chrono::milliseconds(5);

inline v1::WriteOptions At(v1::Durability level, const std::string& key = "") {
  v1::WriteOptions options;
  options.set_durability(level);
  options.set_idempotency_key(key);
  return options;
}

inline bool Shows(Space& space, const std::string& id) {
  auto view = space.NewView();
  EXPECT_TRUE(view.ok()) << view.status().ToString();
  if (!view.ok()) return false;
  auto found = (*view)->FindId(id);
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return found.ok() && found->has_value() && !(*found)->deleted;
}

class PairTest : public ::testing::Test {
 protected:
  PairTest() {
    const Incarnation incarnation = env::MakeIncarnation(env::SystemEntropy());
    const auto& environment = a_.node->environment;
    a_.space = *Space::CreateFirst(environment, "notes", SmallVectors(), incarnation, Epoch(1),
                                   EpochStartPayload(environment, Epoch(1), {}));
    a_.committer.leads = true;
    b_.space = *Space::CreateCopy(b_.node->environment, "notes", incarnation);
  }

  using Future = std::shared_ptr<Waiting<v1::RememberResponse>>;
  Future Write(PairCopy& copy, const std::string& id, const v1::WriteOptions& options) {
    auto waiting = std::make_shared<Answer>();
    copy.space->Remember(MakeEpisode(id, "about " + id), options, waiting->done());
    last_ = waiting;
    return waiting;
  }
  // Waits until the copy's log has it durable.
  void AwaitDurable(PairCopy& copy) {
    const auto end = env::SystemClock().Now() + kLong;
    while (copy.log().durable_end() < copy.log().end()) {
      ASSERT_LT(env::SystemClock().Now(), end);
      std::this_thread::yield();
    }
  }
  void ShipAll(PairCopy& from, PairCopy& to) {
    const Status shipped = Ship(from.log(), to.log(), 1000);
    ASSERT_TRUE(shipped.ok()) << shipped.ToString();
  }
  // Everything on both, committed and visible.
  void Agree(PairCopy& primary, PairCopy& replica) {
    AwaitDurable(primary);
    ShipAll(primary, replica);
    const Sequence end = primary.log().end();
    primary.space->CommitThrough(end, end, 2);
    replica.space->CommitThrough(end, end, 2);
    ASSERT_TRUE(replica.Settle());
    ASSERT_EQ(primary.space->visible().sequence, end);
  }

  struct Answer : Waiting<v1::RememberResponse> {};
  PairCopy a_, b_;
  std::shared_ptr<Answer> last_;
};

}  // namespace engram::space
