// Breadth first through all states: walk_explore.h.
#include <algorithm>

#include "engram/base/hash.h"
#include "engram/cluster/walk_explore.h"
#include "engram/cluster/walk_explore_state.h"

namespace engram::cluster::walk {

namespace {

// Digests of states that were seen. Two states with one digest would be taken for one: of ten
// million states, once in three hundred thousand explorations.
class Seen {
 public:
  // True when it is new.
  bool Add(uint64_t digest) {
    if (2 * size_ >= slots_.size()) Grow();
    if (!Put(digest == 0 ? 1 : digest)) return false;
    ++size_;
    return true;
  }

 private:
  bool Put(uint64_t digest) {
    size_t at = digest & (slots_.size() - 1);
    while (slots_[at] != 0 && slots_[at] != digest) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at] == digest) return false;
    slots_[at] = digest;
    return true;
  }
  void Grow() {
    std::vector<uint64_t> old(std::max<size_t>(1024, 2 * slots_.size()));
    old.swap(slots_);
    for (uint64_t digest : old) {
      if (digest != 0) Put(digest);
    }
  }

  std::vector<uint64_t> slots_;
  size_t size_ = 0;
};

// States of one depth, packed.
class Level {
 public:
  // Whether it is in, rather than known from before.
  bool Add(const State& state, Seen* seen) {
    const size_t from = words_.size();
    state.AppendTo(&words_);
    const ByteView bytes(reinterpret_cast<const char*>(words_.data() + from),
                         (words_.size() - from) * sizeof(uint32_t));
    if (!seen->Add(Hash64(bytes))) {
      words_.resize(from);
      return false;
    }
    ends_.push_back(words_.size());
    return true;
  }
  State at(size_t i) const {
    const size_t from = i == 0 ? 0 : ends_[i - 1];
    return State::From(words_.data() + from, ends_[i] - from);
  }
  size_t size() const { return ends_.size(); }

 private:
  std::vector<uint32_t> words_;
  std::vector<size_t> ends_;
};

class Explorer {
 public:
  explicit Explorer(const Bounds& bounds) : bounds_(bounds), cluster_(bounds) {}

  Explored Run() {
    Level level;
    const State first = cluster_.Begin();
    Enter(first, &level);
    Came(0, 0);
    Judge(first);
    while (level.size() > 0 && found_.violation.empty() && found_.states < bounds_.states) {
      Level next;
      const size_t gone_on_from = GoOn(level, &next);
      const size_t rest = level.size() - gone_on_from;
      found_.frontier = rest + next.size();
      if (rest == 0) ++found_.depth;
      if (bounds_.progress != nullptr) *bounds_.progress << Line() << std::flush;
      first_of_level_ += level.size();
      level = std::move(next);
    }
    found_.whole = level.size() == 0 && found_.violation.empty();
    found_.places = cluster_.places();
    if (!found_.violation.empty()) Retell();
    return std::move(found_);
  }

 private:
  // Everything that may happen in one step from there. How many of them were gone on from: all,
  // unless the bound was reached.
  size_t GoOn(const Level& level, Level* next) {
    std::vector<Action> actions;
    for (size_t i = 0; i < level.size(); ++i) {
      if (found_.states >= bounds_.states) return i;
      const State state = level.at(i);
      cluster_.List(state, &actions);
      for (size_t a = 0; a < actions.size(); ++a) {
        State after = state;
        cluster_.Do(actions[a], &after);
        ++found_.steps;
        if (!Enter(after, next)) continue;
        Came(first_of_level_ + i, a);
        Judge(after);
        if (!found_.violation.empty()) return i;
      }
    }
    return level.size();
  }

  bool Enter(const State& state, Level* level) {
    if (!level->Add(state, &seen_)) return false;
    ++found_.states;
    return true;
  }
  void Came(size_t from, size_t action) {
    from_.push_back(static_cast<uint32_t>(from));
    by_.push_back(static_cast<uint8_t>(action));
  }
  void Judge(const State& state) { found_.violation = cluster_.Check(state); }

  std::string Line() const {
    return "depth " + std::to_string(found_.depth) + ": " + std::to_string(found_.states) +
           " states, " + std::to_string(found_.steps) + " steps, " +
           std::to_string(cluster_.places()) + " places, frontier " +
           std::to_string(found_.frontier) + "\n";
  }

  // The way to the last state, played again with words.
  void Retell() {
    std::vector<uint8_t> way;
    for (size_t at = from_.size() - 1; at != 0; at = from_[at]) way.push_back(by_[at]);
    Cluster again(bounds_, /*trace=*/true);
    State state = again.Begin();
    std::vector<Action> actions;
    for (auto by = way.rbegin(); by != way.rend(); ++by) {
      again.List(state, &actions);
      const State before = state;
      again.Do(actions[*by], &state);
      for (std::string& line : again.Describe(actions[*by], before, state)) {
        found_.way.push_back(std::move(line));
      }
    }
    found_.depth = way.size();
  }

  const Bounds bounds_;
  Cluster cluster_;
  Seen seen_;
  std::vector<uint32_t> from_;  // by state, in the order of their finding
  std::vector<uint8_t> by_;
  size_t first_of_level_ = 0;
  Explored found_;
};

}  // namespace

std::string Explored::Text() const {
  std::string text = std::to_string(states) + " states, " + std::to_string(steps) + " steps, " +
                     std::to_string(places) + " histories of single nodes; ";
  if (!violation.empty()) {
    text += "after " + std::to_string(depth) + " steps: " + violation + "\n";
    for (const std::string& line : way) text += "  " + line + "\n";
    return text;
  }
  if (whole) return text + "nothing else within the bounds, " + std::to_string(depth) + " steps\n";
  return text + "every way of " + std::to_string(depth) + " steps, " + std::to_string(frontier) +
         " states not gone on from\n";
}

Explored ExploreAll(const Bounds& bounds) {
  return Explorer(bounds).Run();
}

}  // namespace engram::cluster::walk
