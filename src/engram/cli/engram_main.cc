// engram: one binary, a server and the command that talks to it.
#include <CLI/CLI.hpp>

#include "engram/cli/command.h"

namespace engram::cli {
namespace {

// Wrong use is exit 2, as docs say; help and version are 0.
int UsageExit(const CLI::App& app, const CLI::ParseError& error) {
  const int code = app.exit(error);
  return code == 0 ? 0 : 2;
}

int Main(int argc, char** argv) {
  CLI::App app("engram: a durable, replicated store of episodic memories");
  app.name("engram");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  app.get_formatter()->column_width(34);
  Context context;
  context.program = argv[0];
  for (auto add :
       {AddServe,  AddStatus,   AddReplicas, AddPromote,   AddSwitchover, AddCluster, AddQuarantine,
        AddHealth, AddRemember, AddRecall,   AddReminisce, AddGet,        AddList,    AddWatch,
        AddForget, AddRestore,  AddSpace,    AddImport,    AddExport,     AddWal,     AddIndex,
        AddBench,  AddDemo,     AddSim,      AddVersion,   AddDocs}) {
    add(&app, &context);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return UsageExit(app, error);
  }
  return context.exit_code;
}

}  // namespace
}  // namespace engram::cli

int main(int argc, char** argv) {
  return engram::cli::Main(argc, argv);
}
