#include "sim/operator.h"

#include <algorithm>

#include "engram/runtime/replication_impl.h"

namespace engram::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kEvery = 250ms;
constexpr Duration kPatience = 1500ms;

std::optional<runtime::SpaceState> StateOf(World& world, size_t place, const std::string& space) {
  if (!world.up(place)) return std::nullopt;
  for (runtime::SpaceState& state : world.node(place).replication()->Spaces()) {
    if (state.space == space) return std::move(state);
  }
  return std::nullopt;
}

}  // namespace

Operator::Operator(World& world, const Plan& plan, Facts& facts)
    : world_(world),
      plan_(plan),
      facts_(facts),
      prng_(world.prng().Next()),
      switch_prng_(plan.seed) {}

void Operator::Look() {
  world_.scheduler().After(kEvery, kWorld, [this] {
    if (stopped_) return;
    LookAfterLogs();
    for (const SpacePlan& space : plan_.spaces) LookAt(space);
    Look();
  });
}

void Operator::LookAt(const SpacePlan& plan) {
  const std::string& space = plan.name;
  Care& care = care_[space];
  const Instant now = world_.scheduler().now();
  std::optional<size_t> primary;
  bool short_of_copies = false, anywhere = false, all_up = true;
  for (size_t place = 0; place < world_.size(); ++place) {
    all_up = all_up && world_.up(place);
    const auto state = StateOf(world_, place, space);
    if (!state.has_value()) continue;
    anywhere = anywhere || state->log_end.value() > 0;
    if (state->role != cluster::Role::kPrimary || !state->serving) continue;
    primary = place;
    if (state->record && state->record->in_sync.size() > 1) care.alone.reset();
    short_of_copies = !state->writes_replicated;
  }
  if (primary.has_value() || !anywhere) care.without_since = now;
  if (!short_of_copies) care.short_since = now;
  if (anywhere || !all_up) care.gone_since = now;
  if (primary.has_value()) care.failures = 0;
  const auto refuses = primary.has_value() ? RefusingCopy(space, *primary) : std::nullopt;
  if (!refuses.has_value()) care.whole_since = now;
  if (care.asking) return;
  if (now - care.whole_since > kPatience) return Decide(space, *refuses, &care);
  if (now - care.without_since > kPatience) return Promote(space, &care);
  if (now - care.short_since > kPatience) Remove(space, *primary, &care);
  if (now - care.gone_since > kPatience) MakeAnew(plan, &care);
  const bool may = plan_.switchovers && !calm_ && primary.has_value() && !care.asking;
  if (may && switch_prng_.OneIn(plan_.switch_one_in)) SwitchOver(space, *primary, &care);
}

// Two copies have each committed alone, since a statement was false. The history of the one that
// leads is taken for the right one; the other copy refuses it, is not in its set, and is the
// operator's to put aside.
std::optional<size_t> Operator::RefusingCopy(const std::string& space, size_t primary) {
  if (!calm_ || !facts_.MayPart(space) || world_.size() != 2) return std::nullopt;
  const size_t other = 1 - primary;
  const auto leads = StateOf(world_, primary, space), refuses = StateOf(world_, other, space);
  if (!refuses.has_value() || !leads->record.has_value()) return std::nullopt;
  const bool alarmed = refuses->alarm.find(" is committed here") != std::string::npos;
  return alarmed && !InSet(space, primary, other) && refuses->promised <= leads->epoch
             ? std::optional(other)
             : std::nullopt;
}

bool Operator::InSet(const std::string& space, size_t primary, size_t place) const {
  const auto state = StateOf(world_, primary, space);
  if (!state.has_value() || !state->record.has_value()) return false;
  const auto& set = state->record->in_sync;
  return std::any_of(set.begin(), set.end(), [&](const replication::Member& member) {
    return member.node == world_.NameOf(place);
  });
}

