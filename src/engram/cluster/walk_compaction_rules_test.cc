// What the nodes of walk_compaction.h do: shipping, committing, compaction, repair.
#include <algorithm>

#include "engram/cluster/walk_compaction.h"

namespace engram::cluster::walk {

using replication::Mutant;

// ---- logs ----

record::History CompactionWalk::HistoryOf(const Log& log) {
  record::History history;
  for (size_t i = 0; i < log.size(); ++i) {
    if (log[i].kind == Kind::kStart) history.push_back({Epoch(log[i].epoch), Sequence(i + 1)});
  }
  return history;
}

CompactionWalk::State CompactionWalk::StateOf(const Log& log, uint64_t through) {
  State state;
  for (size_t i = 0; i < through; ++i) {
    if (log[i].kind == Kind::kPut) state[log[i].id] = log[i].value;
    if (log[i].kind == Kind::kDelete) state.erase(log[i].id);
  }
  return state;
}

CompactionWalk::Crc CompactionWalk::CrcAt(const Log& log, uint64_t sequence) {
  if (sequence == 0) return {};
  const Item& item = log[sequence - 1];
  return item.kind == Kind::kHole ? item.crc.value_or(Crc{}) : Crc{item.epoch, sequence};
}

// Inside of a Hole, and not its last.
bool CompactionWalk::InHole(const Log& log, uint64_t sequence) {
  if (sequence == 0) return false;
  const Item& item = log[sequence - 1];
  return item.kind == Kind::kHole && !item.crc.has_value();
}

// Holes side by side are one.
void CompactionWalk::Tidy(Log* log) {
  for (size_t i = 0; i + 1 < log->size(); ++i) {
    const bool both = (*log)[i].kind == Kind::kHole && (*log)[i + 1].kind == Kind::kHole;
    if (both) (*log)[i].crc.reset();
  }
}

uint64_t CompactionWalk::ForkOf(const Log& a, const Log& b) {
  return record::ForkOf(HistoryOf(a), Sequence(a.size()), HistoryOf(b), Sequence(b.size()))
      .sequence.value();
}

Epoch CompactionWalk::EpochAt(const Log& log, uint64_t sequence) const {
  return record::EpochAt(HistoryOf(log), Sequence(sequence));
}

bool CompactionWalk::Ready(const Node& node) {
  return node.commit >= node.floors.floors.compaction.sequence.value();
}

void CompactionWalk::Drop(Node* node) {
  node->log.clear();
  node->commit = node->replicated = 0;
  node->floors = {};
}

// ---- leading ----

void CompactionWalk::Append(size_t n, Item item) {
  Log& log = nodes_[n].log;
  item.epoch = nodes_[n].role;
  item.before = CrcAt(log, log.size());
  log.push_back(item);
}

void CompactionWalk::Begin(size_t n, std::optional<uint64_t> loss) {
  Node& p = nodes_[n];
  p.epoch = p.role = epoch_;
  Append(n, {.kind = Kind::kStart, .loss = loss});
  p.start = p.log.size();
  joined_.clear();
}

// What the new primary does not have is lost.
void CompactionWalk::Lose(size_t n) {
  const Log& log = nodes_[n].log;
  size_t kept = 0;
  while (kept < truth_.size() && kept < log.size() &&
         Epoch(truth_[kept].epoch) == EpochAt(log, kept + 1)) {
    ++kept;
  }
  truth_.resize(kept);
}

void CompactionWalk::Promote(size_t n, bool force) {
  ++epoch_;
  const size_t old = primary_;
  primary_ = n;
  if (force && !Is(Break::kForcedSetKept)) {
    set_ = {n};
  } else {
    if (old != n) set_.erase(old);
    set_.insert(n);
  }
  const bool states = local_ || force;
  if (states) Lose(n);
  Note(force ? "force" : "promote", {n, epoch_, set_.size()});
  std::optional<uint64_t> loss;
  if (states) loss = Is(Break::kLossFromLogEnd) ? nodes_[n].log.size() : nodes_[n].replicated;
  Begin(n, loss);
}

void CompactionWalk::Write(size_t n) {
  const State live = StateOf(nodes_[n].log, nodes_[n].log.size());
  ++values_;
  const uint64_t kind = prng_.Below(10);
  Item item{.kind = Kind::kPut, .id = values_, .value = values_};
  if (!live.empty() && kind < 7) {
    auto it = live.begin();
    std::advance(it, prng_.Below(live.size()));
    item.id = it->first;
    if (kind < 4) item.kind = Kind::kDelete;
  }
  Append(n, item);
  Note(item.kind == Kind::kPut ? "put" : "delete", {n, nodes_[n].log.size(), item.id});
}

void CompactionWalk::Commit(size_t n) {
  Node& p = nodes_[n];
  if (p.role == 0 || epoch_ != p.role) return;
  uint64_t commit = p.log.size();
  for (const size_t member : set_) {
    if (member == n) continue;
    const auto it = joined_.find(member);
    const bool counts = it != joined_.end() && it->second == p.epoch;
    commit = std::min<uint64_t>(commit, counts ? nodes_[member].log.size() : 0);
  }
  if (commit < p.start) return;
  p.replicated = std::max(p.replicated, commit);
  if (local_) commit = p.log.size();
  if (commit <= p.commit) return;
  p.commit = commit;
  for (size_t i = truth_.size(); i < commit; ++i) truth_.push_back(p.log[i]);
  Note("commit", {n, commit, p.replicated});
}

void CompactionWalk::Grow(size_t n, size_t to) {
  const Node& p = nodes_[n];
  const auto it = joined_.find(to);
  const bool joined = it != joined_.end() && it->second == p.epoch;
  if (p.role != epoch_ || set_.contains(to) || !joined || p.replicated < p.start) return;
  if (nodes_[to].log.size() < std::max(p.commit, p.start)) return;
  set_.insert(to);
  Note("grow", {to});
}

// ---- shipping ----

// The verdict, and what comes of it.
void CompactionWalk::Judge(size_t n, size_t to) {
  Node &p = nodes_[n], &q = nodes_[to];
  q.epoch = p.epoch;
  q.role = 0;
  joined_[to] = p.epoch;
  const replication::LogFloors anew = replication::BeginAtOne(Epoch(p.epoch), p.floors.floors);
  if (q.log.empty()) {
    q.floors = anew;
    return;
  }
  const record::History theirs = HistoryOf(p.log), mine = HistoryOf(q.log);
  const replication::PrimaryLog primary{
      {}, Epoch(p.epoch), theirs, Sequence(p.log.size()), p.floors.floors};
  replication::CopyLog copy{.history = mine, .end = Sequence(q.log.size()), .floors = q.floors};
  const uint64_t fork = replication::ForkOf(primary, copy).value();
  copy.fork_in_hole = InHole(q.log, fork);
  const bool stated = std::any_of(p.log.begin() + static_cast<ptrdiff_t>(fork), p.log.end(),
                                  [&](const Item& item) { return item.loss <= fork && item.loss; });
  if (fork < q.commit && !stated) return Fail("cut below commit outside of a stated loss");
  const auto verdict = replication::DecideCatchUp(primary, copy, options_.mutant);
  if (std::holds_alternative<replication::Restart>(verdict)) {
    if (set_.contains(to)) return Fail("a member is told to begin anew");
    Drop(&q);
    q.floors = anew;
    ++restarts_;
    return Note("begins anew", {to});
  }
  if (!std::holds_alternative<replication::Truncate>(verdict)) return;
  Note("cut", {to, fork});
  q.log.resize(fork);
  q.commit = std::min(q.commit, fork);
  q.replicated = std::min(q.replicated, fork);
}

void CompactionWalk::Ship(size_t n, size_t to) {
  Node &p = nodes_[n], &q = nodes_[to];
  if (n == to || p.role == 0 || cut_.contains(n) || cut_.contains(to)) return;
  if (q.epoch > p.epoch) {
    p.role = 0;
    return;
  }
  const auto joined = joined_.find(to);
  if (joined == joined_.end() || joined->second != p.epoch) return Judge(n, to);
  const size_t from = q.log.size();
  Log batch;
  const size_t most = std::max<uint64_t>(1, prng_.Below(4));
  for (size_t i = from; i < p.log.size(); ++i) {
    if (batch.size() >= most && !InHole(batch, batch.size())) break;
    batch.push_back(p.log[i]);
  }
  if (!batch.empty() && !TakeIn(n, to, batch)) return;
  if (InHole(q.log, q.log.size())) return Fail("a log ends inside of a Hole");
  q.commit = std::max(q.commit, std::min<uint64_t>(p.commit, q.log.size()));
  q.replicated = std::max(q.replicated, std::min<uint64_t>(p.replicated, q.log.size()));
  Note("ship", {n, to, from, q.log.size()});
}

bool CompactionWalk::TakeIn(size_t n, size_t to, const Log& batch) {
  Node &p = nodes_[n], &q = nodes_[to];
  const bool holes = std::any_of(batch.begin(), batch.end(),
                                 [](const Item& item) { return item.kind == Kind::kHole; });
  const auto floors = replication::TakeBatch(q.floors, Sequence(q.log.size()), Epoch(p.epoch),
                                             p.floors.floors, holes, options_.mutant);
  if (!floors.has_value()) {
    joined_.erase(to);
    return false;
  }
  q.floors = *floors;
  for (const Item& item : batch) {
    if (item.kind != Kind::kHole && item.before != CrcAt(q.log, q.log.size())) {
      Fail("the chain does not join");
      return false;
    }
    q.log.push_back(item);
  }
  return true;
}

// ---- compaction ----

// Entries that are not the newest of their id, as far as that is settled.
bool CompactionWalk::RemoveOld(Log* log, uint64_t from, uint64_t through, uint64_t judged) const {
  std::map<uint64_t, size_t> newest;
  const size_t view = Is(Break::kNewestInLog) ? log->size() : judged;
  for (size_t i = 0; i < view; ++i) {
    if ((*log)[i].written()) newest[(*log)[i].id] = i;
  }
  bool gone = false;
  for (size_t i = from - 1; i < through; ++i) {
    const Item& item = (*log)[i];
    const bool old = item.written() && newest[item.id] != i;
    const bool start = item.kind == Kind::kStart && Is(Break::kHoleSwallowsEpochStart) && i > 0;
    if (!old && !start) continue;
    (*log)[i] = {.kind = Kind::kHole, .crc = Crc{item.epoch, i + 1}};
    gone = true;
  }
  return gone;
}

// Those that have nothing left to hide. Returns the last that went.
uint64_t CompactionWalk::RemoveTombstones(Log* log, uint64_t from, uint64_t through) const {
  uint64_t last = 0;
  for (size_t i = from - 1; i < through; ++i) {
    const Item item = (*log)[i];
    if (item.kind != Kind::kDelete) continue;
    const bool hides =
        std::any_of(log->begin(), log->begin() + static_cast<ptrdiff_t>(i),
                    [&](const Item& older) { return older.written() && older.id == item.id; });
    if (hides && !Is(Break::kTombstoneBeforeOlder)) continue;
    (*log)[i] = {.kind = Kind::kHole, .crc = Crc{item.epoch, i + 1}};
    last = i + 1;
  }
  return last;
}

void CompactionWalk::Compact(size_t n, uint64_t from, uint64_t through) {
  Node& q = nodes_[n];
  const uint64_t judged = local_ && Is(Break::kLocalCompactsAtCommit) ? q.commit : q.replicated;
  if (!Ready(q) || judged < 1) return;
  through = std::min(through, judged);
  bool gone = RemoveOld(&q.log, from, through, judged);
  uint64_t floor = judged;
  for (const size_t r : counted_) {
    if (r != n && !Is(Break::kReplicasNotCounted)) floor = std::min(floor, reported_[r]);
  }
  Sequence& own = q.floors.floors.tombstone;
  if (Sequence(floor) > own || Is(Break::kPassBelowFloor)) {
    const uint64_t last = RemoveTombstones(&q.log, from, std::min(through, floor));
    if (last > 0) {
      gone = true;
      ++passes_;
      own = Is(Break::kPassBelowFloor) ? std::max(own, Sequence(last)) : Sequence(floor);
    }
  }
  if (!gone) return;
  Tidy(&q.log);
  Position& compacted = q.floors.floors.compaction;
  compacted = std::max(compacted, Position{EpochAt(q.log, judged), Sequence(judged)});
  Note("compact", {n, from, through, judged, own.value()});
}

// ---- mending ----

bool CompactionWalk::MayTake(const Node& own, const Node& other, uint64_t from,
                             uint64_t through) const {
  const bool joins = !InHole(other.log, through) && !InHole(own.log, through) &&
                     (from == 1 || !InHole(own.log, from - 1));
  if (!joins || ForkOf(own.log, other.log) < through) return false;
  const bool holes = std::any_of(other.log.begin() + static_cast<ptrdiff_t>(from - 1),
                                 other.log.begin() + static_cast<ptrdiff_t>(through),
                                 [](const Item& item) { return item.kind == Kind::kHole; });
  const record::History history = HistoryOf(own.log);
  return replication::WhyNotTaken({history, Sequence(own.commit), own.floors.floors},
                                  other.floors.floors, {Sequence(from), Sequence(through)}, holes,
                                  options_.mutant)
      .empty();
}

// Range [from, through] of node n is damaged, and fetched from another copy.
void CompactionWalk::Mend(size_t n, size_t from_node, uint64_t from, uint64_t through) {
  Node& q = nodes_[n];
  const Node& s = nodes_[from_node];
  const uint64_t both = std::min(q.commit, s.commit);
  const replication::EntryRange asked =
      replication::RangeToAsk({Sequence(from), Sequence(std::min(through, both))},
                              q.floors.floors.tombstone, options_.mutant);
  through = asked.last.value();
  if (asked.empty() || through > both || n == from_node || q.role != 0) return;
  if (!Ready(q) || !Ready(s) || !MayTake(q, s, from, through)) return;
  bool holes = false;
  for (size_t i = from - 1; i < through; ++i) {
    q.log[i] = s.log[i];
    holes = holes || q.log[i].kind == Kind::kHole;
  }
  Tidy(&q.log);
  q.floors.floors = replication::FloorsAfter(q.floors.floors, s.floors.floors, holes);
  Note("mend", {n, from_node, from, through});
}

}  // namespace engram::cluster::walk
