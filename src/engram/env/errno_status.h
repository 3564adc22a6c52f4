// How an errno of the machine becomes a Status: one place, so that the file system of the machine
// and the one in memory speak alike. Pure functions, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "engram/base/status.h"

namespace engram::env {

// "write of /data/x failed: No space left on device", with metadata path and errno (its symbol, as
// in "ENOSPC"). ENOSPC and EDQUOT are DISK_FULL, all others IO.
Status ErrnoStatus(std::string_view operation, const std::string& path, int error_number);

// Another process, or another object of this one, holds the lock. CONFIGURATION, metadata path.
Status AlreadyLocked(const std::string& path);

// True when `status` came from this errno.
bool HasErrno(const Status& status, std::string_view symbol);

}  // namespace engram::env
