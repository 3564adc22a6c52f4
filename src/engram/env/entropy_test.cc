#include "engram/env/entropy.h"

#include <set>

#include <gtest/gtest.h>

#include "engram/env/executor.h"

namespace engram::env {
namespace {

TEST(EntropyTest, DoesNotRepeat) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(SystemEntropy().Next());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(EntropyTest, ThreadsNeverGetTheSameNumber) {
  std::set<uint64_t> seen[4];
  {
    auto pool = MakeThreadPool("entropy", 4);
    for (auto& mine : seen) {
      pool->Post([&mine] {
        for (int i = 0; i < 1000; ++i) mine.insert(SystemEntropy().Next());
      });
    }
  }
  std::set<uint64_t> all;
  for (const auto& mine : seen) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4000u);
}

class CountingEntropy : public Entropy {
 public:
  uint64_t Next() override { return ++count_; }

 private:
  uint64_t count_ = 0;
};

TEST(EntropyTest, IdentitiesAreUuidsOfWhatItGives) {
  CountingEntropy entropy;
  EXPECT_EQ(MakeNodeId(entropy).bytes, UuidFromRandom(1, 2));
  EXPECT_EQ(MakeIncarnation(entropy).bytes, UuidFromRandom(3, 4));
}

}  // namespace
}  // namespace engram::env
