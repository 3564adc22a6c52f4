// index rebuild: throws the indexes of stopped spaces away and builds them again from their logs.
#include <CLI/CLI.hpp>

#include "engram/cli/command.h"
#include "engram/server/server.h"

namespace engram::cli {
namespace {

struct Flags {
  std::string data_dir, space;
};

Status RebuildSpace(runtime::Node& node, const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<space::Space> space, node.spaces().Get(id));
  Progress* bar = nullptr;
  std::optional<Progress> progress;
  uint64_t last = 0;
  RETURN_IF_ERROR(space->RebuildIndexes([&](uint64_t done, uint64_t total) {
    if (bar == nullptr) bar = &progress.emplace("entries", total);
    bar->Update(last = done, id);
  }));
  if (bar == nullptr) bar = &progress.emplace("entries", 0);
  bar->Finish(id + " · " + Grouped(last) + " entries indexed · " + FormatTook(bar->elapsed()));
  return OkStatus();
}

int Run(Context& context, const Flags& flags) {
  server::OptionsReader reader;
  Status status = reader.Set("node.data_dir", flags.data_dir, "flag --data-dir");
  Result<server::Options> options = reader.Finish();
  if (!options.ok()) return PrintError(options.status());
  Result<std::unique_ptr<runtime::Node>> node = server::StartNode(*options);
  if (!node.ok()) return PrintError(node.status());
  uint64_t rebuilt = 0;
  std::string after;
  for (bool more = true; more && status.ok();) {
    std::vector<std::string> ids = flags.space.empty() ? (*node)->spaces().Ids("", after, 1000)
                                                       : std::vector<std::string>{flags.space};
    more = flags.space.empty() && !ids.empty();
    for (const std::string& id : ids) {
      status = RebuildSpace(**node, after = id);
      if (!status.ok()) break;
      ++rebuilt;
    }
  }
  const Status closed = (*node)->Close();
  if (status.ok()) status = closed;
  if (!status.ok()) return PrintError(status);
  if (context.json) std::printf("{\"rebuilt\": %llu}\n", static_cast<unsigned long long>(rebuilt));
  return 0;
}

}  // namespace

void AddIndex(CLI::App* app, Context* context) {
  CLI::App* group = app->add_subcommand("index", "indexes of a stopped server");
  group->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      group->add_subcommand("rebuild", "build catalog, text and vectors again from the log");
  command->footer("Example:\n  engram index rebuild --data-dir /var/lib/engram --space notes");
  command->add_option("--data-dir", flags->data_dir,
                      "of the stopped server; none: where serve keeps it");
  command->add_option("--space", flags->space, "only this space");
  command->add_flag("--json", context->json, "how many were rebuilt, as JSON");
  command->add_flag("--quiet,-q", context->quiet, "no progress");
  OnRun(command, context, [flags](Context& c) { return Run(c, *flags); });
}

}  // namespace engram::cli
