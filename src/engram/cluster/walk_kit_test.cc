// The little cluster of walk_kit.h: disks, network, and the runner of Effects.
#include "engram/cluster/walk_kit.h"

#include <algorithm>

namespace engram::cluster::walk {

using replication::Entries;
using replication::Message;

bool SamePrefix(const Log& a, const Log& b) {
  const size_t both = std::min(a.size(), b.size());
  return both == 0 || At(a, both).chain == At(b, both).chain;
}

bool Holds(const Log& log, const Log& prefix) {
  return log.size() >= prefix.size() && SamePrefix(log, prefix);
}

std::string Text(Epoch epoch) {
  return std::to_string(epoch.value() >> 8) + "." + std::to_string(epoch.value() & 0xff);
}

std::string Text(const Members& members) {
  std::string text = "{";
  for (const Member& member : members) {
    text += member.node + "/" + std::to_string(member.incarnation.bytes[0]) + " ";
  }
  return text + "}";
}

World::World(WorldOptions options, uint64_t seed)
    : options_(options), prng_(seed), nodes_(options.nodes) {
  cut_.assign(count(), std::vector<bool>(count()));
  for (Node& node : nodes_) {
    node.disk.node = NewIncarnation();
    node.sees.assign(count(), 0);
    node.blocked.assign(count(), false);
  }
}

Incarnation World::NewIncarnation() {
  Incarnation incarnation;
  ++lives_;
  incarnation.bytes[0] = static_cast<uint8_t>(lives_);
  incarnation.bytes[1] = static_cast<uint8_t>(lives_ >> 8);
  return incarnation;
}

Member World::MemberOf(size_t n) const {
  return {"n" + std::to_string(n + 1), nodes_[n].disk.node, {}};
}

bool World::Leads(size_t n) const {
  return nodes_[n].copy != nullptr && nodes_[n].copy->role() == Role::kPrimary;
}

bool World::Reachable(size_t from, size_t to) const {
  return nodes_[from].alive && nodes_[to].alive && !cut_[from][to];
}

void World::Fail(const std::string& why) {
  if (!violation_.empty()) return;
  violation_ = why;
  Describe();
  Note("VIOLATION", why);
}

Position World::EndOf(size_t n) const {
  const Log& log = nodes_[n].disk.log;
  if (log.empty()) return {};
  return {log.back().epoch, Sequence(log.size())};
}

uint32_t World::ChainOf(size_t n) const {
  const Log& log = nodes_[n].disk.log;
  return log.empty() ? 0 : log.back().chain;
}

LogMoved World::Moved(size_t n, std::vector<SpaceRecord> records) const {
  return {.end = EndOf(n),
          .end_crc = ChainOf(n),
          .durable = Sequence(nodes_[n].disk.synced),
          .records = std::move(records)};
}

void World::Push(size_t n, Epoch epoch, uint64_t value, std::shared_ptr<const SpaceRecord> record) {
  Prng mix((uint64_t{ChainOf(n)} << 32) ^ (epoch.value() << 20) ^ value);
  nodes_[n].disk.log.push_back(
      {epoch, value, static_cast<uint32_t>(mix.Next()), std::move(record)});
}

// ---- life and death ----

void World::Start(size_t n) {
  Node& node = nodes_[n];
  const Disk& disk = node.disk;
  LogState log;
  log.space = disk.space;
  log.promised = disk.promised;
  log.end = EndOf(n);
  log.end_crc = ChainOf(n);
  log.durable = Sequence(disk.synced);
  log.commit = disk.commit_hint;
  log.replicated_end = disk.replicated_hint;
  for (const Item& item : disk.log) {
    if (item.record != nullptr) log.records.push_back(*item.record);
  }
  CopyOptions options;
  for (size_t i = 0; i < count(); ++i) options.nodes.push_back("n" + std::to_string(i + 1));
  options.me = n;
  options.self = MemberOf(n);
  options.policy.local_space = options_.local_space;
  options.batch_bytes = 300;
  options.window_bytes = 900;
  options.mutant = options_.mutant;
  node.led = Epoch();
  node.held = false;
  node.copy =
      std::make_unique<Copy>(options, MakeStore(n), std::move(log), Prng(prng_.Next()), now_);
}

void World::StartSpace(size_t n, Incarnation space) {
  nodes_[n].disk.space = space;
  Start(n);
  for (size_t peer = 0; peer < count(); ++peer) {
    if (nodes_[n].sees[peer] != 0) Step(n, PeerUp{peer, nodes_[peer].disk.node});
  }
}

void World::Create(size_t n) {
  ++spaces_;
  Incarnation space;
  space.bytes[0] = static_cast<uint8_t>(spaces_);
  SpaceRecord record;
  record.epoch = Epoch(257 + n);
  record.at = Sequence(1);
  record.primary = MemberOf(n);
  record.in_sync = {record.primary};
  for (size_t i = 0; i < count() && options_.voters; ++i) Add(&record.voters, MemberOf(i));
  Disk& disk = nodes_[n].disk;
  disk.promised = record.epoch;
  disk.space = space;
  Push(n, record.epoch, ++values_, std::make_shared<SpaceRecord>(record));
  disk.synced = 1;
  Note("create", n);
  StartSpace(n, space);
  nodes_[n].led = record.epoch;
  Step(n, Created{record});
}

void World::Crash(size_t n) {
  Node& node = nodes_[n];
  if (!node.alive) return;
  Note("crash", n, "at", node.disk.log.size(), "synced", node.disk.synced);
  node.alive = false;
  node.fuse = -1;
  node.copy.reset();
  node.disk.log.resize(node.disk.synced);
  std::fill(node.sees.begin(), node.sees.end(), 0);
  std::erase_if(after_, [&](const auto& event) { return event.first == n; });
}

void World::Restart(size_t n) {
  Node& node = nodes_[n];
  if (node.alive) return;
  Note("restart", n);
  node.alive = true;
  ++node.process;
  if (node.disk.space.is_zero()) return;
  Start(n);
  const SpaceRecord* newest = node.copy->newest();
  if (newest != nullptr && newest->primary == MemberOf(n)) Stand(n, {});
}

void World::Wipe(size_t n) {
  Note("wipe", n);
  Crash(n);
  Node& node = nodes_[n];
  node.disk = Disk();
  node.disk.node = NewIncarnation();
  node.alive = true;
  ++node.process;
}

void World::Stand(size_t n, StoreRequest request) {
  request.kind = StoreRequest::Kind::kLead;
  if (nodes_[n].copy == nullptr) return;
  Note("stand", n, request.id, request.stopped.has_value() ? "stated" : "",
       request.force ? "force" : "", request.dry_run ? "dry run" : "");
  if (!request.dry_run) nodes_[n].asked = request;
  Step(n, cluster::Stand{request});
}

void World::Notice(size_t n, size_t peer) {
  Node& node = nodes_[n];
  if (n == peer || !node.alive) return;
  const bool up = Reachable(n, peer) && Reachable(peer, n);
  const uint64_t truth = up ? nodes_[peer].process : 0;
  if (node.sees[peer] == truth) return;
  if (node.sees[peer] != 0) {
    node.sees[peer] = 0;
    Step(n, PeerDown{peer});
  }
  if (truth == 0 || !node.alive) return;
  node.sees[peer] = truth;
  node.blocked[peer] = false;
  Step(n, PeerUp{peer, nodes_[peer].disk.node});
}

void World::CutRandomly() {
  for (auto& row : cut_) row.assign(count(), false);
  const size_t n = prng_.Below(count() + 1);
  if (n == count()) return;
  for (size_t peer = 0; peer < count(); ++peer) {
    const uint64_t kind = prng_.Below(4);
    if (peer == n || kind == 3) continue;
    if (kind != 1) cut_[n][peer] = true;
    if (kind != 2) cut_[peer][n] = true;
  }
  Note("cut", n);
}

void World::Advance(uint64_t most_ms) {
  now_ = now_ + std::chrono::milliseconds(prng_.Below(most_ms + 1));
}

// ---- the runner ----

void World::Step(size_t n, What what) {
  Node& node = nodes_[n];
  if (!node.alive || node.copy == nullptr || !violation_.empty()) return;
  Effects effects = node.copy->Step({now_, std::move(what)});
  const std::string broken = node.copy->CheckInvariants();
  if (!broken.empty()) return Fail("invariant of n" + std::to_string(n + 1) + ": " + broken);
  Carry(n, std::move(effects));
  while (!after_.empty() && violation_.empty()) {
    auto [m, next] = std::move(after_.front());
    after_.pop_front();
    Step(m, std::move(next));
  }
}

bool World::Survives(size_t n) {
  Node& node = nodes_[n];
  if (node.alive && node.fuse >= 0 && node.fuse-- == 0) Crash(n);
  return node.alive && violation_.empty();
}

void World::Carry(size_t n, Effects effects) {
  Node& node = nodes_[n];
  Disk& disk = node.disk;
  if (effects.promise.has_value()) {
    if (!Survives(n)) return;
    if (*effects.promise < disk.promised) Fail("a promise fell");
    disk.promised = *effects.promise;
  }
  if (effects.rewind.has_value() || effects.restart) {
    if (!Survives(n)) return;
    DoRewind(n, effects.restart ? Rewind{} : *effects.rewind);
  }
  if (effects.begin.has_value()) {
    if (!Survives(n)) return;
    DoBegin(n, *effects.begin);
  }
  if (effects.append.has_value()) {
    if (!Survives(n)) return;
    DoAppend(n, *effects.append);
  }
  if (effects.compare.has_value()) DoCompare(n, *effects.compare);
  for (const Alarm& alarm : effects.alarms) {
    Note("alarm", n, alarm.event, alarm.detail);
    OnAlarm(n, alarm);
  }
  if (effects.commit.has_value()) {
    Note("commit", n, effects.commit->commit.value(), effects.commit->replicated_end.value());
    OnCommit(n, *effects.commit);
  }
  if (effects.role.has_value()) Note("role", n, static_cast<int>(*effects.role));
  for (Outgoing& out : effects.send) {
    if (!Survives(n)) return;
    if (node.sees[out.peer] != 0) bag_.push_back({n, out.peer, std::move(out.message)});
  }
  for (const ShipOrder& order : effects.ship) DoShip(n, order);
  for (const StoreCall& call : effects.store) OnStoreCall(n, call);
  if (effects.hold.has_value()) {
    node.held = *effects.hold;
    const LogMoved log = Moved(n);
    if (node.held) after_.emplace_back(n, Held{log.end, log.end_crc, log.durable});
  }
  for (const PromotionReport& report : effects.reports) OnReport(n, report);
  for (const SwitchReport& report : effects.switched) {
    Note("switchover", n, "to", report.to, report.done ? "done" : report.why);
    OnSwitched(n, report);
  }
}

void World::DoRewind(size_t n, const Rewind& rewind) {
  Disk& disk = nodes_[n].disk;
  OnCut(n, rewind);
  if (!violation_.empty()) return;
  const size_t to = rewind.to.value();
  Note("rewind", n, "to", to, "of", disk.log.size());
  if (to > disk.log.size()) return Fail("a rewind beyond the end");
  disk.quarantine.insert(disk.quarantine.end(), disk.log.begin() + to, disk.log.end());
  disk.log.resize(to);
  disk.synced = to;  // a log that is cut is synced
  if (!Is(replication::Mutant::kHintSurvivesRewind)) {
    disk.commit_hint = std::min(disk.commit_hint, rewind.to);
    disk.replicated_hint = std::min(disk.replicated_hint, rewind.to);
  }
  after_.emplace_back(n, Rewound{.end = EndOf(n), .end_crc = ChainOf(n)});
}

void World::DoBegin(size_t n, const Begin& begin) {
  Disk& disk = nodes_[n].disk;
  if (begin.record.epoch < disk.promised) return Fail("an epoch below the promise begins");
  OnBegin(n, begin);
  if (!violation_.empty()) return;
  SpaceRecord record = begin.record;
  record.at = Sequence(disk.log.size() + 1);
  Push(n, record.epoch, ++values_, std::make_shared<SpaceRecord>(record));
  if (begin.new_epoch) {
    disk.synced = disk.log.size();
    nodes_[n].led = record.epoch;
  }
  Note(begin.new_epoch ? "lead" : "change", n, Text(record.epoch), "at", record.at.value(),
       Text(record.in_sync), Text(record.voters));
  OnAppended(n);
  after_.emplace_back(n, Begun{.record = std::move(record),
                               .end = EndOf(n),
                               .end_crc = ChainOf(n),
                               .durable = Sequence(disk.synced)});
}

void World::DoAppend(size_t n, const Entries& entries) {
  Disk& disk = nodes_[n].disk;
  const Log& batch = *batches_[std::stoull(*entries.batch)];
  if (entries.first.value() != disk.log.size() + 1) return;
  std::vector<SpaceRecord> records;
  const Log before = disk.log;
  for (const Item& item : batch) {
    Push(n, item.epoch, item.value, item.record);
    if (disk.log.back().chain != item.chain) {  // the chain does not join
      disk.log = before;
      after_.emplace_back(
          n, Compared{.peer = heard_, .equal = false, .why = "the chain does not join"});
      return;
    }
    if (item.record != nullptr) records.push_back(*item.record);
  }
  Note("received", n, "through", disk.log.size());
  OnAppended(n);
  after_.emplace_back(n, Moved(n, std::move(records)));
}

void World::DoCompare(size_t n, const Entries& entries) {
  const Disk& disk = nodes_[n].disk;
  const Log& batch = *batches_[std::stoull(*entries.batch)];
  bool equal = true;
  for (size_t i = 0; i < batch.size(); ++i) {
    const size_t at = entries.first.value() + i;
    if (at <= disk.log.size()) equal = equal && At(disk.log, at).chain == batch[i].chain;
  }
  after_.emplace_back(n,
                      Compared{.peer = heard_, .equal = equal, .why = equal ? "" : "other bytes"});
}

void World::DoShip(size_t n, const ShipOrder& order) {
  Node& node = nodes_[n];
  if (!node.alive || node.copy->role() != Role::kPrimary) return;
  const Log& log = node.disk.log;
  const uint64_t from = order.from.value();
  const bool stuck = node.sees[order.peer] == 0 || (!calm_ && prng_.OneIn(30));
  if (stuck || from > log.size()) {
    node.blocked[order.peer] = stuck;
    after_.emplace_back(n, Shipped{.peer = order.peer, .through = {}, .bytes = 0});
    return;
  }
  const uint64_t items = std::max<uint64_t>(1, order.bytes / 100);
  const uint64_t last = std::min<uint64_t>(log.size(), from + items - 1);
  batches_.push_back(std::make_shared<Log>(log.begin() + (from - 1), log.begin() + last));
  const Copy& copy = *node.copy;
  Entries entries;
  entries.batch = std::make_shared<std::string>(std::to_string(batches_.size() - 1));
  entries.first = order.from;
  entries.last = Sequence(last);
  entries.last_crc = At(log, last).chain;
  entries.commit = copy.commit();
  entries.replicated_end = copy.replicated_end();
  entries.end = Sequence(log.size());
  bag_.push_back({n, order.peer, {{node.disk.space, copy.epoch(), node.disk.node}, entries}});
  after_.emplace_back(n, Shipped{order.peer, Sequence(last), 100 * (last - from + 1)});
}

}  // namespace engram::cluster::walk
