// A state of the explored cluster (walk_explore.h), what may happen in it, and what must hold.
// For tests; one thread.
#pragma once

#include "engram/cluster/walk_explore.h"

namespace engram::cluster::walk {

constexpr size_t kExploredNodes = 3;  // at most

struct State {
  std::array<uint32_t, kExploredNodes> place = {};
  uint8_t ticks = 0, appends = 0, stands = 0, crashes = 0;
  std::vector<uint32_t> packets;  // under way, by link; of one link in the order of their sending

  // As words that are equal when the states are.
  void AppendTo(std::vector<uint32_t>* words) const;
  static State From(const uint32_t* words, size_t count);
};

struct Action {
  Input::Kind kind;
  uint8_t node = 0;     // of a tick: none
  uint32_t packet = 0;  // place in State::packets, of what arrives
};

class Cluster {
 public:
  explicit Cluster(const Bounds& bounds, bool trace = false);

  // Everybody settled, nothing under way but what the others are told first.
  State Begin();
  void List(const State& state, std::vector<Action>* actions) const;
  void Do(const Action& action, State* state);
  // Why this state must not be; empty when it may.
  std::string Check(const State& state) const;
  // What happens, and what came of it: lines.
  std::vector<std::string> Describe(const Action& action, const State& before, const State& after);
  size_t places() const { return histories_.places(); }

 private:
  void Feed(size_t n, Input input, State* state);
  void Connect(size_t a, size_t b, State* state);
  void Forget(State* state, size_t from, size_t to);
  const Place& At(const State& state, size_t n) const { return histories_.at(state.place[n]); }
  uint32_t Link(uint32_t packet) const;
  std::string CheckLogs(const State& state) const;
  std::string CheckReign(const State& state, const Reign& reign, bool stated) const;
  size_t count() const { return bounds_.nodes; }

  const Bounds bounds_;
  Histories histories_;
  size_t ticks_max_ = 0;
};

}  // namespace engram::cluster::walk
