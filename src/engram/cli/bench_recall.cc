// Recall over 100,000 × 768 through the door, and the scan beneath it against the memory bandwidth
// of the same run.
#include <filesystem>

#include "engram/base/prng.h"
#include "engram/cli/bench.h"
#include "engram/cli/bench_row.h"
#include "engram/cli/child.h"
#include "engram/cli/importer.h"
#include "engram/index/vectors_measure.h"

namespace engram::cli {
namespace {

constexpr int kDimension = 768;
constexpr int kQueries = 200;

env::Instant Now() {
  return env::SystemClock().Now();
}

void FillVector(Prng& prng, google::protobuf::RepeatedField<float>* out) {
  for (int i = 0; i < kDimension; ++i) out->Add(static_cast<float>(prng.Unit() - 0.5));
}

Status Fill(Client& client, uint64_t count) {
  Progress progress("vectors", count);
  ImporterOptions options;
  options.batch = 1000;
  options.progress = &progress;
  Importer importer(client, "", options);
  Prng prng(1);
  for (uint64_t i = 0; i < count; ++i) {
    v1::Episode episode;
    episode.set_what("note " + std::to_string(i % 1000) + " about topic " + std::to_string(i % 77));
    FillVector(prng, episode.mutable_embedding());
    RETURN_IF_ERROR(importer.Add(std::move(episode)));
  }
  RETURN_IF_ERROR(importer.Flush());
  return importer.first_refusal();
}

template <class MakeQuery>
Status Measure(Client& client, const std::string& name, MakeQuery make_query) {
  Latencies latencies;
  for (int i = 0; i < kQueries; ++i) {
    v1::RecallRequest request;
    make_query(i, request.mutable_query());
    const env::Instant start = Now();
    RETURN_IF_ERROR(client.Recall(request).status());
    latencies.Add(static_cast<double>((Now() - start).count()) / 1e3);
  }
  PrintRow({name + " p50", latencies.Percentile(50), "us", 0, ""});
  PrintRow({name + " p99", latencies.Percentile(99), "us", 0, ""});
  return OkStatus();
}

}  // namespace

Status BenchRecall(const BenchOptions& options) {
  const std::string directory = options.data_dir + "/recall";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  index::VectorMeasureOptions scan;
  scan.vectors = 100'000 * options.scale / 100;
  ASSIGN_OR_RETURN(const auto rows, index::MeasureVectorScan(env::PosixFileSystem(),
                                                             env::SystemClock(), directory, scan));
  for (const index::Measurement& row : rows)
    PrintRow({row.name, row.value, row.unit, row.ratio, row.against});
  const Addresses addresses = FreeAddresses();
  const uint64_t count = 100'000 * options.scale / 100;
  ASSIGN_OR_RETURN(ServerProcess server,
                   ServerProcess::Start(options.program, directory + "/data", addresses,
                                        directory + "/server.log"));
  RETURN_IF_ERROR(server.WaitReady(std::chrono::seconds(10)));
  Client client({.servers = addresses.grpc, .timeout = std::chrono::seconds(60)});
  RETURN_IF_ERROR(Fill(client, count));
  Prng prng(2);
  const std::string size = std::to_string(count) + " x " + std::to_string(kDimension);
  RETURN_IF_ERROR(Measure(client, "recall by vector, " + size, [&prng](int, v1::Query* query) {
    FillVector(prng, query->mutable_embedding());
  }));
  RETURN_IF_ERROR(Measure(client, "recall by two words, " + size, [](int i, v1::Query* query) {
    query->set_text("topic " + std::to_string(i % 77));
  }));
  server.Stop();
  std::filesystem::remove_all(directory);
  return OkStatus();
}

}  // namespace engram::cli
