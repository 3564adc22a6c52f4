// The demo's recalls: by words, by people and time, by embedding, and one that has no answer. They
// are asked several times, of several nodes, and the lists must be equal. One thread.
#pragma once

#include <string>
#include <vector>

#include "engram/cli/client.h"
#include "engram/cli/demo_report.h"

namespace engram::cli {

class DemoQuestions {
 public:
  DemoQuestions(DemoReport& report, std::string space)
      : report_(report), space_(std::move(space)) {}

  // Asks all, a row each, and keeps the lists. `label` names the rows.
  Status Ask(Client& client, const std::string& label);
  // Asks all again: one row that says whether the lists are those kept; false when not.
  // `at_least`: a token that the answers must hold.
  Result<bool> AskAgain(Client& client, const std::string& label, const std::string& at_least);

 private:
  Status AskOne(Client& client, const std::string& what, v1::RecallRequest request);
  Status AskAll(Client& client);

  DemoReport& report_;
  const std::string space_;
  std::string label_;  // "" : no rows
  std::string at_least_;
  std::vector<std::string> lists_;  // the ids of each recall, in order
  std::string best_id_;
};

}  // namespace engram::cli
