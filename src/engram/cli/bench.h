// The benchmarks behind `engram bench`. Each starts what it needs in its own directory, measures
// the limit or peer in the same run, prints rows, and leaves nothing running.
#pragma once

#include <string>

#include "engram/base/status.h"

namespace engram::cli {

struct BenchOptions {
  std::string program;   // this binary
  std::string data_dir;  // emptied
  double seconds = 3;    // a figure
  uint64_t scale =
      100;  // per cent of the full sizes: 1,000,000 entries, 10,000 spaces, 100,000 vectors
};

// Group commit at 1, 8, 32, 64 producers against a bare write and fdatasync.
Status BenchWal(const BenchOptions& options);
// Unary calls at 1, 8, 32, 64 clients against an empty RPC; streamed, and in batches.
Status BenchRemember(const BenchOptions& options);
// Exact scan against memory bandwidth, and recall through the door.
Status BenchRecall(const BenchOptions& options);
// Rows into the catalog against bare SQLite; a look-up; rows read back at opening.
Status BenchIndex(const BenchOptions& options);
// kill -9 with 1,000,000 small entries, and the time until the server is ready again.
Status BenchRestart(const BenchOptions& options);
// What replication costs without a second node: compression of batches, the lag monitor. Part of
// BenchReplicate.
Status BenchWire(const BenchOptions& options);
// A pair: replicated writes against local ones, lag, catch-up, promotion by hand.
Status BenchReplicate(const BenchOptions& options);
// 10,000 spaces on disk: start and resident memory.
Status BenchSpaces(const BenchOptions& options);
// A pair with 1,000 spaces: writes to all of them, lag, memory, and what they cost at rest.
Status BenchSpread(const BenchOptions& options);
// Durable small writes of PostgreSQL 15 and Redis 7, alone and with a replica, beside ours. Those
// that are not installed are named and left out.
Status BenchPeers(const BenchOptions& options);

}  // namespace engram::cli
