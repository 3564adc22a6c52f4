// Two servers on loopback: what replication costs a write, how far the replica is behind, how fast
// it catches up, how long a switchover and a promotion by hand take. Limits are measured in the
// same run: our own local writes, the empty RPC, the slower of disk and loopback (bench_limits.h).
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "engram/cli/bench.h"
#include "engram/cli/bench_drive.h"
#include "engram/cli/bench_limits.h"
#include "engram/cli/pair_servers.h"

namespace engram::cli {
namespace {

namespace admin = engram::admin::v1;

constexpr uint64_t kLagRate = 10'000;  // small writes per second
constexpr int kLagClients = 10;
constexpr uint64_t kCatchUpEntries = 100'000;
constexpr int kSwitchClients = 32;

v1::SpaceSettings SettingsOf(v1::Durability durability) {
  v1::SpaceSettings settings;
  settings.set_durability(durability);
  settings.set_dimension(kBenchDimension);
  return settings;
}

void PrintLatency(const std::string& name, BenchRun& run, double against_us,
                  const std::string& against) {
  const double p50 = run.latencies.Percentile(50);
  PrintRow({name + " p50", p50, "us", against_us > 0 ? p50 / against_us : 0, against});
  PrintRow({name + " p99", run.latencies.Percentile(99), "us", 0, ""});
}

// Replicated writes against our own local ones and the bare RPC.
Status BenchWrites(PairServers& pair, double seconds) {
  const std::string& address = pair.node(0).addresses.grpc;
  for (int clients : {1, 32}) {
    BenchRun empty = Drive(clients, seconds, [&](int) { return EmptyCall(address); });
    RETURN_IF_ERROR(empty.status);
    for (bool embedded : {false, true}) {
      const auto write = [&](v1::Durability level, const char* space) {
        return Drive(clients, seconds, [&](int c) {
          return UnaryCall(address, {space, level, embedded}, c);
        });
      };
      BenchRun local = write(v1::DURABILITY_LOCAL, "solo");
      RETURN_IF_ERROR(local.status);
      BenchRun both = write(v1::DURABILITY_REPLICATED, "both");
      RETURN_IF_ERROR(both.status);
      const std::string name = std::string("replicated write ") +
                               (embedded ? "embedded " : "small ") + std::to_string(clients) +
                               " clients";
      PrintRow(
          {name, both.per_second, "1/s", both.per_second / local.per_second,
           "our own local writes, " + std::to_string(static_cast<int>(local.per_second)) + "/s"});
      PrintLatency(name, both, local.latencies.Percentile(50), "local p50");
      PrintRow({name + " p50 over the bare RPC",
                both.latencies.Percentile(50) - empty.latencies.Percentile(50), "us", 0, ""});
    }
  }
  return OkStatus();
}

// Open loop: batches of one client start on time, however long the one before took.
void WriteSteadily(const std::string& address, int client, double seconds) {
  Client writer({.servers = address, .timeout = std::chrono::seconds(10)});
  constexpr int kEach = 10;
  const auto period = env::Duration(1'000'000'000 / (kLagRate / kLagClients / kEach));
  const env::Instant start = BenchNow();
  uint64_t n = static_cast<uint64_t>(client) << 32;
  for (int64_t round = 0;; ++round) {
    const env::Instant due = start + period * round;
    if (due - start > env::Duration(static_cast<int64_t>(seconds * 1e9))) return;
    while (BenchNow() < due) std::this_thread::sleep_for(std::chrono::microseconds(200));
    v1::RememberBatchRequest request;
    request.set_memory_space_id("solo");
    for (int i = 0; i < kEach; ++i) *request.add_episodes() = BenchEpisode(false, ++n);
    (void)writer.RememberBatch(request);
  }
}

Status BenchLag(PairServers& pair, double seconds) {
  const std::string& address = pair.node(0).addresses.grpc;
  std::vector<std::thread> writers;
  for (int c = 0; c < kLagClients; ++c) {
    writers.emplace_back([&, c] { WriteSteadily(address, c, seconds); });
  }
  Latencies lag;
  admin::GetClusterRequest request;
  request.set_memory_space_id("solo");
  const env::Instant until = BenchNow() + env::Duration(static_cast<int64_t>(seconds * 1e9));
  while (BenchNow() < until) {
    const auto cluster = pair.node(0).client->GetCluster(request);
    if (cluster.ok() && cluster->spaces_size() > 0 && cluster->spaces(0).replicas_size() > 0) {
      const auto& took = cluster->spaces(0).replicas(0).lag();
      lag.Add(static_cast<double>(took.seconds()) * 1e6 + took.nanos() / 1e3);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (std::thread& writer : writers) writer.join();
  const std::string name = "lag at 10,000 small writes/s";
  PrintRow({name + " p50", lag.Percentile(50), "us", 0, ""});
  PrintRow({name + " p99", lag.Percentile(99), "us", lag.Percentile(99) / 2000, "2 ms"});
  PrintRow({name + " max", lag.Percentile(100), "us", 0, ""});
  return OkStatus();
}

Status WaitDurable(PairServers& pair, const std::string& space, double* seconds) {
  admin::GetClusterRequest request;
  request.set_memory_space_id(space);
  const env::Instant start = BenchNow();
  const env::Instant until = start + std::chrono::seconds(120);
  env::Instant began = start;
  while (BenchNow() < until) {
    const auto cluster = pair.node(0).client->GetCluster(request);
    if (cluster.ok() && cluster->spaces_size() > 0 && cluster->spaces(0).replicas_size() > 0) {
      const auto& replica = cluster->spaces(0).replicas(0);
      if (!replica.connected()) began = BenchNow();
      if (replica.durable_through() >= cluster->spaces(0).log_end()) {
        *seconds = MicrosSince(began) / 1e6;
        return OkStatus();
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Status(Reason::CONNECTION_TIMEOUT, "the replica did not catch up");
}

Status BenchCatchUp(PairServers& pair, const BenchOptions& options, bool embedded,
                    const std::string& how = "") {
  const std::string id = embedded ? "late-embedded" : "late";
  RETURN_IF_ERROR(pair.MakeSpace(id, SettingsOf(v1::DURABILITY_LOCAL)));
  RETURN_IF_ERROR(pair.WaitInSync(0));  // before that its epoch commits nothing
  pair.node(1).process->Kill9();
  const uint64_t wanted = kCatchUpEntries * options.scale / 100;
  const BenchCall call =
      BatchCall(pair.node(0).addresses.grpc, {id, v1::DURABILITY_LOCAL, embedded}, 0);
  for (uint64_t done = 0; done < wanted;) {
    ASSIGN_OR_RETURN(const int stored, call());
    done += static_cast<uint64_t>(stored);
  }
  RETURN_IF_ERROR(pair.StartAndWait(1));
  double seconds = 0;
  RETURN_IF_ERROR(WaitDurable(pair, id, &seconds));
  ASSIGN_OR_RETURN(const v1::Space state, [&] {
    v1::GetSpaceRequest request;
    request.set_id(id);
    return pair.node(0).client->GetSpace(request);
  }());
  const double megabytes = static_cast<double>(state.status().log_bytes()) / 1e6;
  const double disk = DiskSpeed(options.data_dir), loopback = LoopbackSpeed();
  const double limit = std::min(disk, loopback);
  const std::string name = std::string("catch up ") + (embedded ? "embedded" : "small") + how;
  PrintRow({name, static_cast<double>(wanted) / seconds, "entries/s", 0, ""});
  PrintRow({name + " bytes", megabytes / seconds, "MB/s", megabytes / seconds / limit,
            "the slower of write + fdatasync every 16 MiB, " +
                std::to_string(static_cast<int>(disk)) + " MB/s, and loopback, " +
                std::to_string(static_cast<int>(loopback)) + " MB/s"});
  return OkStatus();
}

// There and back, under the replicated writes of 32 clients: for how long the primary took none,
// and the longest that one of them waited.
Status BenchSwitchover(PairServers& pair, double seconds) {
  std::atomic<bool> stop{false};
  std::vector<Latencies> waits(kSwitchClients);
  std::vector<std::thread> writers;
  const std::string servers = pair.node(0).addresses.grpc + "," + pair.node(1).addresses.grpc;
  for (int c = 0; c < kSwitchClients; ++c) {
    writers.emplace_back([&, c] {
      Client writer({.servers = servers, .timeout = std::chrono::seconds(10)});
      v1::RememberRequest request;
      request.set_memory_space_id("both");
      for (uint64_t n = static_cast<uint64_t>(c) << 32; !stop; ++n) {
        *request.mutable_episode() = BenchEpisode(false, n);
        const env::Instant start = BenchNow();
        if (writer.Remember(request).ok()) waits[static_cast<size_t>(c)].Add(MicrosSince(start));
      }
    });
  }
  Latencies pauses;
  Status status;
  const env::Instant until = BenchNow() + env::Duration(static_cast<int64_t>(seconds * 1e9));
  for (size_t to = 1; status.ok() && (BenchNow() < until || to == 0); to = 1 - to) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const auto report = pair.Switchover(to, "both");
    status = report.status();
    if (!report.ok()) break;
    pauses.Add(static_cast<double>(report->pause().seconds()) * 1e6 +
               report->pause().nanos() / 1e3);
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  RETURN_IF_ERROR(status);
  double longest = 0;
  for (Latencies& wait : waits) longest = std::max(longest, wait.Percentile(100));
  PrintRow({"switchover pause under 32 clients p50", pauses.Percentile(50) / 1e3, "ms", 0, ""});
  PrintRow({"switchover pause under 32 clients max", pauses.Percentile(100) / 1e3, "ms",
            pauses.Percentile(100) / 200'000, "200 ms"});
  PrintRow({"longest write across switchovers", longest / 1e3, "ms", 0, ""});
  return OkStatus();
}

Status BenchPromotion(PairServers& pair) {
  pair.node(0).process->Kill9();
  const env::Instant start = BenchNow();
  RETURN_IF_ERROR(pair.Promote(1, "both", false).status());
  v1::RememberRequest write;
  write.set_memory_space_id("both");
  write.mutable_options()->set_durability(v1::DURABILITY_LOCAL);
  *write.mutable_episode() = BenchEpisode(false, 1);
  RETURN_IF_ERROR(pair.node(1).client->Remember(write).status());
  const double us = MicrosSince(start);
  PrintRow({"promotion by hand to the first write", us / 1e3, "ms", us / 50'000, "50 ms"});
  return OkStatus();
}

// Over loopback, where it can only cost: on a real network it saves what `engram bench` says of the
// ratio.
Status BenchCompressedCatchUp(const BenchOptions& options, const std::string& directory) {
  ASSIGN_OR_RETURN(
      const std::unique_ptr<PairServers> pair,
      PairServers::Make(options.program, directory, "\n[replication]\ncompression = \"auto\"\n"));
  RETURN_IF_ERROR(pair->StartBoth());
  RETURN_IF_ERROR(pair->WaitInSync(0));
  for (bool embedded : {false, true}) {
    RETURN_IF_ERROR(BenchCatchUp(*pair, options, embedded, " with compression auto"));
  }
  return OkStatus();
}

}  // namespace

Status BenchReplicate(const BenchOptions& options) {
  RETURN_IF_ERROR(BenchWire(options));
  const std::string directory = options.data_dir + "/replicate";
  std::filesystem::remove_all(directory);
  ASSIGN_OR_RETURN(const std::unique_ptr<PairServers> pair,
                   PairServers::Make(options.program, directory));
  RETURN_IF_ERROR(pair->StartBoth());
  RETURN_IF_ERROR(pair->MakeSpace("solo", SettingsOf(v1::DURABILITY_LOCAL)));
  RETURN_IF_ERROR(pair->MakeSpace("both", SettingsOf(v1::DURABILITY_REPLICATED)));
  RETURN_IF_ERROR(pair->WaitInSync(0));
  RETURN_IF_ERROR(BenchWrites(*pair, options.seconds));
  RETURN_IF_ERROR(BenchLag(*pair, options.seconds));
  for (bool embedded : {false, true}) RETURN_IF_ERROR(BenchCatchUp(*pair, options, embedded));
  RETURN_IF_ERROR(pair->WaitInSync(0));
  RETURN_IF_ERROR(BenchSwitchover(*pair, options.seconds));
  RETURN_IF_ERROR(pair->WaitInSync(0));
  RETURN_IF_ERROR(BenchPromotion(*pair));
  RETURN_IF_ERROR(BenchCompressedCatchUp(options, directory + "/compressed"));
  std::filesystem::remove_all(directory);
  return OkStatus();
}

}  // namespace engram::cli
