// Reading records one after another, from wherever their bytes lie: the checks that every reader of
// a log makes (cursor, recovery, verify) stand here once. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/env/file_system.h"
#include "engram/record/entry.h"

namespace engram::wal {

// Bytes of one segment.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // `size` bytes at `offset`, fewer where the segment ends. Valid until the next call.
  virtual Result<ByteView> View(uint64_t offset, size_t size) = 0;
};

// Of a file, through a buffer.
class FileSource : public ByteSource {
 public:
  FileSource(env::File& file, uint64_t size, size_t buffer_bytes = 1u << 20)
      : file_(file), size_(size), buffer_bytes_(buffer_bytes) {}
  Result<ByteView> View(uint64_t offset, size_t size) override;
  uint64_t size() const { return size_; }

 private:
  env::File& file_;
  const uint64_t size_;
  const size_t buffer_bytes_;
  std::string buffer_;
  uint64_t base_ = 0;
};

// One record where it lies. `payload` is valid until the source is asked again.
struct Record {
  uint64_t offset = 0;
  record::EntryHeader header;
  ByteView payload;
  uint64_t end() const { return offset + record::kHeaderSize + payload.size(); }
};

// Header and payload of a record that ReadRecord gave, as they lie there.
inline ByteView RawBytes(const Record& record) {
  return {record.payload.data() - record::kHeaderSize, record::kHeaderSize + record.payload.size()};
}

struct ReadOutcome {
  enum class Kind { kRecord, kEnd, kZeros, kBad };
  Kind kind = Kind::kEnd;
  Record record;  // kRecord; kBad, when only the payload is: header and size are good
  Status why;     // kBad
};

// First sequence that a record stands for: its own, or the first of a Hole; 0 of local records.
Sequence FirstSequence(const Record& record);

// The record at `offset`: header and payload with all their checksums. kEnd where no byte is left,
// kZeros where 64 zeros (or what is left of the segment, all zero) stand. An error is one of input.
Result<ReadOutcome> ReadRecord(ByteSource& source, uint64_t offset);

// What has to come next in a log.
struct JoinState {
  Sequence next = Sequence(1);
  bool chain_known = true;  // false after damage, or when reading begins in the middle
  uint32_t chain = 0;
  Epoch epoch;  // of the entry before
};

// Takes one record: numbered entries and Holes must continue the log; local records pass. Changes
// `state` when it does. SEQUENCE_GAP and CORRUPTION_DETECTED say what does not fit.
Status Join(const Record& record, JoinState* state);

// Calls `visit` for everything in [from, size) that looks like a record with good checksums, at any
// byte, until it returns false. What lies inside of such a record is not looked at.
Status SearchRecords(FileSource& source, uint64_t from,
                     const std::function<bool(const Record&)>& visit);

// True when nothing but zeros stands in [from, size).
Result<bool> OnlyZeros(FileSource& source, uint64_t from);

}  // namespace engram::wal
