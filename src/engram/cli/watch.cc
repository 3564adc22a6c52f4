// watch: every committed change of a space, a line each, as they come; over the death of a server,
// too.
#include <CLI/CLI.hpp>

#include "engram/api/json_names.h"
#include "engram/cli/command.h"
#include "engram/model/time.h"

namespace engram::cli {
namespace {

constexpr size_t kKindColumn = 10, kIdColumn = 26, kTextWidth = 90;

struct Flags {
  FilterFlags filter;
  std::string from_token;
  uint64_t count = 0;
  bool content = false;
};

void PrintChange(const v1::WatchResponse& change) {
  const auto* kind = v1::WatchResponse::Kind_descriptor()->FindValueByNumber(change.kind());
  const std::string at = model::FormatUtc(model::UtcTime::FromProto(change.stored_at()));
  std::string line = at.substr(0, 19) + "Z  " + Pad(api::EnumName(kind), kKindColumn) + "  " +
                     Pad(change.memory_id(), kIdColumn);
  if (change.has_episode()) line += "  " + OneLine(change.episode().what(), kTextWidth);
  std::printf("%s\n", line.substr(0, line.find_last_not_of(' ') + 1).c_str());
}

int Run(Context& context, const Flags& flags) {
  v1::WatchRequest request;
  request.set_memory_space_id(context.space);
  request.set_from_token(flags.from_token);
  request.set_include_content(flags.content);
  Result<v1::Filter> filter = ToFilter(flags.filter);
  if (!filter.ok()) return PrintError(filter.status());
  *request.mutable_filter() = *std::move(filter);
  uint64_t changes = 0;
  std::string token;
  const Status end = context.client().Watch(request, [&](const v1::WatchResponse& change) {
    context.json ? PrintJson(change) : PrintChange(change);
    std::fflush(stdout);  // whoever reads a pipe wants it now
    token = change.token();
    return ++changes != flags.count;
  });
  if (!token.empty()) Note("to go on: --from-token " + token);
  return end.ok() ? 0 : PrintError(end);
}

}  // namespace

void AddWatch(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("watch", "every committed change, as it comes");
  command->footer(
      "Example:\n  engram watch --content --server 127.0.0.1:50051,127.0.0.1:50061\n"
      "When its server goes away it goes on at the next of the list, and gives up when none has "
      "answered for --timeout.");
  command->add_option("--from-token", flags->from_token,
                      "begin after this token of a write, a read or a change; else now");
  command->add_flag("--content", flags->content, "with the episode");
  command->add_option("--count", flags->count, "end after so many changes; 0 = never")
      ->capture_default_str();
  AddFilterOptions(command, &flags->filter);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return Run(c, *flags); });
}

}  // namespace engram::cli
