// A file system that counts what goes through it to another: what a node reads, writes and syncs in
// all, logs and indexes together. Thread-safe; costs an atomic addition a call. Outlived by the
// file system below it; its counts may be read at any time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engram/env/file_system.h"

namespace engram::env {

struct StorageCounts {
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> written_bytes{0};
  std::atomic<uint64_t> syncs{0};  // of files and directories
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> read_bytes{0};
  std::atomic<uint64_t> errors{0};  // of these three
};

class CountingFileSystem : public FileSystem {
 public:
  explicit CountingFileSystem(FileSystem& base)
      : base_(base), counts_(std::make_shared<StorageCounts>()) {}

  const StorageCounts& counts() const { return *counts_; }

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<bool> Exists(const std::string& path) override { return base_.Exists(path); }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    return base_.List(directory);
  }
  Status CreateDirectory(const std::string& path) override { return base_.CreateDirectory(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_.Rename(from, to);
  }
  Status HardLink(const std::string& from, const std::string& to) override {
    return base_.HardLink(from, to);
  }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status RemoveAll(const std::string& path) override { return base_.RemoveAll(path); }
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return base_.Lock(path);
  }
  Result<DiskSpace> Space(const std::string& path) override { return base_.Space(path); }

 private:
  class CountingFile;
  FileSystem& base_;
  std::shared_ptr<StorageCounts> counts_;  // shared with open files
};

}  // namespace engram::env
