#include "engram/server/version.h"

#include <CLI/CLI.hpp>

#include "engram/cli/command.h"

namespace engram::cli {

void AddVersion(CLI::App* app, Context* context) {
  CLI::App* command = app->add_subcommand("version", "the version of this program");
  command->add_flag("--json", context->json, "as JSON");
  OnRun(command, context, [](Context& c) {
    if (c.json) {
      std::printf("{\"version\": \"%s\", \"commit\": \"%s\"}\n", server::kVersion,
                  server::BuildCommit());
    } else {
      std::printf("engram %s (%s)\n", server::kVersion, server::BuildCommit());
    }
    return 0;
  });
}

}  // namespace engram::cli
