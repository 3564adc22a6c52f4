// What group commit costs, held against the least it could cost: a bare write and fdatasync of the
// same bytes to a preallocated file, measured in the same run. Library of `engram bench wal`.
// Blocks for about 3 seconds a row; threads come from env.
#pragma once

#include <functional>
#include <string>

#include "engram/base/status.h"
#include "engram/env/file_system.h"

namespace engram::wal {

struct WalBenchRow {
  std::string name;
  double value = 0;
  std::string unit;
  double ratio = 0;  // 0: held against nothing
  std::string against;
};

struct WalBenchOptions {
  env::FileSystem* fs = &env::PosixFileSystem();
  std::string directory;  // emptied before and after
  double seconds = 2;     // of each measurement, in five rounds
};

// One row after another: latency of one producer, then the rates of 8, 32 and 64 producers, for
// small (200 bytes) and embedded (3.3 KB) payloads.
Status BenchWal(const WalBenchOptions& options, const std::function<void(const WalBenchRow&)>& row);

}  // namespace engram::wal
