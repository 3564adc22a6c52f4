// Bits that rot in the sealed segments of one copy at a time, by seed, among writes, kills, power
// cuts and broken links. The checker `corrupt-never-wins`: a damaged entry is never given or
// shipped as a good one; nothing that was acknowledged is cut because of it; a copy that is known
// to be damaged does not lead; and at rest every log is whole, the same, and without a Hole.
#include <gtest/gtest.h>

#include "engram/record/batch.h"
#include "engram/runtime/fetched.h"
#include "engram/wal/mend.h"
#include "engram/wal/names.h"
#include "engram/wal/tool.h"
#include "sim/disk_log.h"
#include "sim/world.h"

namespace engram::sim {
namespace {

using namespace std::chrono_literals;
using replication::Mutant;

const std::string kDirectory = SpaceDirectory("default");

class RotRun {
 public:
  RotRun(uint64_t seed, Mutant mutant) : prng_(seed * 7919 + 3) {
    WorldOptions options;
    options.seed = seed;
    options.nodes = 2 + seed % 2;
    options.space_defaults.set_dimension(4);
    options.segment_bytes = 8u << 10;
    options.scrub = {.rate = 256u << 10, .every = 1s};
    options.replication.mutant = mutant;
    world_ = std::make_unique<World>(options);
    known_since_.resize(options.nodes);
    Listen();
  }

  // What is wrong; "" when nothing is.
  std::string Run() {
    for (size_t place = 0; place < world_->size(); ++place) {
      if (!world_->Start(place).ok()) return "does not start";
    }
    if (!world_->RunUntil([this] { return Primary().has_value(); }, 20s)) return "no primary";
    for (int i = 0; i < 60; ++i) Write();
    for (int i = 0; i < 25 && why_.empty(); ++i) Act();
    Heal();
    return why_;
  }
  int rotted() const { return rotted_; }

 private:
  void Fail(const std::string& why) {
    if (why_.empty()) why_ = "corrupt-never-wins: " + why;
  }

  void Listen() {
    world_->network().on_fetched = [this](size_t, size_t to, const runtime::FetchCall& call,
                                          const std::string& records) {
      const auto fetched = runtime::CheckFetched(records, {call.first, call.last});
      if (!fetched.ok()) Fail(world_->NameOf(to) + " gives " + fetched.status().message());
    };
    world_->network().on_send = [this](size_t from, size_t, const runtime::SpaceMessage& message) {
      const auto* entries = std::get_if<replication::Entries>(&message.message.body);
      if (entries == nullptr || entries->batch == nullptr) return;
      const auto header = record::DecodeBatchHeader(*entries->batch, 24u << 20);
      const bool good =
          header.ok() && record::SplitBatch(*header, record::BatchRecords(*entries->batch)).ok();
      if (!good) Fail(world_->NameOf(from) + " ships what is damaged");
    };
  }

  std::optional<runtime::SpaceState> StateOn(size_t place) {
    if (!world_->up(place)) return std::nullopt;
    for (auto& state : world_->node(place).replication()->Spaces()) {
      if (state.space == "default") return std::move(state);
    }
    return std::nullopt;
  }
  std::optional<size_t> Primary() {
    for (size_t place = 0; place < world_->size(); ++place) {
      const auto state = StateOn(place);
      if (state && state->role == cluster::Role::kPrimary && state->writes_replicated) return place;
    }
    return std::nullopt;
  }
  bool Whole(size_t place) {
    const auto report = wal::Verify(world_->files(place), kDirectory);
    return report.ok() && report->good();
  }

  // A copy that knows of damage stops leading at once.
  void Look() {
    for (size_t place = 0; place < world_->size(); ++place) {
      const Instant now = world_->scheduler().now();
      const bool known =
          world_->up(place) && !world_->node(place).mending().DamageOf("default").empty();
      if (!known) known_since_[place].reset();
      if (known && !known_since_[place]) known_since_[place] = now;
      const auto state = StateOn(place);
      if (!known || !state || state->role != cluster::Role::kPrimary) continue;
      if (now - *known_since_[place] > 200ms) {
        Fail(world_->NameOf(place) + " leads with a log that it knows to be damaged");
      }
    }
  }
  void RunFor(Duration time) {
    for (Duration done{}; done < time; done += 50ms) {
      world_->RunFor(50ms);
      Look();
    }
  }

  void Write() {
    const auto place = Primary();
    const auto space = place ? world_->node(*place).spaces().FindOpen("default") : nullptr;
    if (space == nullptr) return RunFor(200ms);
    v1::Episode episode;
    const std::string id = "e" + std::to_string(++written_);
    episode.set_id(id);
    episode.set_what(std::string(150, 'w'));
    auto answer = std::make_shared<std::optional<bool>>();
    space->Remember(episode, {}, [answer](const auto& result) { *answer = result.ok(); });
    world_->RunUntil([&] { return answer->has_value(); }, 1s);
    if (answer->value_or(false)) acknowledged_.push_back(id);
  }

