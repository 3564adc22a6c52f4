#include "engram/runtime/counting_file_system.h"

namespace engram::runtime {
namespace {

class CountingFile : public env::File {
 public:
  CountingFile(std::unique_ptr<env::File> base, StorageCounts* counts)
      : base_(std::move(base)), counts_(counts) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) override {
    Result<size_t> read = base_->ReadAt(offset, out, size);
    ++counts_->reads;
    if (read.ok()) counts_->read_bytes += *read;
    else ++counts_->errors;
    return read;
  }
  Status WriteAt(uint64_t offset, ByteView data) override {
    ++counts_->writes;
    counts_->written_bytes += data.size();
    return Noted(base_->WriteAt(offset, data));
  }
  Status Sync() override {
    ++counts_->syncs;
    return Noted(base_->Sync());
  }
  Status Preallocate(uint64_t size) override { return Noted(base_->Preallocate(size)); }
  Status Truncate(uint64_t size) override { return Noted(base_->Truncate(size)); }
  Result<uint64_t> Size() override { return base_->Size(); }

 private:
  Status Noted(Status status) {
    if (!status.ok()) ++counts_->errors;
    return status;
  }

  std::unique_ptr<env::File> base_;
  StorageCounts* counts_;
};

}  // namespace

Result<std::unique_ptr<env::File>> CountingFileSystem::Open(const std::string& path, env::OpenMode mode) {
  ASSIGN_OR_RETURN(std::unique_ptr<env::File> file, base_.Open(path, mode));
  return std::unique_ptr<env::File>(std::make_unique<CountingFile>(std::move(file), &counts_));
}

Status CountingFileSystem::SyncDirectory(const std::string& path) {
  ++counts_.syncs;
  return base_.SyncDirectory(path);
}

}  // namespace engram::runtime
