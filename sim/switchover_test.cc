// Switchovers on the simulated machine, without faults, while clients write: every write is
// answered and is on both nodes, nothing is cut, and writes that came meanwhile find the new
// primary.
#include <set>

#include <gtest/gtest.h>

#include "engram/cluster/static_store.h"
#include "sim/world.h"

namespace engram::sim {
namespace {

using namespace std::chrono_literals;

class SwitchoverTest : public testing::TestWithParam<v1::Durability> {
 protected:
  SwitchoverTest() {
    WorldOptions options;
    options.space_defaults.set_dimension(4);
    options.space_defaults.set_durability(GetParam());
    world_ = std::make_unique<World>(options);
    EXPECT_TRUE(world_->Start(0).ok());
    EXPECT_TRUE(world_->Start(1).ok());
    EXPECT_TRUE(world_->RunUntil([&] { return Leads(0); }, 10s));
  }
  std::shared_ptr<space::Space> SpaceOn(size_t place) {
    return world_->node(place).spaces().FindOpen("default");
  }
  runtime::SpaceState StateOn(size_t place) {
    if (!world_->up(place)) return {};
    for (auto& state : world_->node(place).replication()->Spaces()) {
      if (state.space == "default") return state;
    }
    return {};
  }
  bool Leads(size_t place) {
    const runtime::SpaceState state = StateOn(place);
    return state.role == cluster::Role::kPrimary && state.writes_replicated && state.record &&
           state.record->voters.size() == 2 && state.record->in_sync.size() == 2 &&
           state.replicas.at(0).joined;
  }
  // A write that goes where it is sent, as clients do; `ended` counts those that were acknowledged.
  void Write(size_t place, const std::string& id) {
    if (!world_->up(place) || SpaceOn(place) == nullptr) return;
    v1::Episode episode;
    episode.set_id(id);
    episode.set_what("what of " + id);
    ++open_;
    const uint64_t life = world_->life(place);
    SpaceOn(place)->Remember(episode, {}, [this, id, place, life](const auto& result) {
      --open_;
      if (world_->life(place) != life) return;  // nobody hears what the dead say
      if (result.ok()) return acknowledged_.push_back(id);
      refused_.push_back(result.status());
      const auto& about = result.status().metadata();
      if (const auto to = about.find("primary"); to != about.end()) {
        world_->scheduler().After(1ms, kWorld,
                                  [this, id, to = to->second] { Write(to == "n1" ? 0 : 1, id); });
      }
    });
  }
  cluster::SwitchReport Switch(size_t from, size_t to, bool dry_run = false) {
    std::optional<Result<cluster::SwitchReport>> answer;
    runtime::SwitchCommand command{.space = "default", .to = world_->NameOf(to)};
    command.dry_run = dry_run;
    world_->node(from).replication()->SwitchOver(command, [&](auto report) { answer = report; });
    for (int i = 0; i < 50 && !dry_run; ++i) {
      world_->scheduler().After(200us * i, kWorld,
                                [this, from] { Write(from, "w" + std::to_string(writes_++)); });
    }
    EXPECT_TRUE(world_->RunUntil([&] { return answer.has_value(); }, 10s));
    EXPECT_TRUE(answer->ok()) << answer->status().ToString();
    return answer->ok() ? **answer : cluster::SwitchReport();
  }
  bool Sees(size_t place, const std::string& id) {
    auto view = SpaceOn(place)->NewView();
    if (!view.ok()) return false;
    const auto found = (*view)->FindId(id);
    return found.ok() && found->has_value();
  }

  std::set<std::string> Quarantined(size_t place) {
    std::set<std::string> ids;
    runtime::Replication& replication = *world_->node(place).replication();
    const auto files = replication.ListQuarantine("default");
    EXPECT_TRUE(files.ok());
    for (const runtime::QuarantineInfo& info : *files) {
      const auto part = replication.ShowQuarantine("default", info.file, Sequence(), false);
      EXPECT_TRUE(part.ok()) << part.status().ToString();
      for (const runtime::QuarantineEntry& entry : part->entries) ids.insert(entry.memory_id);
    }
    return ids;
  }

