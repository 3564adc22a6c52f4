// A pair on the simulated machine, without faults: what must work before anything is broken.
#include <gtest/gtest.h>

#include "engram/cluster/static_store.h"
#include "sim/world.h"

namespace engram::sim {
namespace {

using namespace std::chrono_literals;

class PairTest : public testing::Test {
 protected:
  PairTest() {
    WorldOptions options;
    options.space_defaults.set_dimension(4);
    world_ = std::make_unique<World>(options);
  }
  std::shared_ptr<space::Space> SpaceOn(size_t place) {
    return world_->node(place).spaces().FindOpen("default");
  }
  runtime::SpaceState StateOn(size_t place) {
    for (auto& state : world_->node(place).replication()->Spaces()) {
      if (state.space == "default") return state;
    }
    return {};
  }
  Result<v1::RememberResponse> Remember(size_t place, const std::string& id,
                                        v1::Durability level = v1::DURABILITY_UNSPECIFIED) {
    v1::Episode episode;
    episode.set_id(id);
    episode.set_what("what of " + id);
    v1::WriteOptions options;
    options.set_durability(level);
    std::optional<Result<v1::RememberResponse>> answer;
    SpaceOn(place)->Remember(episode, options, [&](auto result) { answer = std::move(result); });
    if (!world_->RunUntil([&] { return answer.has_value(); }, 20s)) {
      return Status(Reason::CONNECTION_TIMEOUT, "no answer");
    }
    return *std::move(answer);
  }
  bool Sees(size_t place, const std::string& id) {
    const auto space = SpaceOn(place);
    if (space == nullptr) return false;
    auto view = space->NewView();
    if (!view.ok()) return false;
    const auto found = (*view)->FindId(id);
    return found.ok() && found->has_value() && !(*found)->deleted;
  }
  void StartBoth() {
    ASSERT_TRUE(world_->Start(0).ok());
    ASSERT_TRUE(world_->Start(1).ok());
    ASSERT_TRUE(world_->RunUntil([&] { return InSync(0, 1); }, 10s));
  }
  // Both in the set, and `replicated` writes are taken.
  bool InSync(size_t primary, size_t) {
    const runtime::SpaceState state = StateOn(primary);
    return state.role == cluster::Role::kPrimary && state.writes_replicated;
  }
  std::unique_ptr<World> world_;
};

TEST_F(PairTest, TheFirstPrimaryWaitsForTheOther) {
  ASSERT_TRUE(world_->Start(0).ok());
  world_->RunFor(5s);
  EXPECT_EQ(SpaceOn(0), nullptr);
  EXPECT_EQ(world_->node(0).WaitingFor(), "n2");
  ASSERT_TRUE(world_->Start(1).ok());
  EXPECT_TRUE(world_->RunUntil([&] { return InSync(0, 1); }, 10s));
}

TEST_F(PairTest, AReplicatedWriteIsOnBoth) {
  StartBoth();
  const auto reply = Remember(0, "a");
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_REPLICATED);
  EXPECT_EQ(reply->write().durable_copies(), 2u);
  EXPECT_TRUE(Sees(0, "a"));
  EXPECT_TRUE(world_->RunUntil([&] { return Sees(1, "a"); }, 5s));
}

TEST_F(PairTest, AReplicaRefusesWrites) {
  StartBoth();
  const auto reply = Remember(1, "a");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.status().reason(), Reason::NOT_PRIMARY);
  EXPECT_EQ(reply.status().metadata().at("primary_grpc"), "n1:1");
}

TEST_F(PairTest, ARepeatOfWhatIsInTheLogIsNotRefused) {
  StartBoth();
  world_->Kill(1, false);
  const auto write = [&] {
    v1::Episode episode;
    episode.set_id("a");
    episode.set_what("what of a");
    v1::WriteOptions options;
    options.set_idempotency_key("key-1");
    std::optional<Result<v1::RememberResponse>> answer;
    SpaceOn(0)->Remember(episode, options, [&](auto result) { answer = std::move(result); });
    EXPECT_TRUE(world_->RunUntil([&] { return answer.has_value(); }, 20s));
    return *std::move(answer);
  };
  EXPECT_EQ(write().status().reason(), Reason::COMMIT_UNKNOWN);
  world_->RunFor(3s);
  EXPECT_EQ(Remember(0, "b").status().reason(), Reason::NOT_ENOUGH_IN_SYNC);
  EXPECT_EQ(write().status().reason(), Reason::COMMIT_UNKNOWN);
  ASSERT_TRUE(world_->Start(1).ok());
  ASSERT_TRUE(world_->RunUntil([&] { return InSync(0, 1); }, 10s));
  const auto repeated = write();
  ASSERT_TRUE(repeated.ok()) << repeated.status().ToString();
  EXPECT_EQ(repeated->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
  EXPECT_EQ(repeated->write().version(), 1u);
}

TEST_F(PairTest, NothingReplicatedIsLostWithThePrimary) {
  StartBoth();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Remember(0, "a" + std::to_string(i)).ok());
  }
  world_->Kill(0, false);
  world_->RunFor(1s);
  EXPECT_EQ(Remember(1, "no").status().reason(), Reason::NO_PRIMARY);
  std::optional<cluster::PromotionReport> report;
  runtime::PromoteCommand command{.space = "default", .stopped = "n1"};
  world_->node(1).replication()->Promote(command, [&](auto result) {
    ASSERT_TRUE(result.ok());
    report = *result;
  });
  ASSERT_TRUE(world_->RunUntil([&] { return report.has_value(); }, 10s));
  EXPECT_TRUE(report->done) << report->why;
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(world_->RunUntil([&] { return Sees(1, "a" + std::to_string(i)); }, 5s)) << i;
  }
  EXPECT_EQ(Remember(1, "b").status().reason(), Reason::NOT_ENOUGH_IN_SYNC);
  const auto local = Remember(1, "b", v1::DURABILITY_LOCAL);
  ASSERT_TRUE(local.ok()) << local.status().ToString();
  EXPECT_EQ(local->write().durability(), v1::DURABILITY_LOCAL);
  ASSERT_TRUE(world_->Start(0).ok());
  ASSERT_TRUE(world_->RunUntil([&] { return InSync(1, 0); }, 20s));
  EXPECT_TRUE(Remember(1, "c").ok());
  EXPECT_TRUE(world_->RunUntil([&] { return Sees(0, "c") && Sees(0, "b"); }, 5s));
}

