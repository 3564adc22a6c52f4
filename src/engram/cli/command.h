// What the commands share: global options, the client, and how a result becomes output and an exit
// code. Each command is one file that adds itself to the parser; engram_main.cc runs the chosen
// one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/cli/client.h"
#include "engram/cli/output.h"
#include "engram/v1/service.pb.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace engram::cli {

struct Context {
  std::string servers = "127.0.0.1:50051";
  std::string space;  // "" = default
  std::string timeout = "10s";
  bool json = false;
  bool quiet = false;
  std::string program;  // path of this binary
  int exit_code = 0;
  std::unique_ptr<Client> client_;

  // Made at first use, from the options above.
  Client& client();
};

// --server, --space, --timeout, --json, --quiet with their environment variables.
void AddClientOptions(CLI::App* command, Context* context);
// Runs `action` when the command was chosen; its value is the exit code.
void OnRun(CLI::App* command, Context* context, std::function<int(Context&)> action);

// The JSON of a reply, as the HTTP door prints it, on stdout.
void PrintJson(const google::protobuf::Message& message);
// A fresh idempotency key.
std::string MakeKey();

// Filter flags of recall, list and forget.
struct FilterFlags {
  std::vector<std::string> who, where, tags, not_tags, sessions, sources, meta, ids;
  std::string since, until;
  float min_confidence = -1;
  bool include_suppressed = false;
};
void AddFilterOptions(CLI::App* command, FilterFlags* flags);
Result<v1::Filter> ToFilter(const FilterFlags& flags);
// How fresh a read is to be: --at-least, --max-staleness.
struct ReadFlags {
  std::string at_least, max_staleness;
};
void AddReadOptions(CLI::App* command, ReadFlags* flags);
void FillRead(const ReadFlags& flags, v1::ReadOptions* read);
Result<std::pair<std::string, std::string>> SplitPair(const std::string& text, const char* option);

// "14 Mar 2026", and the line of place, people, tags and session under a memory.
std::string WhenText(const v1::EventTime& time);
std::string DetailText(const v1::Memory& memory);

// One function a command; engram_main.cc calls them in the order of the help.
void AddServe(CLI::App* app, Context* context);
void AddReplicas(CLI::App* app, Context* context);
void AddPromote(CLI::App* app, Context* context);
void AddSwitchover(CLI::App* app, Context* context);
void AddCluster(CLI::App* app, Context* context);
void AddQuarantine(CLI::App* app, Context* context);
void AddHealth(CLI::App* app, Context* context);
void AddStatus(CLI::App* app, Context* context);
void AddRemember(CLI::App* app, Context* context);
void AddRecall(CLI::App* app, Context* context);
void AddReminisce(CLI::App* app, Context* context);
void AddGet(CLI::App* app, Context* context);
void AddList(CLI::App* app, Context* context);
void AddWatch(CLI::App* app, Context* context);
void AddForget(CLI::App* app, Context* context);
void AddRestore(CLI::App* app, Context* context);
void AddSpace(CLI::App* app, Context* context);
void AddImport(CLI::App* app, Context* context);
void AddExport(CLI::App* app, Context* context);
void AddWal(CLI::App* app, Context* context);
void AddIndex(CLI::App* app, Context* context);
void AddBench(CLI::App* app, Context* context);
void AddDemo(CLI::App* app, Context* context);
void AddSim(CLI::App* app, Context* context);
void AddVersion(CLI::App* app, Context* context);
void AddDocs(CLI::App* app, Context* context);

}  // namespace engram::cli
