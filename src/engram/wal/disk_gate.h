// Decides whether an append may take disk space: ordinary ones leave `min_free_bytes` alone, those
// that free space later (deletes) may go below it by `reserve_bytes`. Asks the file system rarely
// while there is plenty, and each time when there is not, so that writes resume by themselves.
// Guarded by the lock of the log.
#pragma once

#include <cstdint>

#include "engram/base/status.h"
#include "engram/wal/log.h"

namespace engram::wal {

class DiskGate {
 public:
  explicit DiskGate(const LogOptions& options) : options_(options) {}

  // OK when `bytes` more may be taken. `now_ns` is the wall clock, for the age of what is known.
  Status Admit(uint64_t bytes, bool frees_space, int64_t now_ns);
  // The file system had no room, whatever it said before.
  Status Refused(const Status& why);
  bool full() const { return full_; }

 private:
  Status Full(uint64_t free);

  const LogOptions& options_;
  bool known_ = false;
  bool full_ = false;
  uint64_t free_ = 0;      // when asked
  uint64_t admitted_ = 0;  // since then
  int64_t asked_ns_ = 0;
};

// True for drafts that make space to be won back later, or without which the log cannot go on:
// deletes, suppressions, epochs, settings, checkpoints.
bool FreesSpace(const Draft& draft);

}  // namespace engram::wal
