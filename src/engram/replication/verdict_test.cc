// The verdict against a search by brute force over whole logs, in every small history and at
// random.
#include "engram/replication/verdict.h"

#include <map>

#include <gtest/gtest.h>

#include "engram/base/prng.h"
#include "engram/replication/space_record.h"

namespace engram::replication {
namespace {

using Log = std::vector<uint64_t>;  // the epoch of each entry; an epoch begins with an EpochStart

constexpr Incarnation kSpace{{1}};

record::History HistoryOf(const Log& log) {
  record::History history;
  for (size_t i = 0; i < log.size(); ++i) {
    if (i == 0 || log[i] != log[i - 1]) history.push_back({Epoch(log[i]), Sequence(i + 1)});
  }
  return history;
}

// Logs that could have come to be: in one epoch one primary appends, so two logs are equal up to
// the last entry that both have of one epoch.
bool Possible(const Log& a, const Log& b) {
  std::map<uint64_t, size_t> begins;
  for (const auto& row : HistoryOf(a)) begins[row.epoch.value()] = row.first.value();
  for (const auto& row : HistoryOf(b)) {
    const auto it = begins.find(row.epoch.value());
    if (it == begins.end()) continue;
    if (it->second != row.first.value()) return false;
    for (size_t i = 0; i + 1 < it->second; ++i) {
      if (a[i] != b[i]) return false;
    }
  }
  return true;
}

size_t ForkBySearch(const Log& a, const Log& b) {
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  return i;
}

Verdict Decide(const Log& primary, const Log& copy, Floors floors = {}) {
  const record::History theirs = HistoryOf(primary), mine = HistoryOf(copy);
  const PrimaryLog a{kSpace, Epoch(99), theirs, Sequence(primary.size()), floors};
  return DecideCatchUp(a, {.space = kSpace, .history = mine, .end = Sequence(copy.size())});
}

void Compare(const Log& primary, const Log& copy) {
  const size_t fork = ForkBySearch(primary, copy);
  const Verdict verdict = Decide(primary, copy);
  if (fork == copy.size()) {
    EXPECT_EQ(verdict, Verdict(Stream{Sequence(fork + 1)}));
  } else {
    EXPECT_EQ(verdict, Verdict(Truncate{Sequence(fork)}));
  }
}

std::vector<Log> AllLogs(size_t length, uint64_t epochs) {
  std::vector<Log> logs{{}};
  for (size_t from = 0, i = 0; i < length; ++i) {
    const size_t to = logs.size();
    for (; from < to; ++from) {
      for (uint64_t e = logs[from].empty() ? 1 : logs[from].back(); e <= epochs; ++e) {
        Log next = logs[from];
        next.push_back(e);
        logs.push_back(next);
      }
    }
  }
  return logs;
}

TEST(Verdict, EqualsASearchOverAllSmallLogs) {
  const std::vector<Log> logs = AllLogs(6, 3);
  size_t compared = 0;
  for (const Log& primary : logs) {
    for (const Log& copy : logs) {
      if (!Possible(primary, copy)) continue;
      Compare(primary, copy);
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000u);
}

TEST(Verdict, EqualsASearchOverRandomLogs) {
  Prng prng(5);
  for (int i = 0; i < 20000; ++i) {
    Log shared;
    uint64_t epoch = 1;
    for (uint64_t n = prng.Below(30); n > 0; --n) {
      epoch += prng.OneIn(5) ? 1 : 0;
      shared.push_back(epoch);
    }
    Log primary = shared, copy = shared;
    const bool fork = prng.OneIn(2);
    for (uint64_t n = prng.Below(8), e = epoch + 1; n > 0; --n) primary.push_back(e);
    for (uint64_t n = prng.Below(8), e = epoch + (fork ? 2 : 1); n > 0; --n) copy.push_back(e);
    Compare(primary, copy);
  }
}

TEST(Verdict, FollowsNoOlderEpochAndNoOtherSpace) {
  const record::History theirs{{Epoch(1), Sequence(1)}}, mine{{Epoch(3), Sequence(1)}};
  const PrimaryLog primary{kSpace, Epoch(2), theirs, Sequence(4), {}};
  EXPECT_EQ(DecideCatchUp(primary, {.space = kSpace, .history = mine, .end = Sequence(1)}),
            Verdict(Ahead()));
  EXPECT_EQ(DecideCatchUp(primary, {.space = {{2}}, .history = mine, .end = Sequence(1)}),
            Verdict(Foreign()));
}

TEST(Verdict, RestartsBelowTheTombstoneFloorUnlessBegunUnderIt) {
  const record::History history{{Epoch(1), Sequence(1)}};
  const PrimaryLog primary{
      kSpace, Epoch(2), history, Sequence(20), {.tombstone = Sequence(10), .compaction = {}}};
  CopyLog copy{.space = kSpace, .history = history, .end = Sequence(9)};
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Restart()));
  copy.end = Sequence(10);
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Stream{Sequence(11)}));
  copy.end = Sequence(9);
  copy.floors.begun_epoch = Epoch(2);
  copy.floors.begun_floor = Sequence(10);
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Stream{Sequence(10)}));
  copy.floors.begun_epoch = Epoch(1);  // of another epoch
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Restart()));
  copy.floors.begun_epoch = Epoch(2);
  copy.floors.begun_floor = Sequence(8);  // or under a lower floor
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Restart()));
  copy.end = Sequence();
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Stream{Sequence(1)}));
}

