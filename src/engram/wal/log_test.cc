#include "engram/wal/log.h"

#include <gmock/gmock.h>

#include "engram/wal/log_test_kit.h"

namespace engram::wal {
namespace {

using record::EntryType;

TEST(Log, ANewLogIsEmpty) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  EXPECT_EQ(log->end(), Sequence(0));
  EXPECT_EQ(log->durable_end(), Sequence(0));
  EXPECT_EQ(log->epoch(), Epoch(0));
  EXPECT_EQ(log->incarnation(), AnIncarnation());
  EXPECT_TRUE(log->history().empty());
  EXPECT_TRUE(ReadAll(*log).empty());
  const auto again = Log::Create(bench.options, AnIncarnation());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.status().reason(), Reason::SPACE_EXISTS);
}

TEST(Log, NothingIsAppendedBeforeAnEpoch) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  EXPECT_EQ(log->AppendAndWait(One("x")).status().reason(), Reason::WAL_FAILED);
  ASSERT_TRUE(Begin(*log).ok());
  EXPECT_EQ(Put(*log, "x"), Sequence(2));
  EXPECT_EQ(log->BeginEpoch(Epoch(1), "again").reason(), Reason::STALE_EPOCH);
}

TEST(Log, AppendsAreReadBackInOrder) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(Put(*log, Bytes(i, 100 + i * 3)), Sequence(i + 2));
  }
  EXPECT_GT(log->segments(), 1u);
  const auto entries = ReadAll(*log);
  ASSERT_EQ(entries.size(), 301u);
  EXPECT_EQ(entries[0].header.type, EntryType::kEpochStart);
  EXPECT_EQ(entries[0].payload, "epoch");
  uint32_t chain = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].header.sequence, Sequence(i + 1));
    EXPECT_EQ(entries[i].header.chain, chain);
    EXPECT_EQ(entries[i].header.epoch, Epoch(1));
    chain = entries[i].header.header_crc;
    if (i == 0) continue;
    EXPECT_EQ(entries[i].payload, Bytes(i - 1, 100 + (i - 1) * 3));
  }
}

TEST(Log, ReadsAndIdentitiesAnywhere) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  bench.options.tail_bytes = 4096;
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 400; ++i) Put(*log, Bytes(i, 500));
  for (uint64_t s = 400; s >= 2; s -= 7) {
    const auto entry = log->Read(Sequence(s));
    ASSERT_TRUE(entry.ok()) << entry.status().ToString();
    EXPECT_EQ(entry->payload, Bytes(s, 500));
    const auto identity = log->IdentityAt(Sequence(s));
    ASSERT_TRUE(identity.ok() && *identity);
    EXPECT_EQ((*identity)->header_crc, entry->header.header_crc);
  }
  EXPECT_EQ(log->Read(Sequence(401)).status().reason(), Reason::MEMORY_NOT_FOUND);
  EXPECT_EQ(log->Read(Sequence(0)).status().reason(), Reason::MEMORY_NOT_FOUND);
  EXPECT_FALSE(log->IdentityAt(Sequence(401))->has_value());
  for (uint64_t from : {1, 2, 100, 399, 400, 401}) {
    const auto entries = ReadAll(*log, from);
    EXPECT_EQ(entries.size(), 401 - from);
  }
}

TEST(Log, ClosedInOrderItOpensWithoutAScan) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  {
    const auto log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    for (int i = 0; i < 50; ++i) Put(*log, Bytes(i, 3000));
    ASSERT_TRUE(log->Close().ok());
    EXPECT_EQ(log->AppendAndWait(One("late")).status().reason(), Reason::SHUTTING_DOWN);
  }
  const auto log = bench.Open();
  EXPECT_EQ(log->end(), Sequence(51));
  EXPECT_EQ(log->durable_end(), Sequence(51));
  EXPECT_EQ(log->history(), (std::vector<EpochBegin>{{Epoch(1), Sequence(1)}}));
  EXPECT_EQ(ReadAll(*log).size(), 51u);
  EXPECT_EQ(log->Read(Sequence(7))->payload, Bytes(5, 3000));
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "more");
  const auto entries = ReadAll(*log);
  ASSERT_EQ(entries.size(), 53u);
  EXPECT_EQ(entries[51].header.type, EntryType::kEpochStart);
  EXPECT_EQ(entries[52].header.epoch, Epoch(2));
  EXPECT_EQ(entries[51].header.chain, entries[50].header.header_crc);
}

