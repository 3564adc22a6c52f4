#include "engram/index/vectors.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engram/base/thread_annotations.h"
#include "engram/index/kernels.h"
#include "engram/index/vectors_codes.h"
#include "engram/index/vectors_file.h"
#include "engram/index/vectors_rows.h"
#include "engram/index/vectors_select.h"

namespace engram::index {
namespace {

constexpr uint64_t kFlushRowsBytes = 4 << 20;
constexpr uint64_t kFlushEntries = 4096;
constexpr size_t kScanRows = 256;  // dots of so many rows stay in the nearest cache

void ScanBlock(const VectorBlock& block, size_t rows, const EncodedQuery& query, size_t stride,
               const std::function<bool(Sequence)>& keep, NearestSelector* selector) {
  int32_t dots[kScanRows];
  for (size_t first = 0; first < rows; first += kScanRows) {
    const size_t count = std::min(kScanRows, rows - first);
    DotRows(query.values.get(), block.codes.get() + first * stride, stride, count, dots);
    for (size_t i = 0; i < count; ++i) {
      const CodeScale& scale = block.scales[first + i];
      const float cosine = static_cast<float>(dots[i]) * (scale.scale * query.scale);
      const float error = CosineErrorOf(scale.error, query.error);
      if (cosine + error < selector->line()) continue;
      const Sequence content = block.contents[first + i];
      if (!keep || keep(content)) selector->Add({content, cosine, error});
    }
  }
}

class FlatVectorIndex : public VectorIndex {
 public:
  FlatVectorIndex(std::unique_ptr<VectorFile> file, uint32_t dimension)
      : dimension_(dimension), file_(std::move(file)), rows_(dimension) {}
  ~FlatVectorIndex() override { static_cast<void>(Flush()); }  // a crash would cost no more

  Status Load() {
    RETURN_IF_ERROR(file_->ReadAll([this](const VectorRow& row) { rows_.Add(row); }));
    rows_.Publish();
    flushed_ = file_->identity();
    SetIdentity(flushed_);
    return OkStatus();
  }

  IndexIdentity identity() const override {
    MutexLock lock(mutex_);
    return identity_;
  }

  Status Apply(std::span<const VectorAdd> added, const IndexIdentity& through) override {
    for (const VectorAdd& add : added) RETURN_IF_ERROR(CheckDimension(add));
    std::vector<int8_t> codes(added.size() * dimension_);
    std::vector<VectorRow> rows;
    rows.reserve(added.size());
    for (size_t i = 0; i < added.size(); ++i) {
      const std::span<int8_t> own(codes.data() + i * dimension_, dimension_);
      const CodeScale scale = EncodeVector(added[i].values, own.data());
      rows.push_back({added[i].content, scale, own});
    }
    RETURN_IF_ERROR(file_->Append(rows));
    for (const VectorRow& row : rows) rows_.Add(row);
    rows_.Publish();
    SetIdentity(through);
    unflushed_bytes_ += codes.size();
    if (!FlushIsDue(through)) return OkStatus();
    // The change itself has been made: only what makes further ones impossible is an error.
    const Status flushed = Flush();
    return file_->poisoned() ? flushed : OkStatus();
  }

  Status Flush() override {
    const IndexIdentity through = identity();
    if (through == flushed_) return OkStatus();
    RETURN_IF_ERROR(file_->Checkpoint(through));
    flushed_ = through;
    unflushed_bytes_ = 0;
    return OkStatus();
  }

  uint64_t size() const override { return rows_.size(); }

  std::vector<VectorHit> Nearest(std::span<const float> query, size_t limit,
                                 const std::function<bool(Sequence)>& keep) override {
    if (query.size() != dimension_) return {};
    const EncodedQuery encoded = EncodeQuery(query);
    const VectorRows::View view = rows_.Get();
    NearestSelector selector(limit);
    for (const auto& block : view.blocks) {
      const size_t rows = block == view.blocks.back() ? view.last_rows : block->capacity;
      ScanBlock(*block, rows, encoded, CodeStride(dimension_), keep, &selector);
    }
    return selector.Take();
  }

  uint64_t bytes() const override {
    const uint64_t row = VectorFile::RowBytes(dimension_);
    return VectorFile::kRowsOffset + rows_.size() * row;
  }
  uint64_t memory_bytes() const override { return rows_.memory_bytes(); }

 private:
  Status CheckDimension(const VectorAdd& add) const {
    if (add.values.size() == dimension_) return OkStatus();
    return Status(Reason::DIMENSION_MISMATCH,
                  "a vector of " + std::to_string(add.values.size()) + " numbers")
        .Expected(std::to_string(dimension_) + ", as all vectors of this space")
        .With("sequence", add.content.value());
  }
  bool FlushIsDue(const IndexIdentity& through) const {
    return unflushed_bytes_ >= kFlushRowsBytes ||
           through.sequence.value() - flushed_.sequence.value() >= kFlushEntries;
  }
  void SetIdentity(const IndexIdentity& identity) {
    MutexLock lock(mutex_);
    identity_ = identity;
  }

  const uint32_t dimension_;
  // The writer's own.
  std::unique_ptr<VectorFile> file_;
  IndexIdentity flushed_;
  uint64_t unflushed_bytes_ = 0;

  VectorRows rows_;
  mutable Mutex mutex_;
  IndexIdentity identity_ GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<VectorIndex>> VectorIndex::Open(env::FileSystem& fs, const std::string& path,
                                                       Incarnation incarnation,
                                                       uint32_t dimension) {
  ASSIGN_OR_RETURN(std::unique_ptr<VectorFile> file,
                   VectorFile::Open(fs, path, incarnation, dimension));
  auto index = std::make_unique<FlatVectorIndex>(std::move(file), dimension);
  RETURN_IF_ERROR(index->Load());
  return std::unique_ptr<VectorIndex>(std::move(index));
}

Status VectorIndex::Destroy(env::FileSystem& fs, const std::string& path) {
  RETURN_IF_ERROR(fs.Remove(path));
  return fs.SyncDirectory(env::DirectoryOf(path));
}

float Cosine(std::span<const float> a, std::span<const float> b) {
  ENGRAM_CHECK(a.size() == b.size());
  const CosineSums sums = SumsOf(a.data(), b.data(), a.size());
  const double square = sums.aa * sums.bb;
  if (!(square > 0)) return 0;
  return static_cast<float>(std::clamp(sums.ab / std::sqrt(square), -1.0, 1.0));
}

}  // namespace engram::index
