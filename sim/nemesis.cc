#include "sim/nemesis.h"

#include <algorithm>
#include <cerrno>

namespace engram::sim {

using namespace std::chrono_literals;
using env::Fault;
using env::Operation;

Nemesis::Nemesis(World& world, const Plan& plan, Facts& facts)
    : world_(world), plan_(plan), facts_(facts), prng_(world.prng().Next()), skews_(world.size()) {
  world_.on_crash = [this](size_t place) {
    facts_.crashed.insert(place);
    StartLater(place, prng_.OneIn(2) ? UpTo(400ms) : Lasting(4s));
  };
}

Duration Nemesis::UpTo(Duration most) {
  return Duration(static_cast<int64_t>(prng_.Below(static_cast<uint64_t>(most.count()))) + 1);
}

void Nemesis::Start() {
  if (!plan_.troubles.empty()) Next();
}

void Nemesis::Next() {
  world_.scheduler().After(UpTo(plan_.between * 2), kWorld, [this] {
    if (stopped_) return;
    Strike(plan_.troubles[prng_.Below(plan_.troubles.size())]);
    Next();
  });
}

void Nemesis::Strike(Trouble trouble) {
  const size_t place = AnyPlace();
  world_.scheduler().Trace(std::string("trouble: ") + Name(trouble) + " " + world_.NameOf(place));
  switch (trouble) {
    case Trouble::kCut:
      return Cut(/*one_way=*/false);
    case Trouble::kCutOneWay:
      return Cut(/*one_way=*/true);
    case Trouble::kIsolate:
      return Isolate(place, 4s);
    case Trouble::kKill:
      return Kill(place, /*process_only=*/true, /*wipe=*/false);
    case Trouble::kPowerCut:
      return Kill(place, /*process_only=*/false, /*wipe=*/false);
    case Trouble::kPause:
      if (world_.up(place)) {
        world_.scheduler().Pause(static_cast<Owner>(place), world_.scheduler().now() + Lasting(3s));
      }
      return;
    case Trouble::kWipe:
      if (facts_.wipes < plan_.wipes) Kill(place, /*process_only=*/true, /*wipe=*/true);
      return;
    case Trouble::kSkew:
      return Skew(place);
    case Trouble::kFailWrite:
    case Trouble::kFailSync:
    case Trouble::kFlipBit:
      return HurtDisk(trouble, place);
    case Trouble::kFillDisk:
      return FillDisk(place);
    case Trouble::kSlowDisk:
      return SlowDisk(place);
    case Trouble::kBadNetwork:
      return BadNetwork();
    case Trouble::kCrash:
      return Crash(place, 80);
    case Trouble::kLosePrimary:
      return LosePrimary();
  }
}

void Nemesis::Cut(bool one_way) {
  const size_t from = AnyPlace();
  const size_t to = (from + 1 + prng_.Below(world_.size() - 1)) % world_.size();
  world_.network().Cut(from, to, true);
  if (!one_way) world_.network().Cut(to, from, true);
  world_.scheduler().After(Lasting(3s), kWorld, [this, from, to] {
    world_.network().Cut(from, to, false);
    world_.network().Cut(to, from, false);
  });
}

void Nemesis::Isolate(size_t place, Duration at_most) {
  for (size_t other = 0; other < world_.size(); ++other) {
    if (other == place) continue;
    world_.network().Cut(place, other, true);
    world_.network().Cut(other, place, true);
  }
  world_.scheduler().After(Lasting(at_most), kWorld, [this] { world_.network().HealAll(); });
}

// It goes on alone for a moment, and goes down with what nobody else has: the way to a rewind.
void Nemesis::LosePrimary() {
  const std::string& space = plan_.spaces[prng_.Below(plan_.spaces.size())].name;
  for (size_t place = 0; place < world_.size(); ++place) {
    if (!world_.up(place)) continue;
    for (const runtime::SpaceState& state : world_.node(place).replication()->Spaces()) {
      if (state.space != space || state.role != cluster::Role::kPrimary) continue;
      Isolate(place, 800ms);
      world_.scheduler().After(UpTo(500ms), kWorld, [this, place] {
        Kill(place, /*process_only=*/prng_.OneIn(2), /*wipe=*/false);
      });
      return;
    }
  }
}

void Nemesis::Kill(size_t place, bool process_only, bool wipe) {
  if (!world_.up(place)) return;
  world_.Kill(place, process_only);
  if (wipe) {
    world_.Wipe(place);
    ++facts_.wipes;
    facts_.wiped.insert(place);
  }
  StartLater(place, prng_.OneIn(2) ? UpTo(400ms) : Lasting(4s));
}

void Nemesis::Crash(size_t place, uint64_t changes) {
  world_.KillInside(place, 1 + prng_.Below(changes), /*process_only=*/prng_.OneIn(2));
}

// A rewind takes about a dozen changes of files; each is a moment to die in.
void Nemesis::OnProbe(Probe probe) {
  const bool crashes = std::find(plan_.troubles.begin(), plan_.troubles.end(), Trouble::kCrash) !=
                       plan_.troubles.end();
  const bool rewinds = probe == Probe::kRewind || probe == Probe::kRewindResumed;
  const Owner owner = world_.acting();
  if (stopped_ || !crashes || !rewinds || owner == kWorld || !prng_.OneIn(3)) return;
  Crash(static_cast<size_t>(owner), 14);
}

void Nemesis::StartLater(size_t place, Duration delay) {
  world_.scheduler().After(delay, kWorld, [this, place] {
    if (world_.up(place)) return;
    if (facts_.held_down.contains(place)) return StartLater(place, 500ms);
    const Status started = world_.Start(place);
    if (started.ok()) return;
    world_.scheduler().Trace(world_.NameOf(place) + " does not start: " + started.message());
    StartLater(place, 300ms);
  });
}

void Nemesis::HurtDisk(Trouble trouble, size_t place) {
  const std::string& space = plan_.spaces[prng_.Below(plan_.spaces.size())].name;
  Fault fault{};
  fault.path = "/spaces/" + space + (prng_.OneIn(4) ? "/" : "/wal/");
  fault.after = prng_.Below(20);
  if (trouble == Trouble::kFlipBit) {
    fault.operation = Operation::kRead;
    fault.effect = Fault::Effect::kFlip;
    fault.where = prng_.Below(32 << 13);
    fault.times = 1 + prng_.Below(2);
  } else {
    fault.operation = trouble == Trouble::kFailSync ? Operation::kSync : Operation::kWrite;
    if (trouble == Trouble::kFailWrite && prng_.OneIn(2)) {
      fault.effect = Fault::Effect::kShort;
      fault.where = prng_.Below(200);
    }
  }
  facts_.hurt_disks.insert(place);
  facts_.hurt_spaces.insert({place, space});
  world_.disk(place).Inject(fault);
}

void Nemesis::FillDisk(size_t place) {
  facts_.hurt_disks.insert(place);
  for (const SpacePlan& space : plan_.spaces) facts_.hurt_spaces.insert({place, space.name});
  world_.disk(place).SetFreeBytes(prng_.Below(40'000));
  const uint64_t disk_life = world_.disk_life(place);
  world_.scheduler().After(Lasting(2s), kWorld, [this, place, disk_life] {
    if (world_.disk_life(place) == disk_life) world_.disk(place).SetFreeBytes(std::nullopt);
  });
}

void Nemesis::SlowDisk(size_t place) {
  world_.SlowDown(place, UpTo(200ms), UpTo(5ms));
  world_.scheduler().After(Lasting(2s), kWorld,
                           [this, place] { world_.SlowDown(place, plan_.slow_flush, 50us); });
}

// A monotonic clock only ever runs ahead; the wall clock steps as it likes.
void Nemesis::Skew(size_t place) {
  skews_[place] += UpTo(1s);
  if (world_.up(place)) {
    for (const runtime::SpaceState& state : world_.node(place).replication()->Spaces()) {
      if (state.role == cluster::Role::kPrimary) Visit(Probe::kPrimaryClockStepped);
    }
  }
  const Duration wall = UpTo(20s) - 10s;
  world_.clock(place).Skew(skews_[place], wall);
}

void Nemesis::BadNetwork() {
  NetworkFaults& faults = world_.network().faults;
  faults.delay = UpTo(20ms) + 100us;
  faults.lose_one_in = prng_.OneIn(2) ? 0 : 3 + static_cast<uint32_t>(prng_.Below(60));
  faults.double_one_in = prng_.OneIn(2) ? 0 : 3 + static_cast<uint32_t>(prng_.Below(60));
  faults.overtake_one_in = prng_.OneIn(2) ? 0 : 3 + static_cast<uint32_t>(prng_.Below(60));
  world_.scheduler().After(Lasting(3s), kWorld, [this] { world_.network().faults = {}; });
}

void Nemesis::Heal() {
  stopped_ = true;
  world_.network().faults = {};
  world_.network().HealAll();
  for (size_t place = 0; place < world_.size(); ++place) {
    world_.disk(place).Heal();
    world_.KillInside(place, 0, false);
    world_.SlowDown(place, plan_.slow_flush, 50us);
    if (!world_.up(place)) StartLater(place, UpTo(200ms));
  }
}

}  // namespace engram::sim
