#include "engram/env/errno_status.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace engram::env {
namespace {

struct Advice {
  int error_number;
  const char* expected;
  const char* suggestion;
  const char* example;
};

constexpr Advice kAdvice[] = {
    {ENOSPC, "free space on the file system of this path",
     "free some space or move the data directory; what is stored stays readable", "df -h"},
    {EDQUOT, "room in the quota of this user", "raise the quota or free some space", "quota -s"},
    {ENOENT, "a file or directory of that name", "check the path and its spelling", "ls -l"},
    {EACCES, "a path that this user may use",
     "run as the owner of the data directory, or give it to this user", "ls -ld"},
    {EPERM, "an operation that this user may do", "check owner, mount options and attributes",
     "lsattr -d"},
    {EROFS, "a file system that can be written",
     "mount it read-write: after an error of the disk "
     "the kernel turns it read-only, see its log",
     "dmesg | tail"},
    {EEXIST, "a name that is free", "move what stands there away", "ls -l"},
    {ENOTDIR, "a directory", "a part of the path is a file; check the path", "ls -ld"},
    {EISDIR, "a file", "the path is a directory; check the path", "ls -ld"},
    {ENOTEMPTY, "an empty directory", "look at what is in it first", "ls -A"},
    {EMFILE, "free file descriptors", "raise the limit of open files of this process",
     "ulimit -n 65536"},
    {ENFILE, "free file descriptors", "raise the limit of open files of this machine",
     "sysctl fs.file-max"},
    {EXDEV, "two paths on one file system", "keep the data directory on one file system", "df"},
    {EIO, "a disk that reads and writes what it is asked to",
     "the device failed: see the log of the kernel, and copy the data away", "dmesg | tail"},
};

const Advice& AdviceFor(int error_number) {
  for (const Advice& advice : kAdvice) {
    if (advice.error_number == error_number) return advice;
  }
  static constexpr Advice kOther = {0, "the operation to succeed",
                                    "check the path, its permissions and the log of the kernel",
                                    "dmesg | tail"};
  return kOther;
}

std::string SymbolOf(int error_number) {
  const char* symbol = strerrorname_np(error_number);
  return symbol != nullptr ? symbol : std::to_string(error_number);
}

}  // namespace

Status ErrnoStatus(std::string_view operation, const std::string& path, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  const char* description = strerrordesc_np(error_number);
  const Advice& advice = AdviceFor(error_number);
  std::string message(operation);
  message.append(" of ").append(path).append(" failed: ");
  message.append(description != nullptr ? description : SymbolOf(error_number));
  return Status(full ? Reason::DISK_FULL : Reason::IO, std::move(message))
      .Expected(advice.expected)
      .Suggest(advice.suggestion)
      .Example(advice.example)
      .With("path", path)
      .With("errno", SymbolOf(error_number));
}

Status AlreadyLocked(const std::string& path) {
  return Status(Reason::CONFIGURATION, "The data directory is in use: " + path + " is locked.")
      .Expected("a directory that no other process uses")
      .Suggest("stop the other process, or choose another directory")
      .Example("engram serve --data-dir ./another")
      .With("path", path);
}

bool HasErrno(const Status& status, std::string_view symbol) {
  if (status.ok()) return false;
  auto found = status.metadata().find("errno");
  return found != status.metadata().end() && found->second == symbol;
}

}  // namespace engram::env
