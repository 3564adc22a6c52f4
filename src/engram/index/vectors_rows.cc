#include "engram/index/vectors_rows.h"

#include <algorithm>
#include <cstring>

namespace engram::index {
namespace {
// A small space costs little, a large one has few blocks.
constexpr uint64_t kMinBlockRows = 64;
constexpr uint64_t kMaxBlockRows = 4096;
}  // namespace

VectorRows::VectorRows(uint32_t dimension)
    : dimension_(dimension), stride_(CodeStride(dimension)) {}

VectorRows::View VectorRows::Get() const {
  MutexLock lock(mutex_);
  return published_;
}

uint64_t VectorRows::size() const {
  MutexLock lock(mutex_);
  return published_rows_;
}

uint64_t VectorRows::memory_bytes() const {
  MutexLock lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& block : published_.blocks) {
    bytes += block->capacity * (stride_ + sizeof(Sequence) + sizeof(CodeScale));
  }
  return bytes;
}

void VectorRows::StartBlock() {
  auto block = std::make_shared<VectorBlock>();
  block->capacity = std::clamp(rows_, kMinBlockRows, kMaxBlockRows);
  block->codes = hwy::AllocateAligned<int8_t>(block->capacity * stride_);
  ENGRAM_CHECK(block->codes != nullptr);
  block->contents.resize(block->capacity);
  block->scales.resize(block->capacity);
  filling_ = block;
  filled_ = 0;
  new_blocks_.push_back(std::move(block));
}

void VectorRows::Add(const VectorRow& row) {
  if (filling_ == nullptr || filled_ == filling_->capacity) StartBlock();
  int8_t* codes = filling_->codes.get() + filled_ * stride_;
  std::memcpy(codes, row.codes.data(), dimension_);
  std::memset(codes + dimension_, 0, stride_ - dimension_);
  filling_->contents[filled_] = row.content;
  filling_->scales[filled_] = row.scale;
  ++filled_;
  ++rows_;
}

void VectorRows::Publish() {
  MutexLock lock(mutex_);
  published_.blocks.insert(published_.blocks.end(), new_blocks_.begin(), new_blocks_.end());
  published_.last_rows = filled_;
  published_rows_ = rows_;
  new_blocks_.clear();
}

}  // namespace engram::index