  void Rot() {
    const size_t victim = prng_.Below(world_->size());
    for (size_t place = 0; place < world_->size(); ++place) {
      if (!Whole(place)) return;  // one at a time
    }
    const auto segments = wal::SegmentsOf(world_->files(victim), kDirectory);
    if (!segments.ok() || segments->size() < 2) return;
    const std::string path =
        wal::SegmentPath(kDirectory, segments->at(prng_.Below(segments->size() - 1)));
    const auto bytes = env::ReadWholeFile(world_->files(victim), path);
    if (!bytes.ok() || bytes->empty()) return;
    ++rotted_;
    (void)env::FlipStoredBit(world_->files(victim), path, prng_.Below(bytes->size() * 8));
  }

  void Act() {
    const size_t place = prng_.Below(world_->size());
    switch (prng_.Below(6)) {
      case 0:
      case 1:
        Rot();
        break;
      case 2:
        if (world_->up(place)) world_->Kill(place, prng_.OneIn(2));
        RunFor(Duration(static_cast<int64_t>(prng_.Below(800'000'000))));
        (void)world_->Start(place);
        break;
      case 3:
        world_->network().Cut(place, (place + 1) % world_->size(), true);
        RunFor(Duration(static_cast<int64_t>(prng_.Below(1'500'000'000))));
        world_->network().HealAll();
        break;
      default:
        for (int i = 0; i < 6; ++i) Write();
    }
    RunFor(Duration(static_cast<int64_t>(prng_.Below(1'500'000'000))));
  }

  std::string WhatIsMissing() {
    if (!Primary()) return "no primary";
    std::optional<wal::DigestReport> first;
    for (size_t place = 0; place < world_->size(); ++place) {
      if (!Whole(place)) return world_->NameOf(place) + " has a damaged log";
      const auto digest = wal::DigestOf(world_->files(place), kDirectory, Sequence(1), Sequence());
      if (!digest.ok()) return digest.status().message();
      if (digest->holes > 0) return world_->NameOf(place) + " has given up entries";
      if (!first) first = *digest;
      if (first->last != digest->last || !(first->digest == digest->digest)) return "logs differ";
    }
    return "";
  }

  void Heal() {
    world_->network().HealAll();
    for (size_t place = 0; place < world_->size(); ++place) {
      if (!world_->up(place)) (void)world_->Start(place);
    }
    std::string missing = "-";
    for (int i = 0; i < 600 && why_.empty() && !missing.empty(); ++i) {
      RunFor(200ms);
      missing = WhatIsMissing();
    }
    if (!missing.empty()) return Fail("at rest, " + missing);
    for (size_t place = 0; place < world_->size(); ++place) CheckAll(place);
  }
  void CheckAll(size_t place) {
    const auto space = world_->node(place).spaces().FindOpen("default");
    auto view = space == nullptr
                    ? Result<std::unique_ptr<space::View>>(Status(Reason::RECOVERING, "not open"))
                    : space->NewView();
    if (!view.ok()) return Fail(world_->NameOf(place) + ": " + view.status().message());
    for (const std::string& id : acknowledged_) {
      const auto found = (*view)->FindId(id);
      if (!found.ok() || !found->has_value() || (*found)->deleted) {
        return Fail(id + " was acknowledged, and is gone on " + world_->NameOf(place));
      }
    }
  }

  Prng prng_;
  std::unique_ptr<World> world_;
  std::vector<std::optional<Instant>> known_since_;
  std::vector<std::string> acknowledged_;
  int written_ = 0, rotted_ = 0;
  std::string why_;
};

TEST(MendingSeeds, CorruptNeverWins) {
  int rotted = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    RotRun run(seed, Mutant::kNone);
    EXPECT_EQ(run.Run(), "") << "seed " << seed;
    rotted += run.rotted();
  }
  EXPECT_GT(rotted, 40);
}

class MendingMutants : public testing::TestWithParam<Mutant> {};

TEST_P(MendingMutants, AreCaught) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    if (RotRun(seed, GetParam()).Run().starts_with("corrupt-never-wins")) return;
  }
  FAIL() << "nothing is noticed";
}

INSTANTIATE_TEST_SUITE_P(Mending, MendingMutants,
                         testing::Values(Mutant::kMendGivesUp, Mutant::kDamagedStaysFit));

}  // namespace
}  // namespace engram::sim
