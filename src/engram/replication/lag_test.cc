#include "engram/replication/lag.h"

#include <gtest/gtest.h>

#include "engram/base/prng.h"

namespace engram::replication {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};

LagInput Connected(uint64_t acked, Instant contact) {
  return {.acked = Sequence(acked), .connected = true, .last_contact = contact};
}
LagInput Away(uint64_t acked, Instant contact) {
  return {.acked = Sequence(acked), .connected = false, .last_contact = contact};
}

TEST(Lag, IsZeroOnlyWhenCaughtUpAndConnected) {
  DurableTimes times;
  LagMonitor monitor({});
  times.Note(Sequence(10), 1000, kStart);
  const Instant later = kStart + milliseconds(300);
  const Lag none = monitor.Measure(times, Connected(10, later), later);
  EXPECT_EQ(none.entries, 0u);
  EXPECT_EQ(none.bytes, 0u);
  EXPECT_EQ(none.time, Duration(0));
  EXPECT_FALSE(none.at_least);
  const Lag gone = monitor.Measure(times, Away(10, later), later + seconds(2));
  EXPECT_EQ(gone.entries, 0u);
  EXPECT_EQ(gone.time, seconds(2));
  EXPECT_TRUE(gone.at_least);
}

TEST(Lag, CountsFromTheOldestEntryThatIsMissing) {
  DurableTimes times;
  LagMonitor monitor({});
  times.Note(Sequence(10), 1000, kStart);
  times.Note(Sequence(20), 3000, kStart + seconds(1));
  times.Note(Sequence(20), 3000, kStart + seconds(2));  // known: nothing
  const Instant now = kStart + seconds(3);
  const Lag lag = monitor.Measure(times, Connected(10, now), now);
  EXPECT_EQ(lag.entries, 10u);
  EXPECT_EQ(lag.bytes, 2000u);
  EXPECT_EQ(lag.time, seconds(2));
  EXPECT_EQ(monitor.Measure(times, Connected(9, now), now).time, seconds(3));
  EXPECT_EQ(monitor.Measure(times, Connected(15, now), now).bytes, 1000u);
  EXPECT_EQ(monitor.Measure(times, Connected(0, now), now).bytes, 3000u);
}

TEST(Lag, OfAReplicaThatIsAwayIsWhatWasKnownAndTheTimeSince) {
  DurableTimes times;
  LagMonitor monitor({});
  times.Note(Sequence(10), 1000, kStart);
  const Instant heard = kStart + seconds(4);
  EXPECT_EQ(monitor.Measure(times, Connected(5, heard), heard).time, seconds(4));
  EXPECT_EQ(monitor.Measure(times, Away(10, heard), heard + seconds(2)).time, seconds(6));
  EXPECT_EQ(monitor.Measure(times, Away(10, heard), heard + seconds(3)).time, seconds(7));
}

// A copy that refuses to follow is behind for as long as it does, though its node answers.
TEST(Lag, OfAReplicaThatAnswersAndDoesNotFollowGrows) {
  LagMonitor monitor({});
  DurableTimes times;
  times.Note(Sequence(5), 500, kStart);
  const auto lag = [&](bool follows, int64_t ms) {
    const Instant now = kStart + milliseconds(ms);
    return monitor.Measure(times, follows ? Connected(5, now) : Away(5, now), now);
  };
  EXPECT_EQ(lag(true, 200).time, Duration(0));
  EXPECT_EQ(lag(false, 5200).time, seconds(5));
  EXPECT_EQ(lag(false, 6300).status, ReplicaStatus::kDegraded);
  EXPECT_EQ(lag(true, 6400).time, Duration(0));
  lag(false, 9000);
  monitor.Begin();  // in a new epoch it has not followed yet
  EXPECT_EQ(lag(false, 9001).time, Duration(0));
}

TEST(Lag, AResetForgets) {
  DurableTimes times;
  times.Note(Sequence(10), 1000, kStart);
  times.Reset();
  EXPECT_EQ(times.end(), Sequence());
  EXPECT_FALSE(times.FirstAbove(Sequence()).has_value());
  EXPECT_EQ(times.BytesAbove(Sequence()), 0u);
}

