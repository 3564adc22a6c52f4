#include "engram/wal/records.h"

#include <map>

#include <gtest/gtest.h>

#include "engram/env/memory_file_system.h"
#include "engram/record/local.h"
#include "engram/wal/log_test_kit.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

using record::EntryType;
using Kind = ReadOutcome::Kind;

record::EntryHeader Numbered(uint64_t sequence, uint64_t epoch, uint32_t chain) {
  record::EntryHeader header;
  header.sequence = Sequence(sequence);
  header.epoch = Epoch(epoch);
  header.type = EntryType::kEpisodeStore;
  header.chain = chain;
  return header;
}

std::string HoleBytes(uint64_t first, uint64_t last, uint64_t epoch, uint32_t crc) {
  record::EntryHeader header;
  header.type = EntryType::kHole;
  std::string out;
  const record::Hole hole{Sequence(first), {Epoch(epoch), Sequence(last)}, crc};
  record::AppendEntry(&header, record::Encode(hole), &out);
  return out;
}

// A file of the given bytes, and a source with a small buffer over it.
struct Written {
  explicit Written(const std::string& bytes, size_t buffer = 100) {
    file = std::move(*fs.Open("/f", env::OpenMode::kCreate));
    EXPECT_TRUE(file->WriteAt(0, bytes).ok());
    source = std::make_unique<FileSource>(*file, bytes.size(), buffer);
  }
  ReadOutcome Read(uint64_t offset) { return *ReadRecord(*source, offset); }
  env::MemoryFileSystem fs;
  std::unique_ptr<env::File> file;
  std::unique_ptr<FileSource> source;
};

