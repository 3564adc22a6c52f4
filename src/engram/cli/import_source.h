// What every importer gives: episodes, one after another, and an account of what it read.
#pragma once

#include <cstdint>
#include <functional>

#include "engram/base/status.h"
#include "engram/v1/memory.pb.h"

namespace engram::cli {

// Takes an episode; an error ends the reading and is passed on.
using EpisodeSink = std::function<Status(v1::Episode)>;

struct ImportCounts {
  uint64_t files = 0;
  uint64_t read = 0;     // episodes given to the sink
  uint64_t skipped = 0;  // stanzas, lines or files that could not be understood
  Status first_skipped;  // why, of the first of them
};

}  // namespace engram::cli
