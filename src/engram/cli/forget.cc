// forget and restore.
#include <CLI/CLI.hpp>

#include "engram/cli/command.h"

namespace engram::cli {
namespace {

struct Flags {
  std::vector<std::string> ids;
  FilterFlags filter;
  std::string mode = "suppress", reason, key;
  int64_t expected_count = -1;
  bool dry_run = false, allow_missing = false;
};

v1::ForgetMode ModeFrom(const std::string& name) {
  if (name == "delete") return v1::FORGET_MODE_DELETE;
  if (name == "purge") return v1::FORGET_MODE_PURGE;
  return v1::FORGET_MODE_SUPPRESS;
}

Result<v1::ForgetRequest> ToRequest(const Flags& flags, const std::string& space) {
  v1::ForgetRequest request;
  request.set_memory_space_id(space);
  if (flags.ids.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_filter(), ToFilter(flags.filter));
    if (flags.expected_count >= 0)
      request.set_expected_count(static_cast<uint64_t>(flags.expected_count));
  } else {
    for (const std::string& id : flags.ids) request.mutable_ids()->add_ids(id);
  }
  request.set_mode(ModeFrom(flags.mode));
  request.set_dry_run(flags.dry_run);
  request.set_allow_missing(flags.allow_missing);
  request.set_reason(flags.reason);
  request.mutable_options()->set_idempotency_key(flags.key.empty() ? MakeKey() : flags.key);
  return request;
}

int NeedsCount(Context& context, v1::ForgetRequest request) {
  request.set_dry_run(true);
  Result<v1::ForgetResponse> reply = context.client().Forget(request);
  if (!reply.ok()) return PrintError(reply.status());
  std::fprintf(stderr, "%s memories would be forgotten. To go on: --expected-count %d\n",
               Grouped(static_cast<uint64_t>(reply->memories_affected())).c_str(),
               reply->memories_affected());
  return 4;
}

int RunForget(Context& context, const Flags& flags) {
  Result<v1::ForgetRequest> request = ToRequest(flags, context.space);
  if (!request.ok()) return PrintError(request.status());
  if (flags.ids.empty() && !flags.dry_run && flags.expected_count < 0)
    return NeedsCount(context, *request);
  Result<v1::ForgetResponse> reply = context.client().Forget(*request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) {
    PrintJson(*reply);
    return 0;
  }
  for (const std::string& id : reply->ids()) std::printf("%s\n", id.c_str());
  std::fflush(stdout);
  const char* what = reply->dry_run()      ? "would be forgotten"
                     : reply->reversible() ? "suppressed; engram restore undoes it"
                                           : "deleted";
  Note(Grouped(static_cast<uint64_t>(reply->memories_affected())) + " " + what);
  return 0;
}

struct RestoreFlags {
  std::vector<std::string> ids;
};

int RunRestore(Context& context, const RestoreFlags& flags) {
  v1::RestoreRequest request;
  request.set_memory_space_id(context.space);
  for (const std::string& id : flags.ids) request.add_ids(id);
  request.mutable_options()->set_idempotency_key(MakeKey());
  Result<v1::RestoreResponse> reply = context.client().Restore(request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) PrintJson(*reply);
  for (const std::string& id : reply->missing()) Note("no memory '" + id + "'");
  if (!context.json) Note(Grouped(reply->restored()) + " restored");
  return reply->missing().empty() ? 0 : 3;
}

}  // namespace

void AddForget(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("forget", "suppress (default) or delete memories");
  command->footer(
      "Example:\n  engram forget --who Ben --dry-run\n  engram forget 01JPAB7Q2M8S4X6C0D5E9F1G2H "
      "--mode delete");
  command->add_option("ids", flags->ids, "ids; or filters");
  command
      ->add_option("--mode", flags->mode,
                   "suppress: restore undoes it; delete: gone for every reader")
      ->check(CLI::IsMember({"suppress", "delete", "purge"}))
      ->capture_default_str();
  command->add_option("--reason", flags->reason, "kept in the log");
  command->add_option("--expected-count", flags->expected_count, "how many a filter must name");
  command->add_option("--key", flags->key, "idempotency key");
  command->add_flag("--dry-run", flags->dry_run, "only count");
  command->add_flag("--allow-missing", flags->allow_missing, "ids that do not exist are no error");
  AddFilterOptions(command, &flags->filter);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunForget(c, *flags); });
}

void AddRestore(CLI::App* app, Context* context) {
  auto flags = std::make_shared<RestoreFlags>();
  CLI::App* command = app->add_subcommand("restore", "make suppressed memories visible again");
  command->footer("Example:\n  engram restore 01JPAB7Q2M8S4X6C0D5E9F1G2H");
  command->add_option("ids", flags->ids, "one or more ids")->required();
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunRestore(c, *flags); });
}

}  // namespace engram::cli
