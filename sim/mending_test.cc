// Mending on the simulated machine: bits that rot on the disk of one node or of both, found by a
// reader, by scrubbing, at opening, by a digest; while writes go on.
#include <gtest/gtest.h>

#include "engram/runtime/replication_impl.h"
#include "engram/wal/mend.h"
#include "engram/wal/names.h"
#include "engram/wal/tool.h"
#include "sim/disk_log.h"
#include "sim/world.h"

namespace engram::sim {
namespace {

using namespace std::chrono_literals;

class MendingTest : public testing::Test {
 protected:
  // `scrubs`: each node reads all of its sealed segments every two seconds.
  void Make(bool scrubs) {
    WorldOptions options;
    options.space_defaults.set_dimension(4);
    options.segment_bytes = 8u << 10;
    if (scrubs) options.scrub = {.rate = 64u << 20, .every = 2s};
    world_ = std::make_unique<World>(options);
    ASSERT_TRUE(world_->Start(0).ok());
    ASSERT_TRUE(world_->Start(1).ok());
    ASSERT_TRUE(world_->RunUntil([&] { return Leads(0); }, 10s));
    Write(0, 100);
    ASSERT_GE(Segments(0).size(), 4u);
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
  // Leads, with both in the set.
  bool Leads(size_t place) {
    const runtime::SpaceState state = StateOn(place);
    return state.role == cluster::Role::kPrimary && state.writes_replicated;
  }
  Status Remember(size_t place, const std::string& id) {
    const auto space = SpaceOn(place);
    if (space == nullptr) return Status(Reason::RECOVERING, "not open");
    v1::Episode episode;
    episode.set_id(id);
    episode.set_what("what of " + id + " " + std::string(100, '.'));
    std::optional<Status> answer;
    space->Remember(episode, {}, [&](const auto& result) { answer = result.status(); });
    if (!world_->RunUntil([&] { return answer.has_value(); }, 20s)) {
      return Status(Reason::CONNECTION_TIMEOUT, "no answer");
    }
    return *answer;
  }
  // As a client does: again, until it is taken.
  void Write(size_t place, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string id = "e" + std::to_string(written_++);
      Status status;
      for (int tries = 0; tries < 40; ++tries) {
        status = Remember(place, id);
        if (status.ok()) break;
        world_->RunFor(250ms);
      }
      ASSERT_TRUE(status.ok()) << id << ": " << status.ToString();
    }
  }
  std::vector<Sequence> Segments(size_t place) {
    return *wal::SegmentsOf(world_->files(place), kDirectory);
  }
  std::string PathOf(size_t place, size_t index) {
    return wal::SegmentPath(kDirectory, Segments(place).at(index));
  }
  void Rot(size_t place, size_t index, uint64_t byte) {
    ASSERT_TRUE(env::FlipStoredBit(world_->files(place), PathOf(place, index), byte * 8 + 3).ok());
  }
  // File and bit of the payload of an entry.
  std::pair<std::string, uint64_t> BitOf(size_t place, Sequence sequence) {
    std::pair<std::string, uint64_t> found;
    const Status status =
        wal::Dump(world_->files(place), kDirectory, [&](const wal::DumpRecord& record) {
          if (record.header.sequence != sequence) return true;
          found = {kDirectory + "/wal/" + record.segment, (record.offset + 70) * 8 + 1};
          return false;
        });
    EXPECT_TRUE(status.ok() && !found.first.empty()) << ToString(sequence);
    return found;
  }
  void RotEntry(size_t place, uint64_t sequence) {
    const auto [file, bit] = BitOf(place, Sequence(sequence));
    ASSERT_TRUE(env::FlipStoredBit(world_->files(place), file, bit).ok());
  }
  // What was just written is read from memory: a node that was started anew reads its files.
  void StartAnew(size_t place) {
    ASSERT_TRUE(world_->StopNode(place).ok());
    ASSERT_TRUE(world_->Start(place).ok());
    ASSERT_TRUE(world_->RunUntil([&] { return Leads(0) && SpaceOn(1) != nullptr; }, 30s));
  }
  bool Whole(size_t place) {
    const auto report = wal::Verify(world_->files(place), kDirectory);
    return report.ok() && report->good();
  }
  uint64_t Mended(size_t place) { return world_->node(place).mending().mended_entries("default"); }
  // Both have one whole log, and take writes.
  bool Healed(size_t primary) {
    if (!Whole(0) || !Whole(1) || !Leads(primary)) return false;
    const auto a = wal::DigestOf(world_->files(0), kDirectory, Sequence(1), Sequence());
    const auto b = wal::DigestOf(world_->files(1), kDirectory, Sequence(1), Sequence());
    return a.ok() && b.ok() && a->last == b->last && a->digest == b->digest;
  }
  void ExpectAllThere(size_t place) {
    auto view = SpaceOn(place)->NewView();
    ASSERT_TRUE(view.ok()) << view.status().ToString();
    for (int i = 0; i < written_; ++i) {
      const auto found = (*view)->FindId("e" + std::to_string(i));
      ASSERT_TRUE(found.ok() && found->has_value() && !(*found)->deleted) << i;
      const auto record = (*view)->Load(*(*found)->row);
      ASSERT_TRUE(record.ok()) << i << record.status().ToString();
    }
  }
  std::optional<cluster::PromotionReport> Promote(size_t place, const std::string& stopped) {
    std::optional<cluster::PromotionReport> report;
    world_->node(place).replication()->Promote({.space = "default", .stopped = stopped},
                                               [&](auto result) {
                                                 if (result.ok()) report = *result;
                                               });
    world_->RunUntil([&] { return report.has_value(); }, 10s);
    return report;
  }

