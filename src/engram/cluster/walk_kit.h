// A little cluster for random walks: two or three nodes with a disk each, the real Copy on top, and
// a network that loses, doubles, delays and reorders. Everything comes from one seed. The world
// carries out Effects as a runner does, in their order, and may die between any two of them. What
// is right and what is wrong is said by those who derive from it (walk_*_test.cc).
// For tests; one thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/prng.h"
#include "engram/cluster/copy.h"

namespace engram::cluster::walk {

// One entry. `chain` is a digest of everything through it: equal chains mean equal prefixes.
struct Item {
  Epoch epoch;
  uint64_t value = 0;
  uint32_t chain = 0;
  std::shared_ptr<const SpaceRecord> record;  // of an EpochStart
};
using Log = std::vector<Item>;

// Item at `sequence` (1 …).
inline const Item& At(const Log& log, uint64_t sequence) {
  return log[sequence - 1];
}
// True when the shorter of both is the beginning of the longer.
bool SamePrefix(const Log& a, const Log& b);
// True when `log` begins with all of `prefix`.
bool Holds(const Log& log, const Log& prefix);

// What a power cut leaves of a node.
struct Disk {
  Incarnation node;
  Incarnation space;  // zero: it has no copy
  Log log;
  size_t synced = 0;
  Epoch promised;
  Sequence commit_hint, replicated_hint;
  Log quarantine;
};

struct Node {
  Disk disk;
  bool alive = true;
  uint64_t process = 1;
  std::unique_ptr<Copy> copy;
  std::vector<uint64_t> sees;  // by place: the process that it is connected to, 0: none
  std::vector<bool> blocked;   // a replica that takes nothing now
  int fuse = -1;               // effects until it dies; -1: it does not
  StoreRequest asked;          // the last Stand
  Epoch led;                   // of the running process
  bool held = false;           // takes no write now
};

struct Packet {
  size_t from, to;
  replication::Message message;
};

struct WorldOptions {
  size_t nodes = 2;
  bool local_space = false;
  bool voters = true;  // of the first record: those of a static store
  replication::Mutant mutant = replication::Mutant::kNone;
  bool trace = false;
  size_t trace_lines = 50;
};

class World {
 public:
  World(WorldOptions options, uint64_t seed);
  virtual ~World() = default;

  const std::string& violation() const { return violation_; }
  const std::deque<std::string>& trace() const { return trace_; }

 protected:
  using What = decltype(Event::what);

  // ---- what a walk says ----
  virtual std::unique_ptr<Store> MakeStore(size_t n) = 0;
  virtual void OnBegin(size_t, const Begin&) {}  // before the record is appended
  virtual void OnCommit(size_t, const CommitMove&) {}
  virtual void OnCut(size_t, const Rewind&) {}  // before anything is cut
  virtual void OnAlarm(size_t, const Alarm&) {}
  virtual void OnReport(size_t, const PromotionReport&) {}
  virtual void OnSwitched(size_t, const SwitchReport&) {}
  virtual void OnAppended(size_t) {}
  virtual void OnStoreCall(size_t, const StoreCall&) {}

  // ---- what happens ----
  void Step(size_t n, What what);
  void Append(size_t n);
  void Sync(size_t n);
  void Deliver();
  void DeliverAll(size_t most);
  void Notice(size_t n, size_t peer);  // connections come and go
  void Crash(size_t n);
  void Restart(size_t n);
  void Wipe(size_t n);
  void Stand(size_t n, StoreRequest request);
  void CutRandomly();
  void Advance(uint64_t most_ms);
  // A while in which everything works: messages arrive, disks sync, time goes by.
  void Calm(size_t rounds);
  // The first record of a new space, led by node n.
  void Create(size_t n);
  void CheckLogs();
  void Describe();

  // What the network does with a packet that gets there.
  void Arrive(const Packet& packet);

  Member MemberOf(size_t n) const;
  bool Leads(size_t n) const;
  bool Reachable(size_t from, size_t to) const;
  size_t count() const { return nodes_.size(); }
  bool Is(replication::Mutant mutant) const { return options_.mutant == mutant; }
  void Fail(const std::string& why);
  template <class... Parts>
  void Note(const Parts&... parts);
  Incarnation NewIncarnation();

  const WorldOptions options_;
  Prng prng_;
  Instant now_{1'000'000'000};
  std::vector<Node> nodes_;
  std::vector<Packet> bag_;
  std::vector<std::vector<bool>> cut_;  // [from][to]
  uint64_t values_ = 0, spaces_ = 0, lives_ = 0, requests_ = 0;
  bool calm_ = false;
  size_t heard_ = 0;                                 // whose message is being worked on
  std::vector<std::shared_ptr<const Log>> batches_;  // by the number that Entries carry

 private:
  void Start(size_t n);
  void StartSpace(size_t n, Incarnation space);
  void Carry(size_t n, Effects effects);
  bool Survives(size_t n);
  void DoRewind(size_t n, const Rewind& rewind);
  void DoBegin(size_t n, const Begin& begin);
  void DoAppend(size_t n, const replication::Entries& entries);
  void DoCompare(size_t n, const replication::Entries& entries);
  void DoShip(size_t n, const ShipOrder& order);
  void AnswerWithoutSpace(const Packet& packet);
  void Push(size_t n, Epoch epoch, uint64_t value, std::shared_ptr<const SpaceRecord> record);
  LogMoved Moved(size_t n, std::vector<SpaceRecord> records = {}) const;
  Position EndOf(size_t n) const;
  uint32_t ChainOf(size_t n) const;

  std::string violation_;
  std::deque<std::string> trace_;
  std::deque<std::pair<size_t, What>> after_;  // completions, in order
};

std::string Text(Epoch epoch);
std::string Text(const Members& members);
const char* NameOf(const replication::Body& body);

template <class... Parts>
void World::Note(const Parts&... parts) {
  if (!options_.trace) return;
  std::string line;
  const auto add = [&](const auto& part) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) {
      line += std::to_string(part);
    } else {
      line += part;
    }
    line += ' ';
  };
  (add(parts), ...);
  trace_.push_back(std::move(line));
  if (trace_.size() > options_.trace_lines) trace_.pop_front();
}

// Walks seeds [first, first + walks); the first that fails is walked again with a trace. Empty
// when none does. `Walk` is made of (WorldOptions, seed) and has Run().
template <class Walk, class Options>
std::string Explore(Options options, uint64_t first, uint64_t walks) {
  for (uint64_t seed = first; seed < first + walks; ++seed) {
    Walk walk(options, seed);
    walk.Run();
    if (walk.violation().empty()) continue;
    options.trace = true;
    Walk again(options, seed);
    again.Run();
    std::string text = "seed " + std::to_string(seed) + ": " + again.violation() + "\n";
    for (const std::string& line : again.trace()) text += "  " + line + "\n";
    return text;
  }
  return "";
}

// How often each violation shows, with the first seed of each.
template <class Walk, class Options>
std::string Census(Options options, uint64_t first, uint64_t walks) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> found;
  for (uint64_t seed = first; seed < first + walks; ++seed) {
    Walk walk(options, seed);
    walk.Run();
    if (!walk.violation().empty())
      ++found.try_emplace(walk.violation(), 0, seed).first->second.first;
  }
  std::string text;
  for (const auto& [why, count] : found) {
    text += std::to_string(count.first) + " of " + std::to_string(walks) + ", first seed " +
            std::to_string(count.second) + ": " + why + "\n";
  }
  return text;
}

}  // namespace engram::cluster::walk
