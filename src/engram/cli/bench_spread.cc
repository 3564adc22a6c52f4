// A pair that keeps many spaces: writes spread over all of them, what they cost when nobody writes,
// and what a replica that takes nothing costs its primary.
#include <algorithm>
#include <filesystem>
#include <thread>

#include <signal.h>

#include "engram/cli/bench.h"
#include "engram/cli/bench_drive.h"
#include "engram/cli/bench_process.h"
#include "engram/cli/pair_servers.h"

namespace engram::cli {
namespace {

namespace admin = engram::admin::v1;

constexpr int kClients = 32;
constexpr uint64_t kStreamSpaces = 16;  // one alone fills its window, and no more
constexpr double kStreamSeconds = 6;    // a node that answers nothing is given up after 10

std::string SpaceName(uint64_t number) {
  return "space-" + std::to_string(number);
}

Status MakeSpaces(PairServers& pair, uint64_t count) {
  v1::SpaceSettings settings;
  settings.set_durability(v1::DURABILITY_REPLICATED);
  settings.set_dimension(kBenchDimension);
  for (uint64_t i = 0; i < count; ++i) RETURN_IF_ERROR(pair.MakeSpace(SpaceName(i), settings));
  return pair.WaitInSync(0);
}

// Each write of a client goes to the next of so many spaces.
BenchCall SpreadCall(const std::string& address, uint64_t spaces, int client) {
  auto writer = std::make_shared<Client>(
      ClientOptions{.servers = address, .timeout = std::chrono::seconds(10)});
  auto n = std::make_shared<uint64_t>(static_cast<uint64_t>(client));
  return [writer, n, spaces]() -> Result<int> {
    v1::RememberRequest request;
    *n += kClients;
    request.set_memory_space_id(SpaceName(*n % spaces));
    *request.mutable_episode() = BenchEpisode(false, *n);
    RETURN_IF_ERROR(writer->Remember(request).status());
    return 1;
  };
}

BenchRun Spread(PairServers& pair, uint64_t spaces, double seconds) {
  return Drive(kClients, seconds,
               [&](int c) { return SpreadCall(pair.node(0).addresses.grpc, spaces, c); });
}

// The lag of every space, looked at again and again until `ended`.
Latencies Lags(PairServers& pair, const std::atomic<bool>& ended) {
  Latencies lags;
  while (!ended) {
    const auto cluster = pair.node(0).client->GetCluster(admin::GetClusterRequest());
    if (!cluster.ok()) continue;
    for (const admin::SpaceState& space : cluster->spaces()) {
      for (const auto& replica : space.replicas()) {
        lags.Add(static_cast<double>(replica.lag().seconds()) * 1e3 + replica.lag().nanos() / 1e6);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return lags;
}

Status BenchActive(PairServers& pair, uint64_t spaces, double seconds) {
  const std::string count = std::to_string(spaces) + " active spaces of a pair";
  BenchRun one = Spread(pair, 1, seconds);
  RETURN_IF_ERROR(one.status);
  std::atomic<bool> ended{false};
  Latencies lags;
  std::thread watcher([&] { lags = Lags(pair, ended); });
  BenchRun run = Spread(pair, spaces, seconds);
  ended = true;
  watcher.join();
  RETURN_IF_ERROR(run.status);
  PrintRow({count + ", replicated writes of 32 clients", run.per_second, "1/s",
            run.per_second / one.per_second,
            "the same into one space, " + std::to_string(static_cast<int>(one.per_second)) + "/s"});
  PrintRow({count + " p50", run.latencies.Percentile(50), "us", 0, ""});
  PrintRow({count + " p99", run.latencies.Percentile(99), "us", 0, ""});
  PrintRow({count + " lag p99", lags.Percentile(99), "ms", lags.Percentile(99) / 1000, "1 s"});
  for (size_t place : {0, 1}) {
    PrintRow({count + " resident, " + (place == 0 ? "primary" : "replica"),
              ResidentMegabytes(pair.node(place).process->pid()), "MB", 0, ""});
  }
  return OkStatus();
}

// All of it: heartbeats, timers and the lag monitor, of which `bench replicate` has a row alone.
void BenchQuiet(PairServers& pair, uint64_t spaces, double seconds) {
  const pid_t pid = pair.node(0).process->pid();
  const double before = CpuSeconds(pid);
  const env::Instant start = BenchNow();
  std::this_thread::sleep_for(std::chrono::duration<double>(std::max(10.0, seconds)));
  const double share = (CpuSeconds(pid) - before) * 1e6 / MicrosSince(start);
  PrintRow({std::to_string(spaces) + " open spaces of a pair, nobody writes: the whole primary",
            share * 100, "% of a core", 0, ""});
}

Result<double> LogMegabytes(PairServers& pair, const std::string& space) {
  v1::GetSpaceRequest request;
  request.set_id(space);
  ASSIGN_OR_RETURN(const v1::Space state, pair.node(0).client->GetSpace(request));
  return static_cast<double>(state.status().log_bytes()) / 1e6;
}

// The replica is stopped (SIGSTOP), writers go on in many spaces: what waits for it.
Status BenchStream(PairServers& pair) {
  v1::SpaceSettings settings;
  settings.set_durability(v1::DURABILITY_LOCAL);
  settings.set_dimension(kBenchDimension);
  for (uint64_t i = 0; i < kStreamSpaces; ++i) {
    RETURN_IF_ERROR(pair.MakeSpace("stream-" + std::to_string(i), settings));
  }
  RETURN_IF_ERROR(pair.WaitInSync(0));
  const PairServers::Node& primary = pair.node(0);
  const double resident = ResidentMegabytes(primary.process->pid());
  kill(pair.node(1).process->pid(), SIGSTOP);
  std::atomic<bool> ended{false};
  double most = 0;
  std::thread watcher([&] {
    while (!ended) {
      most = std::max(most, MetricValue(primary.addresses.ops, "engram_replication_stream_bytes"));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const BenchRun run = Drive(kStreamSpaces, kStreamSeconds, [&](int c) {
    return BatchCall(primary.addresses.grpc,
                     {"stream-" + std::to_string(c), v1::DURABILITY_LOCAL, true}, c);
  });
  ended = true;
  watcher.join();
  const double grown = ResidentMegabytes(primary.process->pid()) - resident;
  kill(pair.node(1).process->pid(), SIGCONT);
  RETURN_IF_ERROR(run.status);
  PrintRow({"memory per stream, replica stopped", most / 1e6, "MB", most / 1e8, "100 MB"});
  double written = 0;
  for (uint64_t i = 0; i < kStreamSpaces; ++i) {
    ASSIGN_OR_RETURN(const double megabytes, LogMegabytes(pair, "stream-" + std::to_string(i)));
    written += megabytes;
  }
  PrintRow({"the primary's resident memory grew meanwhile, vectors and caches too", grown, "MB",
            grown / written, std::to_string(static_cast<int>(written)) + " MB of log written"});
  return OkStatus();
}

}  // namespace

Status BenchSpread(const BenchOptions& options) {
  const std::string directory = options.data_dir + "/spread";
  std::filesystem::remove_all(directory);
  const uint64_t spaces = std::max<uint64_t>(1, 1000 * options.scale / 100);
  ASSIGN_OR_RETURN(const std::unique_ptr<PairServers> pair,
                   PairServers::Make(options.program, directory, "",
                                     "open_spaces_max = " + std::to_string(spaces + 100) + "\n"));
  RETURN_IF_ERROR(pair->StartBoth());
  RETURN_IF_ERROR(MakeSpaces(*pair, spaces));
  RETURN_IF_ERROR(BenchActive(*pair, spaces, options.seconds));
  BenchQuiet(*pair, spaces, options.seconds);
  RETURN_IF_ERROR(BenchStream(*pair));
  std::filesystem::remove_all(directory);
  return OkStatus();
}

}  // namespace engram::cli