TEST(FileSource, GivesWhatIsThereThroughAnyBuffer) {
  const std::string bytes = Bytes(1, 5000);
  for (const size_t buffer : {1, 7, 100, 4096, 100'000}) {
    Written written(bytes, buffer);
    Prng prng(buffer);
    for (int i = 0; i < 300; ++i) {
      const uint64_t offset = prng.Below(5200);
      const size_t size = prng.Below(700);
      const auto view = written.source->View(offset, size);
      ASSERT_TRUE(view.ok());
      const std::string expected = offset < bytes.size() ? bytes.substr(offset, size) : "";
      ASSERT_EQ(*view, expected);
    }
  }
}

TEST(FileSource, StopsAtItsSizeAlsoInALongerFile) {
  Written written(Bytes(1, 1000));
  FileSource half(*written.file, 500);
  EXPECT_EQ(half.View(490, 100)->size(), 10u);
  EXPECT_TRUE(half.View(500, 1)->empty());
}

TEST(ReadRecord, TellsRecordsEndsZerosAndBadBytesApart) {
  std::string bytes;
  record::EntryHeader header = Numbered(1, 1, 0);
  record::AppendEntry(&header, "payload", &bytes);
  const size_t end = bytes.size();
  bytes += std::string(100, '\0');
  Written written(bytes);
  const ReadOutcome good = written.Read(0);
  ASSERT_EQ(good.kind, Kind::kRecord);
  EXPECT_EQ(good.record.header, header);
  EXPECT_EQ(good.record.payload, "payload");
  EXPECT_EQ(good.record.end(), end);
  EXPECT_EQ(written.Read(end).kind, Kind::kZeros);
  EXPECT_EQ(written.Read(end + 90).kind, Kind::kZeros);  // fewer than a header
  EXPECT_EQ(written.Read(end + 100).kind, Kind::kEnd);
  const ReadOutcome bad = written.Read(1);
  ASSERT_EQ(bad.kind, Kind::kBad);
  EXPECT_EQ(bad.why.reason(), Reason::CORRUPTION_DETECTED);
}

TEST(ReadRecord, ARecordCutAnywhereIsBad) {
  std::string bytes;
  record::EntryHeader header = Numbered(1, 1, 0);
  record::AppendEntry(&header, "payload", &bytes);
  for (size_t size = 1; size < bytes.size(); ++size) {
    Written written(bytes.substr(0, size));
    const ReadOutcome outcome = written.Read(0);
    ASSERT_EQ(outcome.kind, Kind::kBad) << size;
    EXPECT_EQ(outcome.why.reason(), Reason::TRUNCATED_ENTRY);
  }
}

TEST(ReadRecord, AnEntryOfTheGreatestSize) {
  std::string bytes;
  record::EntryHeader header = Numbered(1, 1, 0);
  record::AppendEntry(&header, std::string(record::kMaxPayloadSize, 'x'), &bytes);
  Written written(bytes);
  EXPECT_EQ(written.Read(0).record.payload.size(), record::kMaxPayloadSize);
}

TEST(Join, SequenceEpochAndChain) {
  JoinState state;
  const auto join = [&](const record::EntryHeader& header) {
    return Join(Record{0, header, {}}, &state);
  };
  record::EntryHeader first = Numbered(1, 2, 0);
  first.header_crc = 77;
  ASSERT_TRUE(join(first).ok());
  EXPECT_EQ(state.next, Sequence(2));
  EXPECT_EQ(state.chain, 77u);
  const JoinState before = state;
  EXPECT_EQ(join(Numbered(3, 2, 77)).reason(), Reason::SEQUENCE_GAP);
  EXPECT_EQ(join(Numbered(1, 2, 77)).reason(), Reason::SEQUENCE_GAP);
  EXPECT_EQ(join(Numbered(2, 1, 77)).reason(), Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(join(Numbered(2, 2, 78)).reason(), Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(state.next, before.next) << "what does not join changes nothing";
  EXPECT_TRUE(join(Numbered(2, 3, 77)).ok());
  state.chain_known = false;
  EXPECT_TRUE(join(Numbered(3, 3, 12345)).ok());
  EXPECT_TRUE(state.chain_known);
}

TEST(Join, HolesCarryTheChainOn) {
  JoinState state{Sequence(5), true, 1, Epoch(2)};
  const auto join = [&](const std::string& bytes) {
    Written written(bytes);
    const ReadOutcome outcome = written.Read(0);
    return Join(outcome.record, &state);
  };
  EXPECT_EQ(join(HoleBytes(6, 9, 2, 88)).reason(), Reason::SEQUENCE_GAP);
  EXPECT_EQ(join(HoleBytes(5, 9, 1, 88)).reason(), Reason::SEQUENCE_GAP);
  ASSERT_TRUE(join(HoleBytes(5, 9, 3, 88)).ok());
  EXPECT_EQ(state.next, Sequence(10));
  EXPECT_EQ(state.chain, 88u);
  EXPECT_EQ(state.epoch, Epoch(3));
}

TEST(Join, LocalRecordsPass) {
  JoinState state;
  record::EntryHeader mark;
  mark.type = EntryType::kSyncMark;
  EXPECT_TRUE(Join(Record{0, mark, {}}, &state).ok());
  EXPECT_EQ(state.next, Sequence(1));
}

TEST(SearchRecords, FindsEveryRecordAmongNoise) {
  Prng prng(11);
  std::string bytes;
  std::vector<uint64_t> placed;
  for (uint64_t i = 1; i <= 40; ++i) {
    bytes += Bytes(prng.Next(), prng.Below(300));
    if (prng.OneIn(3)) bytes += "\xef\xbe\xad\xde";  // a magic with nothing behind it
    placed.push_back(bytes.size());
    record::EntryHeader header = Numbered(i, 1, 0);
    record::AppendEntry(&header, Bytes(i, prng.Below(2000)), &bytes);
  }
  Written written(bytes);
  std::vector<uint64_t> found;
  ASSERT_TRUE(SearchRecords(*written.source, 0, [&](const Record& record) {
                found.push_back(record.offset);
                return true;
              }).ok());
  EXPECT_EQ(found, placed);
  found.clear();
  ASSERT_TRUE(SearchRecords(*written.source, placed[5] + 1, [&](const Record& record) {
                found.push_back(record.offset);
                return found.size() < 3;
              }).ok());
  EXPECT_EQ(found, std::vector<uint64_t>(placed.begin() + 6, placed.begin() + 9));
}

// A payload may hold a copy of a log: what is inside of a good record is not looked at.
TEST(SearchRecords, DoesNotLookInsideOfGoodRecords) {
  std::string inner, bytes;
  record::EntryHeader header = Numbered(9, 1, 0);
  record::AppendEntry(&header, "inner", &inner);
  header = Numbered(1, 1, 0);
  record::AppendEntry(&header, inner, &bytes);
  Written written(bytes);
  std::vector<Sequence> found;
  ASSERT_TRUE(SearchRecords(*written.source, 0, [&](const Record& record) {
                found.push_back(record.header.sequence);
                return true;
              }).ok());
  EXPECT_EQ(found, std::vector<Sequence>{Sequence(1)});
}

TEST(OnlyZeros, FindsOneByte) {
  std::string bytes(3'000'000, '\0');
  EXPECT_TRUE(*OnlyZeros(*Written(bytes).source, 0));
  bytes[2'999'999] = 1;
  Written written(bytes);
  EXPECT_FALSE(*OnlyZeros(*written.source, 0));
  EXPECT_TRUE(*OnlyZeros(*written.source, 3'000'000));
}

// A SyncMark inside of a payload has not the nonce, and does not count; nor does one that claims
// no more than the place that is asked about.
TEST(Marks, OnlyThoseOfThisSegmentThatClaimMore) {
  const uint64_t nonce = 42;
  const auto mark = [&](uint64_t of, uint64_t claims) {
    record::EntryHeader header;
    header.type = EntryType::kSyncMark;
    std::string out;
    record::AppendEntry(&header, record::Encode(record::SyncMark{of, claims, Sequence(1)}), &out);
    return out;
  };
  const std::string noise = Bytes(1, 200);
  const auto claimed = [&](const std::string& bytes) {
    Written written(noise + bytes + Bytes(2, 50));
    return *IsClaimedSynced(*written.source, 100, nonce);
  };
  EXPECT_FALSE(claimed(""));
  EXPECT_FALSE(claimed(mark(nonce, 100)));
  EXPECT_TRUE(claimed(mark(nonce, 101)));
  EXPECT_FALSE(claimed(mark(nonce + 1, 5000)));
  EXPECT_TRUE(claimed(mark(nonce + 1, 5000) + noise + mark(nonce, 150)));
  std::string flipped = mark(nonce, 101);
  flipped[70] = static_cast<char>(flipped[70] ^ 1);
  EXPECT_FALSE(claimed(flipped));
}

}  // namespace
}  // namespace engram::wal
