// docs: writes the references that are made from tables.
#include <fstream>

#include <CLI/CLI.hpp>

#include "engram/api/errors.h"
#include "engram/cli/command.h"
#include "engram/obs/metrics.h"
#include "engram/server/options.h"

namespace engram::cli {

void AddDocs(CLI::App* app, Context* context) {
  auto out = std::make_shared<std::string>("docs");
  CLI::App* command =
      app->add_subcommand("docs", "write docs/errors.md, metrics.md and configuration.md");
  command->group("");  // for those who work on engram: not in the help
  command->add_option("--out", *out, "directory")->capture_default_str();
  OnRun(command, context, [out](Context&) {
    std::ofstream(*out + "/errors.md") << api::ErrorsReference();
    std::ofstream(*out + "/metrics.md") << obs::MetricsReference();
    std::ofstream configuration(*out + "/configuration.md");
    configuration << server::ConfigurationReference();
    return configuration ? 0 : PrintError(Status(Reason::IO, *out + " cannot be written."));
  });
}

}  // namespace engram::cli
