// A file system that counts what goes through it: writes, reads, syncs and failures of a whole node,
// logs and indexes together. Thread-safe; the counts are read at any time.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engram/env/file_system.h"

namespace engram::runtime {

struct StorageCounts {
  std::atomic<uint64_t> writes{0}, written_bytes{0}, syncs{0}, reads{0}, read_bytes{0}, errors{0};
};

class CountingFileSystem : public env::FileSystem {
 public:
  explicit CountingFileSystem(env::FileSystem& base) : base_(base) {}
  const StorageCounts& counts() const { return counts_; }

  Result<std::unique_ptr<env::File>> Open(const std::string& path, env::OpenMode mode) override;
  Result<bool> Exists(const std::string& path) override { return base_.Exists(path); }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    return base_.List(directory);
  }
  Status CreateDirectory(const std::string& path) override { return base_.CreateDirectory(path); }
  Status Rename(const std::string& from, const std::string& to) override { return base_.Rename(from, to); }
  Status HardLink(const std::string& from, const std::string& to) override { return base_.HardLink(from, to); }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<env::FileLock>> Lock(const std::string& path) override { return base_.Lock(path); }
  Result<env::DiskSpace> Space(const std::string& path) override { return base_.Space(path); }

 private:
  env::FileSystem& base_;
  StorageCounts counts_;
};

}  // namespace engram::runtime