  const std::string kDirectory = SpaceDirectory("default");
  std::unique_ptr<World> world_;
  int written_ = 0;
};

TEST_F(MendingTest, ScrubbingFindsItOnTheReplica) {
  Make(true);
  RotEntry(1, 30);
  Write(0, 10);
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 30s));
  EXPECT_GT(Mended(1), 0u);
  EXPECT_EQ(Mended(0), 0u);
  EXPECT_TRUE(world_->node(1).mending().DamageOf("default").empty());
  ExpectAllThere(1);
}

TEST_F(MendingTest, ScrubbingFindsItOnThePrimary) {
  Make(true);
  const Epoch before = StateOn(0).epoch;
  RotEntry(0, 30);
  ASSERT_TRUE(world_->RunUntil([&] { return Mended(0) > 0; }, 30s));
  Write(0, 10);
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 30s));
  EXPECT_GT(StateOn(0).epoch, before);  // a log that is opened again ends its epoch
  ExpectAllThere(0);
  ExpectAllThere(1);
}

TEST_F(MendingTest, BothAtDifferentPlaces) {
  Make(true);
  RotEntry(0, 30);
  RotEntry(0, 60);
  RotEntry(1, 31);
  RotEntry(1, 10);
  ASSERT_TRUE(world_->RunUntil([&] { return Whole(0) && Whole(1); }, 60s));
  Write(0, 10);
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 30s));
  EXPECT_GT(Mended(0), 1u);
  EXPECT_GT(Mended(1), 1u);
  ExpectAllThere(0);
  ExpectAllThere(1);
}

// What no copy has is not given up: nothing is cut, and a person is told.
TEST_F(MendingTest, BothAtTheSamePlace) {
  Make(true);
  StartAnew(0);
  StartAnew(1);
  const Sequence end = StateOn(0).log_end;
  RotEntry(0, 30);
  RotEntry(1, 30);
  world_->RunFor(20s);
  for (const size_t place : {0, 1}) {
    const auto damage = world_->node(place).mending().DamageOf("default");
    ASSERT_EQ(damage.size(), 1u);
    EXPECT_NE(damage[0].state.find("not mended yet"), std::string::npos) << damage[0].state;
    EXPECT_GE(StateOn(place).log_end, end);
    EXPECT_NE(StateOn(place).role, cluster::Role::kPrimary);
    EXPECT_EQ(Mended(place), 0u);
  }
  // Nobody is promoted on top of it, and what is good is read.
  const auto report = Promote(1, "n1");
  ASSERT_TRUE(report.has_value());
  EXPECT_FALSE(report->done);
  EXPECT_TRUE(SpaceOn(0)->NewView().ok());
}

TEST_F(MendingTest, AReaderFindsIt) {
  Make(false);
  StartAnew(1);
  RotEntry(1, 40);
  EXPECT_FALSE(SpaceOn(1)->log().Read(Sequence(40)).ok());
  Write(0, 3);
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 30s));
  EXPECT_EQ(Mended(1), 1u);
}

// A bit that is read wrong once: the log is opened again, and nothing is written anew.
TEST_F(MendingTest, AReadThatGoesWrongOnce) {
  Make(false);
  StartAnew(1);
  ASSERT_TRUE(SpaceOn(1)->log().Read(Sequence(40)).ok());  // its place is known by now
  env::Fault fault{.operation = env::Operation::kRead, .effect = env::Fault::Effect::kFlip};
  std::tie(fault.path, fault.where) = BitOf(1, Sequence(40));
  world_->disk(1).Inject(fault);
  ASSERT_FALSE(SpaceOn(1)->log().Read(Sequence(40)).ok());
  Write(0, 3);
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 30s));
  EXPECT_EQ(Mended(1), 0u);
  EXPECT_FALSE(SpaceOn(1)->log().state().read_only);
}

// The copy opens damaged, is not promoted, mends, and is fit.
TEST_F(MendingTest, AtOpening) {
  Make(false);
  ASSERT_TRUE(world_->StopNode(1).ok());
  Rot(1, 1, 20);  // a segment's head: all heads are read at opening
  RotEntry(1, Segments(1).at(1).value() + 3);
  world_->Kill(0, false);
  ASSERT_TRUE(world_->Start(1).ok());
  ASSERT_TRUE(world_->RunUntil([&] { return SpaceOn(1) != nullptr; }, 5s));
  const auto refused = Promote(1, "n1");
  ASSERT_TRUE(refused.has_value());
  EXPECT_FALSE(refused->done);
  EXPECT_NE(refused->why.find("damaged"), std::string::npos) << refused->why;
  EXPECT_TRUE(
      world_->RunUntil([&] { return !world_->node(1).mending().DamageOf("default").empty(); }, 5s));
  EXPECT_TRUE(SpaceOn(1)->NewView().ok());
  ASSERT_TRUE(world_->Start(0).ok());
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 60s));
  ASSERT_TRUE(world_->StopNode(0).ok());
  const auto done = Promote(1, "n1");
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->done) << done->why;
  ExpectAllThere(1);
}

