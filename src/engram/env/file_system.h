// The file system: one of the four doors to the machine. Everything durable goes through it, SQLite
// included, so that crashes, faults and seeds reach every byte.
//
// Three implementations: the machine's (PosixFileSystem()), one in memory that can be cloned as a
// power cut would leave it (memory_file_system.h), and one that makes another fail on demand
// (faulty_file_system.h).
//
// Durability, as on Linux with a journalling file system: written bytes survive a power cut only
// after File::Sync (length included); a created, renamed or removed name survives only after
// SyncDirectory of its folder. Until then any subset of pages and of names may.
//
// FileSystem is thread-safe. A File may be used by several threads at once (pread and pwrite keep
// no position). Errors: IO with metadata path and errno; DISK_FULL for ENOSPC and EDQUOT.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/bytes.h"
#include "engram/base/status.h"

namespace engram::env {

enum class OpenMode {
  kRead,             // must exist
  kReadWrite,        // must exist
  kCreate,           // made when absent, mode 0600
  kCreateExclusive,  // must not exist
};

class File {
 public:
  virtual ~File() = default;  // closes
  // Reads up to `size` bytes at `offset` into `out`; returns how many there were (less only at the
  // end of the file).
  virtual Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) = 0;
  // Writes all of `data` at `offset`, or fails. Short writes are continued inside. After a failure
  // any part of it may have been written.
  virtual Status WriteAt(uint64_t offset, ByteView data) = 0;
  // fdatasync(2): data and length are durable on return. Never retry after a failure: the kernel
  // may have dropped the dirty pages and called them clean.
  virtual Status Sync() = 0;
  // Makes the file at least `size` long and its room taken; what is new reads as zeros. Neither
  // durable nor free of charge: the zeros are really written, so that later syncs within `size`
  // have no metadata to write and take half the time. Grow in steps and Sync once after each. A
  // failure leaves the length as it was.
  virtual Status Preallocate(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() = 0;
};

// Held until destroyed; the lock of a whole directory (LOCK file).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // True when a file or directory of that name exists.
  virtual Result<bool> Exists(const std::string& path) = 0;
  // Names (not paths) in a directory, sorted.
  virtual Result<std::vector<std::string>> List(const std::string& directory) = 0;
  // Makes one directory (mode 0700); OK when it exists. CreateDirectories makes parents too and
  // syncs each parent that got a new name.
  virtual Status CreateDirectory(const std::string& path) = 0;
  virtual Status CreateDirectories(const std::string& path);
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status HardLink(const std::string& from, const std::string& to) = 0;
  // Removes a file, or an empty directory. OK when absent.
  virtual Status Remove(const std::string& path) = 0;
  // Removes a directory with all that is in it. OK when absent.
  virtual Status RemoveAll(const std::string& path);
  virtual Status SyncDirectory(const std::string& path) = 0;
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  virtual Result<DiskSpace> Space(const std::string& path) = 0;
};

// The machine's own.
FileSystem& PosixFileSystem();

// Conveniences over any file system.
Result<std::string> ReadWholeFile(FileSystem& fs, const std::string& path);
// Writes under a temporary name, syncs, renames over `path`, syncs the directory.
Status ReplaceFile(FileSystem& fs, const std::string& path, ByteView contents);
std::string JoinPath(std::string_view directory, std::string_view name);
std::string DirectoryOf(std::string_view path);

}  // namespace engram::env
