// Probes: marks in the code on rare paths (probes.def), counted, so that a simulation can say which
// paths it walked and which it only believes in. In service a mark is one relaxed addition, and
// nobody reads it.
//
// Thread-safe, but for SetProbeListener: a simulation sets it before it starts, on its one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace engram {

enum class Probe : uint8_t {
#define ENGRAM_PROBE(id, name, meaning) id,
#include "engram/base/probes.def"
#undef ENGRAM_PROBE
};
inline constexpr size_t kProbes = 0
#define ENGRAM_PROBE(id, name, meaning) +1
#include "engram/base/probes.def"
#undef ENGRAM_PROBE
    ;

struct ProbeInfo {
  const char* name;
  const char* meaning;
};
const ProbeInfo& InfoOf(Probe probe);

// The path is walked.
void Visit(Probe probe);
uint64_t VisitsOf(Probe probe);
// Called at each visit, in the middle of what goes on there; null: nobody.
void SetProbeListener(std::function<void(Probe)> listener);

}  // namespace engram
