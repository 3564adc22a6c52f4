// The speed of the exact scan, held against the memory of the same machine in the same run: for
// `engram bench recall`. Blocks for some seconds, and takes twice the size of the vectors in
// memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/env/file_system.h"
#include "engram/index/measurement.h"

namespace engram::index {

struct VectorMeasureOptions {
  uint64_t vectors = 100'000;
  uint32_t dimension = 768;
  size_t results = 10;
  int rounds = 21;  // medians of so many
};

// Makes vectors.bin in `directory` (which exists), measures, and removes the file again.
Result<std::vector<Measurement>> MeasureVectorScan(env::FileSystem& fs, env::Clock& clock,
                                                   const std::string& directory,
                                                   const VectorMeasureOptions& options);

}  // namespace engram::index
