#include "engram/cli/demo_pair.h"

#include <atomic>
#include <fstream>
#include <thread>

#include "engram/cli/importer.h"
#include "engram/wal/tool.h"

namespace engram::cli {
namespace {

namespace admin = engram::admin::v1;

constexpr uint64_t kKillAfter = 3000;  // acknowledged in the second import
constexpr uint64_t kLocalWrites = 100;
const std::vector<std::string> kSpaces = {"changelogs", "git", "again"};

env::Instant Now() {
  return env::SystemClock().Now();
}

std::string Rate(uint64_t count, env::Duration took) {
  return Grouped(static_cast<uint64_t>(static_cast<double>(count) * 1e9 /
                                       static_cast<double>(took.count()))) +
         "/s";
}

// Every space of the pair, `default` too.
std::vector<std::string> AllSpaces() {
  std::vector<std::string> all = kSpaces;
  all.push_back("default");
  return all;
}

}  // namespace

Result<int> PairDemo::Run() {
  RETURN_IF_ERROR(Prepare());
  RETURN_IF_ERROR(Import());
  RETURN_IF_ERROR(Recall());
  RETURN_IF_ERROR(KillDuringImport());
  RETURN_IF_ERROR(Promote());
  RETURN_IF_ERROR(Compare());
  RETURN_IF_ERROR(WriteOn());
  RETURN_IF_ERROR(BringBack());
  RETURN_IF_ERROR(Verify());
  return Finish();
}

Status PairDemo::Prepare() {
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(pair_, PairServers::Make(options_.program, options_.directory));
  RETURN_IF_ERROR(pair_->StartBoth());
  v1::SpaceSettings settings;
  settings.set_embedder("hashed");
  for (const std::string& space : kSpaces) RETURN_IF_ERROR(pair_->MakeSpace(space, settings));
  RETURN_IF_ERROR(pair_->WaitInSync(0));
  report_.Row("start", "n1 primary, n2 replica", "both in the set", Now() - start);
  return OkStatus();
}

Status PairDemo::Import() {
  const env::Instant start = Now();
  uint64_t commits = 0;
  Client& client = *pair_->node(0).client;
  if (input_.has_changelogs()) {
    RETURN_IF_ERROR(DemoInput::ImportInto(client, "changelogs", "changelog entries",
                                          input_.Changelogs(""), &replicated_, &changelogs_));
  }
  RETURN_IF_ERROR(
      DemoInput::ImportInto(client, "git", "commits", input_.Commits(""), &replicated_, &commits));
  if (changelogs_ == 0) main_space_ = "git";
  const env::Duration took = Now() - start;
  report_.Row("import",
              Grouped(changelogs_) + " changelog entries, " + Grouped(commits) + " commits",
              Rate(changelogs_ + commits, took) + ", each on both disks", took);
  return OkStatus();
}

Status PairDemo::Recall() {
  questions_.emplace(report_, main_space_);
  RETURN_IF_ERROR(questions_->Ask(*pair_->node(0).client, "recall n1"));
  v1::RecallRequest newest;
  newest.set_memory_space_id(main_space_);
  newest.mutable_query()->set_text("a");
  ASSIGN_OR_RETURN(const v1::RecallResponse reply, pair_->node(0).client->Recall(newest));
  ASSIGN_OR_RETURN(const bool equal, questions_->AskAgain(*pair_->node(1).client, "recall n2",
                                                          reply.served_by().token()));
  if (!equal) ++wrong_;
  return OkStatus();
}

Status PairDemo::KillDuringImport() {
  std::atomic<uint64_t> acknowledged{0};
  Status outcome;
  const DemoInput::Source source =
      changelogs_ > 0 ? input_.Changelogs("again:") : input_.Commits("again:");
  std::thread importing([&] {
    ImporterOptions options;
    options.batch = 100;
    options.acknowledged = [&](const v1::Episode& sent, const std::string& id) {
      replicated_.Add("again", id, sent);
      ++acknowledged;
    };
    Importer importer(*pair_->node(0).client, "again", options);
    outcome = source([&importer](v1::Episode episode) { return importer.Add(std::move(episode)); });
    if (outcome.ok()) outcome = importer.Flush();
  });
  const uint64_t wanted = changelogs_ > 2 * kKillAfter ? kKillAfter : replicated_.size() / 4;
  const env::Instant until = Now() + std::chrono::seconds(30);
  while (acknowledged < wanted && Now() < until) std::this_thread::yield();
  pair_->node(0).process->Kill9();
  importing.join();
  report_.Row("kill -9 n1",
              outcome.ok() ? "after a second import" : "in the middle of a second import",
              Grouped(acknowledged) + " acknowledged in it");
  return OkStatus();
}

Status PairDemo::PromoteAll(bool dry_run, std::string* result) {
  *result = "nothing replicated can be lost";
  for (const std::string& space : AllSpaces()) {
    ASSIGN_OR_RETURN(const admin::PromoteResponse reply, pair_->Promote(1, space, dry_run));
    if (reply.lossless()) continue;
    *result = "A LOSS IS STATED";
    ++wrong_;
  }
  return OkStatus();
}

Status PairDemo::Promote() {
  std::string foreseen, result;
  RETURN_IF_ERROR(PromoteAll(true, &foreseen));
  const env::Instant start = Now();
  RETURN_IF_ERROR(PromoteAll(false, &result));
  v1::RememberRequest write;
  write.set_memory_space_id(main_space_);
  write.mutable_episode()->set_what("the first write after the promotion");
  write.mutable_options()->set_durability(v1::DURABILITY_LOCAL);
  ASSIGN_OR_RETURN(const v1::RememberResponse first, pair_->node(1).client->Remember(write));
  const env::Duration took = Now() - start;
  local_.Add(main_space_, first.memory_id(), write.episode());
  report_.Row("promote n2", "dry run: " + foreseen, "four spaces, then the first write", took);
  return OkStatus();
}

Status PairDemo::Compare() {
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(found_replicated_, replicated_.Compare(*pair_->node(1).client));
  report_.Row("compare", Grouped(found_replicated_.acknowledged) + " acknowledged ids",
              "looked up on n2, id and content", Now() - start);
  ASSIGN_OR_RETURN(const bool equal, questions_->AskAgain(*pair_->node(1).client, "recall n2", ""));
  if (!equal) ++wrong_;
  return OkStatus();
}

Status PairDemo::WriteOn() {
  Client& client = *pair_->node(1).client;
  v1::RememberRequest write;
  write.set_memory_space_id(main_space_);
  write.mutable_episode()->set_what("a replicated write on one node");
  write.mutable_options()->set_durability(v1::DURABILITY_REPLICATED);
  const auto refused = client.Remember(write);
  const bool right = !refused.ok() && refused.status().reason() == Reason::NOT_ENOUGH_IN_SYNC;
  if (!right) ++wrong_;
  const env::Instant start = Now();
  write.mutable_options()->set_durability(v1::DURABILITY_LOCAL);
  for (uint64_t i = local_.size(); i < kLocalWrites; ++i) {
    write.mutable_episode()->set_what("written while n1 was away, " + std::to_string(i));
    ASSIGN_OR_RETURN(const v1::RememberResponse reply, client.Remember(write));
    local_.Add(main_space_, reply.memory_id(), write.episode());
  }
  report_.Row("write n2", Grouped(kLocalWrites) + " episodes, local",
              right ? "replicated: NOT_ENOUGH_IN_SYNC" : "REPLICATED WAS NOT REFUSED",
              Now() - start);
  return OkStatus();
}

Status PairDemo::BringBack() {
  const env::Instant start = Now();
  RETURN_IF_ERROR(pair_->StartAndWait(0));
  RETURN_IF_ERROR(pair_->WaitInSync(1));
  v1::RememberRequest write;
  write.set_memory_space_id(main_space_);
  write.mutable_episode()->set_what("both are back");
  ASSIGN_OR_RETURN(const v1::RememberResponse reply, pair_->node(1).client->Remember(write));
  replicated_.Add(main_space_, reply.memory_id(), write.episode());
  admin::ListQuarantineRequest request;
  ASSIGN_OR_RETURN(const admin::ListQuarantineResponse kept,
                   pair_->node(0).client->ListQuarantine(request));
  uint64_t rewound = 0;
  for (const admin::QuarantineFile& file : kept.files()) rewound += file.entries();
  report_.Row("n1 returns", "rewound " + Grouped(rewound) + " never acknowledged",
              reply.write().durability() == v1::DURABILITY_REPLICATED
                  ? "in the set; replicated writes taken"
                  : "NOT REPLICATED",
              Now() - start);
  return OkStatus();
}

Status PairDemo::Verify() {
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(found_replicated_, replicated_.Compare(*pair_->node(1).client));
  ASSIGN_OR_RETURN(found_local_, local_.Compare(*pair_->node(1).client));
  for (size_t place : {0, 1}) {
    if (pair_->node(place).process->Stop() != 0) ++wrong_;
  }
  uint64_t entries = 0;
  bool equal = true;
  for (const std::string& space : AllSpaces()) {
    std::string digests[2];
    for (size_t i = 0; i < 2; ++i) {
      const std::string directory = pair_->node(i).data + "/spaces/" + space;
      ASSIGN_OR_RETURN(const wal::VerifyReport report,
                       wal::Verify(env::PosixFileSystem(), directory));
      if (!report.good()) ++wrong_;
      if (i == 1) entries += report.entries;
      ASSIGN_OR_RETURN(const wal::DigestReport digest,
                       wal::DigestOf(env::PosixFileSystem(), directory, Sequence(1), Sequence()));
      digests[i] = std::to_string(digest.entries) + " " + std::to_string(digest.digest.high) + " " +
                   std::to_string(digest.digest.low);
    }
    equal = equal && digests[0] == digests[1];
  }
  if (!equal) ++wrong_;
  report_.Row("verify", "both logs of four spaces, " + Grouped(entries) + " entries",
              equal ? "good, digests equal" : "DIGESTS DIFFER", Now() - start);
  return OkStatus();
}

Result<int> PairDemo::Finish() {
  std::printf("\n                    replicated          local\n");
  const auto row = [](const char* name, uint64_t replicated, uint64_t local) {
    std::printf("  %-12s  %14s %14s\n", name, Grouped(replicated).c_str(), Grouped(local).c_str());
  };
  row("acknowledged", found_replicated_.acknowledged, found_local_.acknowledged);
  row("found", found_replicated_.found, found_local_.found);
  row("lost", found_replicated_.lost(), found_local_.lost());
  std::printf("\n");
  if (!options_.stop) {
    for (size_t place : {0, 1}) RETURN_IF_ERROR(pair_->Start(place));
    std::ofstream pids(options_.directory + "/server.pid");
    for (size_t place : {0, 1}) pids << pair_->node(place).process->Release() << "\n";
    std::printf(
        "data in %s · try: %s recall \"…\" --server %s,%s --space %s · stop: make demo-stop\n",
        options_.directory.c_str(), options_.program.c_str(), pair_->node(0).addresses.grpc.c_str(),
        pair_->node(1).addresses.grpc.c_str(), main_space_.c_str());
  }
  return found_replicated_.lost() + found_local_.lost() > 0 || wrong_ > 0 ? 6 : 0;
}

}  // namespace engram::cli
