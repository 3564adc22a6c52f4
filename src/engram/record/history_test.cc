#include "engram/record/history.h"

#include <gtest/gtest.h>

#include "engram/base/prng.h"

namespace engram::record {
namespace {

EpochBegin Row(uint64_t epoch, uint64_t first) {
  return {Epoch(epoch), Sequence(first)};
}
Position At(uint64_t epoch, uint64_t sequence) {
  return {Epoch(epoch), Sequence(sequence)};
}

// Epoch 1 with a further start at 5, epoch 4 from 9 on.
const History kRows{Row(1, 1), Row(1, 5), Row(4, 9)};

TEST(History, SaysTheEpochOfAnEntry) {
  EXPECT_EQ(EpochAt(kRows, Sequence(0)), Epoch(0));
  EXPECT_EQ(EpochAt(kRows, Sequence(1)), Epoch(1));
  EXPECT_EQ(EpochAt(kRows, Sequence(8)), Epoch(1));
  EXPECT_EQ(EpochAt(kRows, Sequence(9)), Epoch(4));
  EXPECT_EQ(EpochAt(kRows, Sequence(100)), Epoch(4));
  EXPECT_EQ(EpochAt({}, Sequence(3)), Epoch(0));
}

TEST(History, SaysWhereAnEpochEnds) {
  EXPECT_EQ(LastOf(kRows, Epoch(1), Sequence(20)), Sequence(8));
  EXPECT_EQ(LastOf(kRows, Epoch(4), Sequence(20)), Sequence(20));
  EXPECT_EQ(LastOf(kRows, Epoch(2), Sequence(20)), std::nullopt);
  EXPECT_EQ(LastOf({}, Epoch(1), Sequence(0)), std::nullopt);
}

TEST(History, FindsWhereLogsPart) {
  EXPECT_EQ(ForkOf(kRows, Sequence(20), kRows, Sequence(12)), At(4, 12));
  const History other{Row(1, 1), Row(1, 5), Row(3, 7)};
  EXPECT_EQ(ForkOf(kRows, Sequence(20), other, Sequence(30)), At(1, 6));
  EXPECT_EQ(ForkOf(other, Sequence(30), kRows, Sequence(20)), At(1, 6));
  EXPECT_EQ(ForkOf(kRows, Sequence(20), {}, Sequence(0)), At(0, 0));
  EXPECT_EQ(ForkOf(kRows, Sequence(20), History{Row(9, 1)}, Sequence(3)), At(0, 0));
}

// Logs grow out of one another as replicated ones do: each new epoch continues one of them.
TEST(History, TheForkIsTheLongestCommonBeginning) {
  using Log = std::vector<uint64_t>;  // epoch of each entry; equal beginnings are equal entries
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Prng prng(seed);
    std::vector<Log> logs(3);
    for (uint64_t epoch = 1; epoch <= 8; ++epoch) {
      const Log leader = logs[prng.Below(3)];
      Log grown = leader;
      for (uint64_t n = 1 + prng.Below(5); n > 0; --n) grown.push_back(epoch);
      for (Log& log : logs) {
        if (!prng.OneIn(2)) continue;
        // A follower has a beginning of it that holds at least one entry of the epoch.
        log.assign(grown.begin(),
                   grown.begin() + static_cast<long>(leader.size() + 1 +
                                                     prng.Below(grown.size() - leader.size())));
      }
    }
    const auto history = [&](const Log& log) {
      History rows;
      for (size_t i = 0; i < log.size(); ++i) {
        const bool begins = i == 0 || log[i] != log[i - 1];
        if (begins) rows.push_back(Row(log[i], i + 1));
      }
      return rows;
    };
    for (const Log& a : logs) {
      for (const Log& b : logs) {
        size_t common = 0;
        while (common < std::min(a.size(), b.size()) && a[common] == b[common]) ++common;
        const Position expected =
            common == 0 ? At(0, 0) : At(a[common - 1], static_cast<uint64_t>(common));
        EXPECT_EQ(ForkOf(history(a), Sequence(a.size()), history(b), Sequence(b.size())), expected)
            << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace engram::record
