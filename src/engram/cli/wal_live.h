// wal verify of a server that runs: its log is read there, part by part, and what is damaged is
// waited for, since the server mends it by itself where another copy can help.
#pragma once

#include <string>

#include "engram/cli/command.h"

namespace engram::cli {

struct LiveVerify {
  std::string server;  // host:port of the node whose logs are read
  std::string space;   // "" = all of that node
  std::string wait;    // for what is damaged, until it is mended: a duration
};

// Exit code: 0 when every log is good, or was mended meanwhile; 6 when one is not.
int VerifyLive(Context& context, const LiveVerify& what);

}  // namespace engram::cli
