// Restart after kill -9 with a long log, and many spaces on disk: real server processes.
#include <filesystem>
#include <thread>

#include "engram/cli/bench.h"
#include "engram/cli/bench_process.h"
#include "engram/cli/bench_row.h"
#include "engram/cli/child.h"
#include "engram/cli/importer.h"

namespace engram::cli {
namespace {

env::Instant Now() {
  return env::SystemClock().Now();
}
double Seconds(env::Duration d) {
  return static_cast<double>(d.count()) / 1e9;
}

struct Started {
  ServerProcess server;
  double ready_s;
};

Result<Started> StartAndTime(const BenchOptions& options, const std::string& directory,
                             const Addresses& addresses) {
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(ServerProcess server,
                   ServerProcess::Start(options.program, directory + "/data", addresses,
                                        directory + "/server.log"));
  RETURN_IF_ERROR(server.WaitReady(std::chrono::seconds(120)));
  return Started{std::move(server), Seconds(Now() - start)};
}

std::string Empty(const BenchOptions& options, const char* name) {
  std::string directory = options.data_dir + "/" + name;
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  return directory;
}

Status Fill(Client& client, uint64_t entries) {
  Progress progress("episodes", entries);
  ImporterOptions options;
  options.batch = 1000;
  options.progress = &progress;
  Importer importer(client, "", options);
  for (uint64_t i = 0; i < entries; ++i) {
    v1::Episode episode;
    episode.set_what("note " + std::to_string(i));
    RETURN_IF_ERROR(importer.Add(std::move(episode)));
  }
  RETURN_IF_ERROR(importer.Flush());
  return importer.first_refusal();
}

// A read and a write of the default space: what "serving" means to a client.
Status Serve(Client& client) {
  v1::RememberRequest write;
  write.mutable_episode()->set_what("after the restart");
  RETURN_IF_ERROR(client.Remember(write).status());
  v1::RecallRequest read;
  read.mutable_query()->set_text("restart");
  return client.Recall(read).status();
}

}  // namespace

Status BenchRestart(const BenchOptions& options) {
  const std::string directory = Empty(options, "restart");
  const Addresses addresses = FreeAddresses();
  const uint64_t entries = 1'000'000 * options.scale / 100;
  Client client({.servers = addresses.grpc, .timeout = std::chrono::seconds(120)});
  ASSIGN_OR_RETURN(Started first, StartAndTime(options, directory, addresses));
  RETURN_IF_ERROR(Fill(client, entries));
  first.server.Kill9();
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(Started second, StartAndTime(options, directory, addresses));
  RETURN_IF_ERROR(Serve(client));
  const double served = Seconds(Now() - start);
  const std::string what =
      "restart after kill -9 with " + std::to_string(entries) + " small entries";
  PrintRow({what + ": ready", second.ready_s, "s", second.ready_s, "1 s"});
  PrintRow({what + ": first write and recall", served, "s", served, "1 s"});
  second.server.Stop();
  std::filesystem::remove_all(directory);
  return OkStatus();
}

Status BenchSpaces(const BenchOptions& options) {
  const std::string directory = Empty(options, "spaces");
  const Addresses addresses = FreeAddresses();
  const uint64_t spaces = 10'000 * options.scale / 100;
  Client client({.servers = addresses.grpc, .timeout = std::chrono::seconds(120)});
  ASSIGN_OR_RETURN(Started first, StartAndTime(options, directory, addresses));
  Progress progress("spaces", spaces);
  const env::Instant begin = Now();
  for (uint64_t i = 0; i < spaces; ++i) {
    v1::CreateSpaceRequest request;
    request.mutable_space()->set_id("space-" + std::to_string(i));
    RETURN_IF_ERROR(client.CreateSpace(request).status());
    progress.Update(i);
  }
  const double created_s = Seconds(Now() - begin);
  const std::string count = std::to_string(spaces) + " spaces";
  PrintRow({"create " + count, static_cast<double>(spaces) / created_s, "1/s", 0, ""});
  PrintRow({count + " made one after another: resident", ResidentMegabytes(first.server.pid()),
            "MB", ResidentMegabytes(first.server.pid()) / 1000, "1 GB"});
  first.server.Kill9();
  ASSIGN_OR_RETURN(Started second, StartAndTime(options, directory, addresses));
  PrintRow({count + " on disk: start", second.ready_s, "s", second.ready_s, "1 s"});
  PrintRow({count + " on disk: resident", ResidentMegabytes(second.server.pid()), "MB",
            ResidentMegabytes(second.server.pid()) / 1000, "1 GB"});
  second.server.Stop();
  std::filesystem::remove_all(directory);
  return OkStatus();
}

}  // namespace engram::cli
