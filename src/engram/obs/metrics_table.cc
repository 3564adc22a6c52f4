#include "engram/obs/metrics_table.h"

#include <algorithm>

namespace engram::obs {
namespace {

std::vector<std::string> Split(std::string_view names) {
  std::vector<std::string> parts;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    parts.emplace_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return parts;
}

std::vector<std::string> KnownValues(std::string_view label) {
  if (label == "method") {
    return {"Remember", "RememberBatch", "StreamingRemember", "Experience", "Update", "Forget",
            "Restore",  "Recall",        "Reminisce",         "Get",        "List",   "CreateSpace",
            "GetSpace", "ListSpaces",    "DeleteSpace",       "Introspect"};
  }
  if (label == "reason") return {"OK", "DISK_FULL", "NOT_ENOUGH_IN_SYNC", "WAL_POISONED"};
  return {};
}

std::string_view KindName(MetricKind kind) {
  if (kind == MetricKind::COUNTER) return "counter";
  return kind == MetricKind::GAUGE ? "gauge" : "histogram";
}

}  // namespace

const std::vector<MetricInfo>& MetricTable() {
  static const std::vector<MetricInfo> table = {
#define ENGRAM_METRIC(id, name, kind, labels, rest, help) \
  {Metric::id, name, MetricKind::kind, Split(labels), Rest::rest, help},
#include "engram/obs/metrics.def"
#undef ENGRAM_METRIC
  };
  return table;
}

const MetricInfo& InfoOf(Metric metric) {
  return MetricTable().at(static_cast<size_t>(metric));
}

std::string_view NameOf(Metric metric) {
  return InfoOf(metric).name;
}

std::vector<Metrics::LabelValues> KnownLabelValues(const MetricInfo& info) {
  if (info.of_space()) return {};
  std::vector<Metrics::LabelValues> combinations = {{}};
  for (const std::string& label : info.labels) {
    std::vector<Metrics::LabelValues> longer;
    for (const Metrics::LabelValues& values : combinations) {
      for (const std::string& value : KnownValues(label)) {
        longer.push_back(values);
        longer.back().push_back(value);
      }
    }
    combinations = std::move(longer);
  }
  return combinations;
}

std::string MetricsReference() {
  std::string text =
      "# Metrics\n\n"
      "Served as text at `/metrics`. Made from the table in `src/engram/obs/metrics.def`; do not\n"
      "edit. Series without `memory_space` exist from the start with 0, counters never fall. The\n"
      "first `limits.metrics_spaces` spaces have labels of their own; the rest are `other`: their\n"
      "sum, or the smallest or greatest of their values where the table says so. Gauges of spaces\n"
      "are there while a space is open. Histograms of seconds have bounds from 50 us to 10 s, "
      "those\n"
      "of amounts powers of two up to 65,536.\n\n"
      "| name | kind | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& info : MetricTable()) {
    std::string labels;
    for (const std::string& label : info.labels) {
      labels.append(labels.empty() ? "" : ", ").append("`").append(label).append("`");
    }
    text.append("| `").append(info.name).append("` | ").append(KindName(info.kind));
    text.append(" | ").append(labels).append(" | ").append(info.help);
    if (info.of_space() && info.rest == Rest::MIN) text.append(" `other`: the smallest.");
    if (info.of_space() && info.rest == Rest::MAX) text.append(" `other`: the greatest.");
    text.append(" |\n");
  }
  return text;
}

}  // namespace engram::obs
