// engram_unfenced RULE serve --config FILE: the server that `engram serve` runs, with one rule of
// the protocol broken, so that history_cycles.py is seen to notice. For tests: it is not installed,
// and the program itself has no switch for this.
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include <signal.h>

#include "engram/server/server.h"

namespace engram::server {
namespace {

// Named as in `engram sim --mutant`. With `none` it is the server as it is.
std::optional<replication::Mutant> RuleNamed(std::string_view name) {
  using replication::Mutant;
  if (name == "reply-before-commit") return Mutant::kReplyBeforeCommit;
  if (name == "accept-lower-epoch") return Mutant::kAcceptLowerEpoch;
  if (name == "none") return Mutant::kNone;
  return std::nullopt;
}

Result<std::unique_ptr<Server>> StartBroken(const char* file, replication::Mutant rule) {
  OptionsReader reader;
  RETURN_IF_ERROR(reader.ReadFile(file));
  ASSIGN_OR_RETURN(const Options options, reader.Finish());
  return Server::Start(options, [rule](runtime::NodeOptions* node) {
    if (node->replication.has_value()) node->replication->mutant = rule;
  });
}

int Main(int argc, char** argv) {
  if (argc != 5 || std::strcmp(argv[2], "serve") != 0 || std::strcmp(argv[3], "--config") != 0) {
    std::fprintf(stderr, "usage: engram_unfenced RULE serve --config FILE\n");
    return 2;
  }
  const std::optional<replication::Mutant> rule = RuleNamed(argv[1]);
  if (!rule.has_value()) {
    std::fprintf(stderr, "no rule '%s'\n", argv[1]);
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const Result<std::unique_ptr<Server>> server = StartBroken(argv[4], *rule);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return 1;
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  return (*server)->Shutdown().ok() ? 0 : 1;
}

}  // namespace
}  // namespace engram::server

int main(int argc, char** argv) {
  return engram::server::Main(argc, argv);
}
