// What was cut from a log and kept: files of the log's own format under quarantine/. Listing and
// reading; writing is TruncateAfter's. Pure functions over a file system; blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/file_system.h"
#include "engram/record/entry.h"

namespace engram::wal {

struct QuarantineFile {
  std::string name;  // within quarantine/
  Epoch epoch;       // of its last entry
  Sequence first, last;
  uint64_t bytes = 0;
};

// Of the space in `directory`, oldest first; none is no error.
Result<std::vector<QuarantineFile>> ListQuarantine(env::FileSystem& fs,
                                                   const std::string& directory);

// Calls `visit` for each numbered entry at or above `file.first`, in order, until it fails.
// CORRUPTION_DETECTED names file and offset.
Status ReadQuarantine(env::FileSystem& fs, const std::string& directory, const QuarantineFile& file,
                      const std::function<Status(const record::Entry&)>& visit);

}  // namespace engram::wal
