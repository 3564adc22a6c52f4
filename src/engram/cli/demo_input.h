// What the demo imports: the changelogs of this machine's packages, and the history of a git
// repository. Read anew each time, under ids of their own when a prefix is given, so that a second
// import is new to the server. Used by one thread at a time.
#pragma once

#include <functional>
#include <string>

#include "engram/cli/client.h"
#include "engram/cli/demo_ledger.h"

namespace engram::cli {

struct DemoOptions {
  std::string program;                   // this binary
  std::string directory = "build/demo";  // emptied first; data and logs are in it
  std::string repository = ".";
  std::string docs = "/usr/share/doc";
  uint64_t limit = 0;                 // changelog entries; 0 = all
  bool stop = false;                  // stop the servers at the end
  bool one_node = true, pair = true;  // which parts are shown
};

class DemoInput {
 public:
  using Sink = std::function<Status(v1::Episode)>;
  using Source = std::function<Status(const Sink&)>;

  explicit DemoInput(DemoOptions options) : options_(std::move(options)) {}

  bool has_changelogs() const;
  Source Changelogs(const std::string& id_prefix) const;
  Source Commits(const std::string& id_prefix) const;
  // Imports with a progress bar; what was acknowledged goes into the ledger.
  static Status ImportInto(Client& client, const std::string& space, const std::string& unit,
                           const Source& source, Ledger* ledger, uint64_t* stored);

 private:
  const DemoOptions options_;
};

}  // namespace engram::cli
