// Writes through the door: unary, streamed, in batches.
#include <atomic>
#include <filesystem>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "engram/cli/bench.h"
#include "engram/cli/bench_drive.h"
#include "engram/cli/child.h"
#include "engram/v1/service.grpc.pb.h"

namespace engram::cli {
namespace {

constexpr int kClientCounts[] = {1, 8, 32, 64};

// One stream: a writer runs ahead of the reader by at most kAhead requests.
Status StreamFor(const std::string& address, bool embedded, double seconds, double* per_second) {
  constexpr uint64_t kAhead = 900;
  auto stub =
      v1::EngramService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  auto stream = stub->StreamingRemember(&context);
  std::atomic<uint64_t> sent{0}, answered{0};
  const env::Instant start = BenchNow();
  const env::Instant until = start + env::Duration(static_cast<int64_t>(seconds * 1e9));
  std::thread writer([&] {
    v1::RememberRequest request;
    while (BenchNow() < until) {
      if (sent - answered >= kAhead) {
        std::this_thread::yield();
        continue;
      }
      *request.mutable_episode() = BenchEpisode(embedded, sent);
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
  if (status.ok()) return OkStatus();
  return Status(Reason::CONNECTION_TIMEOUT, status.error_message());
}

Status BenchUnary(const BenchOptions& options, const std::string& address) {
  for (int clients : kClientCounts) {
    BenchRun empty = Drive(clients, options.seconds, [&](int) { return EmptyCall(address); });
    RETURN_IF_ERROR(empty.status);
    for (bool embedded : {false, true}) {
      BenchRun run = Drive(clients, options.seconds, [&](int c) {
        return UnaryCall(address, WriteKind{"", v1::DURABILITY_UNSPECIFIED, embedded}, c);
      });
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
      BenchRun run = Drive(clients, options.seconds, [&](int c) {
        return BatchCall(address, WriteKind{"", v1::DURABILITY_UNSPECIFIED, embedded}, c);
      });
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
