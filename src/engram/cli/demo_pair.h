// The demo on two nodes: import with replication, recall on both, kill -9 of the primary in the
// middle of an import, promotion of the replica, an account of every acknowledged episode, and the
// old primary's return.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engram/cli/demo_input.h"
#include "engram/cli/demo_ledger.h"
#include "engram/cli/demo_questions.h"
#include "engram/cli/demo_report.h"
#include "engram/cli/pair_servers.h"

namespace engram::cli {

class PairDemo {
 public:
  explicit PairDemo(DemoOptions options) : options_(options), input_(std::move(options)) {}
  // 0, or 6 when something acknowledged is not found as it was sent.
  Result<int> Run();

 private:
  Status Prepare();
  Status Import();
  Status Recall();
  Status KillDuringImport();
  Status Promote();
  Status PromoteAll(bool dry_run, std::string* result);
  Status Compare();
  Status WriteOn();
  Status BringBack();
  Status Verify();
  Result<int> Finish();

  const DemoOptions options_;
  const DemoInput input_;
  DemoReport report_{"a pair"};
  std::unique_ptr<PairServers> pair_;
  std::optional<DemoQuestions> questions_;
  Ledger replicated_, local_;
  Account found_replicated_, found_local_;
  std::string main_space_ = "changelogs";
  uint64_t changelogs_ = 0;
  int wrong_ = 0;
};

}  // namespace engram::cli
