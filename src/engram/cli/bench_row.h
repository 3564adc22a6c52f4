// One measured figure as one JSON line: name, value, unit, ratio, what it was held against, commit
// and machine. The limit or peer is always of the same run.
#pragma once

#include <string>
#include <vector>

namespace engram::cli {

struct BenchRow {
  std::string name;
  double value = 0;
  std::string unit;
  double ratio = 0;     // 0: held against nothing
  std::string against;  // such as "bare write + fdatasync, 35 MB/s"
};

void PrintRow(const BenchRow& row);

// Exact percentiles of the latencies of one run, in microseconds.
class Latencies {
 public:
  void Add(double us) { values_.push_back(us); }
  void Merge(const Latencies& other);
  double Percentile(double p);  // 0 … 100; 0 when empty
  size_t count() const { return values_.size(); }

 private:
  std::vector<double> values_;
};

}  // namespace engram::cli
