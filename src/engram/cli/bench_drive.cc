#include "engram/cli/bench_drive.h"

#include <grpcpp/grpcpp.h>

#include "engram/v1/service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::cli {
namespace {

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

Status Failed(const grpc::Status& status) {
  return Status(Reason::CONNECTION_TIMEOUT, status.error_message());
}

Result<int> WaitOverload(const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) return Failed(status);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return 0;
}

}  // namespace

v1::Episode BenchEpisode(bool embedded, uint64_t n) {
  v1::Episode episode;
  if (!embedded) {
    episode.set_what(
        "note " + std::to_string(n) + ": the deploy key of cluster " + std::to_string(n % 97) +
        " is rotated on Fridays, and Anna keeps the second copy in the red folder of room four");
    return episode;
  }
  for (int i = 0; i < kBenchDimension; ++i) {
    episode.add_embedding(
        static_cast<float>((n * 31 + static_cast<uint64_t>(i) * 17) % 101) / 50.0f - 1.0f);
  }
  return episode;
}

BenchCall EmptyCall(const std::string& address) {
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

BenchCall UnaryCall(const std::string& address, const WriteKind& kind, int client) {
  auto stub = std::shared_ptr(v1::EngramService::NewStub(ChannelTo(address)));
  auto n = std::make_shared<uint64_t>(static_cast<uint64_t>(client) << 32);
  return [stub, n, kind]() -> Result<int> {
    grpc::ClientContext context;
    v1::RememberRequest request;
    request.set_memory_space_id(kind.space);
    request.mutable_options()->set_durability(kind.durability);
    *request.mutable_episode() = BenchEpisode(kind.embedded, ++*n);
    v1::RememberResponse response;
    const grpc::Status status = stub->Remember(&context, request, &response);
    if (!status.ok()) return WaitOverload(status);
    return 1;
  };
}

BenchCall BatchCall(const std::string& address, const WriteKind& kind, int client) {
  auto stub = std::shared_ptr(v1::EngramService::NewStub(ChannelTo(address)));
  auto n = std::make_shared<uint64_t>(static_cast<uint64_t>(client) << 32);
  return [stub, n, kind]() -> Result<int> {
    grpc::ClientContext context;
    v1::RememberBatchRequest request;
    request.set_memory_space_id(kind.space);
    request.mutable_options()->set_durability(kind.durability);
    for (int i = 0; i < kBenchBatch; ++i) {
      *request.add_episodes() = BenchEpisode(kind.embedded, ++*n);
    }
    v1::RememberBatchResponse response;
    const grpc::Status status = stub->RememberBatch(&context, request, &response);
    if (!status.ok()) return WaitOverload(status);
    int stored = 0;  // a full tail refuses items; they are not counted
    for (const auto& result : response.results()) stored += !result.has_error();
    return stored;
  };
}

BenchRun Drive(int clients, double seconds, const std::function<BenchCall(int)>& make_call) {
  std::atomic<uint64_t> done{0};
  std::vector<BenchRun> runs(static_cast<size_t>(clients));
  std::vector<std::thread> threads;
  const env::Instant start = BenchNow();
  const env::Instant until = start + env::Duration(static_cast<int64_t>(seconds * 1e9));
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      const BenchCall call = make_call(c);
      BenchRun& mine = runs[static_cast<size_t>(c)];
      while (BenchNow() < until && mine.status.ok()) {
        const env::Instant begin = BenchNow();
        const Result<int> items = call();
        if (!items.ok()) {
          mine.status = items.status();
        } else {
          done += static_cast<uint64_t>(*items);
        }
        mine.latencies.Add(MicrosSince(begin));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BenchRun all;
  all.per_second = static_cast<double>(done) * 1e6 / MicrosSince(start);
  for (const BenchRun& run : runs) {
    all.latencies.Merge(run.latencies);
    if (!run.status.ok()) all.status = run.status;
  }
  return all;
}

}  // namespace engram::cli
