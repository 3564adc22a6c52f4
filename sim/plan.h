// What one seed decides before a run begins: how many nodes, which spaces, which faults may strike
// and how hard. A value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engram/base/instant.h"
#include "engram/base/prng.h"
#include "engram/replication/mutant.h"
#include "engram/v1/options.pb.h"

namespace engram::sim {

enum class Trouble {
  kCut,
  kCutOneWay,
  kIsolate,
  kKill,
  kPowerCut,
  kPause,
  kWipe,
  kSkew,
  kFailWrite,
  kFailSync,
  kFillDisk,
  kFlipBit,
  kSlowDisk,
  kBadNetwork,
  kCrash,
  kLosePrimary,
};
inline constexpr int kTroubles = 16;
const char* Name(Trouble trouble);

struct SpacePlan {
  std::string name;
  v1::Durability durability = v1::DURABILITY_REPLICATED;
};

struct Plan {
  uint64_t seed = 1;
  size_t nodes = 2;
  std::vector<SpacePlan> spaces;
  std::vector<Trouble> troubles;  // that may strike in this run
  // Up to an hour of service with few calls and few, longer troubles, for what only time brings:
  // doubling waits, second troubles long after the first. Else seconds, full of both.
  bool quiet = false;
  Duration chaos{};    // how long they do
  Duration between{};  // two troubles, on average
  int lasting = 1;     // times longer does each go on
  size_t wipes = 0;    // at most
  size_t clients = 3;
  Duration think{};               // of a client between two calls, on average
  bool false_statements = false;  // the operator may say stopped of a node that runs
  bool forces = false;            // … and may force before everything is healed
  bool outside = false;           // an etcd keeps who leads, and has troubles of its own
  bool switchovers = false;       // … and hands spaces over now and then
  uint64_t switch_one_in = 6;     // looks of the operator
  Duration slow_flush{};
  Duration return_after_max = std::chrono::seconds(4);  // of a copy that was expelled again
  Duration poll_every = std::chrono::milliseconds(20);
  Duration heal_within = std::chrono::seconds(40);
  // Sizes that decide which paths are walked: small ones reach every bound within seconds.
  uint64_t segment_bytes = 16u << 10;
  uint64_t tail_bytes_max = 64u << 20;
  uint64_t window_bytes = 16u << 20;
  uint64_t batch_bytes = 1u << 20;
  uint64_t batch_entries = 100;
  uint64_t catch_up_above = 10'000;
  replication::Mutant mutant = replication::Mutant::kNone;
};

Plan MakePlan(uint64_t seed, size_t nodes, bool outside = false);

}  // namespace engram::sim
