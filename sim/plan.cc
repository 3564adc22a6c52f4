#include "sim/plan.h"

#include <iterator>

namespace engram::sim {

namespace {

using namespace std::chrono_literals;

constexpr const char* kNames[] = {"cut",       "cut-one-way", "isolate",   "kill",
                                  "power-cut", "pause",       "wipe",      "skew",
                                  "write",     "sync",        "full-disk", "bit-flip",
                                  "slow-disk", "bad-network", "crash",     "lose-primary"};
static_assert(std::size(kNames) == kTroubles);

Duration Between(Prng& prng, Duration least, Duration most) {
  return least +
         Duration(static_cast<int64_t>(prng.Below(static_cast<uint64_t>((most - least).count()))));
}

template <size_t N>
uint64_t OneOf(Prng& prng, const uint64_t (&values)[N]) {
  return values[prng.Below(N)];
}

size_t Nodes(Prng& prng) {
  const uint64_t dice = prng.Below(20);
  return dice < 11 ? 2 : dice < 18 ? 3 : 5;
}

// Mostly as in service, since faults of one kind hide others.
void DrawSizes(Prng& prng, Plan* plan) {
  plan->segment_bytes = OneOf(prng, {8u << 10, 16u << 10, 64u << 10});
  if (prng.OneIn(3)) plan->window_bytes = OneOf(prng, {2u << 10, 8u << 10, 64u << 10});
  if (prng.OneIn(3)) plan->batch_bytes = OneOf(prng, {1u << 10, 4u << 10, 64u << 10});
  if (prng.OneIn(3)) plan->batch_entries = OneOf(prng, {1, 3, 10});
  if (prng.OneIn(2)) plan->catch_up_above = OneOf(prng, {2, 20, 100});
  if (prng.OneIn(6)) plan->tail_bytes_max = OneOf(prng, {8u << 10, 32u << 10});
}

void MakeQuiet(Prng prng, Plan* plan) {
  plan->quiet = true;
  plan->chaos = Between(prng, 10min, 60min);
  plan->between = Between(prng, 5s, 60s);
  plan->lasting = 1 + static_cast<int>(prng.Below(20));
  plan->think = Between(prng, 2s, 12s);
  plan->switch_one_in = 400;
  plan->return_after_max = 60s;
  plan->poll_every = 500ms;
  plan->heal_within = 200s;
}

}  // namespace

const char* Name(Trouble trouble) {
  return kNames[static_cast<int>(trouble)];
}

Plan MakePlan(uint64_t seed, size_t nodes, bool outside) {
  Prng prng(seed * 0x9e3779b97f4a7c15 + 1);
  Plan plan;
  plan.seed = seed;
  plan.nodes = nodes != 0 ? nodes : Nodes(prng);
  const bool local_first = prng.OneIn(4);
  plan.spaces.push_back(
      {"default", local_first ? v1::DURABILITY_LOCAL : v1::DURABILITY_REPLICATED});
  if (!prng.OneIn(3)) {
    plan.spaces.push_back(
        {"other", prng.OneIn(2) ? v1::DURABILITY_LOCAL : v1::DURABILITY_REPLICATED});
  }
  // A few kinds at once show more than all of them.
  const uint64_t one_in = 1 + prng.Below(3);
  for (int i = 0; i < kTroubles; ++i) {
    if (prng.OneIn(one_in)) plan.troubles.push_back(static_cast<Trouble>(i));
  }
  plan.chaos = Between(prng, 3s, 9s);
  plan.between = Between(prng, 100ms, 1200ms);
  plan.wipes = prng.OneIn(8) ? 2 : 1;
  plan.clients = 2 + prng.Below(3);
  plan.think = Between(prng, 5ms, 60ms);
  plan.false_statements = prng.OneIn(6);
  plan.forces = prng.OneIn(10);
  plan.slow_flush = prng.OneIn(3) ? Between(prng, 1ms, 30ms) : Between(prng, 20us, 1ms);
  DrawSizes(prng, &plan);
  // Apart from the rest, so that what other seeds do does not change.
  plan.switchovers = Prng(seed * 0x9e3779b97f4a7c15 + 3).OneIn(3);
  if (Prng prng(seed * 0x9e3779b97f4a7c15 + 5); prng.OneIn(8)) MakeQuiet(prng, &plan);
  if (outside) {
    plan.outside = true;
    plan.false_statements = false;  // nobody states anything
    plan.wipes = plan.nodes > 2 ? 1 : 0;
  }
  return plan;
}

}  // namespace engram::sim
