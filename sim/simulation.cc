#include "sim/simulation.h"

#include "engram/runtime/replication_impl.h"

namespace engram::sim {

using namespace std::chrono_literals;

namespace {

constexpr int kLogsEvery = 50;  // polls
constexpr Duration kStoreTroubleEvery = 1500ms;

std::string InWords(const Plan& plan) {
  std::string text = std::to_string(plan.nodes) + " nodes;";
  for (const SpacePlan& space : plan.spaces) {
    text += " " + space.name +
            (space.durability == v1::DURABILITY_LOCAL ? " (local)" : " (replicated)");
  }
  text += ";";
  for (const Trouble trouble : plan.troubles) text += std::string(" ") + Name(trouble);
  if (plan.quiet) text += "; quiet";
  if (plan.false_statements) text += "; false statements";
  if (plan.outside) text += "; a store outside";
  if (plan.switchovers) text += "; switchovers";
  if (plan.forces) text += "; force";
  text += "; segments " + std::to_string(plan.segment_bytes);
  const auto add = [&](const char* name, uint64_t value, uint64_t usual) {
    if (value != usual) text += std::string(", ") + name + " " + std::to_string(value);
  };
  const Plan usual;
  add("window", plan.window_bytes, usual.window_bytes);
  add("batch", plan.batch_bytes, usual.batch_bytes);
  add("entries a batch", plan.batch_entries, usual.batch_entries);
  add("catch-up above", plan.catch_up_above, usual.catch_up_above);
  add("tail", plan.tail_bytes_max, usual.tail_bytes_max);
  return text;
}

WorldOptions OptionsOf(const Plan& plan) {
  WorldOptions options;
  options.nodes = plan.nodes;
  options.outside = plan.outside;
  options.replication.return_after_max = plan.return_after_max;
  options.seed = plan.seed;
  options.segment_bytes = plan.segment_bytes;
  options.tail_bytes_max = plan.tail_bytes_max;
  options.replication.window_bytes = plan.window_bytes;
  options.replication.batch_bytes = plan.batch_bytes;
  options.replication.batch_entries = plan.batch_entries;
  options.replication.catch_up_above = plan.catch_up_above;
  options.space_defaults.set_dimension(4);
  options.space_defaults.set_durability(plan.spaces[0].durability);
  options.replication.mutant = plan.mutant;
  return options;
}

// The set as the record has it, with incarnations shortened.
std::string SetOf(const runtime::SpaceState& state) {
  std::string text = " (set:";
  if (!state.record.has_value()) return text + " none)";
  for (const auto& member : state.record->in_sync) {
    text += " " + member.node + "/" + FormatUuid(member.incarnation.bytes).substr(0, 4);
  }
  for (const runtime::ReplicaState& replica : state.replicas) {
    text += "; " + replica.node + " " + replica.mode + " durable " + ToString(replica.durable) +
            ", contact " +
            (replica.since_contact ? std::to_string(replica.since_contact->count() / 1'000'000)
                                   : std::string("never")) +
            " ms ago";
  }
  return text + ")";
}

}  // namespace

Simulation::Simulation(const Plan& plan, const std::string& only, bool print)
    : plan_(plan),
      world_(OptionsOf(plan_)),
      tap_(world_.scheduler()),
      workload_(world_, plan_, history_),
      nemesis_(world_, plan_, facts_),
      operator_(world_, plan_, facts_),
      scene_{world_, plan_, facts_, history_, {}, {}} {
  world_.scheduler().Print(print);
  for (const auto& [name, make] : AllCheckers()) {
    if (only.empty() || only == name) checkers_.push_back(make(scene_));
  }
  for (size_t i = 0; i < kProbes; ++i) visits_before_[i] = VisitsOf(static_cast<Probe>(i));
  Listen();
}

Simulation::~Simulation() {
  SetProbeListener(nullptr);
  world_.before_end = nullptr;
}

RunResult Simulation::Result() const {
  RunResult result;
  result.seed = plan_.seed;
  result.checker = scene_.checker;
  result.what = scene_.what;
  result.trace_hash = world_.scheduler().trace_hash();
  result.steps = world_.scheduler().steps();
  result.operations = history_.operations.size();
  for (const Operation& operation : history_.operations) result.acknowledged += operation.ok();
  result.reads = history_.readings.size();
  result.seconds = static_cast<double>(world_.scheduler().now().ns) / 1e9 - 1;
  result.quiet = plan_.quiet;
  result.plan = InWords(plan_);
  result.recent = world_.scheduler().recent();
  for (size_t i = 0; i < kProbes; ++i) {
    result.visits[i] = VisitsOf(static_cast<Probe>(i)) - visits_before_[i];
  }
  return result;
}

void Simulation::Fail(const std::string& checker, const std::string& what) {
  if (scene_.failed()) return;
  scene_.checker = checker;
  scene_.what = what;
}

void Simulation::Listen() {
  world_.network().on_send = [this](size_t from, size_t to, const runtime::SpaceMessage& message) {
    for (const auto& checker : checkers_) checker->OnSend(from, to, message);
  };
  world_.before_end = [this](size_t) { PollNow(/*with_logs=*/false); };
  workload_.on_reply = [this](const Operation& operation) {
    for (const auto& checker : checkers_) checker->OnReply(operation);
  };
  SetProbeListener([this](Probe probe) { nemesis_.OnProbe(probe); });
  workload_.on_read = [this](const Reading& reading) {
    for (const auto& checker : checkers_) checker->OnRead(reading);
  };
}

void Simulation::PollNow(bool with_logs) {
  const Poll poll = TakePoll(scene_, with_logs);
  for (const auto& checker : checkers_) checker->OnPoll(poll);
}

bool Simulation::RunChecked(Duration at_most, const std::function<bool()>& until) {
  const Instant end = world_.scheduler().now() + at_most;
  while (!scene_.failed() && world_.scheduler().now() < end) {
    if (until && until()) return true;
    world_.RunFor(plan_.poll_every);
    PollNow(++polls_ % kLogsEvery == 0);
  }
  return until && !scene_.failed() && until();
}

bool Simulation::Begin() {
  for (size_t place = 0; place < world_.size(); ++place) {
    world_.SlowDown(place, plan_.slow_flush, 50us);
    if (const Status started = world_.Start(place); !started.ok()) {
      scene_.checker = "begin", scene_.what = started.message();
      return false;
    }
  }
  Rest rest;
  bool ready = RunChecked(10s, [&] {
    const Poll poll = TakePoll(scene_, false);
    const auto* state = Find(poll, 0, "default");
    return state != nullptr && state->writes_replicated;
  });
  for (size_t i = 1; ready && i < plan_.spaces.size(); ++i) {
    auto& impl = static_cast<runtime::ReplicationImpl&>(*world_.node(0).replication());
    v1::SpaceSettings settings;
    settings.set_dimension(4);
    settings.set_durability(plan_.spaces[i].durability);
    auto made = std::make_shared<bool>(false);
    impl.CreateSpaceAsync(plan_.spaces[i].name, settings,
                          [made](const auto& space) { *made = space.ok(); });
    ready = RunChecked(10s, [&] { return *made; });
  }
  if (!ready && !scene_.failed()) {
    scene_.checker = "begin", scene_.what = "the cluster does not come up without any trouble";
  }
  return ready;
}

void Simulation::LiveThroughTrouble() {
  workload_.Start();
  nemesis_.Start();
  if (plan_.outside) world_.store().StartTrouble(kStoreTroubleEvery);
  operator_.Start();
  RunChecked(plan_.chaos, nullptr);
}

void Simulation::ComeToRest() {
  world_.scheduler().Trace("healing");
  nemesis_.Heal();
  world_.store().Heal();
  operator_.CalmDown();
  RunChecked(plan_.heal_within, [this] { return world_.nobody_paused(); });
  RunChecked(1s, nullptr);
  workload_.Stop();
  Rest rest;
  rest.converged = RunChecked(plan_.heal_within,
                              [&] { return workload_.quiet() && WhatIsMissing(&rest).empty(); });
  if (rest.converged) rest.converged = WriteOnceMore(&rest);
  if (scene_.failed()) return;
  if (!rest.converged && rest.why_not.empty()) {
    rest.why_not = WhatIsMissing(&rest);
    if (rest.why_not.empty()) rest.why_not = "clients still wait";
  }
  world_.scheduler().Trace(rest.converged ? "at rest" : "no rest: " + rest.why_not);
  rest.poll = TakePoll(scene_, /*with_logs=*/true);
  for (const auto& checker : checkers_) checker->OnPoll(rest.poll);
  for (const auto& checker : checkers_) checker->AtRest(rest);
}

bool Simulation::WriteOnceMore(Rest* rest) {
  const size_t before = history_.operations.size();
  for (const SpacePlan& space : plan_.spaces) {
    workload_.WriteOnce(space.name, v1::DURABILITY_REPLICATED, world_.scheduler().now() + 10s);
  }
  bool quiet = RunChecked(20s, [&] { return workload_.quiet() && WhatIsMissing(rest).empty(); });
  for (size_t i = before; i < history_.operations.size(); ++i) {
    if (history_.operations[i].ok()) continue;
    quiet = false;
    rest->why_not = "writes do not resume in " + history_.operations[i].space;
  }
  return quiet;
}

// What still separates the cluster from rest; "" = nothing.
std::string Simulation::WhatIsMissing(Rest* rest) {
  const Poll poll = TakePoll(scene_, false);
  for (const SpacePlan& space : plan_.spaces) {
    std::optional<size_t> primary;
    for (size_t place = 0; place < world_.size(); ++place) {
      const auto* state = Find(poll, place, space.name);
      if (state == nullptr) return world_.NameOf(place) + " has no open copy of " + space.name;
      if (state->role != cluster::Role::kPrimary) continue;
      if (primary.has_value()) return "two primaries of " + space.name;
      primary = place;
    }
    if (!primary.has_value()) return "no primary of " + space.name;
    rest->primary[space.name] = *primary;
    const runtime::SpaceState& leads = *Find(poll, *primary, space.name);
    if (!leads.writes_replicated) return space.name + ": " + leads.why_not + SetOf(leads);
    if (!leads.record || leads.record->in_sync.size() != world_.size()) {
      return "not everybody is in the set of " + space.name;
    }
    for (size_t place = 0; place < world_.size(); ++place) {
      const auto* state = Find(poll, place, space.name);
      const auto open = world_.node(place).spaces().FindOpen(space.name);
      if (open == nullptr) return world_.NameOf(place) + " does not have " + space.name + " open";
      if (state->durable != leads.log_end || state->commit != leads.log_end ||
          open->visible().sequence != leads.log_end) {
        return world_.NameOf(place) + " has not all of " + space.name + ": end " +
               ToString(state->log_end) + ", commit " + ToString(state->commit) + ", visible " +
               ToString(open->visible().sequence) + " of " + ToString(leads.log_end) +
               (state->alarm.empty() ? "" : " (" + state->alarm + ")");
      }
    }
  }
  return "";
}

}  // namespace engram::sim
