// wal verify|dump|digest|repair: a log seen from outside, on a stopped or a running directory;
// verify also where a server runs that is asked.
#include <filesystem>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "engram/cli/command.h"
#include "engram/cli/wal_live.h"
#include "engram/cli/wal_report.h"
#include "engram/server/server.h"
#include "engram/wal/tool.h"

namespace engram::cli {
namespace {

struct Flags {
  std::string data_dir, space;
  uint64_t from = 0, to = 0;
  bool dry_run = false, yes = false;
  std::string server, wait = "30s";
};

std::string SpacesDirectory(const Flags& flags) {
  server::Options options;
  options.node.data_dir = flags.data_dir;
  return server::DataDirectory(options) + "/spaces";
}

// The space that was named, or all of the directory.
Result<std::vector<std::string>> SpacesOf(const Flags& flags) {
  if (!flags.space.empty()) return std::vector<std::string>{flags.space};
  Result<std::vector<std::string>> names = env::PosixFileSystem().List(SpacesDirectory(flags));
  if (names.ok()) return names;
  return Status(Reason::SPACE_NOT_FOUND, SpacesDirectory(flags) + " cannot be listed.")
      .Expected("the data directory of a server")
      .Example("engram wal verify --data-dir /var/lib/engram");
}

std::string DirectoryOf(const Flags& flags, const std::string& space) {
  return SpacesDirectory(flags) + "/" + space;
}

int RunVerify(Context& context, const Flags& flags) {
  Result<std::vector<std::string>> spaces = SpacesOf(flags);
  if (!spaces.ok()) return PrintError(spaces.status());
  size_t good = 0;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::string damage;
  for (const std::string& space : *spaces) {
    const env::Instant start = env::SystemClock().Now();
    Result<wal::VerifyReport> report =
        wal::Verify(env::PosixFileSystem(), DirectoryOf(flags, space));
    if (!report.ok()) return PrintError(report.status().Annotate(space));
    good += report->good();
    damage += DamageText(*report);
    if (context.json)
      json.push_back(VerifyJson(space, *report));
    else
      std::printf("%s\n", VerifyLine(space, *report, env::SystemClock().Now() - start).c_str());
  }
  if (context.json)
    std::printf("%s\n", json.dump().c_str());
  else
    std::printf("%s\n%zu of %zu spaces are good\n", damage.c_str(), good, spaces->size());
  return good == spaces->size() ? 0 : 6;
}

int RunDump(Context& context, const Flags& flags) {
  const auto visit = [&](const wal::DumpRecord& record) {
    const uint64_t sequence = record.header.sequence.value();
    if (flags.to != 0 && sequence > flags.to) return false;
    if (sequence != 0 && sequence < flags.from) return true;
    std::printf("%s\n", context.json ? DumpJson(record).c_str() : DumpLine(record).c_str());
    return true;
  };
  const std::string space = flags.space.empty() ? "default" : flags.space;
  const Status status = wal::Dump(env::PosixFileSystem(), DirectoryOf(flags, space), visit);
  return status.ok() ? 0 : PrintError(status);
}

int RunDigest(Context& context, const Flags& flags) {
  Result<std::vector<std::string>> spaces = SpacesOf(flags);
  if (!spaces.ok()) return PrintError(spaces.status());
  for (const std::string& space : *spaces) {
    Result<wal::DigestReport> report =
        wal::DigestOf(env::PosixFileSystem(), DirectoryOf(flags, space), Sequence(flags.from),
                      Sequence(flags.to));
    if (!report.ok()) return PrintError(report.status().Annotate(space));
    const std::string digest = Hex(report->digest.high, 16) + Hex(report->digest.low, 16);
    if (context.json) {
      std::printf("%s\n", nlohmann::ordered_json{{"space", space},
                                                 {"first", report->first.value()},
                                                 {"last", report->last.value()},
                                                 {"entries", report->entries},
                                                 {"digest", digest}}
                              .dump()
                              .c_str());
    } else {
      std::printf("%s %s   %s … %s   %s entries\n", Pad(space, 16).c_str(), digest.c_str(),
                  Grouped(report->first.value()).c_str(), Grouped(report->last.value()).c_str(),
                  Grouped(report->entries).c_str());
    }
  }
  return 0;
}

int RunRepair(Context&, const Flags& flags) {
  const bool apply = flags.yes && !flags.dry_run;
  const std::string data_dir = std::filesystem::path(SpacesDirectory(flags)).parent_path();
  Result<std::unique_ptr<env::FileLock>> lock =
      env::PosixFileSystem().Lock(env::JoinPath(data_dir, "LOCK"));
  if (apply && !lock.ok()) return PrintError(lock.status());
  Result<wal::RepairReport> report =
      wal::Repair(env::PosixFileSystem(), DirectoryOf(flags, flags.space), apply);
  if (!report.ok()) return PrintError(report.status());
  for (const std::string& step : report->steps) std::printf("%s\n", step.c_str());
  std::printf("%s entries kept, %s given up%s\n", Grouped(report->entries_kept).c_str(),
              Grouped(report->entries_lost).c_str(),
              report->end_lost ? ", and an end of unknown length" : "");
  if (report->applied || report->steps.empty()) return 0;
  std::fprintf(stderr, "nothing was changed; to do it: --yes\n");
  return flags.dry_run ? 0 : 4;
}

CLI::App* Add(CLI::App* group, Context* context, Flags* flags, const char* name, const char* help) {
  CLI::App* command = group->add_subcommand(name, help);
  command->add_option("--data-dir", flags->data_dir, "of the server; none: where serve keeps it");
  command->add_flag("--json", context->json, "as JSON");
  return command;
}

}  // namespace

void AddWal(CLI::App* app, Context* context) {
  CLI::App* group = app->add_subcommand("wal", "look at a log: verify, dump, digest, repair");
  group->require_subcommand(1);
  auto flags = std::make_shared<Flags>();

  CLI::App* verify = Add(group, context, flags.get(), "verify", "read everything, find damage");
  verify->footer(
      "Example:\n  engram wal verify --data-dir /var/lib/engram\n"
      "  engram wal verify --server 127.0.0.1:50051 --space default");
  verify->add_option("--space", flags->space, "only this space");
  verify->add_option("--server", flags->server,
                     "host:port of a server that runs: it reads its logs, and mends them");
  verify->add_option("--wait", flags->wait,
                     "with --server: for what is damaged to be mended (30s); 0s: only look");
  OnRun(verify, context, [flags](Context& c) {
    if (flags->server.empty()) return RunVerify(c, *flags);
    return VerifyLive(c, {flags->server, flags->space, flags->wait});
  });

  CLI::App* dump = Add(group, context, flags.get(), "dump", "every record, never a text of it");
  dump->footer("Example:\n  engram wal dump --space default --from 100 --to 120");
  dump->add_option("--space", flags->space, "which one (default: default)");
  dump->add_option("--from", flags->from, "first sequence");
  dump->add_option("--to", flags->to, "last sequence");
  OnRun(dump, context, [flags](Context& c) { return RunDump(c, *flags); });

  CLI::App* digest = Add(group, context, flags.get(), "digest", "equal logs have equal digests");
  digest->footer("Example:\n  engram wal digest --space default");
  digest->add_option("--space", flags->space, "only this space");
  digest->add_option("--from", flags->from, "first sequence");
  digest->add_option("--to", flags->to, "last sequence; 0 = end");
  OnRun(digest, context, [flags](Context& c) { return RunDigest(c, *flags); });

  CLI::App* repair = Add(group, context, flags.get(), "repair", "give up what is damaged");
  repair->footer("Example:\n  engram wal repair --space old --dry-run");
  repair->add_option("--space", flags->space, "the damaged space")->required();
  repair->add_flag("--dry-run", flags->dry_run, "only say what would be given up");
  repair->add_flag("--yes", flags->yes, "do it; the server must be stopped");
  OnRun(repair, context, [flags](Context& c) { return RunRepair(c, *flags); });
}

}  // namespace engram::cli
