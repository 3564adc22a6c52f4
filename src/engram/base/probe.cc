#include "engram/base/probe.h"

#include <array>
#include <atomic>

namespace engram {

namespace {

constexpr ProbeInfo kInfos[] = {
#define ENGRAM_PROBE(id, name, meaning) {name, meaning},
#include "engram/base/probes.def"
#undef ENGRAM_PROBE
};

std::array<std::atomic<uint64_t>, kProbes> visits;
std::function<void(Probe)> listener;

}  // namespace

const ProbeInfo& InfoOf(Probe probe) {
  return kInfos[static_cast<size_t>(probe)];
}

void Visit(Probe probe) {
  visits[static_cast<size_t>(probe)].fetch_add(1, std::memory_order_relaxed);
  if (listener) listener(probe);
}

uint64_t VisitsOf(Probe probe) {
  return visits[static_cast<size_t>(probe)].load(std::memory_order_relaxed);
}

void SetProbeListener(std::function<void(Probe)> to) {
  listener = std::move(to);
}

}  // namespace engram