  std::unique_ptr<World> world_;
  int open_ = 0, writes_ = 0;
  std::vector<std::string> acknowledged_;
  std::vector<Status> refused_;
};

TEST_P(SwitchoverTest, ThereAndBackUnderWrites) {
  size_t from = 0;
  for (int round = 0; round < 4; ++round, from = 1 - from) {
    const Epoch before = StateOn(from).epoch;
    for (int i = 0; i < 20; ++i) Write(from, "w" + std::to_string(writes_++));
    const cluster::SwitchReport report = Switch(from, 1 - from);
    ASSERT_TRUE(report.done) << report.why;
    EXPECT_GT(report.epoch, before);
    EXPECT_LT(report.held, 200ms);
    ASSERT_TRUE(world_->RunUntil([&] { return Leads(1 - from) && open_ == 0; }, 10s));
    const runtime::SpaceState state = StateOn(1 - from);
    EXPECT_EQ(state.epoch, report.epoch);  // and no other was needed
    ASSERT_TRUE(state.record->handed_by.has_value());
    EXPECT_EQ(state.record->handed_by->node, world_->NameOf(from));
    EXPECT_EQ(state.record->in_sync.size(), 2u);
    EXPECT_FALSE(state.record->loss_after.has_value());
  }
  world_->RunFor(1s);
  EXPECT_EQ(open_, 0);
  for (const Status& why : refused_) EXPECT_EQ(why.reason(), Reason::NOT_PRIMARY);
  EXPECT_EQ(acknowledged_.size(), static_cast<size_t>(writes_));
  for (const std::string& id : acknowledged_) {
    EXPECT_TRUE(Sees(0, id)) << id;
    EXPECT_TRUE(Sees(1, id)) << id;
  }
  for (size_t place : {0, 1}) {
    EXPECT_EQ(StateOn(place).writes_lost, 0u);
    EXPECT_TRUE(world_->node(place).replication()->ListQuarantine("default")->empty());
  }
}

TEST_P(SwitchoverTest, IsRefusedWhereItCannotBe) {
  EXPECT_EQ(Switch(0, 0).why, "n1 leads already");
  const cluster::SwitchReport dry = Switch(0, 1, /*dry_run=*/true);
  EXPECT_EQ(dry.why, "");
  EXPECT_FALSE(dry.done);
  EXPECT_TRUE(Leads(0));
  Status status;
  world_->node(1).replication()->SwitchOver({.space = "default", .to = "n1"},
                                            [&](const auto& report) { status = report.status(); });
  EXPECT_EQ(status.reason(), Reason::NOT_PRIMARY);
  world_->node(0).replication()->SwitchOver({.space = "default", .to = "n7"},
                                            [&](const auto& report) { status = report.status(); });
  EXPECT_EQ(status.reason(), Reason::REPLICA_NOT_FOUND);
  world_->Kill(1, false);
  world_->RunFor(3s);
  EXPECT_EQ(Switch(0, 1).why, "n2 is not connected");
}

// The node that is to lead dies in the middle: the old primary leads on when it promised nothing,
// and what was held is answered.
TEST_P(SwitchoverTest, WritesAreAnsweredWhenTheOtherDies) {
  for (int micros = 0; micros < 4000; micros += 400) {
    std::optional<Result<cluster::SwitchReport>> answer;
    world_->node(0).replication()->SwitchOver({.space = "default", .to = "n2"},
                                              [&](auto report) { answer = report; });
    for (int i = 0; i < 5; ++i) Write(0, "w" + std::to_string(writes_++));
    world_->RunFor(std::chrono::microseconds(micros));
    world_->Kill(1, false);
    EXPECT_TRUE(world_->RunUntil([&] { return answer.has_value() && open_ == 0; }, 20s));
    ASSERT_TRUE(world_->Start(1).ok());
    ASSERT_TRUE(world_->RunUntil([&] { return Leads(0) || Leads(1); }, 30s)) << micros;
    if (Leads(0)) continue;
    ASSERT_TRUE(Switch(1, 0).done) << micros;
    ASSERT_TRUE(world_->RunUntil([&] { return Leads(0); }, 30s)) << micros;
  }
  // What n2 alone had, as local, when it died may lie in its quarantine.
  const std::set<std::string> kept = Quarantined(1);
  EXPECT_TRUE(GetParam() == v1::DURABILITY_LOCAL || kept.empty());
  for (const std::string& id : acknowledged_) {
    if (kept.contains(id)) continue;
    EXPECT_TRUE(world_->RunUntil([&] { return Sees(0, id) && Sees(1, id); }, 5s)) << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, SwitchoverTest,
                         testing::Values(v1::DURABILITY_REPLICATED, v1::DURABILITY_LOCAL),
                         [](const auto& info) {
                           return info.param == v1::DURABILITY_LOCAL ? "Local" : "Replicated";
                         });

}  // namespace
}  // namespace engram::sim
