// Random walks over Holes, floors, the catch-up verdict and mending: three nodes and a store
// outside that decides at once. What the verdict says, what becomes of the floors and which fetched
// range is taken is the code that serves (engram/replication); compaction is played here by the
// rules of docs/protocol.md. Every third seed is a `local` space: commit is the primary's own end,
// and a promotion loses what is behind the new primary's log. Checked after every step: each copy
// that may answer shows at its commit exactly what the whole log shows there; the chain joins; no
// member is told to begin anew; nothing is cut below a commit outside of a stated loss. At the end,
// healed, with a new connection after every batch: all reach the end, everything is compacted, and
// all show the same. For tests; one thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engram/base/prng.h"
#include "engram/replication/mend.h"
#include "engram/replication/verdict.h"

namespace engram::cluster::walk {

// Rules of compaction and promotion that this walk itself plays, broken one at a time.
enum class Break {
  kNone,
  kTombstoneBeforeOlder,    // a tombstone goes while an older entry of its id is left
  kPassBelowFloor,          // tombstones go in a pass that does not raise the floor
  kNewestInLog,             // newest is judged beyond what is on all of the set
  kLocalCompactsAtCommit,   // … up to commit in a `local` space
  kHoleSwallowsEpochStart,  // an EpochStart goes
  kReplicasNotCounted,      // tombstones go without waiting for replicas
  kLossFromLogEnd,          // a stated loss begins at the log end
  kReadWhileCatchingUp,     // a copy below its compaction floor answers
  kForcedSetKept,           // a forced promotion keeps the set
  kForceWhileCatchingUp,    // … takes a copy below its compaction floor
};

struct CompactionOptions {
  replication::Mutant mutant = replication::Mutant::kNone;
  Break broken = Break::kNone;
  size_t steps = 300;
  bool trace = false;
};

class CompactionWalk {
 public:
  CompactionWalk(CompactionOptions options, uint64_t seed);

  void Run();
  const std::string& violation() const { return violation_; }
  const std::deque<std::string>& trace() const { return trace_; }
  uint64_t restarts() const { return restarts_; }
  uint64_t passes() const { return passes_; }

 private:
  // Of an entry: its epoch and its place, which no two different entries share.
  using Crc = std::pair<uint64_t, uint64_t>;
  enum class Kind { kStart, kPut, kDelete, kHole };
  // One entry, or one that is gone: only the last of a Hole knows its CRC.
  struct Item {
    Kind kind = Kind::kHole;
    uint64_t epoch = 0;
    uint64_t id = 0, value = 0;
    std::optional<uint64_t> loss = {};  // of an EpochStart that states one
    Crc before = {};                    // of the entry before it
    std::optional<Crc> crc = {};
    bool written() const { return kind == Kind::kPut || kind == Kind::kDelete; }
  };
  using Log = std::vector<Item>;
  struct Node {
    uint64_t epoch = 0, role = 0;  // the epoch that it leads
    uint64_t commit = 0, replicated = 0, start = 0;
    Log log = {};
    replication::LogFloors floors = {};
  };
  using State = std::map<uint64_t, uint64_t>;

  // walk_compaction_test.cc
  void Act();
  void Heal();
  void HealRound(size_t n, std::optional<uint64_t>* goal);
  void Check();
  // walk_compaction_rules_test.cc
  void Append(size_t n, Item item);
  void Begin(size_t n, std::optional<uint64_t> loss);
  void Promote(size_t n, bool force);
  void Lose(size_t n);
  void Write(size_t n);
  void Ship(size_t n, size_t to);
  void Judge(size_t n, size_t to);
  bool TakeIn(size_t n, size_t to, const Log& batch);
  void Commit(size_t n);
  void Grow(size_t n, size_t to);
  void Compact(size_t n, uint64_t from, uint64_t through);
  bool RemoveOld(Log* log, uint64_t from, uint64_t through, uint64_t judged) const;
  uint64_t RemoveTombstones(Log* log, uint64_t from, uint64_t through) const;
  void Mend(size_t n, size_t from_node, uint64_t from, uint64_t through);
  bool MayTake(const Node& own, const Node& other, uint64_t from, uint64_t through) const;
  void Drop(Node* node);

  static record::History HistoryOf(const Log& log);
  static State StateOf(const Log& log, uint64_t through);
  static Crc CrcAt(const Log& log, uint64_t sequence);
  static bool InHole(const Log& log, uint64_t sequence);
  static void Tidy(Log* log);
  static uint64_t ForkOf(const Log& a, const Log& b);
  static bool Ready(const Node& node);
  Epoch EpochAt(const Log& log, uint64_t sequence) const;

  bool Is(replication::Mutant mutant) const { return options_.mutant == mutant; }
  bool Is(Break broken) const { return options_.broken == broken; }
  void Fail(const std::string& why);
  void Note(const std::string& what, std::vector<uint64_t> numbers);

  const CompactionOptions options_;
  Prng prng_;
  const bool local_;
  std::vector<Node> nodes_{3};
  // ---- the store outside ----
  uint64_t epoch_ = 1;
  size_t primary_ = 0;
  std::set<size_t> set_{0, 1, 2};

  Log truth_;                          // all that was committed and is not lost
  std::map<size_t, uint64_t> joined_;  // by copy: the epoch that it joined in
  std::vector<uint64_t> reported_{0, 0, 0};
  std::set<size_t> counted_{0, 1, 2}, cut_;
  uint64_t values_ = 0;
  bool forced_ = false;
  uint64_t restarts_ = 0, passes_ = 0;
  std::string violation_;
  std::deque<std::string> trace_;
};

}  // namespace engram::cluster::walk