// What a candidate asked for is not forgotten because the copy is only made for it.
TEST_F(PairTest, APromiseIsKeptWhereThereWasNoCopy) {
  StartBoth();
  runtime::Replication& n2 = *world_->node(1).replication();
  int said = 0;
  // In place of what n1 sends next.
  const auto say = [&](Epoch epoch, const replication::Body& body) {
    bool done = false;
    world_->network().tamper = [&](size_t from, size_t, runtime::SpaceMessage* message) {
      if (from != 0 || std::exchange(done, true)) return;
      message->space = "new";
      message->message.stamp = {{{7}}, epoch, message->message.stamp.sender};
      message->message.body = body;
    };
    EXPECT_TRUE(Remember(0, "said" + std::to_string(++said)).ok());
    world_->network().tamper = nullptr;
    world_->RunFor(500ms);
  };
  say(cluster::MakeEpoch(2, 0), replication::Ask{.round = 1, .dry_run = true});
  EXPECT_FALSE(n2.StateOf("new").ok());  // a dry run makes nothing
  say(cluster::MakeEpoch(2, 0), replication::Ask{.round = 2, .dry_run = false});
  say(cluster::MakeEpoch(1, 0), replication::Open{});
  const auto state = n2.StateOf("new");
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->promised, cluster::MakeEpoch(2, 0));
  EXPECT_EQ(state->primary, "");
}

// While n2 was away, n1 went on alone, and tombstones went that n2 never saw.
TEST_F(PairTest, WhoIsBelowTheTombstoneFloorBeginsAnew) {
  StartBoth();
  ASSERT_TRUE(Remember(0, "both").ok());
  ASSERT_TRUE(world_->RunUntil([&] { return Sees(1, "both"); }, 5s));
  world_->Kill(1, false);
  world_->RunFor(1s);
  std::optional<cluster::PromotionReport> report;
  const runtime::PromoteCommand command{.space = "default", .stopped = "n2"};
  world_->node(0).replication()->Promote(command, [&](auto result) {
    ASSERT_TRUE(result.ok());
    report = *result;
  });
  ASSERT_TRUE(world_->RunUntil([&] { return report.has_value(); }, 10s));
  ASSERT_TRUE(report->done) << report->why;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Remember(0, "alone" + std::to_string(i), v1::DURABILITY_LOCAL).ok());
  }
  wal::Log& log = SpaceOn(0)->log();
  const Sequence floor = log.end();
  ASSERT_TRUE(log.SetFloors({.tombstone = floor, .compaction = {log.epoch(), floor}}).ok());
  world_->Kill(0, false);
  ASSERT_TRUE(world_->Start(0).ok());
  // Its only voter is itself, and yet it asks: the other could have been promoted meanwhile.
  world_->RunFor(5s);
  EXPECT_NE(StateOn(0).role, cluster::Role::kPrimary);
  ASSERT_TRUE(world_->Start(1).ok());
  ASSERT_TRUE(world_->RunUntil([&] { return InSync(0, 1); }, 30s));
  ASSERT_TRUE(Remember(0, "again").ok());
  EXPECT_TRUE(world_->RunUntil([&] { return Sees(1, "again"); }, 5s));
  EXPECT_TRUE(Sees(1, "both") && Sees(1, "alone0") && Sees(1, "alone19"));
  const auto kept = world_->node(1).replication()->ListQuarantine("default");
  ASSERT_TRUE(kept.ok());
  ASSERT_EQ(kept->size(), 1u);  // all of its log, once
  EXPECT_EQ(kept->front().first, Sequence(1));
  const wal::Log::Floors floors = SpaceOn(1)->log().floors();
  EXPECT_EQ(floors.begun_floor, floor);
  EXPECT_EQ(floors.compaction, Position());
}

}  // namespace
}  // namespace engram::sim
