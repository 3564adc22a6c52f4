#include "sim/scenario.h"

#include <algorithm>
#include <cerrno>

#include "sim/simulation.h"

namespace engram::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kPatience = 20s;
constexpr const char* kSpace = "default";

v1::Durability LevelOf(const std::string& word) {
  if (word == "local") return v1::DURABILITY_LOCAL;
  if (word == "auto") return v1::DURABILITY_AUTO;
  return v1::DURABILITY_UNSPECIFIED;
}

bool IsReason(const std::string& word) {
  return word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
}

class Player {
 public:
  Player(const Scenario& scenario, replication::Mutant mutant, bool print)
      : scenario_(scenario),
        plan_(PlanOf(scenario, mutant)),
        simulation_(plan_, "", print),
        world_(simulation_.world()) {
    SetProbeListener([this](Probe probe) { OnProbe(probe); });
    for (size_t i = 0; i < kProbes; ++i) before_[i] = VisitsOf(static_cast<Probe>(i));
  }

  RunResult Play() {
    simulation_.workload().Stop();  // it asks only what the script has it ask
    if (!simulation_.Begin()) return simulation_.Result();
    for (const Line& line : scenario_.steps) {
      const std::string wrong = Do(line.words);
      if (simulation_.failed()) break;
      if (!wrong.empty()) {
        simulation_.Fail("scenario", "line " + std::to_string(line.number) + ": " + wrong);
        break;
      }
    }
    if (!simulation_.failed()) simulation_.ComeToRest();
    return simulation_.Result();
  }

 private:
  static Plan PlanOf(const Scenario& scenario, replication::Mutant mutant) {
    Plan plan = scenario.plan;
    plan.mutant = mutant;
    return plan;
  }
  // "" = it came out as it should.
  std::string Do(const std::vector<std::string>& words) {
    const std::string& step = words[0];
    if (step == "write" || step == "delete" || step == "write-on") return Ask(words);
    if (step == "promote" || step == "remove") return Promote(words);
    if (step == "until") return Until(words);
    if (step == "sees" || step == "sees-not") {
      const bool wanted = step == "sees";
      const auto holds = [&] { return Sees(Place(words[1]), words[2]) == wanted; };
      const bool sees = simulation_.RunChecked(kPatience, holds) == wanted;
      return sees == (step == "sees") ? ""
                                      : "it does " + std::string(sees ? "" : "not ") + "see it";
    }
    if (step == "reached") return Reached(words[1]);
    if (step == "run") return simulation_.RunChecked(Ms(words[1]), nullptr), "";
    return Break(words);
  }

  std::string Ask(const std::vector<std::string>& words) {
    v1::Durability level = v1::DURABILITY_UNSPECIFIED;
    std::string expected;
    for (size_t i = 3; i < words.size(); ++i) {
      if (IsReason(words[i])) {
        expected = words[i];
      } else {
        level = LevelOf(words[i]);
      }
    }
    const Operation& operation = simulation_.workload().AskOnce(
        Place(words[1]), kSpace, words[2],
        words[0] == "delete" ? Operation::Kind::kDelete : Operation::Kind::kRemember, level);
    if (words[0] == "write-on") return "";
    const bool over = simulation_.RunChecked(
        kPatience, [&] { return operation.outcome != Operation::Outcome::kPending; });
    if (!over) return "no answer";
    if (operation.ok()) return expected.empty() ? "" : "it was done";
    const std::string reason(InfoOf(operation.reason).name);
    return reason == expected ? "" : "it was answered " + reason;
  }

