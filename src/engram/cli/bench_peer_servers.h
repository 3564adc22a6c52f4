// PostgreSQL 15 and Redis 7 as Debian packages them, each with a replica: started in a directory of
// the benchmark, driven by their own pgbench, redis-benchmark and redis-cli, whose output is read.
// Stopped at the end. One thread.
#pragma once

#include <optional>
#include <string>

#include "engram/base/status.h"

namespace engram::cli {

struct PeerFigure {
  double per_second = 0;
  double p50_us = 0, p99_us = 0;  // 0: not told
};

class PostgresPair {
 public:
  // Which program is missing; "" when all are there.
  static std::string Missing();
  // One server, with fsync.
  static Result<PostgresPair> Start(const std::string& directory);
  // A hot standby beside it, synchronous.
  Status StartReplica();
  PostgresPair(PostgresPair&& other) noexcept;
  ~PostgresPair();

  // One row in each transaction. `level`: of synchronous_commit.
  Result<PeerFigure> Write(const std::string& level, int clients, double seconds) const;

 private:
  explicit PostgresPair(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;  // "" when moved away
  std::string primary_;    // port
};

class RedisPair {
 public:
  static std::string Missing();
  // One server, with appendonly and appendfsync always.
  static Result<RedisPair> Start(const std::string& directory);
  // A replica beside it, with the same.
  Status StartReplica();
  RedisPair(RedisPair&& other) noexcept;
  ~RedisPair();

  Result<PeerFigure> Write(int clients, double seconds) const;
  // Each SET is followed by WAIT 1 on the same connection: a client goes on when the replica has it
  // in memory, which is all that Redis 7.0 can tell.
  Result<PeerFigure> WriteAndWait(int clients, double seconds) const;

 private:
  explicit RedisPair(std::string directory) : directory_(std::move(directory)) {}
  // Its port.
  Result<std::string> StartOne(const std::string& name, const std::string& more) const;

  std::string directory_;
  std::string primary_, replica_;
};

}  // namespace engram::cli