// What the copy had stays where a person can look at it.
void Operator::Decide(const std::string& space, size_t refuses, Care* care) {
  world_.scheduler().Trace("operator: gives up what " + world_.NameOf(refuses) + " has of " +
                           space);
  care->whole_since = world_.scheduler().now();
  (void)world_.StopNode(refuses);
  if (const Status aside = world_.PutAside(refuses, space); !aside.ok()) {
    world_.scheduler().Trace("it cannot be put aside: " + aside.message());
  }
  StartAgain(refuses);
}

// Whatever goes wrong just then: a hand-over needs no other excuse than that it is asked for.
void Operator::SwitchOver(const std::string& space, size_t primary, Care* care) {
  const runtime::SwitchCommand command{.space = space,
                                       .to = world_.NameOf(switch_prng_.Below(world_.size()))};
  world_.scheduler().Trace("operator: hands " + space + " over from " + world_.NameOf(primary) +
                           " to " + command.to);
  care->asking = true;
  auto over = std::make_shared<bool>(false);
  const auto end = [this, over, care](const std::string& how) {
    if (std::exchange(*over, true)) return;
    world_.scheduler().Trace("operator: " + how);
    care->asking = false;
  };
  const uint64_t life = world_.life(primary);
  world_.scheduler().After(100us, static_cast<Owner>(primary), [=, this] {
    world_.node(primary).replication()->SwitchOver(command, [=, this](const auto& report) {
      if (world_.life(primary) != life) return;
      end(!report.ok() ? report.status().message() : report->done ? "handed over" : report->why);
    });
  });
  world_.scheduler().After(5s, kWorld, [end] { end("no answer"); });
}

// Only `default` is made by itself. A space that went with every disk is the operator's to make;
// with one disk left it would be a fault, and stays for `converges` to find.
void Operator::MakeAnew(const SpacePlan& space, Care* care) {
  if (facts_.wiped.size() < world_.size()) return;
  const size_t place = 0;
  world_.scheduler().Trace("operator: makes " + space.name + " anew at " + world_.NameOf(place));
  care->gone_since = world_.scheduler().now();
  v1::SpaceSettings settings;
  settings.set_dimension(4);
  settings.set_durability(space.durability);
  world_.scheduler().After(100us, static_cast<Owner>(place), [=, this] {
    auto& impl = static_cast<runtime::ReplicationImpl&>(*world_.node(place).replication());
    impl.CreateSpaceAsync(space.name, settings, [](const auto&) {});
  });
}

// A member of the set whose node has another directory by now will never answer again.
std::optional<size_t> Operator::LostMember(const std::string& space, size_t primary) {
  const auto state = StateOf(world_, primary, space);
  if (!state.has_value() || !state->record.has_value()) return std::nullopt;
  for (const auto& member : state->record->in_sync) {
    for (size_t place = 0; place < world_.size(); ++place) {
      if (world_.NameOf(place) != member.node || place == primary || !world_.up(place)) continue;
      if (world_.node(place).identity().incarnation != member.incarnation) return place;
    }
  }
  return std::nullopt;
}

// A node that is down, and that nobody starts before this is over.
std::optional<size_t> Operator::StoppedNode() {
  for (size_t place = 0; place < world_.size(); ++place) {
    if (!world_.up(place)) return place;
  }
  return std::nullopt;
}

// Who has most of the log: a person would look, too.
size_t Operator::Fittest(const std::string& space) {
  size_t best = prng_.Below(world_.size());
  Position most;
  for (size_t place = 0; place < world_.size(); ++place) {
    const auto state = StateOf(world_, place, space);
    if (!state.has_value()) continue;
    const Position end{state->record.has_value() ? state->record->epoch : Epoch(), state->log_end};
    if (end >= most) best = place, most = end;
  }
  return best;
}

