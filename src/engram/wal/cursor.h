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
  // What the caller wants: an entry, or a record as it lies there.
  struct Wanted {
    std::optional<record::Entry>* entry = nullptr;
    std::string* bytes = nullptr;
    Shipped* what = nullptr;
  };
  enum class Found { kYes, kNotYet, kEnd };
  // Goes on until something was found (true) or nothing more may be read for now.
  Result<bool> Advance(const Wanted& wanted);
  // Goes on by one record.
  Result<Found> Step(const Wanted& wanted);
  bool PassOver(const ReadOutcome& bad);
  Result<Found> Take(const Record& record, const Wanted& wanted);
  Result<Found> TakeHole(const Record& record, const Wanted& wanted);
  Status NextSegment();
  Status Damage(const Status& why);

  const std::shared_ptr<Core> core_;
  const ReadThrough through_;
  Sequence position_;
  uint64_t generation_ = 0;
  Sequence limit_;  // readable when it was last asked for

  std::shared_ptr<Segment> segment_;  // null: seek first
  uint64_t offset_ = 0;
  JoinState join_;
  Chunk chunk_;
  size_t read_ahead_;
};

}  // namespace engram::wal
