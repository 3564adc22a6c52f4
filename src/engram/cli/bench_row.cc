#include "engram/cli/bench_row.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>

#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include "engram/server/version.h"

namespace engram::cli {
namespace {

std::string Machine() {
  utsname name{};
  uname(&name);
  return std::to_string(std::thread::hardware_concurrency()) + " cores, " + name.sysname + " " +
         name.release;
}

double Rounded(double value) {
  const double scale = value >= 100 ? 1 : value >= 1 ? 100 : 10000;
  return std::round(value * scale) / scale;
}

}  // namespace

void PrintRow(const BenchRow& row) {
  nlohmann::ordered_json json;
  json["name"] = row.name;
  json["value"] = Rounded(row.value);
  json["unit"] = row.unit;
  if (row.ratio > 0) {
    json["ratio"] = Rounded(row.ratio);
    json["against"] = row.against;
  }
  json["commit"] = server::BuildCommit();
  json["machine"] = Machine();
  std::printf("%s\n", json.dump().c_str());
  std::fflush(stdout);
}

void Latencies::Merge(const Latencies& other) {
  values_.insert(values_.end(), other.values_.begin(), other.values_.end());
}

double Latencies::Percentile(double p) {
  if (values_.empty()) return 0;
  const auto at = static_cast<size_t>(p / 100 * static_cast<double>(values_.size() - 1));
  std::nth_element(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(at),
                   values_.end());
  return values_[at];
}

}  // namespace engram::cli
