// One segment of a log: a file that begins with a SegmentHeader. The last segment of a log is
// active and grows; all others are sealed. Shared by the log and its cursors; thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "engram/base/status.h"
#include "engram/base/thread_annotations.h"
#include "engram/env/file_system.h"
#include "engram/record/local.h"
#include "engram/wal/records.h"
#include "engram/wal/sparse_index.h"

namespace engram::wal {

// The bytes of a SegmentHeader record.
std::string EncodeSegmentHead(const record::SegmentHeader& header, uint64_t timestamp_ns);

// Head of a segment file, as read.
struct SegmentHead {
  record::SegmentHeader header;
  uint64_t size = 0;                               // of the header record
  std::optional<record::CompactionMarker> marker;  // when the second record is one
};
// UNSUPPORTED_VERSION, IO, and what ReadRecord finds wrong.
Result<SegmentHead> ReadSegmentHead(env::File& file);

class Segment {
 public:
  // `size`: bytes that hold records (not what is preallocated behind them). `path` changes once,
  // when a segment under construction gets its name.
  Segment(env::FileSystem* fs, std::string directory, SegmentHead head, uint64_t size);

  const record::SegmentHeader& header() const { return head_.header; }
  Sequence first() const { return head_.header.first; }
  uint64_t head_size() const { return head_.size; }
  // Its place and its file name.
  std::string path() const;
  std::string name() const;

  // Opened when first needed, for reading and, while active, writing.
  Result<std::shared_ptr<env::File>> file() EXCLUDES(mutex_);
  void SetFile(std::shared_ptr<env::File> file) EXCLUDES(mutex_);

  // How far records have been written to the file; readers go no further.
  uint64_t written() const { return written_.load(std::memory_order_acquire); }
  void set_written(uint64_t offset) { written_.store(offset, std::memory_order_release); }
  bool sealed() const { return sealed_.load(std::memory_order_acquire); }
  void set_sealed(bool sealed) { sealed_.store(sealed, std::memory_order_release); }

  // The sparse index. Note: what is appended now. Floor: builds what is missing, from the .idx file
  // or by reading the segment; may block. A segment that recovery has read gets its index whole.
  void Note(Sequence sequence, uint64_t offset) EXCLUDES(index_mutex_);
  void SetIndex(SparseIndex index) EXCLUDES(index_mutex_);
  Result<std::optional<SparseIndex::Point>> Floor(Sequence sequence) EXCLUDES(index_mutex_);
  bool IndexIsWhole() EXCLUDES(index_mutex_);
  // Writes the .idx file of a segment, whose last entry is given. Not synced: it is derived.
  Status WriteIndex(Position last, uint32_t last_crc) EXCLUDES(index_mutex_);
  // Forgets everything at or beyond `offset`, after a truncation.
  void CutIndex(uint64_t offset) EXCLUDES(index_mutex_);

 private:
  Status BuildIndex() REQUIRES(index_mutex_);
  bool LoadIndex() REQUIRES(index_mutex_);

  env::FileSystem* const fs_;
  const std::string directory_;
  const SegmentHead head_;
  std::atomic<uint64_t> written_;
  std::atomic<bool> sealed_{false};

  Mutex mutex_;
  std::shared_ptr<env::File> file_ GUARDED_BY(mutex_);

  Mutex index_mutex_;
  SparseIndex index_ GUARDED_BY(index_mutex_);
  bool index_whole_ GUARDED_BY(index_mutex_);
  uint64_t noted_from_ GUARDED_BY(index_mutex_);  // what Note covers, when not whole
};

}  // namespace engram::wal
