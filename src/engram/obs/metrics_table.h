// metrics.def as data, and the label values that are known beforehand. Private to obs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engram/obs/metrics.h"

namespace engram::obs {

enum class MetricKind : uint8_t { COUNTER, GAUGE, SECONDS, COUNTS };
enum class Rest : uint8_t { SUM, MIN, MAX };

struct MetricInfo {
  Metric id;
  std::string_view name;
  MetricKind kind;
  std::vector<std::string> labels;
  Rest rest;
  std::string_view help;

  bool of_space() const { return !labels.empty() && labels[0] == "memory_space"; }
};

const std::vector<MetricInfo>& MetricTable();  // in the order of Metric
const MetricInfo& InfoOf(Metric metric);

// The series that exist from the start: one of no labels, or every combination of the values that
// alerts ask for, since a rate sees only a series that was there before it rose. None for rows of
// spaces.
std::vector<Metrics::LabelValues> KnownLabelValues(const MetricInfo& info);

}  // namespace engram::obs
