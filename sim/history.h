// What clients asked and were told, with the times of the simulation: the history that the
// checkers judge. Filled by the workload. Not thread-safe.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "engram/base/instant.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/v1/options.pb.h"

namespace engram::sim {

// One entry that a write was told it made.
struct Written {
  Position at;
  uint64_t version = 0;
  std::string id;
  std::string text;  // stands in the entry and in no other
};

struct Operation {
  enum class Kind { kRemember, kUpdate, kDelete, kBatch };
  // kFailed: refused before anything was appended. kUnknown: it may have happened.
  enum class Outcome { kPending, kOk, kFailed, kUnknown };

  uint64_t id = 0;
  std::string space;
  Kind kind = Kind::kRemember;
  v1::Durability asked = v1::DURABILITY_UNSPECIFIED;
  std::string memory_id;  // "" = the node makes one
  std::string key;        // "" = none
  bool create_only = false;
  std::vector<std::string> texts;  // one an item

  Instant invoked, returned;
  Outcome outcome = Outcome::kPending;
  Reason reason{};
  bool any_unknown = false;  // of its attempts
  int attempts = 0;
  v1::Durability reached = v1::DURABILITY_UNSPECIFIED;
  v1::WriteOutcome wrote = v1::WRITE_OUTCOME_UNSPECIFIED;
  std::string token;
  std::vector<Written> written;
  size_t place = 0;        // that answered
  uint64_t disk_life = 0;  // of that node's disk

  bool ok() const { return outcome == Outcome::kOk; }
  bool replicated() const { return ok() && reached == v1::DURABILITY_REPLICATED; }
};

// A read of one id, as one copy showed it.
struct Reading {
  std::string space, id;
  size_t place = 0;
  Instant began;
  Position visible;
  bool found = false;
  Sequence content;
  uint64_t version = 0;
  std::string text;
  const Operation* token_of = nullptr;  // it had to show at least this
  bool write_lost = false;              // … and was told that it is gone
};

struct History {
  std::deque<Operation> operations;  // they never move
  std::deque<Reading> readings;
};

}  // namespace engram::sim
