#include "engram/obs/metrics.h"

#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/obs/metrics_table.h"

namespace engram::obs {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsTest, CountersAndGaugesAreExposed) {
  Metrics metrics;
  metrics.counter(Metric::kRequests, {"Recall", "OK"}).Add(3);
  metrics.counter(Metric::kRequests, {"Recall", "OK"}).Add();
  metrics.gauge(Metric::kRequestsInFlight).Set(7);
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("# TYPE engram_requests_total counter\n"));
  EXPECT_THAT(text, HasSubstr("engram_requests_total{method=\"Recall\",reason=\"OK\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("engram_requests_in_flight 7\n"));
}

// Nobody knows at the start which other nodes there are, or whether there is a store outside.
bool OfOthers(const MetricInfo& info) {
  return !info.labels.empty() && (info.labels[0] == "replica_id" || info.labels[0] == "store");
}

TEST(MetricsTest, SeriesWithoutASpaceExistFromTheStartWithZero) {
  const Metrics metrics;
  const std::map<std::string, double> values = metrics.Values();
  std::set<std::string> rows;
  for (const auto& [name, value] : values) {
    EXPECT_EQ(value, 0) << name;
    rows.insert(name.substr(0, name.find('{')));
  }
  for (const MetricInfo& info : MetricTable()) {
    const std::string name(info.name);
    EXPECT_EQ(rows.contains(name) || rows.contains(name + "_count"),
              !info.of_space() && !OfOthers(info))
        << name;
  }
  // What the alert on refused writes asks for.
  EXPECT_TRUE(values.contains("engram_requests_total{method=\"Remember\",reason=\"DISK_FULL\"}"));
}

TEST(MetricsTest, HistogramsHaveCumulativeBuckets) {
  Metrics metrics;
  auto series = metrics.space("s");
  Histogram& sync = series->histogram(Metric::kWalFsyncSeconds);
  for (double seconds : {0.0001, 0.00011, 0.03, 1000.0}) sync.Observe(seconds);
  EXPECT_EQ(sync.count(), 4u);
  const std::string text = metrics.Expose();
  const std::string name = "engram_wal_fsync_seconds_bucket{memory_space=\"s\",le=\"";
  EXPECT_THAT(text, HasSubstr(name + "5e-05\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(name + "0.0001\"} 1\n"));  // a bound belongs to its bucket
  EXPECT_THAT(text, HasSubstr(name + "0.0002\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "0.05\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "10\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("engram_wal_fsync_seconds_count{memory_space=\"s\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("engram_wal_fsync_seconds_sum{memory_space=\"s\"} 1000.03021"));
}

TEST(MetricsTest, SpacesBeyondTheBoundAreOther) {
  Metrics metrics({.spaces_max = 2});
  for (const char* id : {"a", "b", "c", "d", "other"}) {
    metrics.space(id)->counter(Metric::kEpisodesWritten).Add(1);
  }
  const auto values = metrics.Values();
  EXPECT_EQ(values.at("engram_episodes_written_total{memory_space=\"a\"}"), 1);
  EXPECT_EQ(values.at("engram_episodes_written_total{memory_space=\"other\"}"), 3);
  EXPECT_FALSE(values.contains("engram_episodes_written_total{memory_space=\"c\"}"));
}

TEST(MetricsTest, ADeletedSpaceGivesItsPlaceAway) {
  Metrics metrics({.spaces_max = 1});
  auto held = metrics.space("a");
  metrics.ForgetSpace("a");
  held->counter(Metric::kEpisodesWritten).Add(1);  // still safe
  metrics.space("b")->counter(Metric::kEpisodesWritten).Add(2);
  const auto values = metrics.Values();
  EXPECT_FALSE(values.contains("engram_episodes_written_total{memory_space=\"a\"}"));
  EXPECT_EQ(values.at("engram_episodes_written_total{memory_space=\"b\"}"), 2);
}

TEST(MetricsTest, CollectorsAreAskedAtEachReading) {
  Metrics metrics;
  double pages = 1;
  metrics.AddCollector([&](Metrics::Sample& sample) {
    sample.Set(Metric::kPageFaults, pages++);
    sample.Set(Metric::kDiskFree, 5e12);
  });
  EXPECT_EQ(metrics.Values().at("engram_process_page_faults_total"), 1);
  EXPECT_EQ(metrics.Values().at("engram_process_page_faults_total"), 2);
  EXPECT_THAT(metrics.Expose(), HasSubstr("engram_disk_free_bytes 5000000000000\n"));
}

TEST(MetricsTest, CollectedGaugesOfOtherSpacesAreJoinedAsTheirRowSays) {
  Metrics metrics({.spaces_max = 1});
  metrics.AddCollector([](Metrics::Sample& sample) {
    int n = 0;
    for (const char* id : {"a", "b", "c"}) {
      sample.Set(Metric::kSpaceEpisodes, {id}, 10 + n);
      sample.Set(Metric::kSpaceHasPrimary, {id}, n == 1 ? 0 : 1);
      sample.Set(Metric::kIndexBehind, {id, "text"}, n);
      ++n;
    }
  });
  for (int reading = 0; reading < 2; ++reading) {
    const auto values = metrics.Values();
    EXPECT_EQ(values.at("engram_space_episodes{memory_space=\"a\"}"), 10);
    EXPECT_EQ(values.at("engram_space_episodes{memory_space=\"other\"}"), 23);
    EXPECT_EQ(values.at("engram_space_has_primary{memory_space=\"other\"}"), 0);
    EXPECT_EQ(values.at("engram_index_behind_entries{memory_space=\"other\",index=\"text\"}"), 2);
  }
}

TEST(MetricsTest, NothingIsLostBetweenThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics, t] {
      auto series = metrics.space("s" + std::to_string(t % 2));
      Counter& requests = metrics.counter(Metric::kRequests, {"Get", "OK"});
      for (int i = 0; i < 10'000; ++i) {
        series->counter(Metric::kEpisodesWritten).Add(1);
        series->histogram(Metric::kWalGroupEntries).Observe(3);
        requests.Add();
        if (i % 1000 == 0) {
          EXPECT_THAT(metrics.Expose(), Not(HasSubstr("nan")));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto values = metrics.Values();
  EXPECT_EQ(values.at("engram_requests_total{method=\"Get\",reason=\"OK\"}"), 40'000);
  EXPECT_EQ(values.at("engram_episodes_written_total{memory_space=\"s0\"}"), 20'000);
  EXPECT_EQ(values.at("engram_wal_group_entries_count{memory_space=\"s1\"}"), 20'000);
  EXPECT_EQ(values.at("engram_wal_group_entries_sum{memory_space=\"s1\"}"), 60'000);
}

TEST(MetricsTableTest, NamesFollowTheRules) {
  std::set<std::string_view> names;
  for (const MetricInfo& info : MetricTable()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(info.name.starts_with("engram_")) << info.name;
    EXPECT_EQ(info.name.ends_with("_total"), info.kind == MetricKind::COUNTER) << info.name;
    EXPECT_EQ(info.name.ends_with("_seconds"),
              info.kind == MetricKind::SECONDS || info.id == Metric::kStartTime ||
                  info.id == Metric::kReplicationLagSeconds ||
                  info.id == Metric::kCatchUpRemaining || info.id == Metric::kLeaseRemaining)
        << info.name;
    EXPECT_TRUE(info.help.ends_with('.')) << info.name;
    // Gauges of a space, or of a node, live in collectors alone.
    EXPECT_TRUE(info.of_space() || OfOthers(info) || info.kind != MetricKind::GAUGE ||
                info.labels.empty());
  }
}

TEST(MetricsTableTest, TheReferenceIsUpToDate) {
  std::ifstream file(ENGRAM_SOURCE_DIR "/docs/metrics.md");
  std::stringstream written;
  written << file.rdbuf();
  EXPECT_EQ(written.str(), MetricsReference()) << "write it again with `make docs`";
}

}  // namespace
}  // namespace engram::obs
