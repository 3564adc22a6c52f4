// Reigns: every start of a primary begins an epoch, at its first write. On one node epochs are
// counted 1, 2, 3 …; the EpochStart entry says who is primary and where the epoch forks off.
#pragma once

#include "engram/space/core.h"

namespace engram::space {

// The EpochStart payload of `epoch` for a log that ends at `fork`.
std::string EpochStartPayload(const SpaceEnvironment& environment, Epoch epoch, Position fork);

// Begins the epoch after the newest in the log; blocks until that is durable. Under the writer's
// lock, with nothing in flight. Returns the entry, which the log holds and nobody has applied yet.
Result<TailEntryPtr> BeginNextEpoch(Core& core);

}  // namespace engram::space
