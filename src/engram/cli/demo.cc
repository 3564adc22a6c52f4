#include "engram/cli/demo.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <CLI/CLI.hpp>

#include "engram/cli/command.h"
#include "engram/cli/demo_pair.h"
#include "engram/cli/importer.h"
#include "engram/wal/tool.h"

namespace engram::cli {
namespace {

constexpr env::Duration kReadyLimit = std::chrono::seconds(30);
constexpr uint64_t kKillAfter = 3000;  // acknowledged in the second import

env::Instant Now() {
  return env::SystemClock().Now();
}

std::string Rate(uint64_t count, env::Duration took) {
  return Grouped(static_cast<uint64_t>(static_cast<double>(count) * 1e9 /
                                       static_cast<double>(took.count()))) +
         "/s";
}

}  // namespace

Result<int> Demo::Run() {
  RETURN_IF_ERROR(Prepare());
  RETURN_IF_ERROR(Import());
  RETURN_IF_ERROR(Recall());
  RETURN_IF_ERROR(KillDuringImport());
  RETURN_IF_ERROR(Restart());
  RETURN_IF_ERROR(Compare());
  RETURN_IF_ERROR(RecallAgain());
  RETURN_IF_ERROR(Verify());
  return Finish();
}

Status Demo::StartServer() {
  ASSIGN_OR_RETURN(ServerProcess server,
                   ServerProcess::Start(options_.program, options_.directory + "/data", addresses_,
                                        options_.directory + "/server.log"));
  server_.emplace(std::move(server));
  return server_->WaitReady(kReadyLimit);
}

Status Demo::Prepare() {
  std::filesystem::remove_all(options_.directory);
  std::filesystem::create_directories(options_.directory);
  addresses_ = FreeAddresses();
  client_ = std::make_unique<Client>(
      ClientOptions{.servers = addresses_.grpc, .timeout = std::chrono::seconds(30)});
  const env::Instant start = Now();
  RETURN_IF_ERROR(StartServer());
  report_.Row("start", "one node, an empty directory", "ready", Now() - start);
  for (const char* space : {"changelogs", "git", "again"}) RETURN_IF_ERROR(MakeSpace(space));
  return OkStatus();
}

Status Demo::MakeSpace(const std::string& id) {
  v1::CreateSpaceRequest request;
  request.mutable_space()->set_id(id);
  request.mutable_space()->mutable_settings()->set_embedder("hashed");
  return client_->CreateSpace(request).status();
}

Status Demo::Import() {
  const env::Instant start = Now();
  uint64_t commits = 0;
  if (input_.has_changelogs()) {
    RETURN_IF_ERROR(DemoInput::ImportInto(*client_, "changelogs", "changelog entries",
                                          input_.Changelogs(""), &ledger_, &changelogs_));
  }
  RETURN_IF_ERROR(
      DemoInput::ImportInto(*client_, "git", "commits", input_.Commits(""), &ledger_, &commits));
  if (changelogs_ == 0) main_space_ = "git";
  const env::Duration took = Now() - start;
  report_.Row("import",
              Grouped(changelogs_) + " changelog entries, " + Grouped(commits) + " commits",
              Rate(changelogs_ + commits, took) + ", each batch synced", took);
  return OkStatus();
}

Status Demo::KillDuringImport() {
  const uint64_t before = ledger_.size();
  std::atomic<uint64_t> acknowledged{0};
  Status outcome;
  const DemoInput::Source source =
      changelogs_ > 0 ? input_.Changelogs("again:") : input_.Commits("again:");
  std::thread importing([&] {
    ImporterOptions options;
    options.batch = 100;
    options.acknowledged = [&](const v1::Episode& sent, const std::string& id) {
      ledger_.Add("again", id, sent);
      ++acknowledged;
    };
    Importer importer(*client_, "again", options);
    outcome = source([&importer](v1::Episode episode) { return importer.Add(std::move(episode)); });
    if (outcome.ok()) outcome = importer.Flush();
  });
  const uint64_t wanted = changelogs_ > 2 * kKillAfter ? kKillAfter : before / 4;
  const env::Instant until = Now() + std::chrono::seconds(30);
  while (acknowledged < wanted && Now() < until) std::this_thread::yield();
  server_->Kill9();
  importing.join();
  report_.Row("kill -9",
              outcome.ok() ? "after a second import" : "in the middle of a second import",
              Grouped(acknowledged) + " acknowledged in it");
  return OkStatus();
}

Status Demo::Restart() {
  const env::Instant start = Now();
  RETURN_IF_ERROR(StartServer());
  report_.Row("restart", "the same directory", "ready", Now() - start);
  return OkStatus();
}

Status Demo::Compare() {
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(account_, ledger_.Compare(*client_));
  report_.Row("compare", Grouped(account_.acknowledged) + " acknowledged ids",
              "looked up, id and content", Now() - start);
  return OkStatus();
}

Status Demo::Recall() {
  questions_.emplace(report_, main_space_);
  return questions_->Ask(*client_, "recall");
}

Status Demo::RecallAgain() {
  ASSIGN_OR_RETURN(const bool equal, questions_->AskAgain(*client_, "recall again", ""));
  if (!equal) ++damaged_;
  return OkStatus();
}

Status Demo::Verify() {
  const env::Instant start = Now();
  uint64_t entries = 0;
  for (const char* space : {"changelogs", "git", "again"}) {
    ASSIGN_OR_RETURN(
        const wal::VerifyReport report,
        wal::Verify(env::PosixFileSystem(), options_.directory + "/data/spaces/" + space));
    entries += report.entries;
    if (!report.good()) ++damaged_;
  }
  report_.Row("verify", "three logs, " + Grouped(entries) + " entries",
              damaged_ == 0 ? "chain and checksums good" : "DAMAGED", Now() - start);
  return OkStatus();
}

Result<int> Demo::Finish() {
  std::printf("\n  %s %s\n  acknowledged  %14s\n  found         %14s\n  lost          %14s\n\n",
              Pad("", 12).c_str(), "         local", Grouped(account_.acknowledged).c_str(),
              Grouped(account_.found).c_str(), Grouped(account_.lost()).c_str());
  if (options_.stop || options_.pair) {
    server_->Stop();
  } else {
    std::ofstream(options_.directory + "/server.pid") << server_->pid() << "\n";
    server_->Release();
    std::printf("data in %s · try: %s recall \"…\" --server %s --space %s · stop: make demo-stop\n",
                options_.directory.c_str(), options_.program.c_str(), addresses_.grpc.c_str(),
                main_space_.c_str());
  }
  return account_.lost() > 0 || damaged_ > 0 ? 6 : 0;
}

namespace {

// Both parts have a directory of their own below.
int RunDemo(const DemoOptions& options) {
  std::filesystem::remove_all(options.directory);
  if (options.one_node) {
    DemoOptions one = options;
    if (options.pair) one.directory += "/one";
    const Result<int> code = Demo(one).Run();
    if (!code.ok()) return PrintError(code.status());
    if (*code != 0) return *code;
  }
  if (!options.pair) return 0;
  const Result<int> code = PairDemo(options).Run();
  return code.ok() ? *code : PrintError(code.status());
}

}  // namespace

void AddDemo(CLI::App* app, Context* context) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command =
      app->add_subcommand("demo", "import, recall, kill -9, promote, count: nothing may be lost");
  command->footer("Example:\n  engram demo --data-dir /tmp/engram-demo --repository .");
  command->add_option("--data-dir", options->directory, "emptied first")->capture_default_str();
  command->add_option("--repository", options->repository, "git checkout whose history is imported")
      ->capture_default_str();
  command->add_option("--docs", options->docs, "where the changelogs are")->capture_default_str();
  command->add_option("--limit", options->limit, "changelog entries at most; 0 = all");
  command->add_flag("--stop", options->stop, "stop the servers at the end");
  auto part = std::make_shared<std::string>("both");
  command->add_option("--part", *part, "one: on one node; pair: on two; both")
      ->check(CLI::IsMember({"one", "pair", "both"}))
      ->capture_default_str();
  OnRun(command, context, [options, part](Context& c) {
    options->program = c.program;
    options->one_node = *part != "pair";
    options->pair = *part != "one";
    return RunDemo(*options);
  });
}

}  // namespace engram::cli
