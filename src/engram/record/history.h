// The epochs of one log: where each EpochStart stands. An epoch may have several (a later one of
// the same epoch changes its in-sync set); the first is where the epoch begins. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engram/base/types.h"

namespace engram::record {

// One EpochStart and its sequence.
struct EpochBegin {
  Epoch epoch;
  Sequence first;
  bool operator==(const EpochBegin&) const = default;
};

// In log order: sequences rise, epochs never fall.
using History = std::vector<EpochBegin>;

// Epoch of the entry at `sequence`; zero before the first epoch.
Epoch EpochAt(std::span<const EpochBegin> history, Sequence sequence);

// Last sequence of `epoch` in a log that ends at `end`; nullopt when the log has no such epoch.
std::optional<Sequence> LastOf(std::span<const EpochBegin> history, Epoch epoch, Sequence end);

// The greatest position that two logs share: the last entry, in both, of the newest epoch that both
// have. Sequence 0 when they share nothing. (Kafka KIP-101: epochs are compared, not ends.)
Position ForkOf(std::span<const EpochBegin> a, Sequence a_end, std::span<const EpochBegin> b,
                Sequence b_end);

}  // namespace engram::record
