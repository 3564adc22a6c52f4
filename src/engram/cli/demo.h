// The demo: the main job on real input, with the server killed in the middle, and an account of
// every acknowledged episode at the end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/cli/child.h"
#include "engram/cli/client.h"
#include "engram/cli/demo_ledger.h"
#include "engram/cli/demo_report.h"
#include "engram/cli/importer.h"

namespace engram::cli {

struct DemoOptions {
  std::string program;                   // this binary
  std::string directory = "build/demo";  // emptied first; data/ and server.log are in it
  std::string repository = ".";
  std::string docs = "/usr/share/doc";
  uint64_t limit = 0;  // changelog entries; 0 = all
  bool stop = false;   // stop the server at the end
};

class Demo {
 public:
  explicit Demo(DemoOptions options) : options_(std::move(options)) {}
  // 0, or 6 when something acknowledged is not found as it was sent.
  Result<int> Run();

 private:
  using Sink = std::function<Status(v1::Episode)>;
  using Source = std::function<Status(const Sink&)>;

  Status Prepare();
  Status StartServer();
  Status MakeSpace(const std::string& id);
  Status Import();
  Status ImportInto(const std::string& space, const std::string& unit, const Source& source,
                    uint64_t* stored);
  Source Changelogs(const std::string& id_prefix);
  Source Commits(const std::string& id_prefix);
  Status RecallAll();
  Status RecallOne(const std::string& label, v1::RecallRequest request);
  Status KillDuringImport();
  Status Restart();
  Status Compare();
  Status RecallAgain();
  Status Verify();
  Result<int> Finish();

  DemoOptions options_;
  DemoReport report_;
  Addresses addresses_;
  std::optional<ServerProcess> server_;
  std::unique_ptr<Client> client_;
  Ledger ledger_;
  Account account_;
  std::string main_space_ = "changelogs";
  uint64_t changelogs_ = 0;
  std::vector<std::string> lists_;  // the ids of each recall, in order
  std::string best_id_;
  bool show_results_ = true;
  int damaged_ = 0;
};

}  // namespace engram::cli
