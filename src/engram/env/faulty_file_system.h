// A file system that makes another fail on demand: for tests of what happens when a disk does.
//
// A fault names an operation, part of a path, when it strikes and what it does. A failed Sync is
// that of Linux: the error is told once, later calls succeed, and the bytes, though readable, never
// reach the disk (over a MemoryFileSystem: they are gone in its CrashClone). Thread-safe; owned by
// the test, and outlived by the file system below it.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/env/file_system.h"

namespace engram::env {

enum class Operation {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kPreallocate,
  kTruncate,
  kList,
  kCreateDirectory,
  kRename,  // the path is the new one; also hard links
  kRemove,
  kSyncDirectory,
  kLock,
};
inline constexpr size_t kOperations = 12;

struct Fault {
  static constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

  enum class Effect {
    kFail,   // nothing is done (of a Sync: see above), and error_number is the answer
    kShort,  // kWrite: `where` bytes are written, then error_number is the answer
    kFlip,   // kRead: bit `where` of the file is read inverted
    kLie,    // nothing is done, and the answer is OK
    kStall,  // does not return before Release() or Heal(), then goes on as if nothing was
  };

  Operation operation;
  Effect effect = Effect::kFail;
  std::string path = {};  // strikes paths that contain it
  uint64_t after = 0;     // spares so many first
  uint64_t times = 1;     // strikes so many
  int error_number = EIO;
  uint64_t where = 0;
};

class FaultyFileSystem : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& base);
  ~FaultyFileSystem() override;

  void Inject(Fault fault);
  // Takes all faults away, and the limit of SetFreeBytes; what stalls goes on.
  void Heal();
  // Ends the stalls that are under way; stalling faults are taken away.
  void Release();
  // Waits until so many operations stall; false when they do not within `limit`.
  bool WaitForStalled(size_t count, std::chrono::milliseconds limit = std::chrono::seconds(10));

  // A disk with so much room left: what makes files grow takes of it, what cuts or removes them
  // gives back. A write that does not fit is done as far as it fits and gets DISK_FULL. Nothing:
  // as much as the file system below has.
  void SetFreeBytes(std::optional<uint64_t> bytes);

  // How often an operation was called so far, struck or not.
  uint64_t Count(Operation operation) const;
  // How many faults have struck so far.
  uint64_t Struck() const;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<bool> Exists(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Status CreateDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status HardLink(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<DiskSpace> Space(const std::string& path) override;

 private:
  class Script;
  class FaultyFile;
  FileSystem& base_;
  std::shared_ptr<Script> script_;  // shared with open files
};

// Inverts one stored bit: what a dying disk does while nobody looks.
Status FlipStoredBit(FileSystem& fs, const std::string& path, uint64_t bit);

}  // namespace engram::env
