// What the node counts, as Prometheus reads it
// (prometheus.io/docs/instrumenting/exposition_formats). metrics.def is the one table of all
// metrics: the registry and docs/metrics.md are made from it.
//
// Counters and histograms are cells that are fed where things happen: find the handle once, keep
// it, and each use costs an atomic addition. What the machine or the spaces know by themselves is
// collected when somebody reads, by collectors. Rows without memory_space exist from the start
// with 0. The first `spaces_max` spaces have labels of their own; the rest make up "other".
//
// Owned by runtime::Node. Thread-safe. Handles live as long as the Metrics, those of a space as
// long as its SpaceSeries is held.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/thread_annotations.h"

namespace engram::obs {

enum class Metric : uint8_t {
#define ENGRAM_METRIC(id, name, kind, labels, rest, help) id,
#include "engram/obs/metrics.def"
#undef ENGRAM_METRIC
};
inline constexpr size_t kMetricCount = 0
#define ENGRAM_METRIC(id, name, kind, labels, rest, help) +1
#include "engram/obs/metrics.def"
#undef ENGRAM_METRIC
    ;

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double value) { value_.fetch_add(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  static constexpr size_t kBuckets = 18;  // the last has no bound
  using Bounds = std::array<double, kBuckets - 1>;
  explicit Histogram(const Bounds& bounds) : bounds_(bounds) {}
  void Observe(double value);
  uint64_t count() const;
  double sum() const { return sum_.value(); }
  // How many were at or below `bounds()[bucket]`, without those of smaller buckets.
  uint64_t in_bucket(size_t bucket) const {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  const Bounds& bounds() const { return bounds_; }

 private:
  const Bounds& bounds_;
  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  Gauge sum_;
};

// The counters and histograms of one space (or of all the others together): those rows whose only
// label is memory_space. Thread-safe.
class SpaceSeries {
 public:
  Counter& counter(Metric metric) const;
  Histogram& histogram(Metric metric) const;

 private:
  friend class Metrics;
  std::map<Metric, std::unique_ptr<Counter>> counters_;
  std::map<Metric, std::unique_ptr<Histogram>> histograms_;
};

struct MetricsOptions {
  size_t spaces_max = 100;  // with labels of their own
};

class Metrics {
 public:
  explicit Metrics(MetricsOptions options = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  using LabelValues = std::vector<std::string>;  // in the order of the row
  // Handles; made at first use with these label values. Not for rows with memory_space.
  Counter& counter(Metric metric, const LabelValues& labels = {});
  Gauge& gauge(Metric metric);
  Histogram& histogram(Metric metric, const LabelValues& labels = {});
  // Those of a space; of "other" when too many have labels of their own already.
  std::shared_ptr<const SpaceSeries> space(const std::string& id);
  // A deleted space gives its place to the next new one; its series end.
  void ForgetSpace(const std::string& id);

  // What a collector tells: gauges, and counters that something else counts already.
  class Sample {
   public:
    void Set(Metric metric, double value) { Set(metric, {}, value); }
    // The first label value is the space where the row has memory_space.
    void Set(Metric metric, LabelValues labels, double value);

   private:
    friend class Metrics;
    struct Told {
      Metric metric;
      LabelValues labels;
      double value;
    };
    std::vector<Told> told_;
  };
  using Collector = std::function<void(Sample&)>;
  // Called at each reading, on the reader's thread, without locks of this class. Must not outlive
  // what it captures: the owner of the Metrics ends first whatever reads.
  void AddCollector(Collector collector);

  // The text format 0.0.4.
  std::string Expose() const;
  // Every value by its name as Expose writes it; of histograms the _count and _sum.
  std::map<std::string, double> Values() const;

 private:
  struct Family;
  struct Cells;
  std::vector<Family> Collect() const;
  std::string LabelOf(const std::string& space) const REQUIRES(mutex_);
  void CollectCells(std::vector<Family>* families) const REQUIRES(mutex_);
  void CollectTold(const std::vector<Sample::Told>& told, std::vector<Family>* families) const
      REQUIRES(mutex_);

  const MetricsOptions options_;
  mutable Mutex mutex_;
  std::unique_ptr<Cells> cells_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<SpaceSeries>> spaces_ GUARDED_BY(mutex_);  // by label
  mutable std::set<std::string> labelled_ GUARDED_BY(mutex_);
  std::vector<Collector> collectors_ GUARDED_BY(mutex_);
};

// docs/metrics.md.
std::string MetricsReference();

// Every name, as in metrics.def.
std::string_view NameOf(Metric metric);

}  // namespace engram::obs