void Operator::Promote(const std::string& space, Care* care) {
  const size_t place = prng_.OneIn(3) ? prng_.Below(world_.size()) : Fittest(space);
  if (!world_.up(place)) return;
  runtime::PromoteCommand command;
  command.space = space;
  if (plan_.outside) {
    // Nothing has to be stated: a lease says it.
  } else if (const auto stopped = StoppedNode(); stopped.has_value()) {
    if (care->alone == stopped) return;  // it has to come back
    command.stopped = world_.NameOf(*stopped);
  } else if (plan_.false_statements && !calm_ && prng_.OneIn(2)) {
    const size_t other = (place + 1 + prng_.Below(world_.size() - 1)) % world_.size();
    command.stopped = world_.NameOf(other);
    facts_.false_statements.insert(space);
  }
  command.force = (plan_.forces || calm_) && care->failures > 3;
  Send(command.force ? Fittest(space) : place, command, care);
}

void Operator::Remove(const std::string& space, size_t primary, Care* care) {
  if (plan_.outside) return;  // who is silent leaves by itself
  auto stopped = StoppedNode();
  if (!stopped.has_value()) stopped = LostMember(space, primary);
  if (!stopped.has_value() || *stopped == primary || !InSet(space, primary, *stopped)) return;
  runtime::PromoteCommand command;
  command.space = space;
  command.remove = world_.NameOf(*stopped);
  if (world_.size() == 2) command.stopped = command.remove;
  Send(primary, command, care);
}

void Operator::Send(size_t place, const runtime::PromoteCommand& command, Care* care) {
  if (!world_.up(place)) return;
  const std::string what = "operator: " + command.space + " to " + world_.NameOf(place) +
                           (command.stopped ? " stopped " + *command.stopped : "") +
                           (command.remove ? " remove " + *command.remove : "") +
                           (command.force ? " force" : "");
  world_.scheduler().Trace(what);
  care->asking = true;
  if (command.stopped) care->alone = place;
  if (command.force) facts_.forced[command.space] = world_.scheduler().now();
  std::optional<size_t> held;
  for (size_t other = 0; other < world_.size() && command.stopped; ++other) {
    if (world_.NameOf(other) == *command.stopped && !world_.up(other)) held = other;
  }
  if (held) facts_.held_down.insert(*held);
  auto over = std::make_shared<bool>(false);
  const auto end = [this, over, care, held](const std::string& how) {
    if (std::exchange(*over, true)) return;
    world_.scheduler().Trace("operator: " + how);
    care->asking = false;
    if (held) facts_.held_down.erase(*held);
  };
  const uint64_t life = world_.life(place);
  world_.scheduler().After(100us, static_cast<Owner>(place), [=, this] {
    world_.node(place).replication()->Promote(command, [=, this](const auto& report) {
      if (world_.life(place) != life) return;
      const bool done = report.ok() && report->done;
      if (!done) ++care->failures;
      end(done ? "done" : report.ok() ? report->why : report.status().message());
    });
  });
  world_.scheduler().After(6s, kWorld, [over, end, care] {
    if (!*over) ++care->failures;
    end("no answer");
  });
}

// Opening again is what helps a log that has failed; so does the next life of the process.
void Operator::LookAfterLogs() {
  for (size_t place = 0; place < world_.size(); ++place) {
    bool broken = false;
    if (world_.up(place) && !world_.scheduler().Paused(static_cast<Owner>(place))) {
      for (const auto& space : world_.node(place).spaces().Opened()) {
        const wal::Log::State state = space->log().state();
        broken = broken || space->NeedsReopening() || state.poisoned || state.read_only;
      }
    }
    const Instant now = world_.scheduler().now();
    if (!broken) {
      broken_since_.erase(place);
    } else if (now - broken_since_.try_emplace(place, now).first->second > kPatience) {
      broken_since_.erase(place);
      Restart(place);
    }
  }
}

void Operator::Restart(size_t place) {
  world_.scheduler().Trace("operator: restarts " + world_.NameOf(place));
  world_.Kill(place, /*process_only=*/true);
  StartAgain(place);
}

void Operator::StartAgain(size_t place) {
  const Status started = world_.Start(place);
  if (started.ok()) return;
  world_.scheduler().Trace(world_.NameOf(place) + " does not start: " + started.message());
}

}  // namespace engram::sim
