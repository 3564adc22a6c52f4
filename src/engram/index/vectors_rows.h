// The codes of one space in memory, in blocks that never move: a scan runs over what was published
// when it began, beside the writer who fills the rows behind. One writer at a time; View and
// size() from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <hwy/aligned_allocator.h>

#include "engram/base/thread_annotations.h"
#include "engram/index/vectors_file.h"

namespace engram::index {

struct VectorBlock {
  hwy::AlignedFreeUniquePtr<int8_t[]> codes;  // rows of CodeStride bytes, padded with zeros
  std::vector<Sequence> contents;
  std::vector<CodeScale> scales;
  size_t capacity = 0;
};

class VectorRows {
 public:
  explicit VectorRows(uint32_t dimension);

  // What was published: all blocks, the last one filled to `last_rows`.
  struct View {
    std::vector<std::shared_ptr<const VectorBlock>> blocks;
    size_t last_rows = 0;
  };
  View Get() const EXCLUDES(mutex_);
  uint64_t size() const EXCLUDES(mutex_);
  uint64_t memory_bytes() const EXCLUDES(mutex_);

  // By the writer: rows are seen from the next Publish on.
  void Add(const VectorRow& row) EXCLUDES(mutex_);
  void Publish() EXCLUDES(mutex_);

 private:
  void StartBlock() EXCLUDES(mutex_);

  const uint32_t dimension_;
  const size_t stride_;
  // The writer's own.
  std::shared_ptr<VectorBlock> filling_;
  size_t filled_ = 0;
  uint64_t rows_ = 0;
  std::vector<std::shared_ptr<const VectorBlock>> new_blocks_;

  mutable Mutex mutex_;
  View published_ GUARDED_BY(mutex_);
  uint64_t published_rows_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::index
