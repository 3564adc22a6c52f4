// The speed of the catalog, held against bare SQLite on the same disk in the same run: for `engram
// bench index`. Blocks for some seconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/env/file_system.h"
#include "engram/index/measurement.h"

namespace engram::index {

struct CatalogMeasureOptions {
  uint64_t rows = 300'000;
  uint64_t rows_per_transaction = 512;
};

// Makes files in `directory` (which exists, of the machine's own file system) and removes them.
Result<std::vector<Measurement>> MeasureCatalog(env::Clock& clock, const std::string& directory,
                                                const CatalogMeasureOptions& options);

}  // namespace engram::index