TEST(Verdict, RestartsWhereHolesAreNotTrueOrTheForkIsInOne) {
  const record::History history{{Epoch(1), Sequence(1)}};
  const PrimaryLog primary{kSpace, Epoch(2), history, Sequence(20), {}};
  CopyLog copy{.space = kSpace, .history = history, .end = Sequence(9)};
  copy.floors.floors.compaction = {Epoch(1), Sequence(8)};
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Stream{Sequence(10)}));
  copy.floors.floors.compaction = {Epoch(1), Sequence(21)};  // not in the primary's log
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Restart()));
  copy.floors = {};
  copy.fork_in_hole = true;
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Restart()));
}

SpaceRecord SampleRecord() {
  SpaceRecord record;
  record.epoch = Epoch(513);
  record.at = Sequence(7);
  record.primary = {"n1", {{1, 2}}, {{3}}};
  record.fork = {Epoch(257), Sequence(6)};
  record.in_sync = {record.primary, {"n2", {{4}}, {}}};
  record.voters = record.in_sync;
  record.loss_after = Position{Epoch(257), Sequence(5)};
  record.loss_why = "unplanned promotion";
  record.wall_ns = 1'700'000'000'123'456'789;
  return record;
}

TEST(SpaceRecord, ComesBackAsItWas) {
  const SpaceRecord record = SampleRecord();
  const std::string bytes = EncodeRecord(record);
  const Result<SpaceRecord> again = DecodeRecord(bytes, record.at);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(*again, record);
  EXPECT_EQ(again->primary.id, record.primary.id);
}

TEST(SpaceRecord, GarbageIsCorruptionOrAnotherRecordButNeverACrash) {
  const std::string bytes = EncodeRecord(SampleRecord());
  Prng prng(3);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = bytes.substr(0, prng.Below(bytes.size() + 1));
    for (uint64_t n = prng.Below(4); n > 0 && !bad.empty(); --n) {
      bad[prng.Below(bad.size())] = static_cast<char>(prng.Next());
    }
    const Result<SpaceRecord> record = DecodeRecord(bad, Sequence(1));
    if (!record.ok()) {
      EXPECT_EQ(record.status().reason(), Reason::CORRUPTION_DETECTED);
    }
  }
  EXPECT_FALSE(DecodeRecord("nonsense", Sequence(1)).ok());
}

TEST(SpaceRecord, NewerIsByEpochThenSequence) {
  SpaceRecord a = SampleRecord(), b = SampleRecord();
  EXPECT_FALSE(Newer(a, b));
  b.at = b.at.next();
  EXPECT_TRUE(Newer(b, a));
  a.epoch = a.epoch.next();
  EXPECT_TRUE(Newer(a, b));
}

TEST(Members, AreSortedWithoutDoubles) {
  Members members;
  const Member a{"n1", {{1}}, {}}, b{"n1", {{2}}, {}}, c{"n2", {{1}}, {}};
  for (const Member& member : {c, b, a, b, c}) Add(&members, member);
  EXPECT_EQ(members, (Members{a, b, c}));
  EXPECT_TRUE(HasNode(members, "n2"));
  Remove(&members, c);
  EXPECT_FALSE(HasNode(members, "n2"));
  EXPECT_TRUE(Has(members, b));
}

}  // namespace
}  // namespace engram::replication
