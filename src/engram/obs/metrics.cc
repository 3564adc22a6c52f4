#include "engram/obs/metrics.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "engram/base/check.h"
#include "engram/obs/metrics_table.h"

namespace engram::obs {
namespace {

using ClientMetric = prometheus::ClientMetric;

constexpr std::string_view kOther = "other";

// Bounds of the two kinds of histograms: a sync of a fast disk to a lost one; groups of entries.
constexpr Histogram::Bounds kSeconds = {50e-6,  100e-6, 200e-6, 500e-6, 1e-3,   2e-3,
                                        5e-3,   10e-3,  20e-3,  50e-3,  100e-3, 200e-3,
                                        500e-3, 1,      2,      5,      10};
constexpr Histogram::Bounds kCounts = {1,   2,    4,    8,    16,   32,    64,    128,  256,
                                       512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

const Histogram::Bounds& BoundsOf(const MetricInfo& info) {
  return info.kind == MetricKind::SECONDS ? kSeconds : kCounts;
}

bool IsHistogram(const MetricInfo& info) {
  return info.kind == MetricKind::SECONDS || info.kind == MetricKind::COUNTS;
}

prometheus::MetricType TypeOf(const MetricInfo& info) {
  if (IsHistogram(info)) return prometheus::MetricType::Histogram;
  return info.kind == MetricKind::COUNTER ? prometheus::MetricType::Counter
                                          : prometheus::MetricType::Gauge;
}

double Join(Rest rest, double a, double b) {
  if (rest == Rest::SUM) return a + b;
  return rest == Rest::MIN ? std::min(a, b) : std::max(a, b);
}

ClientMetric::Histogram Read(const Histogram& histogram) {
  ClientMetric::Histogram read;
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    read.sample_count += histogram.in_bucket(i);
    const bool last = i + 1 == Histogram::kBuckets;
    read.bucket.push_back({read.sample_count,
                           last ? std::numeric_limits<double>::infinity() : histogram.bounds()[i]});
  }
  read.sample_sum = histogram.sum();
  return read;
}

}  // namespace

void Histogram::Observe(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<size_t>(bound - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.Add(value);
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (size_t i = 0; i < kBuckets; ++i) total += in_bucket(i);
  return total;
}

Counter& SpaceSeries::counter(Metric metric) const {
  return *counters_.at(metric);
}
Histogram& SpaceSeries::histogram(Metric metric) const {
  return *histograms_.at(metric);
}

// What is counted here, by row and label values. Nodes of a map never move, so handles stay.
struct Metrics::Cells {
  template <class Cell>
  using Of = std::map<std::pair<Metric, LabelValues>, Cell>;
  Of<Counter> counters;
  Of<Gauge> gauges;
  Of<Histogram> histograms;
};

// The series of one row, ready to be written.
struct Metrics::Family {
  const MetricInfo* info = nullptr;
  std::map<LabelValues, ClientMetric> series;

  ClientMetric& At(const LabelValues& values) {
    auto [found, added] = series.try_emplace(values);
    if (added) {
      ENGRAM_CHECK(values.size() == info->labels.size());
      for (size_t i = 0; i < values.size(); ++i) {
        found->second.label.push_back({info->labels[i], values[i]});
      }
    }
    return found->second;
  }
  void Put(const LabelValues& values, double value) {
    ClientMetric& metric = At(values);
    (info->kind == MetricKind::COUNTER ? metric.counter.value : metric.gauge.value) = value;
  }
  double Get(const LabelValues& values) {
    const ClientMetric& metric = At(values);
    return info->kind == MetricKind::COUNTER ? metric.counter.value : metric.gauge.value;
  }
};

Metrics::Metrics(MetricsOptions options) : options_(options), cells_(std::make_unique<Cells>()) {
  for (const MetricInfo& info : MetricTable()) {
    for (const LabelValues& values : KnownLabelValues(info)) {
      if (IsHistogram(info)) {
        histogram(info.id, values);
      } else if (info.kind == MetricKind::COUNTER) {
        counter(info.id, values);
      } else if (values.empty()) {
        gauge(info.id);
      }
    }
  }
}

Metrics::~Metrics() = default;

Counter& Metrics::counter(Metric metric, const LabelValues& labels) {
  ENGRAM_CHECK(InfoOf(metric).kind == MetricKind::COUNTER && !InfoOf(metric).of_space());
  MutexLock lock(mutex_);
  return cells_->counters[{metric, labels}];
}

Gauge& Metrics::gauge(Metric metric) {
  ENGRAM_CHECK(InfoOf(metric).kind == MetricKind::GAUGE && InfoOf(metric).labels.empty());
  MutexLock lock(mutex_);
  return cells_->gauges[{metric, {}}];
}

Histogram& Metrics::histogram(Metric metric, const LabelValues& labels) {
  ENGRAM_CHECK(IsHistogram(InfoOf(metric)) && !InfoOf(metric).of_space());
  MutexLock lock(mutex_);
  return cells_->histograms.try_emplace({metric, labels}, BoundsOf(InfoOf(metric))).first->second;
}

// The place of a space is taken at its first mention. A space that is called "other" is counted
// with the others.
std::string Metrics::LabelOf(const std::string& space) const {
  if (space == kOther || labelled_.contains(space)) return space;
  if (labelled_.size() >= options_.spaces_max) return std::string(kOther);
  labelled_.insert(space);
  return space;
}

std::shared_ptr<const SpaceSeries> Metrics::space(const std::string& id) {
  MutexLock lock(mutex_);
  std::shared_ptr<SpaceSeries>& series = spaces_[LabelOf(id)];
  if (series) return series;
  series = std::make_shared<SpaceSeries>();
  for (const MetricInfo& info : MetricTable()) {
    if (!info.of_space() || info.labels.size() != 1) continue;
    if (IsHistogram(info)) {
      series->histograms_[info.id] = std::make_unique<Histogram>(BoundsOf(info));
    } else if (info.kind == MetricKind::COUNTER) {
      series->counters_[info.id] = std::make_unique<Counter>();
    }
  }
  return series;
}

void Metrics::ForgetSpace(const std::string& id) {
  MutexLock lock(mutex_);
  if (labelled_.erase(id) != 0) spaces_.erase(id);
}

void Metrics::Sample::Set(Metric metric, LabelValues labels, double value) {
  ENGRAM_CHECK(labels.size() == InfoOf(metric).labels.size() && !IsHistogram(InfoOf(metric)));
  told_.push_back({metric, std::move(labels), value});
}

void Metrics::AddCollector(Collector collector) {
  MutexLock lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::vector<Metrics::Family> Metrics::Collect() const {
  std::vector<Collector> collectors;
  {
    MutexLock lock(mutex_);
    collectors = collectors_;
  }
  Sample sample;
  for (const Collector& collector : collectors) collector(sample);
  std::vector<Family> families;
  for (const MetricInfo& info : MetricTable()) families.push_back({&info, {}});
  MutexLock lock(mutex_);
  CollectCells(&families);
  CollectTold(sample.told_, &families);
  return families;
}

void Metrics::CollectCells(std::vector<Family>* families) const {
  const auto family = [families](Metric metric) -> Family& {
    return (*families)[static_cast<size_t>(metric)];
  };
  for (const auto& [key, cell] : cells_->counters) {
    family(key.first).Put(key.second, static_cast<double>(cell.value()));
  }
  for (const auto& [key, cell] : cells_->gauges) family(key.first).Put(key.second, cell.value());
  for (const auto& [key, cell] : cells_->histograms) {
    family(key.first).At(key.second).histogram = Read(cell);
  }
  for (const auto& [label, series] : spaces_) {
    for (const auto& [metric, cell] : series->counters_) {
      family(metric).Put({label}, static_cast<double>(cell->value()));
    }
    for (const auto& [metric, cell] : series->histograms_) {
      family(metric).At({label}).histogram = Read(*cell);
    }
  }
}

void Metrics::CollectTold(const std::vector<Sample::Told>& told,
                          std::vector<Family>* families) const {
  std::set<std::pair<Metric, LabelValues>> seen;
  for (const Sample::Told& one : told) {
    Family& family = (*families)[static_cast<size_t>(one.metric)];
    LabelValues labels = one.labels;
    if (family.info->of_space()) labels[0] = LabelOf(labels[0]);
    const bool first = seen.emplace(one.metric, labels).second;
    const double joined =
        first ? one.value : Join(family.info->rest, family.Get(labels), one.value);
    family.Put(labels, joined);
  }
}

std::string Metrics::Expose() const {
  std::vector<prometheus::MetricFamily> out;
  for (Family& family : Collect()) {
    prometheus::MetricFamily written{
        std::string(family.info->name), std::string(family.info->help), TypeOf(*family.info), {}};
    for (auto& [labels, metric] : family.series) written.metric.push_back(std::move(metric));
    // A row of spaces alone has no series before there is a space.
    if (!written.metric.empty()) out.push_back(std::move(written));
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, out);
  return text.str();
}

std::map<std::string, double> Metrics::Values() const {
  std::map<std::string, double> values;
  for (const Family& family : Collect()) {
    for (const auto& [labels, metric] : family.series) {
      std::string suffix;
      for (const auto& label : metric.label) {
        suffix.append(suffix.empty() ? "{" : ",");
        suffix.append(label.name).append("=\"").append(label.value).append("\"");
      }
      if (!suffix.empty()) suffix.push_back('}');
      const std::string name(family.info->name);
      if (IsHistogram(*family.info)) {
        values[name + "_count" + suffix] = static_cast<double>(metric.histogram.sample_count);
        values[name + "_sum" + suffix] = metric.histogram.sample_sum;
      } else {
        const bool counter = family.info->kind == MetricKind::COUNTER;
        values[name + suffix] = counter ? metric.counter.value : metric.gauge.value;
      }
    }
  }
  return values;
}

}  // namespace engram::obs
