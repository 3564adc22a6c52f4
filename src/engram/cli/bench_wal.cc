#include <filesystem>

#include "engram/cli/bench.h"
#include "engram/cli/bench_row.h"
#include "engram/wal/wal_bench.h"

namespace engram::cli {

Status BenchWal(const BenchOptions& options) {
  wal::WalBenchOptions bench;
  bench.directory = options.data_dir + "/wal";
  bench.seconds = options.seconds;
  std::filesystem::create_directories(options.data_dir);
  return wal::BenchWal(bench, [](const wal::WalBenchRow& row) {
    PrintRow({row.name, row.value, row.unit, row.ratio, row.against});
  });
}

}  // namespace engram::cli
