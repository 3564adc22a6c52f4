// Single nodes on a stage: walk_histories.h.
#include "engram/cluster/walk_histories.h"

#include <algorithm>

#include "engram/base/check.h"
#include "engram/cluster/static_store.h"

namespace engram::cluster::walk {

namespace {

WorldOptions Shaped(WorldOptions options) {
  options.trace_lines = SIZE_MAX;
  return options;
}

}  // namespace

Histories::Histories(WorldOptions options) : World(Shaped(options), 1) {
  // Every sync writes a mark that says how far commit was.
  while (!Prng(seed_).OneIn(2)) ++seed_;
  calm_ = true;
  for (size_t n = 0; n < count(); ++n) {
    places_.push_back({.before = First(n), .node = static_cast<uint8_t>(n)});
    places_[n].log = std::make_shared<Log>();
    places_[n].reigns = std::make_shared<std::vector<Reign>>();
  }
}

std::unique_ptr<Store> Histories::MakeStore(size_t n) {
  StaticOptions options;
  for (size_t i = 0; i < count(); ++i) options.nodes.push_back("n" + std::to_string(i + 1));
  options.me = n;
  options.self = MemberOf(n);
  options.mutant = options_.mutant;
  return std::make_unique<StaticStore>(options);
}

uint32_t Histories::After(uint32_t place, const Input& input) {
  for (const auto& [known, to] : places_[place].next) {
    if (known == input) return to;
  }
  const size_t n = places_[place].node;
  const size_t batches = batches_.size();
  Replay(place);
  batches_.resize(batches);  // those that were shipped before are known by other numbers
  bag_.clear();
  const size_t lines = trace().size();
  const auto to = static_cast<uint32_t>(places_.size());
  ENGRAM_CHECK(to != UINT32_MAX);
  ruled_ = false;
  Play(n, input, to);
  Place made{.before = place, .input = input, .node = static_cast<uint8_t>(n)};
  Keep(n, &made);
  made.words.assign(trace().begin() + static_cast<ptrdiff_t>(lines), trace().end());
  places_.push_back(std::move(made));
  places_[place].next.emplace_back(input, to);
  return to;
}

// The node again as it was there.
void Histories::Replay(uint32_t place) {
  std::vector<uint32_t> way;
  for (uint32_t at = place; places_[at].before != at; at = places_[at].before) way.push_back(at);
  const size_t n = places_[place].node;
  Node fresh;
  fresh.disk.node = nodes_[n].disk.node;
  fresh.sees.assign(count(), 0);
  fresh.blocked.assign(count(), false);
  nodes_[n] = std::move(fresh);
  reigns_.clear();
  alarm_.clear();
  spaces_ = 0;
  for (auto at = way.rbegin(); at != way.rend(); ++at) Play(n, places_[*at].input, *at);
}

void Histories::Play(size_t n, const Input& input, uint32_t place) {
  // Nothing may depend on what other nodes, or other histories of this one, drew or numbered.
  prng_ = Prng(seed_);
  values_ = uint64_t{place} << 8;
  now_ = Instant{1'000'000'000} + input.ticks * kTickRound;
  switch (input.kind) {
    case Input::Kind::kCreate:
      reigns_.push_back({Epoch(257 + n), std::make_shared<Log>(), std::make_shared<Log>()});
      ruled_ = true;
      return Create(n);
    case Input::Kind::kUp:
    case Input::Kind::kDown:
      nodes_[input.peer].alive = input.kind == Input::Kind::kUp;
      nodes_[input.peer].process = input.number;
      return Notice(n, input.peer);
    case Input::Kind::kDeliver:
      return Arrive(packets_[input.number]);
    case Input::Kind::kSync:
      return Sync(n);
    case Input::Kind::kAppend:
      return Append(n);
    case Input::Kind::kStand: {
      StoreRequest request{.id = 1};
      if (input.number == 1) request.stopped = 1 - n;
      return Stand(n, request);
    }
    case Input::Kind::kCrash:
      return Crash(n);
    case Input::Kind::kRestart:
      return Restart(n);
    case Input::Kind::kTick:
      return Step(n, Tick{});
  }
}

std::shared_ptr<const Log> Histories::Shared(const Log& log,
                                             const std::shared_ptr<const Log>& before) const {
  const bool same = log.size() == before->size() && SamePrefix(log, *before);
  return same ? before : std::make_shared<Log>(log);
}

void Histories::Keep(size_t n, Place* place) {
  const Node& node = nodes_[n];
  const Place& before = places_[place->before];
  place->alive = node.alive;
  place->has_copy = node.copy != nullptr;
  place->leads = Leads(n);
  place->life = static_cast<uint8_t>(node.process);
  place->log = Shared(node.disk.log, before.log);
  place->synced = node.disk.synced;
  place->unsynced = node.alive && node.disk.synced < node.disk.log.size();
  place->alarm = alarm_;
  place->wrong = violation();
  place->reigns = ruled_ ? std::make_shared<std::vector<Reign>>(reigns_) : before.reigns;
  if (place->has_copy) place->commit = node.copy->commit().value();
  if (place->leads) place->in_sync = static_cast<uint8_t>(node.copy->current().in_sync.size());
  for (Packet& packet : bag_) {
    place->sent.push_back(static_cast<uint32_t>(packets_.size()));
    packets_.push_back(std::move(packet));
  }
  bag_.clear();
}

void Histories::OnBegin(size_t n, const Begin& begin) {
  if (!begin.new_epoch) return;
  const StoreRequest& asked = nodes_[n].asked;
  const bool stated = asked.id != 0 && asked.stopped.has_value();
  reigns_.push_back({begin.record.epoch, std::make_shared<Log>(nodes_[n].disk.log),
                     std::make_shared<Log>(), 0, stated});
  ruled_ = true;
}

void Histories::OnCommit(size_t n, const CommitMove& move) {
  const Copy& copy = *nodes_[n].copy;
  const Log& log = nodes_[n].disk.log;
  if (move.commit.value() > log.size()) return Fail("commit beyond the log");
  if (copy.role() != Role::kPrimary) return;
  const auto reign = std::find_if(reigns_.begin(), reigns_.end(),
                                  [&](const Reign& r) { return r.epoch == copy.epoch(); });
  if (reign == reigns_.end()) return Fail("commits in an epoch that it did not begin");
  reign->counted = copy.current().in_sync.size();
  for (size_t i = 0; i < count(); ++i) reign->counted += copy.peer(i).joining ? 1 : 0;
  reign->commit =
      std::make_shared<Log>(log.begin(), log.begin() + static_cast<ptrdiff_t>(move.commit.value()));
  ruled_ = true;
}

void Histories::OnCut(size_t n, const Rewind& rewind) {
  if (rewind.to < nodes_[n].copy->commit()) Fail("cut below its own commit without an alarm");
}

void Histories::OnAlarm(size_t, const Alarm& alarm) {
  if (alarm.event == "replica_refuses") return;
  if (alarm.event == "rewind_below_commit" || alarm.event == "two_histories") {
    alarm_ = alarm.event;
    return;
  }
  Fail("alarm: " + alarm.event);
}

}  // namespace engram::cluster::walk
