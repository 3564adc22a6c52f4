// A file system that tells before each operation that changes something: where tests and
// simulations take their crash clones. Single-threaded; outlived by the one below it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/env/file_system.h"

namespace engram::env {

class HookFileSystem : public FileSystem {
 public:
  using Hook = std::function<void()>;
  HookFileSystem(FileSystem* base, Hook hook) : base_(base), hook_(std::move(hook)) {}

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive) hook_();
    ASSIGN_OR_RETURN(auto file, base_->Open(path, mode));
    return std::unique_ptr<File>(std::make_unique<HookFile>(std::move(file), &hook_));
  }
  Result<bool> Exists(const std::string& path) override { return base_->Exists(path); }
  Result<std::vector<std::string>> List(const std::string& d) override { return base_->List(d); }
  Status CreateDirectory(const std::string& path) override {
    hook_();
    return base_->CreateDirectory(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    hook_();
    return base_->Rename(from, to);
  }
  Status HardLink(const std::string& from, const std::string& to) override {
    hook_();
    return base_->HardLink(from, to);
  }
  Status Remove(const std::string& path) override {
    hook_();
    return base_->Remove(path);
  }
  Status SyncDirectory(const std::string& path) override {
    hook_();
    return base_->SyncDirectory(path);
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return base_->Lock(path);
  }
  Result<DiskSpace> Space(const std::string& path) override { return base_->Space(path); }

 private:
  class HookFile : public File {
   public:
    HookFile(std::unique_ptr<File> base, const Hook* hook) : base_(std::move(base)), hook_(hook) {}
    Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) override {
      return base_->ReadAt(offset, out, size);
    }
    Status WriteAt(uint64_t offset, ByteView data) override {
      (*hook_)();
      return base_->WriteAt(offset, data);
    }
    Status Sync() override {
      (*hook_)();
      return base_->Sync();
    }
    Status Preallocate(uint64_t size) override {
      (*hook_)();
      return base_->Preallocate(size);
    }
    Status Truncate(uint64_t size) override {
      (*hook_)();
      return base_->Truncate(size);
    }
    Result<uint64_t> Size() override { return base_->Size(); }

   private:
    const std::unique_ptr<File> base_;
    const Hook* hook_;
  };

  FileSystem* const base_;
  const Hook hook_;
};

}  // namespace engram::env
