// Writes through the door. Every client is a thread with a channel of its own; the empty RPC is a
// health check of the same server in the same run.
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "engram/cli/bench.h"
#include "engram/cli/bench_row.h"
#include "engram/cli/child.h"
#include "engram/cli/output.h"
#include "engram/env/clock.h"
#include "engram/v1/service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::cli {
namespace {

constexpr int kClientCounts[] = {1, 8, 32, 64};
constexpr int kBatch = 500;
constexpr int kDimension = 768;

env::Instant Now() {
  return env::SystemClock().Now();
}
double MicrosSince(env::Instant start) {
  return static_cast<double>((Now() - start).count()) / 1e3;
}

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// An episode of about 200 bytes, or of 3.3 KB with an embedding and no words.
v1::Episode MakeEpisode(bool embedded, uint64_t n) {
  v1::Episode episode;
  if (!embedded) {
    episode.set_what(
        "note " + std::to_string(n) + ": the deploy key of cluster " + std::to_string(n % 97) +
        " is rotated on Fridays, and Anna keeps the second copy in the red folder of room four");
    return episode;
  }
  for (int i = 0; i < kDimension; ++i) {
    episode.add_embedding(
        static_cast<float>((n * 31 + static_cast<uint64_t>(i) * 17) % 101) / 50.0f - 1.0f);
  }
  return episode;
}

struct Run {
  double per_second = 0;
  Latencies latencies;
  Status status;
};

// `call` once after another on `clients` threads for the given time; each call counts `items`.
template <class MakeCall>
Run Drive(int clients, double seconds, MakeCall make_call) {
  std::atomic<uint64_t> done{0};
  std::vector<Run> runs(static_cast<size_t>(clients));
  std::vector<std::thread> threads;
  const env::Instant start = Now();
  const env::Instant until = start + env::Duration(static_cast<int64_t>(seconds * 1e9));
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      auto call = make_call(c);
      Run& mine = runs[static_cast<size_t>(c)];
      while (Now() < until && mine.status.ok()) {
        const env::Instant begin = Now();
        Result<int> items = call();
        if (!items.ok())
          mine.status = items.status();
        else
          done += static_cast<uint64_t>(*items);
        mine.latencies.Add(MicrosSince(begin));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Run all;
  all.per_second = static_cast<double>(done) * 1e6 / MicrosSince(start);
  for (const Run& run : runs) {
    all.latencies.Merge(run.latencies);
    if (!run.status.ok()) all.status = run.status;
  }
  return all;
}

Status Failed(const grpc::Status& status) {
  return Status(Reason::CONNECTION_TIMEOUT, status.error_message());
}

using Call = std::function<Result<int>()>;

// A server at a bound says OVERLOADED: the client waits as a good one does, and nothing is counted.
Result<int> WaitOverload(const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) return Failed(status);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return 0;
}

Call EmptyCall(const std::string& address) {
  auto stub = std::shared_ptr(grpc::health::v1::Health::NewStub(ChannelTo(address)));
  return [stub]() -> Result<int> {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = stub->Check(&context, request, &response);
    if (!status.ok()) return Failed(status);
    return 1;
  };
}

Call UnaryCall(const std::string& address, bool embedded, int client) {
  auto stub = std::shared_ptr(v1::EngramService::NewStub(ChannelTo(address)));
  auto n = std::make_shared<uint64_t>(static_cast<uint64_t>(client) << 32);
  return [stub, n, embedded]() -> Result<int> {
    grpc::ClientContext context;
    v1::RememberRequest request;
    *request.mutable_episode() = MakeEpisode(embedded, ++*n);
    v1::RememberResponse response;
    const grpc::Status status = stub->Remember(&context, request, &response);
    if (!status.ok()) return Failed(status);
    return 1;
  };
}

Call BatchCall(const std::string& address, bool embedded, int client) {
  auto stub = std::shared_ptr(v1::EngramService::NewStub(ChannelTo(address)));
  auto n = std::make_shared<uint64_t>(static_cast<uint64_t>(client) << 32);
  return [stub, n, embedded]() -> Result<int> {
    grpc::ClientContext context;
    v1::RememberBatchRequest request;
    for (int i = 0; i < kBatch; ++i) *request.add_episodes() = MakeEpisode(embedded, ++*n);
    v1::RememberBatchResponse response;
    const grpc::Status status = stub->RememberBatch(&context, request, &response);
    if (!status.ok()) return WaitOverload(status);
    int stored = 0;  // a full tail refuses items; they are not counted
    for (const auto& result : response.results()) stored += !result.has_error();
    return stored;
  };
}

// One stream: a writer runs ahead of the reader by at most kAhead requests.
Status StreamFor(const std::string& address, bool embedded, double seconds, double* per_second) {
  constexpr uint64_t kAhead = 900;
  auto stub = v1::EngramService::NewStub(ChannelTo(address));
  grpc::ClientContext context;
  auto stream = stub->StreamingRemember(&context);
  std::atomic<uint64_t> sent{0}, answered{0};
  const env::Instant start = Now();
  const env::Instant until = start + env::Duration(static_cast<int64_t>(seconds * 1e9));
  std::thread writer([&] {
    v1::RememberRequest request;
    while (Now() < until) {
      if (sent - answered >= kAhead) {
        std::this_thread::yield();
        continue;
      }
      *request.mutable_episode() = MakeEpisode(embedded, sent);
      if (!stream->Write(request)) break;
      ++sent;
    }
    stream->WritesDone();
  });
  v1::RememberResponse response;
  while (stream->Read(&response)) ++answered;
  writer.join();
  *per_second = static_cast<double>(answered) * 1e6 / MicrosSince(start);
  const grpc::Status status = stream->Finish();
  return status.ok() ? OkStatus() : Failed(status);
}

Status BenchUnary(const BenchOptions& options, const std::string& address) {
  for (int clients : kClientCounts) {
    Run empty = Drive(clients, options.seconds, [&](int) { return EmptyCall(address); });
    RETURN_IF_ERROR(empty.status);
    for (bool embedded : {false, true}) {
      Run run =
          Drive(clients, options.seconds, [&](int c) { return UnaryCall(address, embedded, c); });
      RETURN_IF_ERROR(run.status);
      const std::string name = std::string("remember unary ") +
                               (embedded ? "embedded " : "small ") + std::to_string(clients) +
                               " clients";
      const std::string against =
          "empty RPC, " + std::to_string(static_cast<int>(empty.per_second)) + "/s";
      PrintRow({name, run.per_second, "1/s", run.per_second / empty.per_second, against});
      PrintRow({name + " p50", run.latencies.Percentile(50), "us",
                run.latencies.Percentile(50) / empty.latencies.Percentile(50), "empty RPC p50"});
      PrintRow({name + " p99", run.latencies.Percentile(99), "us",
                run.latencies.Percentile(99) / empty.latencies.Percentile(99), "empty RPC p99"});
    }
  }
  return OkStatus();
}

Status BenchBulk(const BenchOptions& options, const std::string& address) {
  for (bool embedded : {false, true}) {
    const std::string what = embedded ? "embedded, no text to index" : "small, text indexed behind";
    double per_second = 0;
    RETURN_IF_ERROR(StreamFor(address, embedded, options.seconds, &per_second));
    PrintRow({"remember one stream, " + what, per_second, "1/s", 0, ""});
    for (int clients : {1, 4}) {
      Run run =
          Drive(clients, options.seconds, [&](int c) { return BatchCall(address, embedded, c); });
      RETURN_IF_ERROR(run.status);
      PrintRow({"remember batches of 500, " + std::to_string(clients) + " clients, " + what,
                run.per_second, "1/s", 0, ""});
    }
  }
  return OkStatus();
}

}  // namespace

Status BenchRemember(const BenchOptions& options) {
  const std::string directory = options.data_dir + "/remember";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  const Addresses addresses = FreeAddresses();
  ASSIGN_OR_RETURN(ServerProcess server,
                   ServerProcess::Start(options.program, directory + "/data", addresses,
                                        directory + "/server.log"));
  RETURN_IF_ERROR(server.WaitReady(std::chrono::seconds(10)));
  RETURN_IF_ERROR(BenchUnary(options, addresses.grpc));
  RETURN_IF_ERROR(BenchBulk(options, addresses.grpc));
  server.Stop();
  std::filesystem::remove_all(directory);
  return OkStatus();
}

}  // namespace engram::cli
