// The demo on one node: the main job on real input, with the server killed in the middle, and an
// account of every acknowledged episode at the end. demo_pair.h is the same with two nodes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engram/cli/child.h"
#include "engram/cli/client.h"
#include "engram/cli/demo_input.h"
#include "engram/cli/demo_ledger.h"
#include "engram/cli/demo_questions.h"
#include "engram/cli/demo_report.h"

namespace engram::cli {

class Demo {
 public:
  explicit Demo(DemoOptions options) : options_(options), input_(std::move(options)) {}
  // 0, or 6 when something acknowledged is not found as it was sent.
  Result<int> Run();

 private:
  Status Prepare();
  Status StartServer();
  Status MakeSpace(const std::string& id);
  Status Import();
  Status KillDuringImport();
  Status Restart();
  Status Compare();
  Status Recall();
  Status RecallAgain();
  Status Verify();
  Result<int> Finish();

  const DemoOptions options_;
  const DemoInput input_;
  DemoReport report_{"one node"};
  Addresses addresses_;
  std::optional<ServerProcess> server_;
  std::unique_ptr<Client> client_;
  std::optional<DemoQuestions> questions_;
  Ledger ledger_;
  Account account_;
  std::string main_space_ = "changelogs";
  uint64_t changelogs_ = 0;
  int damaged_ = 0;
};

}  // namespace engram::cli