// The space opens, and what the protocol has to know of it cannot be read: it counts as a copy all
// the same, not as an empty place in which `default` is made anew.
// What tells of a lost head is the segment before it.
TEST_F(MendingTest, AHeadAndTheSegmentBeforeIt) {
  Make(false);
  ASSERT_TRUE(world_->StopNode(1).ok());
  Rot(1, 2, 20);
  RotEntry(1, Segments(1).at(1).value() + 3);
  ASSERT_TRUE(world_->Start(1).ok());
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 60s));
  ExpectAllThere(1);
}

TEST_F(MendingTest, AnEpochStartThatCannotBeRead) {
  Make(false);
  world_->Kill(1, true);
  world_->Kill(0, true);
  ASSERT_TRUE(world_->Start(0).ok());
  ASSERT_TRUE(world_->Start(1).ok());
  ASSERT_TRUE(world_->RunUntil([&] { return Leads(0); }, 30s));
  Write(0, 60);  // the second epoch's first entry lies in a sealed segment
  const auto log = ReadDiskLog(world_->files(0), "default");
  std::optional<Sequence> start;
  for (const DiskEntry& entry : log.entries) {
    if (entry.start.has_value() && entry.sequence > Sequence(50) && !start) start = entry.sequence;
  }
  ASSERT_TRUE(start.has_value());
  std::string path;
  uint64_t at = 0;
  ASSERT_TRUE(wal::Dump(world_->files(0), kDirectory, [&](const wal::DumpRecord& record) {
                if (record.header.sequence == *start) path = record.segment, at = record.offset;
                return true;
              }).ok());
  ASSERT_TRUE(world_->StopNode(0).ok());
  ASSERT_TRUE(world_->StopNode(1).ok());
  const std::string file = kDirectory + "/wal/" + path;
  ASSERT_NE(file, PathOf(0, Segments(0).size() - 1));
  ASSERT_TRUE(env::FlipStoredBit(world_->files(0), file, (at + 70) * 8).ok());
  ASSERT_TRUE(world_->Start(0).ok());
  world_->RunFor(10s);
  EXPECT_EQ(ReadDiskLog(world_->files(0), "default").identity(), log.identity());
  EXPECT_FALSE(world_->node(0).mending().DamageOf("default").empty());
  EXPECT_EQ(world_->node(0).WaitingFor(), "");
  ASSERT_TRUE(world_->Start(1).ok());
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 60s));
  ExpectAllThere(0);
}

// Both sides are read when the digests of a range differ: here it is the other's that rotted.
TEST_F(MendingTest, ADigestThatDiffersHasBothLook) {
  Make(false);
  StartAnew(0);
  RotEntry(0, 30);
  world_->node(1).mending().TellDigestDiffers("default", Sequence(3), Sequence(90));
  ASSERT_TRUE(world_->RunUntil([&] { return Mended(0) > 0; }, 30s));
  EXPECT_TRUE(world_->RunUntil([&] { return Healed(0); }, 30s));
}

// The rest of the node goes on while one space waits for a copy that can help.
TEST_F(MendingTest, OtherSpacesAreServed) {
  Make(true);
  auto& impl = static_cast<runtime::ReplicationImpl&>(*world_->node(0).replication());
  std::shared_ptr<space::Space> other;
  v1::SpaceSettings settings;
  settings.set_dimension(4);
  impl.CreateSpaceAsync("other", settings, [&](auto made) {
    if (made.ok()) other = *made;
  });
  ASSERT_TRUE(world_->RunUntil([&] { return other != nullptr; }, 10s));
  other = nullptr;
  StartAnew(0);
  StartAnew(1);
  RotEntry(0, 30);
  RotEntry(1, 30);
  ASSERT_TRUE(world_->RunUntil(
      [&] { return !world_->node(0).mending().DamageOf("default").empty(); }, 10s));
  EXPECT_FALSE(Leads(0));
  ASSERT_TRUE(world_->RunUntil(
      [&] {
        const auto state = world_->node(0).replication()->StateOf("other");
        return state.ok() && state->writes_replicated;
      },
      20s));
  v1::Episode episode;
  episode.set_what("beside it");
  std::optional<Status> answer;
  (*world_->node(0).spaces().Get("other"))->Remember(episode, {}, [&](const auto& result) {
    answer = result.status();
  });
  ASSERT_TRUE(world_->RunUntil([&] { return answer.has_value(); }, 5s));
  EXPECT_TRUE(answer->ok()) << answer->ToString();
  EXPECT_FALSE(world_->node(0).mending().DamageOf("default").empty());
}

}  // namespace
}  // namespace engram::sim