TEST(Log, WithoutACloseItRecovers) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 77; ++i) Put(*log, Bytes(i, 2000));
  log.reset();
  log = bench.Open();
  EXPECT_EQ(log->end(), Sequence(78));
  EXPECT_EQ(ReadAll(*log).size(), 78u);
  EXPECT_FALSE(bench.observer.Saw("torn_tail"));
  ASSERT_TRUE(Begin(*log).ok());
  EXPECT_EQ(log->history().size(), 2u);
}

TEST(Log, CallbacksComeInOrderAndOnce) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  std::vector<int> told;
  for (int i = 0; i < 40; ++i) {
    const auto first = log->Append(One(Bytes(i, 4000)), [&told, i](const Status& status) {
      EXPECT_TRUE(status.ok());
      told.push_back(i);
    });
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(*first, Sequence(i + 2));
  }
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(log->end(), Sequence(41));
  EXPECT_EQ(log->committed_end(), Sequence(1));
  bench.executor.RunAll();
  ASSERT_EQ(told.size(), 40u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(log->committed_end(), Sequence(41));
}

// It would wait for its own end, and for ever.
TEST(LogDeathTest, ACallbackThatWaitsForTheLogIsStopped) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  int called = 0;
  const auto waits = [&](const Status&) {
    ++called;
    EXPECT_DEATH((void)log->BeginEpoch(Epoch(2), ""), "CHECK failed");
    EXPECT_DEATH((void)log->AppendAndWait(One("more")), "CHECK failed");
    EXPECT_DEATH((void)log->TruncateAfter(Sequence(1)), "CHECK failed");
    EXPECT_TRUE(log->Append(One("more"), nullptr).ok());
  };
  ASSERT_TRUE(log->Append(One(Bytes(1, 100)), waits).ok());
  bench.executor.RunAll();
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(log->BeginEpoch(Epoch(2), "").ok());
  EXPECT_TRUE(log->TruncateAfter(Sequence(1)).ok());
}

TEST(Log, ACursorFollowsAndSeesTheUnwrittenWhenAsked) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  const auto acknowledged = log->NewCursor(Sequence(2));
  const auto appended = log->NewCursor(Sequence(2), ReadThrough::kAppended);
  for (int round = 0; round < 60; ++round) {
    ASSERT_TRUE(log->Append(One(Bytes(round, 3300)), nullptr).ok());
    EXPECT_FALSE((*acknowledged->Next()).has_value());
    const auto early = appended->Next();
    ASSERT_TRUE(early.ok() && *early);
    EXPECT_EQ((*early)->payload, Bytes(round, 3300));
    bench.executor.RunAll();
    const auto entry = acknowledged->Next();
    ASSERT_TRUE(entry.ok() && *entry) << round;
    EXPECT_EQ((*entry)->payload, Bytes(round, 3300));
    EXPECT_EQ(acknowledged->position(), Sequence(round + 3));
  }
}

TEST(Log, ABatchOfDraftsIsConsecutive) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int batch = 0; batch < 5; ++batch) {
    std::vector<Draft> drafts;
    for (int i = 0; i < 30; ++i) drafts.push_back(Episode(Bytes(i, 3000)));
    const auto first = log->AppendAndWait(std::move(drafts));
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(*first, Sequence(2 + batch * 30));
  }
  EXPECT_EQ(ReadAll(*log).size(), 151u);
}

TEST(Log, TooLargeIsRefusedAndNothingElseIsLost) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  const auto refused = log->AppendAndWait(One(std::string(record::kMaxPayloadSize + 1, 'x')));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().reason(), Reason::TOO_LARGE);
  EXPECT_EQ(Put(*log, std::string(record::kMaxPayloadSize, 'x')), Sequence(2));
  EXPECT_EQ(log->Read(Sequence(2))->payload.size(), record::kMaxPayloadSize);
}

TEST(Log, UnsyncedBytesAreBounded) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  bench.options.max_unsynced_bytes = 10'000;
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  Status last;
  int accepted = 0;
  for (int i = 0; i < 20; ++i) {
    const auto first = log->Append(One(Bytes(i, 1000)), [](const Status&) {});
    if (first.ok())
      ++accepted;
    else
      last = first.status();
  }
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.reason(), Reason::OVERLOADED);
  EXPECT_EQ(accepted, 9);
  bench.executor.RunAll();
  EXPECT_TRUE(log->Append(One("fits again"), nullptr).ok());
}

}  // namespace
}  // namespace engram::wal
