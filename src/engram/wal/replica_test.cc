// A log as the copy of another: what is taken, what is refused, what is kept of it.
#include <gtest/gtest.h>

#include "engram/wal/replica_test_kit.h"
#include "engram/wal/tool.h"

namespace engram::wal {
namespace {

struct Pair : testing::Test {
  env::MemoryFileSystem primary_fs, copy_fs;
  Bench primary_bench{&primary_fs, 1}, copy_bench{&copy_fs, 2};
  std::unique_ptr<Log> primary, copy;

  void SetUp() override {
    copy_bench.options.commit_is_durable = false;
    primary = primary_bench.Create();
    copy = copy_bench.Create();
    ASSERT_TRUE(Begin(*primary).ok());
    for (int i = 2; i <= 10; ++i) Put(*primary, Bytes(i, 500));
    ASSERT_TRUE(copy->Promise(Epoch(1)).ok());
  }
  Status Take(size_t most) {
    const Status status = Receive(*copy, Ship(*primary, copy->end().next(), most));
    copy_bench.executor.RunAll();
    return status;
  }
  void ReopenCopy(bool cleanly) {
    if (cleanly) {
      EXPECT_TRUE(copy->Close().ok());
    }
    copy.reset();
    copy = copy_bench.Open();
    ASSERT_TRUE(copy);
  }
  void ExpectRefused(const Status& status, Reason reason, uint64_t end) {
    EXPECT_EQ(status.reason(), reason) << status.ToString();
    EXPECT_EQ(copy->end(), Sequence(end));
    copy_bench.executor.RunAll();
    EXPECT_EQ(ReadAppended(*copy).size(), end);
  }
  static std::vector<record::Entry> ReadAppended(Log& log) {
    std::vector<record::Entry> out;
    const auto cursor = log.NewCursor(Sequence(1), ReadThrough::kAppended);
    while (true) {
      auto entry = cursor->Next();
      EXPECT_TRUE(entry.ok()) << entry.status().ToString();
      if (!entry.ok() || !*entry) return out;
      out.push_back(std::move(**entry));
    }
  }
};

TEST_F(Pair, ACopyHasTheSameBytes) {
  int done = 0;
  const Shipment all = Ship(*primary, Sequence(1), 100);
  ASSERT_TRUE(copy->AppendReceived(all.records, [&](const Status& s) { done += s.ok(); }).ok());
  EXPECT_EQ(copy->end(), Sequence(10));
  EXPECT_EQ(copy->durable_end(), Sequence(0));
  copy_bench.executor.RunAll();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(copy->durable_end(), Sequence(10));
  EXPECT_EQ(RawLog(*copy), RawLog(*primary));
  EXPECT_EQ(copy->end_identity(), primary->end_identity());
  EXPECT_EQ(copy->history(), primary->history());
  ReopenCopy(true);
  EXPECT_EQ(RawLog(*copy), RawLog(*primary));
  EXPECT_EQ(copy->history(), primary->history());
}

TEST_F(Pair, AGapARepeatAndAWrongChainAreRefusedWhole) {
  ASSERT_TRUE(Take(4).ok());
  ExpectRefused(Receive(*copy, Ship(*primary, Sequence(6), 3)), Reason::SEQUENCE_GAP, 4);
  ExpectRefused(Receive(*copy, Ship(*primary, Sequence(4), 3)), Reason::SEQUENCE_GAP, 4);
  // The log of somebody else: it joins by sequence only.
  env::MemoryFileSystem other_fs;
  Bench other_bench{&other_fs, 3};
  auto other = other_bench.Create();
  ASSERT_TRUE(Begin(*other).ok());
  for (int i = 2; i <= 10; ++i) Put(*other, Bytes(i + 100, 500));
  ExpectRefused(Receive(*copy, Ship(*other, Sequence(5), 3)), Reason::CORRUPTION_DETECTED, 4);
  ExpectRefused(copy->AppendReceived({}, nullptr), Reason::EMPTY_BATCH, 4);
  // A good beginning does not save what follows it.
  Shipment mixed = Ship(*primary, Sequence(5), 3);
  const Shipment wrong = Ship(*other, Sequence(8), 1);
  mixed.records.push_back(wrong.records.front());
  ExpectRefused(Receive(*copy, mixed), Reason::CORRUPTION_DETECTED, 4);
  ASSERT_TRUE(Take(100).ok());
  EXPECT_EQ(RawLog(*copy), RawLog(*primary));
}

TEST_F(Pair, LocalRecordsAreNeverTaken) {
  Shipment shipment = Ship(*primary, Sequence(1), 1);
  record::EntryHeader header;
  header.type = record::EntryType::kSyncMark;
  std::string bytes;
  record::AppendEntry(&header, record::Encode(record::SyncMark{1, 2, Sequence(3)}), &bytes);
  shipment.records.push_back({header, bytes, ByteView(bytes).substr(record::kHeaderSize)});
  ExpectRefused(Receive(*copy, shipment), Reason::CORRUPTION_DETECTED, 0);
}

TEST_F(Pair, AnEpochAboveThePromiseIsRefused) {
  ASSERT_TRUE(primary->BeginEpoch(Epoch(5), "epoch").ok());
  ASSERT_TRUE(Take(10).ok());
  ExpectRefused(Receive(*copy, Ship(*primary, Sequence(11), 1)), Reason::STALE_EPOCH, 10);
  ASSERT_TRUE(copy->Promise(Epoch(4)).ok());
  ExpectRefused(Receive(*copy, Ship(*primary, Sequence(11), 1)), Reason::STALE_EPOCH, 10);
  ASSERT_TRUE(copy->Promise(Epoch(7)).ok());
  ASSERT_TRUE(Take(1).ok());
  EXPECT_EQ(copy->epoch(), Epoch(5));
  EXPECT_EQ(copy->promised(), Epoch(7));
}

TEST_F(Pair, AFallingEpochIsRefused) {
  ASSERT_TRUE(copy->Promise(Epoch(3)).ok());
  ASSERT_TRUE(Take(10).ok());
  const EntryIdentity end = copy->end_identity();
  Shipment next;
  record::EntryHeader header;
  header.sequence = end.sequence.next();
  header.type = record::EntryType::kEpisodeStore;
  header.epoch = Epoch(0);
  header.chain = end.header_crc;
  record::AppendEntry(&header, "old", &next.bytes);
  next.header.count = 1;
  next.header.start = header.sequence;
  Resplit(&next);
  ExpectRefused(Receive(*copy, next), Reason::STALE_EPOCH, 10);
}

TEST_F(Pair, APrimaryReceivesNothingUntilItPromisedAnother) {
  auto own = copy->BeginEpoch(Epoch(2), "own");
  ASSERT_TRUE(own.ok()) << own.ToString();
  EXPECT_EQ(Receive(*copy, Ship(*primary, Sequence(2), 3)).reason(), Reason::STALE_EPOCH);
  ASSERT_TRUE(copy->Promise(Epoch(3)).ok());
  const Status late = copy->AppendAndWait(One("late")).status();
  EXPECT_EQ(late.reason(), Reason::STALE_EPOCH) << late.ToString();
  EXPECT_EQ(copy->Append(One("late"), nullptr).status().reason(), Reason::STALE_EPOCH);
  EXPECT_EQ(copy->BeginEpoch(Epoch(2), "again").reason(), Reason::STALE_EPOCH);
  EXPECT_EQ(copy->end(), Sequence(1));
  ASSERT_TRUE(copy->BeginEpoch(Epoch(3), "own").ok());
  EXPECT_TRUE(copy->AppendAndWait(One("now")).ok());
}

TEST_F(Pair, ThePromiseSurvivesAndNeverFalls) {
  for (const uint64_t epoch : {4, 2, 9, 9, 1}) {
    ASSERT_TRUE(copy->Promise(Epoch(epoch)).ok());
    const Epoch promised = copy->promised();
    EXPECT_GE(promised, Epoch(epoch));
    const auto after = copy_fs.CrashClone(env::LoseAll);
    Bench reopened(after.get(), epoch);
    EXPECT_EQ(reopened.Open()->promised(), promised);
  }
  EXPECT_EQ(copy->promised(), Epoch(9));
  EXPECT_EQ(copy->BeginEpoch(Epoch(8), "epoch").reason(), Reason::STALE_EPOCH);
  ReopenCopy(true);
  EXPECT_EQ(copy->promised(), Epoch(9));
}

TEST_F(Pair, CommitIsWhatWasTold) {
  ASSERT_TRUE(Take(6).ok());
  EXPECT_EQ(copy->committed_end(), Sequence(0));
  EXPECT_TRUE(ReadAll(*copy).empty());
  copy->SetCommit(Sequence(4));
  copy->SetCommit(Sequence(3));
  EXPECT_EQ(copy->committed_end(), Sequence(4));
  EXPECT_EQ(ReadAll(*copy).size(), 4u);
  copy->SetCommit(Sequence(99));
  EXPECT_EQ(copy->committed_end(), Sequence(6));
  ASSERT_TRUE(copy->TruncateAfter(Sequence(5)).ok());
  EXPECT_EQ(copy->committed_end(), Sequence(5));
  primary->SetCommit(Sequence(2));
  EXPECT_EQ(primary->committed_end(), Sequence(10));
}

TEST_F(Pair, CommitIsKeptByACleanCloseAndByMarks) {
  ASSERT_TRUE(Take(6).ok());
  copy->SetCommit(Sequence(4));
  ReopenCopy(true);
  EXPECT_EQ(copy->committed_end(), Sequence(4));
  copy->SetCommit(Sequence(5));
  ReopenCopy(true);  // nothing was appended in between
  EXPECT_EQ(copy->committed_end(), Sequence(5));
  copy->SetCommit(Sequence(6));
  ASSERT_TRUE(Take(1).ok());  // the mark before it says 6
  const auto after = copy_fs.CrashClone(env::LoseAll);
  Bench reopened(after.get(), 9);
  reopened.options.commit_is_durable = false;
  EXPECT_EQ(reopened.Open()->committed_end(), Sequence(6));
  reopened.options.commit_is_durable = true;
  EXPECT_EQ(reopened.Open()->committed_end(), Sequence(7));
}

TEST_F(Pair, AnEpochOfItsOwnClaimsNoCommit) {
  ASSERT_TRUE(Take(6).ok());
  copy->SetCommit(Sequence(2));
  ASSERT_TRUE(copy->BeginEpoch(Epoch(2), "own").ok());
  EXPECT_EQ(copy->committed_end(), Sequence(2));
  const auto after = copy_fs.CrashClone(env::KeepAll);
  Bench reopened(after.get(), 9);
  reopened.options.commit_is_durable = false;
  EXPECT_EQ(reopened.Open()->committed_end(), Sequence(2));
}

TEST_F(Pair, FloorsAreKept) {
  EXPECT_EQ(copy->floors().tombstone, Sequence(0));
  const Log::Floors floors{Sequence(7), {Epoch(1), Sequence(5)}, Epoch(2), Sequence(3)};
  ASSERT_TRUE(copy->SetFloors(floors).ok());
  const auto after = copy_fs.CrashClone(env::LoseAll);
  Bench reopened(after.get(), 9);
  const auto found = reopened.Open()->floors();
  EXPECT_EQ(found.tombstone, floors.tombstone);
  EXPECT_EQ(found.compaction, floors.compaction);
  EXPECT_EQ(found.begun_epoch, floors.begun_epoch);
  EXPECT_EQ(found.begun_floor, floors.begun_floor);
}

TEST_F(Pair, FurtherStartsOfAnEpochAreRowsToo) {
  std::vector<Draft> drafts;
  drafts.push_back({record::EntryType::kEpochStart, "in-sync set changed"});
  ASSERT_TRUE(primary->AppendAndWait(std::move(drafts)).ok());
  ASSERT_TRUE(Begin(*primary).ok());
  const History rows{{Epoch(1), Sequence(1)}, {Epoch(1), Sequence(11)}, {Epoch(2), Sequence(12)}};
  EXPECT_EQ(primary->history(), rows);
  ASSERT_TRUE(copy->Promise(Epoch(2)).ok());
  ASSERT_TRUE(Take(100).ok());
  EXPECT_EQ(copy->history(), rows);
  const auto after = copy_fs.CrashClone(env::LoseAll);
  Bench reopened(after.get(), 9);
  EXPECT_EQ(reopened.Open()->history(), rows);
  EXPECT_TRUE(Verify(*after, kDir)->good());
  ASSERT_TRUE(copy->TruncateAfter(Sequence(11)).ok());
  EXPECT_EQ(copy->history(), History(rows.begin(), rows.begin() + 2));
}

// The row is in space.meta before a later segment can exist, in every mode.
TEST(ReplicaHistory, IsRightWhateverSegmentIsTheLast) {
  for (const FsyncMode mode : {FsyncMode::kPerBatch, FsyncMode::kTimer, FsyncMode::kNone}) {
    env::MemoryFileSystem fs;
    Bench bench(&fs);
    bench.options.segment_bytes = 4096;
    bench.options.fsync_mode = mode;
    auto log = bench.Create();
    Prng prng(static_cast<uint64_t>(mode) + 1);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(Begin(*log).ok());
      for (uint64_t n = prng.Below(6); n > 0; --n) Put(*log, Bytes(n, 1500));
      const auto after = prng.OneIn(3) ? fs.CrashClone(env::LoseAll) : fs.CrashClone(prng);
      Bench reopened(after.get(), 9);
      const auto found = reopened.Open();
      ASSERT_FALSE(found->state().read_only) << found->state().why.ToString();
      EXPECT_EQ(found->history(), log->history());
    }
  }
}

// A Hole ----------------------------------------------------------------------------------------

struct WithHole : Pair {
  void SetUp() override {
    Pair::SetUp();
    ASSERT_TRUE(primary->Close().ok());
    primary.reset();
    PunchHole(primary_fs, LastSegmentPath(primary_fs), 4, 7);
    primary = primary_bench.Open();
    ASSERT_TRUE(primary);
  }
};

TEST_F(WithHole, IsShippedAndMovesTheEnd) {
  const Shipment all = Ship(*primary, Sequence(1), 4);
  EXPECT_EQ(all.last.first, Sequence(4));
  EXPECT_EQ(all.last.last, Sequence(7));
  ASSERT_TRUE(Receive(*copy, all).ok());
  EXPECT_EQ(copy->end(), Sequence(7));
  EXPECT_EQ(copy->end_identity().header_crc, all.last.crc);
  copy_bench.executor.RunAll();
  ReopenCopy(false);
  EXPECT_EQ(copy->end(), Sequence(7));
  ASSERT_TRUE(Take(100).ok());
  EXPECT_EQ(RawLog(*copy), RawLog(*primary));
  EXPECT_EQ(ReadAppended(*copy).size(), 6u);
  EXPECT_TRUE(Verify(copy_fs, kDir)->good());
}

TEST_F(WithHole, IsTrimmedToWhereTheCopyEnds) {
  for (const uint64_t from : {5, 6, 7}) {
    const Shipment part = Ship(*primary, Sequence(from), 1);
    ASSERT_EQ(part.records.size(), 1u);
    const auto hole = record::DecodeHole(part.records[0].payload);
    ASSERT_TRUE(hole.ok());
    EXPECT_EQ(hole->first, Sequence(from));
    EXPECT_EQ(hole->last, (Position{Epoch(1), Sequence(7)}));
    EXPECT_EQ(part.last.crc, hole->last_crc);
  }
  EXPECT_EQ(Ship(*primary, Sequence(8), 1).last.first, Sequence(8));
}

TEST_F(WithHole, IsNotPartedByCommitNorByACut) {
  ASSERT_TRUE(Take(100).ok());
  copy->SetCommit(Sequence(5));
  std::string bytes;
  Cursor::Shipped what;
  const auto cursor = copy->NewCursor(Sequence(4), ReadThrough::kCommitted);
  EXPECT_FALSE(*cursor->NextRecord(&bytes, &what));
  copy->SetCommit(Sequence(7));
  EXPECT_TRUE(*cursor->NextRecord(&bytes, &what));
  EXPECT_EQ(what.last, Sequence(7));
  EXPECT_EQ(copy->TruncateAfter(Sequence(5)).reason(), Reason::SEQUENCE_GAP);
  EXPECT_EQ(copy->end(), Sequence(10));
  ASSERT_TRUE(copy->TruncateAfter(Sequence(7)).ok());
  EXPECT_EQ(copy->end_identity().header_crc, what.crc);
  ASSERT_TRUE(Take(100).ok());
  EXPECT_EQ(RawLog(*copy), RawLog(*primary));
}

// Digests ---------------------------------------------------------------------------------------

Shipment CheckpointAfter(Log& log, const record::Checkpoint& checkpoint) {
  const EntryIdentity end = log.end_identity();
  Shipment out;
  record::EntryHeader header;
  header.sequence = end.sequence.next();
  header.type = record::EntryType::kCheckpoint;
  header.epoch = end.epoch;
  header.chain = end.header_crc;
  record::AppendEntry(&header, record::Encode(checkpoint), &out.bytes);
  out.header.count = 1;
  out.header.start = header.sequence;
  Resplit(&out);
  return out;
}

TEST_F(Pair, AReceivedCheckpointIsCompared) {
  ASSERT_TRUE(Take(100).ok());
  auto digest = DigestOf(copy_fs, kDir, Sequence(1), Sequence(10));
  ASSERT_TRUE(digest.ok());
  record::Checkpoint checkpoint{Sequence(1), Sequence(10), digest->digest};
  ASSERT_TRUE(Receive(*copy, CheckpointAfter(*copy, checkpoint)).ok());
  EXPECT_FALSE(copy_bench.observer.Saw("digest_differs"));
  // The next range begins with that Checkpoint.
  checkpoint = {Sequence(11), Sequence(11), digest->digest};
  ASSERT_TRUE(Receive(*copy, CheckpointAfter(*copy, checkpoint)).ok());
  EXPECT_TRUE(copy_bench.observer.Saw("digest_differs"));
}

TEST_F(WithHole, ACheckpointOverAHoleIsNotCompared) {
  ASSERT_TRUE(Take(100).ok());
  const record::Checkpoint checkpoint{Sequence(1), Sequence(10), {}};
  ASSERT_TRUE(Receive(*copy, CheckpointAfter(*copy, checkpoint)).ok());
  EXPECT_FALSE(copy_bench.observer.Saw("digest_differs"));
}

}  // namespace
}  // namespace engram::wal