TEST(LagStatus, WorsensAtOnceAndRecoversBelowHalf) {
  DurableTimes times;
  LagMonitor monitor({});
  times.Note(Sequence(1), 100, kStart);
  times.Note(Sequence(2), 200, kStart + seconds(10));
  const auto at = [&](uint64_t acked, Duration after) {
    return monitor.Measure(times, Connected(acked, kStart + after), kStart + after).status;
  };
  EXPECT_EQ(at(0, milliseconds(1000)), ReplicaStatus::kHealthy);
  EXPECT_EQ(at(0, milliseconds(1001)), ReplicaStatus::kLagging);
  EXPECT_EQ(at(0, milliseconds(5001)), ReplicaStatus::kDegraded);
  EXPECT_EQ(monitor.alerts(), 2u);
  EXPECT_EQ(at(1, milliseconds(12'501)), ReplicaStatus::kDegraded);  // 2.501 s: above half
  EXPECT_EQ(at(1, milliseconds(12'500)), ReplicaStatus::kLagging);
  EXPECT_EQ(at(1, milliseconds(10'501)), ReplicaStatus::kLagging);
  EXPECT_EQ(at(1, milliseconds(10'500)), ReplicaStatus::kHealthy);
  EXPECT_EQ(monitor.alerts(), 2u);  // changes for the better are none
}

TEST(LagStatus, FailsAfterFailuresInARowOrWhenNeverHeardOf) {
  DurableTimes times;
  LagMonitor monitor({});
  LagInput input = Away(0, kStart);
  EXPECT_EQ(monitor.Measure(times, input, kStart).status, ReplicaStatus::kHealthy);
  input.failures_in_a_row = 3;
  EXPECT_EQ(monitor.Measure(times, input, kStart).status, ReplicaStatus::kFailed);
  EXPECT_EQ(monitor.Measure(times, input, kStart).status, ReplicaStatus::kFailed);
  EXPECT_EQ(monitor.alerts(), 1u);
  LagMonitor never({});
  EXPECT_EQ(never.Measure(times, Away(0, {}), kStart).status, ReplicaStatus::kFailed);
}

TEST(LagStatus, DoesNotFlutter) {
  DurableTimes times;
  LagMonitor monitor({});
  for (int i = 0; i < 100; ++i) {  // a lag that swings about the threshold
    const Instant at = kStart + seconds(10 * i);
    times.Note(Sequence(i + 1), 100 * (i + 1), at);
    const Instant now = at + milliseconds(i % 2 == 0 ? 1100 : 900);
    monitor.Measure(times, Connected(i, now), now);
  }
  EXPECT_EQ(monitor.alerts(), 0u);  // lagging at the first measure, and so it stays
}

// What the monitor would say if it remembered every entry.
struct Oracle {
  std::vector<Instant> at;      // of entry i + 1
  std::vector<uint64_t> bytes;  // of the log through it
  Duration AgeOf(uint64_t acked, Instant now) const {
    return acked < at.size() ? now - at[acked] : Duration(0);
  }
  uint64_t BytesAbove(uint64_t acked) const {
    return bytes.empty() ? 0 : bytes.back() - (acked == 0 ? 0 : bytes[acked - 1]);
  }
};

TEST(Lag, EqualsAnOracleWhileEverythingIsRemembered) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Prng prng(seed);
    DurableTimes times;
    LagMonitor monitor({});
    Oracle oracle;
    Instant now = kStart;
    for (int i = 0; i < 300; ++i) {
      now = now + milliseconds(prng.Below(50));
      if (prng.OneIn(2)) {
        oracle.at.push_back(now);
        oracle.bytes.push_back((oracle.bytes.empty() ? 0 : oracle.bytes.back()) + prng.Below(99));
        times.Note(Sequence(oracle.at.size()), oracle.bytes.back(), now);
      }
      const uint64_t acked = prng.Below(oracle.at.size() + 1);
      const Lag lag = monitor.Measure(times, Connected(acked, now), now);
      ASSERT_EQ(lag.entries, oracle.at.size() - acked);
      ASSERT_EQ(lag.time, oracle.AgeOf(acked, now)) << "seed " << seed;
      ASSERT_EQ(lag.bytes, oracle.BytesAbove(acked)) << "seed " << seed;
    }
  }
}

TEST(Lag, BoundedMemoryNeverUnderstates) {
  Prng prng(1);
  DurableTimes times;
  LagMonitor monitor({});
  Oracle oracle;
  Instant now = kStart;
  for (size_t i = 0; i < 5 * DurableTimes::kSamples; ++i) {
    now = now + milliseconds(1 + prng.Below(5));
    oracle.at.push_back(now);
    oracle.bytes.push_back(100 * oracle.at.size());
    times.Note(Sequence(oracle.at.size()), oracle.bytes.back(), now);
    const uint64_t acked = prng.Below(oracle.at.size() + 1);
    const Lag lag = monitor.Measure(times, Connected(acked, now), now);
    ASSERT_GE(lag.time, oracle.AgeOf(acked, now));
    ASSERT_LE(lag.time, now - kStart);
    ASSERT_EQ(lag.entries, oracle.at.size() - acked);
    ASSERT_LE(oracle.BytesAbove(acked), lag.bytes + 1);
    ASSERT_LE(lag.bytes, oracle.BytesAbove(acked) + 1);
  }
}

}  // namespace
}  // namespace engram::replication
