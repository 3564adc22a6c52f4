#include <filesystem>

#include "engram/cli/bench.h"
#include "engram/cli/bench_row.h"
#include "engram/index/catalog_measure.h"

namespace engram::cli {

Status BenchIndex(const BenchOptions& options) {
  const std::string directory = options.data_dir + "/index";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  index::CatalogMeasureOptions catalog;
  catalog.rows = 300'000 * options.scale / 100;
  ASSIGN_OR_RETURN(const auto rows, index::MeasureCatalog(env::SystemClock(), directory, catalog));
  for (const index::Measurement& row : rows) {
    PrintRow({row.name, row.value, row.unit, row.ratio, row.against});
  }
  return OkStatus();
}

}  // namespace engram::cli
