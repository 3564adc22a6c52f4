#include "engram/env/counting_file_system.h"

#include <utility>

namespace engram::env {
namespace {

void Count(std::atomic<uint64_t>& counter, uint64_t n) {
  counter.fetch_add(n, std::memory_order_relaxed);
}

Status CountSync(StorageCounts& counts, Status status) {
  Count(counts.syncs, 1);
  if (!status.ok()) Count(counts.errors, 1);
  return status;
}

}  // namespace

class CountingFileSystem::CountingFile : public File {
 public:
  CountingFile(std::unique_ptr<File> base, std::shared_ptr<StorageCounts> counts)
      : base_(std::move(base)), counts_(std::move(counts)) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) override {
    Result<size_t> got = base_->ReadAt(offset, out, size);
    Count(counts_->reads, 1);
    Count(got.ok() ? counts_->read_bytes : counts_->errors, got.ok() ? *got : 1);
    return got;
  }
  Status WriteAt(uint64_t offset, ByteView data) override {
    Status status = base_->WriteAt(offset, data);
    Count(counts_->writes, 1);
    Count(status.ok() ? counts_->written_bytes : counts_->errors, status.ok() ? data.size() : 1);
    return status;
  }
  Status Sync() override { return CountSync(*counts_, base_->Sync()); }
  Status Preallocate(uint64_t size) override { return base_->Preallocate(size); }
  Status Truncate(uint64_t size) override { return base_->Truncate(size); }
  Result<uint64_t> Size() override { return base_->Size(); }

 private:
  const std::unique_ptr<File> base_;
  const std::shared_ptr<StorageCounts> counts_;
};

Result<std::unique_ptr<File>> CountingFileSystem::Open(const std::string& path, OpenMode mode) {
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, base_.Open(path, mode));
  return std::unique_ptr<File>(std::make_unique<CountingFile>(std::move(file), counts_));
}

Status CountingFileSystem::SyncDirectory(const std::string& path) {
  return CountSync(*counts_, base_.SyncDirectory(path));
}

}  // namespace engram::env
