#include <CLI/CLI.hpp>
#include <signal.h>

#include "engram/cli/command.h"
#include "engram/server/server.h"

extern char** environ;

namespace engram::cli {
namespace {

struct Flags {
  std::string config, name, data_dir, grpc, http, ops;
  std::vector<std::string> set;
  bool print_config = false, check_config = false;
};

Result<server::OptionsReader> Read(const Flags& flags) {
  server::OptionsReader reader;
  if (!flags.config.empty()) RETURN_IF_ERROR(reader.ReadFile(flags.config));
  RETURN_IF_ERROR(reader.ReadEnvironment(environ));
  const std::pair<const char*, const std::string*> named[] = {{"node.name", &flags.name},
                                                              {"node.data_dir", &flags.data_dir},
                                                              {"listen.grpc", &flags.grpc},
                                                              {"listen.http", &flags.http},
                                                              {"listen.ops", &flags.ops}};
  for (const auto& [key, value] : named) {
    if (!value->empty()) RETURN_IF_ERROR(reader.Set(key, *value, "flag"));
  }
  for (const std::string& text : flags.set) {
    ASSIGN_OR_RETURN(auto pair, SplitPair(text, "--set"));
    RETURN_IF_ERROR(reader.Set(pair.first, pair.second, "flag --set"));
  }
  return reader;
}

int PrintConfig(const server::OptionsReader& reader) {
  std::string section;
  for (const server::KeyValue& key : reader.Keys()) {
    if (key.section != section)
      std::printf("%s[%s]\n", section.empty() ? "" : "\n", key.section.c_str());
    section = key.section;
    std::printf("%s # %s\n", Pad(key.key + " = \"" + key.value + "\"", 34).c_str(),
                key.source.c_str());
  }
  return 0;
}

// SIGTERM and SIGINT are taken by this thread; the mask is inherited by all that are made later.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int Run(const Flags& flags) {
  Result<server::OptionsReader> reader = Read(flags);
  if (!reader.ok()) return PrintError(reader.status());
  Result<server::Options> options = reader->Finish();
  if (flags.print_config) return PrintConfig(*reader);
  if (!options.ok()) return PrintError(options.status());
  if (flags.check_config) {
    Note("the configuration is good");
    return 0;
  }
  const sigset_t signals = BlockSignals();
  Result<std::unique_ptr<server::Server>> server = server::Server::Start(*options);
  if (!server.ok()) return PrintError(server.status());
  Note((*server)->Banner());
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // a second one ends it at once
  const Status status = (*server)->Shutdown();
  return status.ok() ? 0 : PrintError(status);
}

}  // namespace

void AddServe(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("serve", "run a server");
  command->footer("Example:\n  engram serve --data-dir ./data --grpc 127.0.0.1:50051");
  command->add_option("--config", flags->config, "TOML file")->check(CLI::ExistingFile);
  command->add_option("--name", flags->name, "name of this node");
  command->add_option("--data-dir", flags->data_dir, "where everything is kept");
  command->add_option("--grpc", flags->grpc, "address for gRPC clients; port 0 takes a free one");
  command->add_option("--http", flags->http, "address for HTTP clients");
  command->add_option("--ops", flags->ops, "address for health and metrics");
  command->add_option("--set", flags->set, "any other key: SECTION.KEY=VALUE; may be repeated");
  command->add_flag("--print-config", flags->print_config,
                    "every key, its value and where it comes from");
  command->add_flag("--check-config", flags->check_config, "say what is wrong, and exit");
  command->add_flag("--quiet,-q", context->quiet, "no banner");
  OnRun(command, context, [flags](Context&) { return Run(*flags); });
}

}  // namespace engram::cli
