// Clients of the benchmarks: every one a thread with a channel of its own, one call after another.
// The empty RPC that others are held against is a health check of the same server.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "engram/base/status.h"
#include "engram/cli/bench_row.h"
#include "engram/env/clock.h"
#include "engram/v1/service.pb.h"

namespace engram::cli {

inline constexpr int kBenchBatch = 500;
inline constexpr int kBenchDimension = 768;

inline env::Instant BenchNow() {
  return env::SystemClock().Now();
}
inline double MicrosSince(env::Instant start) {
  return static_cast<double>((BenchNow() - start).count()) / 1e3;
}

// An episode of about 200 bytes, or of 3.3 KB with an embedding and no words.
v1::Episode BenchEpisode(bool embedded, uint64_t n);

// Returns how many items it has done.
using BenchCall = std::function<Result<int>()>;
struct WriteKind {
  std::string space;  // "" = default
  v1::Durability durability = v1::DURABILITY_UNSPECIFIED;
  bool embedded = false;
};
BenchCall EmptyCall(const std::string& address);
BenchCall UnaryCall(const std::string& address, const WriteKind& kind, int client);
// A server at a bound says OVERLOADED: the client waits as a good one does, and nothing is counted.
BenchCall BatchCall(const std::string& address, const WriteKind& kind, int client);

struct BenchRun {
  double per_second = 0;
  Latencies latencies;  // us
  Status status;
};

// `make_call(client)` gives each of the clients its call, which is repeated for the given time.
BenchRun Drive(int clients, double seconds, const std::function<BenchCall(int)>& make_call);

}  // namespace engram::cli
