#include "engram/env/faulty_file_system.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "engram/base/thread_annotations.h"
#include "engram/env/errno_status.h"
#include "engram/env/memory_file_system.h"

namespace engram::env {

// The faults, and the room on the disk.
class FaultyFileSystem::Script {
 public:
  // The fault that strikes this call, if any. Stalls are served inside.
  std::optional<Fault> Strike(Operation operation, const std::string& path) {
    MutexLock lock(mutex_);
    ++counts_.at(static_cast<size_t>(operation));
    for (Fault& fault : faults_) {
      if (fault.operation != operation || path.find(fault.path) == std::string::npos) continue;
      if (fault.after > 0) {
        --fault.after;
        continue;
      }
      if (fault.times == 0) continue;
      if (fault.times != Fault::kForever) --fault.times;
      ++struck_;
      if (fault.effect != Fault::Effect::kStall) return fault;
      Stall(lock);
      return std::nullopt;
    }
    return std::nullopt;
  }

  // Of `wanted` bytes of growth, those that there is room for; they are taken.
  uint64_t Take(uint64_t wanted) {
    MutexLock lock(mutex_);
    if (!free_) return wanted;
    const uint64_t given = std::min(wanted, *free_);
    *free_ -= given;
    return given;
  }

  void GiveBack(uint64_t bytes) {
    MutexLock lock(mutex_);
    if (free_) *free_ += bytes;
  }

  void Inject(Fault fault) {
    MutexLock lock(mutex_);
    faults_.push_back(std::move(fault));
  }

  void Release(bool everything) {
    MutexLock lock(mutex_);
    std::erase_if(faults_, [everything](const Fault& fault) {
      return everything || fault.effect == Fault::Effect::kStall;
    });
    if (everything) free_.reset();
    ++releases_;
    changed_.notify_all();
  }

  bool WaitForStalled(size_t count, std::chrono::milliseconds limit) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, limit, [&]() REQUIRES(mutex_) { return stalled_ >= count; });
  }

  void SetFreeBytes(std::optional<uint64_t> bytes) {
    MutexLock lock(mutex_);
    free_ = bytes;
  }
  std::optional<uint64_t> free_bytes() {
    MutexLock lock(mutex_);
    return free_;
  }
  uint64_t Count(Operation operation) {
    MutexLock lock(mutex_);
    return counts_.at(static_cast<size_t>(operation));
  }
  uint64_t struck() {
    MutexLock lock(mutex_);
    return struck_;
  }

 private:
  void Stall(MutexLock& lock) REQUIRES(mutex_) {
    const uint64_t releases = releases_;
    ++stalled_;
    changed_.notify_all();
    while (releases_ == releases) changed_.wait(lock);
    --stalled_;
  }

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Fault> faults_ GUARDED_BY(mutex_);
  std::array<uint64_t, kOperations> counts_ GUARDED_BY(mutex_){};
  std::optional<uint64_t> free_ GUARDED_BY(mutex_);
  uint64_t struck_ GUARDED_BY(mutex_) = 0;
  uint64_t releases_ GUARDED_BY(mutex_) = 0;
  size_t stalled_ GUARDED_BY(mutex_) = 0;
};

namespace {

// What a struck call answers where nothing is done.
Status Answer(const Fault& fault, std::string_view operation, const std::string& path) {
  if (fault.effect == Fault::Effect::kLie) return OkStatus();
  return ErrnoStatus(operation, path, fault.error_number);
}

}  // namespace

class FaultyFileSystem::FaultyFile : public File {
 public:
  FaultyFile(std::unique_ptr<File> base, std::shared_ptr<Script> script, std::string path)
      : base_(std::move(base)), script_(std::move(script)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) override {
    const auto fault = script_->Strike(Operation::kRead, path_);
    if (!fault) return base_->ReadAt(offset, out, size);
    if (fault->effect == Fault::Effect::kFail) {
      return ErrnoStatus("read", path_, fault->error_number);
    }
    ASSIGN_OR_RETURN(const size_t got, base_->ReadAt(offset, out, size));
    const uint64_t byte = fault->where / 8;
    if (fault->effect == Fault::Effect::kFlip && byte >= offset && byte - offset < got) {
      out[byte - offset] = static_cast<char>(out[byte - offset] ^ (1 << fault->where % 8));
    }
    return got;
  }

  Status WriteAt(uint64_t offset, ByteView data) override {
    const auto fault = script_->Strike(Operation::kWrite, path_);
    if (!fault) return WriteWithinRoom(offset, data);
    if (fault->effect == Fault::Effect::kShort) {
      RETURN_IF_ERROR(WriteWithinRoom(offset, data.substr(0, fault->where)));
    }
    return Answer(*fault, "write", path_);
  }

  Status Sync() override {
    const auto fault = script_->Strike(Operation::kSync, path_);
    if (!fault) return base_->Sync();
    MemoryFileSystem::AbandonUnsynced(*base_);
    return Answer(*fault, "fdatasync", path_);
  }

  Status Preallocate(uint64_t size) override {
    if (const auto fault = script_->Strike(Operation::kPreallocate, path_)) {
      return Answer(*fault, "fallocate", path_);
    }
    ASSIGN_OR_RETURN(const uint64_t growth, Growth(size));
    const uint64_t given = script_->Take(growth);
    if (given == growth) return base_->Preallocate(size);
    script_->GiveBack(given);
    return ErrnoStatus("fallocate", path_, ENOSPC);
  }

