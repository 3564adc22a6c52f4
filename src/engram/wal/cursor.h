// The cursor over a log: finds its place by the sparse index, then reads records one after another,
// from memory while they are in the tail, else from the file through a buffer. Owned by one thread.
#pragma once

#include <memory>
#include <string>

#include "engram/wal/core.h"
#include "engram/wal/records.h"

namespace engram::wal {

class LogCursor : public Cursor, private ByteSource {
 public:
  LogCursor(std::shared_ptr<Core> core, Sequence from, ReadThrough through);
  Result<std::optional<record::Entry>> Next() override;
  Result<bool> NextRecord(std::string* bytes, Shipped* what) override;
  Sequence position() const override { return position_; }

 private:
  Result<ByteView> View(uint64_t offset, size_t size) override;
  Result<ByteView> ViewFile(uint64_t offset, size_t size);
  Status Seek();
  // Goes on by one record. True when `*entry` was filled with an entry at or beyond the position.
  Result<bool> Step(std::optional<record::Entry>* entry);
  bool PassOver(const ReadOutcome& bad);
  Result<bool> Take(const Record& record, std::optional<record::Entry>* entry);
  Status NextSegment();
  Status Damage(const Status& why);

  const std::shared_ptr<Core> core_;
  const ReadThrough through_;
  Sequence position_;
  uint64_t generation_ = 0;

  std::shared_ptr<Segment> segment_;  // null: seek first
  uint64_t offset_ = 0;
  JoinState join_;
  Chunk chunk_;
  size_t read_ahead_;
};

}  // namespace engram::wal