  std::string Promote(const std::vector<std::string>& words) {
    runtime::PromoteCommand command;
    command.space = kSpace;
    bool refused = false;
    if (words[0] == "remove") command.remove = words[2];
    for (size_t i = 2; i < words.size() && words[0] == "promote"; ++i) {
      if (words[i] == "stopped" && i + 1 < words.size()) command.stopped = words[++i];
      command.force = command.force || words[i] == "force";
      refused = refused || words[i] == "refused";
    }
    if (command.force) simulation_.facts().forced[kSpace] = world_.scheduler().now();
    if (command.stopped.has_value() && world_.up(Place(*command.stopped))) {
      simulation_.facts().false_statements.insert(kSpace);
    }
    const size_t place = Place(words[1]);
    if (!world_.up(place)) return "it is down";
    auto said = std::make_shared<std::optional<std::string>>();
    world_.scheduler().After(100us, static_cast<Owner>(place), [=, this] {
      world_.node(place).replication()->Promote(command, [said](const auto& report) {
        *said = !report.ok() ? report.status().message() : report->done ? "" : report->why;
      });
    });
    if (!simulation_.RunChecked(kPatience, [&] { return said->has_value(); })) return "no answer";
    if ((*said)->empty() != refused) return "";
    return refused ? "it was done" : "refused: " + **said;
  }

  std::string Until(const std::vector<std::string>& words) {
    const auto holds = [&] {
      const size_t place = Place(words[2]);
      if (words[1] == "down") return !world_.up(place);
      const auto state = StateOf(place);
      if (!state.has_value()) return false;
      if (words[1] == "primary") return state->serving;
      if (words[1] == "in-sync") return state->writes_replicated;
      if (words[1] == "follows") return state->primary == words[3];
      if (words[1] == "alarm") return !state->alarm.empty();
      return false;
    };
    return simulation_.RunChecked(kPatience, holds) ? "" : "it never was so";
  }

  std::string Reached(const std::string& name) {
    for (size_t i = 0; i < kProbes; ++i) {
      const auto probe = static_cast<Probe>(i);
      if (name != InfoOf(probe).name) continue;
      return VisitsOf(probe) > before_[i] ? "" : "the path was not walked";
    }
    return "there is no such probe";
  }

  std::string Break(const std::vector<std::string>& words) {
    const std::string& step = words[0];
    const size_t place = step == "network" ? 0 : Place(words[1]);
    if (step == "kill" || step == "power-cut") {
      if (!world_.up(place)) return "it is down";
      world_.Kill(place, step == "kill");
    } else if (step == "crash") {
      world_.on_crash = [this](size_t crashed) { simulation_.facts().crashed.insert(crashed); };
      world_.KillInside(place, std::stoull(words[3]), words[2] == "process");
    } else if (step == "crash-at") {
      moments_.push_back({place, words[2] == "process", words[3], std::stoull(words[4])});
    } else if (step == "lose") {
      return Lose(place, Place(words[2]), words[3]);
    } else if (step == "start") {
      const Status started = world_.Start(place);
      if (!started.ok()) return started.message();
    } else if (step == "wipe") {
      world_.Wipe(place);
      ++simulation_.facts().wipes;
      simulation_.facts().wiped.insert(place);
    } else if (step == "put-aside") {
      if (world_.up(place)) return "it is up";
      const Status aside = world_.PutAside(place, kSpace);
      if (!aside.ok()) return aside.message();
    } else if (step == "pause") {
      world_.scheduler().Pause(static_cast<Owner>(place), world_.scheduler().now() + Ms(words[2]));
    } else if (step == "step-clock") {
      world_.clock(place).Skew(Ms(words[2]), Ms(words[2]));
      Visit(Probe::kPrimaryClockStepped);
    } else if (step == "network") {
      return BadNetwork(words[1], static_cast<uint32_t>(std::stoul(words[2])));
    } else if (step == "cut" || step == "join" || step == "cut-from") {
      Link(place, Place(words[2]), step != "join", step == "cut-from");
    } else {
      return HurtDisk(place, words);
    }
    return "";
  }

  // The moment to die: so many changes of files after the node comes to a rare path.
  struct Moment {
    size_t place;
    bool process_only;
    std::string probe;
    uint64_t changes;
  };
  void OnProbe(Probe probe) {
    const Owner owner = world_.acting();
    const auto is = [&](const Moment& moment) {
      return static_cast<Owner>(moment.place) == owner && moment.probe == InfoOf(probe).name;
    };
    const auto it = std::find_if(moments_.begin(), moments_.end(), is);
    if (it == moments_.end()) return;
    world_.on_crash = [this](size_t crashed) { simulation_.facts().crashed.insert(crashed); };
    world_.KillInside(it->place, it->changes, it->process_only);
    moments_.erase(it);
  }

