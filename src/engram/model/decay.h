// Activation: how ready a memory is, 0 … 1 (docs/recall.md). The base level of ACT-R in Petrov's
// approximation (2006) with one kept use. Pure.
#pragma once

#include <cstdint>

#include "engram/model/time.h"
#include "engram/v1/memory.pb.h"

namespace engram::model {

enum class Decay { kPower, kExponential, kNone };

struct UseHistory {
  UtcTime first_use;  // event or storing, whichever is earlier
  UtcTime last_use;
  uint64_t uses = 1;
};

// `decay_rate` multiplies the times; 0 never fades. Times below one minute count as one minute.
float Activation(Decay decay, const UseHistory& history, float decay_rate, UtcTime now);
// Working 3, episodic 1, semantic 0.5, procedural 0.3, unless the episode says its own.
float DecayRateOf(const engram::v1::Episode& episode);

}  // namespace engram::model