  Status Truncate(uint64_t size) override {
    if (const auto fault = script_->Strike(Operation::kTruncate, path_)) {
      return Answer(*fault, "truncate", path_);
    }
    ASSIGN_OR_RETURN(const uint64_t old_size, base_->Size());
    RETURN_IF_ERROR(base_->Truncate(size));
    if (size < old_size) script_->GiveBack(old_size - size);
    return OkStatus();
  }

  Result<uint64_t> Size() override { return base_->Size(); }

 private:
  Result<uint64_t> Growth(uint64_t end) {
    ASSIGN_OR_RETURN(const uint64_t size, base_->Size());
    return end > size ? end - size : 0;
  }

  Status WriteWithinRoom(uint64_t offset, ByteView data) {
    ASSIGN_OR_RETURN(const uint64_t growth, Growth(offset + data.size()));
    const uint64_t missing = growth - script_->Take(growth);
    if (missing == 0) return base_->WriteAt(offset, data);
    RETURN_IF_ERROR(base_->WriteAt(
        offset, data.substr(0, data.size() - std::min<uint64_t>(missing, data.size()))));
    return ErrnoStatus("write", path_, ENOSPC);
  }

  const std::unique_ptr<File> base_;
  const std::shared_ptr<Script> script_;
  const std::string path_;
};

FaultyFileSystem::FaultyFileSystem(FileSystem& base)
    : base_(base), script_(std::make_shared<Script>()) {}
FaultyFileSystem::~FaultyFileSystem() {
  script_->Release(true);
}

void FaultyFileSystem::Inject(Fault fault) {
  script_->Inject(std::move(fault));
}
void FaultyFileSystem::Heal() {
  script_->Release(true);
}
void FaultyFileSystem::Release() {
  script_->Release(false);
}
bool FaultyFileSystem::WaitForStalled(size_t count, std::chrono::milliseconds limit) {
  return script_->WaitForStalled(count, limit);
}
void FaultyFileSystem::SetFreeBytes(std::optional<uint64_t> bytes) {
  script_->SetFreeBytes(bytes);
}
uint64_t FaultyFileSystem::Count(Operation operation) const {
  return script_->Count(operation);
}
uint64_t FaultyFileSystem::Struck() const {
  return script_->struck();
}

Result<std::unique_ptr<File>> FaultyFileSystem::Open(const std::string& path, OpenMode mode) {
  if (const auto fault = script_->Strike(Operation::kOpen, path)) {
    return ErrnoStatus("open", path, fault->error_number);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, base_.Open(path, mode));
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(std::move(file), script_, path));
}

Result<bool> FaultyFileSystem::Exists(const std::string& path) {
  return base_.Exists(path);
}

Result<std::vector<std::string>> FaultyFileSystem::List(const std::string& directory) {
  if (const auto fault = script_->Strike(Operation::kList, directory)) {
    return ErrnoStatus("opendir", directory, fault->error_number);
  }
  return base_.List(directory);
}

Status FaultyFileSystem::CreateDirectory(const std::string& path) {
  if (const auto fault = script_->Strike(Operation::kCreateDirectory, path)) {
    return Answer(*fault, "mkdir", path);
  }
  return base_.CreateDirectory(path);
}

Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  if (const auto fault = script_->Strike(Operation::kRename, to)) {
    return Answer(*fault, "rename", to);
  }
  return base_.Rename(from, to);
}

Status FaultyFileSystem::HardLink(const std::string& from, const std::string& to) {
  if (const auto fault = script_->Strike(Operation::kRename, to)) return Answer(*fault, "link", to);
  return base_.HardLink(from, to);
}

Status FaultyFileSystem::Remove(const std::string& path) {
  if (const auto fault = script_->Strike(Operation::kRemove, path)) {
    return Answer(*fault, "remove", path);
  }
  uint64_t size = 0;
  if (auto file = base_.Open(path, OpenMode::kRead); file.ok()) {
    size = (*file)->Size().ok() ? *(*file)->Size() : 0;
  }
  RETURN_IF_ERROR(base_.Remove(path));
  script_->GiveBack(size);
  return OkStatus();
}

Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  if (const auto fault = script_->Strike(Operation::kSyncDirectory, path)) {
    return Answer(*fault, "fsync", path);
  }
  return base_.SyncDirectory(path);
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::Lock(const std::string& path) {
  if (const auto fault = script_->Strike(Operation::kLock, path)) {
    return ErrnoStatus("lock", path, fault->error_number);
  }
  return base_.Lock(path);
}

Result<DiskSpace> FaultyFileSystem::Space(const std::string& path) {
  ASSIGN_OR_RETURN(DiskSpace space, base_.Space(path));
  if (const auto bytes = script_->free_bytes()) space.free_bytes = *bytes;
  return space;
}

Status FlipStoredBit(FileSystem& fs, const std::string& path, uint64_t bit) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(path, OpenMode::kReadWrite));
  char byte = 0;
  ASSIGN_OR_RETURN(const size_t got, file->ReadAt(bit / 8, &byte, 1));
  if (got != 1) return ErrnoStatus("read", path, EINVAL);
  byte = static_cast<char>(byte ^ (1 << bit % 8));
  RETURN_IF_ERROR(file->WriteAt(bit / 8, ByteView(&byte, 1)));
  return file->Sync();
}

}  // namespace engram::env