  std::string Lose(size_t from, size_t to, const std::string& kind) {
    if (kind != "entries" && kind != "acks" && kind != "nothing") {
      return "entries, acks or nothing get lost";
    }
    world_.network().lose = [=](size_t a, size_t b, const runtime::SpaceMessage& message) {
      if (a != from || b != to) return false;
      if (kind == "acks") return std::holds_alternative<replication::Ack>(message.message.body);
      const auto* entries = std::get_if<replication::Entries>(&message.message.body);
      return kind == "entries" && entries != nullptr;
    };
    return "";
  }

  void Link(size_t from, size_t to, bool cut, bool one_way) {
    world_.network().Cut(from, to, cut);
    if (!one_way) world_.network().Cut(to, from, cut);
  }

  std::string BadNetwork(const std::string& kind, uint32_t one_in) {
    NetworkFaults& faults = world_.network().faults;
    if (kind == "loses") {
      faults.lose_one_in = one_in;
    } else if (kind == "doubles") {
      faults.double_one_in = one_in;
    } else if (kind == "overtakes") {
      faults.overtake_one_in = one_in;
    } else {
      return "a network loses, doubles or overtakes";
    }
    return "";
  }

  std::string HurtDisk(size_t place, const std::vector<std::string>& words) {
    if (words[0] == "mend-disk") return world_.disk(place).Heal(), "";
    simulation_.facts().hurt_disks.insert(place);
    simulation_.facts().hurt_spaces.insert({place, kSpace});
    if (words[0] == "free") return world_.disk(place).SetFreeBytes(std::stoull(words[2])), "";
    env::Fault fault{};
    fault.path = std::string("/spaces/") + kSpace + "/wal/";
    fault.after = std::stoull(words[3]);
    if (words[2] == "sync") {
      fault.operation = env::Operation::kSync;
    } else if (words[2] == "meta") {
      fault.operation = env::Operation::kSync;
      fault.path = std::string("/spaces/") + kSpace + "/space.meta";
    } else if (words[2] == "write") {
      fault.operation = env::Operation::kWrite;
    } else if (words[2] == "flip") {
      fault.operation = env::Operation::kRead;
      fault.effect = env::Fault::Effect::kFlip;
      fault.where = 8u << 10;
    } else {
      return "a disk fails at sync, at write or at a sync of space.meta, or flips";
    }
    world_.disk(place).Inject(fault);
    return "";
  }

  size_t Place(const std::string& node) const { return std::stoul(node.substr(1)) - 1; }
  static Duration Ms(const std::string& word) { return std::chrono::milliseconds(std::stol(word)); }
  std::optional<runtime::SpaceState> StateOf(size_t place) {
    if (!world_.up(place)) return std::nullopt;
    for (runtime::SpaceState& state : world_.node(place).replication()->Spaces()) {
      if (state.space == kSpace) return std::move(state);
    }
    return std::nullopt;
  }
  bool Sees(size_t place, const std::string& id) {
    const auto space = world_.node(place).spaces().FindOpen(kSpace);
    if (space == nullptr) return false;
    auto view = space->NewView();
    if (!view.ok()) return false;
    const auto found = (*view)->FindId(id);
    return found.ok() && found->has_value() && !(*found)->deleted;
  }

  const Scenario& scenario_;
  const Plan plan_;
  Simulation simulation_;
  World& world_;
  std::array<uint64_t, kProbes> before_{};
  std::vector<Moment> moments_;
};

}  // namespace

RunResult Play(const Scenario& scenario, replication::Mutant mutant, bool print) {
  return Player(scenario, mutant, print).Play();
}

}  // namespace engram::sim
