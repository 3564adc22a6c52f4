// States and steps of the explorer: walk_explore_state.h.
#include "engram/cluster/walk_explore_state.h"

#include <algorithm>

#include "engram/base/check.h"

namespace engram::cluster::walk {

namespace {

using Kind = Input::Kind;

constexpr size_t kAny = SIZE_MAX;

WorldOptions OptionsOf(const Bounds& bounds, bool trace) {
  WorldOptions options;
  options.nodes = bounds.nodes;
  options.mutant = bounds.mutant;
  options.trace = trace;
  return options;
}

// Whether the first `a_size` of one and the first `b_size` of the other are of one history.
bool Agree(const Log& a, size_t a_size, const Log& b, size_t b_size) {
  const size_t both = std::min(a_size, b_size);
  return both == 0 || At(a, both).chain == At(b, both).chain;
}

std::string Name(size_t n) {
  return "n" + std::to_string(n + 1);
}

}  // namespace

void State::AppendTo(std::vector<uint32_t>* words) const {
  words->insert(words->end(), place.begin(), place.end());
  words->push_back(uint32_t{ticks} | uint32_t{appends} << 8 | uint32_t{stands} << 16 |
                   uint32_t{crashes} << 24);
  words->insert(words->end(), packets.begin(), packets.end());
}

State State::From(const uint32_t* words, size_t count) {
  State state;
  std::copy_n(words, kExploredNodes, state.place.begin());
  const uint32_t spent = words[kExploredNodes];
  state.ticks = static_cast<uint8_t>(spent);
  state.appends = static_cast<uint8_t>(spent >> 8);
  state.stands = static_cast<uint8_t>(spent >> 16);
  state.crashes = static_cast<uint8_t>(spent >> 24);
  state.packets.assign(words + kExploredNodes + 1, words + count);
  return state;
}

Cluster::Cluster(const Bounds& bounds, bool trace)
    : bounds_(bounds), histories_(OptionsOf(bounds, trace)) {
  ENGRAM_CHECK(bounds.nodes >= 2 && bounds.nodes <= kExploredNodes);
  ENGRAM_CHECK(bounds.settled >= 1 && bounds.settled <= bounds.nodes);
}

uint32_t Cluster::Link(uint32_t packet) const {
  const Packet& p = histories_.packet(packet);
  return static_cast<uint32_t>(p.from * kExploredNodes + p.to);
}

// What it says is under way then.
void Cluster::Feed(size_t n, Input input, State* state) {
  input.ticks = state->ticks;
  state->place[n] = histories_.After(state->place[n], input);
  for (uint32_t packet : At(*state, n).sent) {
    const auto behind =
        std::upper_bound(state->packets.begin(), state->packets.end(), Link(packet),
                         [&](uint32_t link, uint32_t other) { return link < Link(other); });
    state->packets.insert(behind, packet);
  }
}

void Cluster::Connect(size_t a, size_t b, State* state) {
  const uint8_t life_a = At(*state, a).life, life_b = At(*state, b).life;
  Feed(a, {.kind = Kind::kUp, .peer = static_cast<uint8_t>(b), .number = life_b}, state);
  Feed(b, {.kind = Kind::kUp, .peer = static_cast<uint8_t>(a), .number = life_a}, state);
}

// What a connection carried went with it.
void Cluster::Forget(State* state, size_t from, size_t to) {
  if (!bounds_.ordered) return;
  std::erase_if(state->packets, [&](uint32_t packet) {
    const Packet& p = histories_.packet(packet);
    return (from == kAny || p.from == from) && (to == kAny || p.to == to);
  });
}

State Cluster::Begin() {
  State state;
  for (size_t n = 0; n < count(); ++n) state.place[n] = histories_.First(n);
  Feed(0, {.kind = Kind::kCreate}, &state);
  for (size_t n = 1; n < bounds_.settled; ++n) Connect(0, n, &state);
  for (size_t n = 2; n < bounds_.settled; ++n) Connect(1, n, &state);
  for (bool moved = true; moved;) {
    moved = false;
    while (!state.packets.empty()) Do({.kind = Kind::kDeliver}, &state);
    for (uint8_t n = 0; n < count(); ++n) {
      if (!At(state, n).unsynced) continue;
      Do({.kind = Kind::kSync, .node = n}, &state);
      moved = true;
    }
  }
  if (!Check(state).empty()) return state;
  ENGRAM_CHECK(At(state, 0).in_sync == bounds_.settled);
  for (size_t n = bounds_.settled; n < count(); ++n) {
    for (size_t peer = 0; peer < n; ++peer) Connect(peer, n, &state);
  }
  return state;
}

void Cluster::List(const State& state, std::vector<Action>* actions) const {
  actions->clear();
  uint32_t link = UINT32_MAX;
  for (uint32_t i = 0; i < state.packets.size(); ++i) {
    const bool first = Link(state.packets[i]) != link;
    link = Link(state.packets[i]);
    const auto to = static_cast<uint8_t>(histories_.packet(state.packets[i]).to);
    if ((first || !bounds_.ordered) && At(state, to).alive) {
      actions->push_back({Kind::kDeliver, to, i});
    }
  }
  for (uint8_t n = 0; n < count(); ++n) {
    const Place& place = At(state, n);
    if (!place.alive) {
      actions->push_back({Kind::kRestart, n});
      continue;
    }
    if (place.unsynced) actions->push_back({Kind::kSync, n});
    if (place.leads && state.appends < bounds_.appends) actions->push_back({Kind::kAppend, n});
    if (place.has_copy && state.stands < bounds_.stands) actions->push_back({Kind::kStand, n});
    if (state.crashes < bounds_.crashes) actions->push_back({Kind::kCrash, n});
  }
  if (state.ticks < bounds_.ticks) actions->push_back({Kind::kTick});
}

void Cluster::Do(const Action& action, State* state) {
  const size_t n = action.node;
  Input input{.kind = action.kind};
  switch (action.kind) {
    case Kind::kDeliver:
      input.number = state->packets[action.packet];
      state->packets.erase(state->packets.begin() + action.packet);
      return Feed(histories_.packet(input.number).to, input, state);
    case Kind::kAppend:
      ++state->appends;
      break;
    case Kind::kStand:
      ++state->stands;
      input.number = count() == 2 && !At(*state, 1 - n).alive ? 1 : 0;
      break;
    case Kind::kTick:
      ++state->ticks;
      for (size_t i = 0; i < count(); ++i) {
        if (At(*state, i).has_copy) Feed(i, input, state);
      }
      return;
    case Kind::kCrash:
      ++state->crashes;
      Forget(state, kAny, n);
      break;
    case Kind::kRestart:
      Forget(state, n, kAny);
      break;
    default:
      break;
  }
  Feed(n, input, state);
  if (action.kind != Kind::kCrash && action.kind != Kind::kRestart) return;
  for (size_t peer = 0; peer < count(); ++peer) {
    if (peer == n || !At(*state, peer).alive) continue;
    if (action.kind == Kind::kRestart) {
      Connect(n, peer, state);
    } else {
      Feed(peer, {.kind = Kind::kDown, .peer = static_cast<uint8_t>(n)}, state);
    }
  }
}

std::string Cluster::Check(const State& state) const {
  bool stated = false;
  for (size_t n = 0; n < count(); ++n) {
    if (!At(state, n).wrong.empty()) return Name(n) + ": " + At(state, n).wrong;
    for (const Reign& reign : *At(state, n).reigns) stated = stated || reign.stated;
  }
  for (size_t n = 0; n < count(); ++n) {
    const Place& place = At(state, n);
    if (!stated && !place.alarm.empty()) return Name(n) + ": " + place.alarm + ", nothing stated";
    for (const Reign& reign : *place.reigns) {
      if (std::string why = CheckReign(state, reign, stated); !why.empty()) {
        return Name(n) + " in epoch " + Text(reign.epoch) + ": " + why;
      }
    }
  }
  return CheckLogs(state);
}

std::string Cluster::CheckReign(const State& state, const Reign& reign, bool stated) const {
  const Log& commit = *reign.commit;
  const bool counts = !stated || reign.counted > 1;
  size_t holders = 0;
  for (size_t n = 0; n < count(); ++n) {
    const Place& place = At(state, n);
    holders += place.synced >= commit.size() && Holds(*place.log, commit) ? 1 : 0;
    if (counts && !stated && !Agree(*place.log, place.commit, commit, commit.size())) {
      return "committed beside what " + Name(n) + " has committed";
    }
    for (const Reign& other : *place.reigns) {
      if (&other != &reign && other.epoch == reign.epoch) return "it began twice";
      if (counts && other.epoch > reign.epoch && !Holds(*other.begins, commit)) {
        return Name(n) + " began " + Text(other.epoch) + " without what was committed";
      }
    }
  }
  if (counts && holders < reign.counted) return "committed, and not durable on all of the set";
  return "";
}

// Equal epoch at an equal place means an equal history up to there.
std::string Cluster::CheckLogs(const State& state) const {
  for (size_t a = 0; a < count(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const Log &x = *At(state, a).log, &y = *At(state, b).log;
      size_t i = std::min(x.size(), y.size());
      while (i > 0 && walk::At(x, i).epoch != walk::At(y, i).epoch) --i;
      if (!Agree(x, i, y, i)) return "the logs of " + Name(b) + " and " + Name(a) + " differ";
    }
  }
  return "";
}

std::vector<std::string> Cluster::Describe(const Action& action, const State& before,
                                           const State& after) {
  const std::string n = Name(action.node);
  std::vector<std::string> lines;
  switch (action.kind) {
    case Kind::kDeliver: {
      const Packet& packet = histories_.packet(before.packets[action.packet]);
      lines.push_back(Name(packet.from) + " -> " + Name(packet.to) + ": " +
                      NameOf(packet.message.body) + " " + Text(packet.message.stamp.epoch));
      break;
    }
    case Kind::kSync:
      lines.push_back(n + " syncs");
      break;
    case Kind::kAppend:
      lines.push_back(n + " appends");
      break;
    case Kind::kStand:
      lines.push_back("the operator has " + n + " stand");
      break;
    case Kind::kCrash:
      lines.push_back(n + " crashes");
      break;
    case Kind::kRestart:
      lines.push_back(n + " starts again");
      break;
    default:
      lines.push_back("600 ms go by");
  }
  for (size_t i = 0; i < count(); ++i) {
    if (after.place[i] == before.place[i]) continue;
    const Place& place = At(after, i);
    for (const std::string& word : place.words) lines.push_back("    " + word);
    lines.push_back("    " + Name(i) + " ends at " + std::to_string(place.log->size()) +
                    ", synced " + std::to_string(place.synced) + ", commit " +
                    std::to_string(place.commit) + (place.leads ? ", leads" : ""));
  }
  return lines;
}

}  // namespace engram::cluster::walk
