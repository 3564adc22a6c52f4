// Scrubbing and mending of a node alone, on real threads: what is found, what is said, and what is
// left as it is because no other copy can help. Two nodes: sim/mending_test.cc.
#include "engram/runtime/mending.h"

#include <condition_variable>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/model/episode.h"
#include "engram/runtime/fetched.h"
#include "engram/runtime/node.h"
#include "engram/wal/names.h"
#include "engram/wal/tool.h"

namespace engram::runtime {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kDirectory = "/data/spaces/default";

class MendingAloneTest : public testing::Test {
 protected:
  void Start(const ScrubOptions& scrub = {.rate = 1u << 30, .every = 20ms}) {
    NodeOptions options;
    options.fs = &fs_;
    options.clock = &env::SystemClock();
    options.entropy = &env::SystemEntropy();
    options.name = "n1";
    options.data_dir = "/data";
    options.log.segment_bytes = 16u << 10;
    options.log.min_free_bytes = 1;
    options.log.reserve_bytes = 0;
    options.space_defaults.set_dimension(4);
    options.scrub = scrub;
    auto node = Node::Start(options);
    ASSERT_TRUE(node.ok()) << node.status().ToString();
    node_ = std::move(*node);
  }
  Status Remember(const std::string& space, const std::string& id) {
    auto open = node_->spaces().Get(space);
    if (!open.ok()) return open.status();
    v1::Episode episode;
    episode.set_id(id);
    episode.set_what(std::string(1000, 'x'));
    std::promise<Status> done;
    (*open)->Remember(episode, {}, [&](const auto& result) { done.set_value(result.status()); });
    return done.get_future().get();
  }
  void Fill(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(Remember("default", "e" + std::to_string(i)).ok());
    }
    ASSERT_GE(wal::SegmentsOf(fs_, kDirectory)->size(), 3u);
  }
  // A bit of an entry's payload.
  void RotEntry(Sequence sequence) {
    std::string file;
    uint64_t at = 0;
    ASSERT_TRUE(wal::Dump(fs_, kDirectory, [&](const wal::DumpRecord& record) {
                  if (record.header.sequence == sequence) file = record.segment, at = record.offset;
                  return file.empty();
                }).ok());
    ASSERT_TRUE(env::FlipStoredBit(fs_, kDirectory + "/wal/" + file, (at + 70) * 8).ok());
  }
  void Rot(size_t index, uint64_t byte) {
    const Sequence segment = wal::SegmentsOf(fs_, kDirectory)->at(index);
    ASSERT_TRUE(env::FlipStoredBit(fs_, wal::SegmentPath(kDirectory, segment), byte * 8).ok());
  }
  template <class Holds>
  bool Becomes(Holds holds) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      never.wait_for(lock, 5ms);
    }
    return true;
  }
  std::vector<DamagedRange> Damage() { return node_->mending().DamageOf("default"); }
  double Found() { return Metric("engram_corruption_found_total{memory_space=\"default\"}"); }
  double Metric(const std::string& name) { return node_->metrics().Values().at(name); }

  env::MemoryFileSystem fs_;
  std::unique_ptr<Node> node_;
};

TEST_F(MendingAloneTest, ScrubbingCountsWhatItReads) {
  Start();
  Fill(60);
  EXPECT_TRUE(Becomes([&] { return Metric("engram_scrub_read_bytes_total") > 40'000; }));
  EXPECT_TRUE(Damage().empty());
  EXPECT_THAT(node_->ExposeMetrics(), HasSubstr("engram_log_damaged_ranges{"));
}

TEST_F(MendingAloneTest, WithoutARateNothingIsRead) {
  Start({.rate = 0, .every = 1ms});
  Fill(200);
  node_->scrub().Soon("default");
  EXPECT_EQ(node_->scrub().bytes(), 0u);
}

TEST_F(MendingAloneTest, WhatNoOtherCopyHasIsSaidAndLeftAsItIs) {
  Start();
  Fill(60);
  ASSERT_TRUE(node_->spaces().Create("other", model::WithDefaults({})).ok());
  const Sequence end = (*node_->spaces().Get("default"))->log().end();
  RotEntry(Sequence(20));
  ASSERT_TRUE(Becomes([&] { return !Damage().empty() && !Damage()[0].state.empty(); }));
  EXPECT_THAT(Damage()[0].state, HasSubstr("there is no other copy"));
  EXPECT_EQ(Damage()[0].first, Damage()[0].last);
  const auto space = *node_->spaces().Get("default");
  EXPECT_TRUE(space->log().state().read_only);
  EXPECT_EQ(space->log().end(), end);
  EXPECT_TRUE(space->NewView().ok());
  EXPECT_FALSE(Remember("default", "refused").ok());
  EXPECT_TRUE(Remember("other", "taken").ok());
  EXPECT_GE(Found(), 1);
  EXPECT_EQ(Metric("engram_log_damaged_ranges{memory_space=\"default\"}"), 1);
}

// A space that is closed is read where it lies, and its next opening knows what was found.
TEST_F(MendingAloneTest, ASpaceThatIsClosed) {
  Start();
  Fill(60);
  ASSERT_TRUE(node_->spaces()
                  .WhileClosed("default",
                               [this](space::Space*) {
                                 RotEntry(Sequence(20));
                                 return OkStatus();
                               })
                  .ok());
  EXPECT_EQ(node_->spaces().FindOpen("default"), nullptr);
  ASSERT_TRUE(Becomes([&] { return !Damage().empty(); }));
  EXPECT_TRUE((*node_->spaces().Get("default"))->log().state().read_only);
}

// Of what a segment has of its own nothing is lost: no other copy is needed.
TEST_F(MendingAloneTest, ASegmentsHeadIsWrittenAnew) {
  Start();
  Fill(60);
  Rot(1, 30);
  ASSERT_TRUE(Becomes([&] { return Found() > 0 && Damage().empty(); }));
  EXPECT_TRUE(Becomes([&] { return Remember("default", "more").ok(); }));
  const auto part = node_->scrub().CheckPart("default", Sequence());
  ASSERT_TRUE(part.ok()) << part.status().ToString();
  EXPECT_TRUE(part->damage.empty());
  EXPECT_EQ(part->next, Sequence());
}

TEST_F(MendingAloneTest, VerifyingFindsItInTheLastSegmentToo) {
  Start({.rate = 0, .every = 1h});
  Fill(64);
  const size_t last = wal::SegmentsOf(fs_, kDirectory)->size() - 1;
  RotEntry(wal::SegmentsOf(fs_, kDirectory)->back());
  const auto part = node_->scrub().CheckPart("default", Sequence());
  ASSERT_TRUE(part.ok());
  ASSERT_EQ(part->damage.size(), 1u);
  EXPECT_EQ(part->segments, last + 1);
  EXPECT_TRUE(Becomes([&] { return Damage().size() == 1; }));
  EXPECT_EQ(node_->scrub().CheckPart("none", Sequence()).status().reason(),
            Reason::SPACE_NOT_FOUND);
}

// ---- what another copy gives ----

class FetchedTest : public MendingAloneTest {
 protected:
  std::string Records(Sequence first, Sequence last) {
    const auto cursor = (*node_->spaces().Get("default"))->log().NewCursor(first);
    std::string records;
    for (Sequence next = first; next <= last;) {
      wal::Cursor::Shipped what;
      EXPECT_TRUE(*cursor->NextRecord(&records, &what));
      next = what.last.next();
    }
    return records;
  }
  void SetUp() override {
    Start({.rate = 0, .every = 1h});
    Fill(60);
  }
  const replication::EntryRange range_{Sequence(5), Sequence(9)};
};

TEST_F(FetchedTest, WholeRecordsOfTheRange) {
  const auto fetched = CheckFetched(Records(Sequence(5), Sequence(9)), range_);
  ASSERT_TRUE(fetched.ok()) << fetched.status().ToString();
  EXPECT_FALSE(fetched->holes);
  EXPECT_EQ(fetched->last, Sequence(9));
}

TEST_F(FetchedTest, AnythingElseIsRefused) {
  const std::string good = Records(Sequence(5), Sequence(9));
  for (size_t at = 0; at < good.size(); at += 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    EXPECT_FALSE(CheckFetched(bad, range_).ok()) << at;
  }
  EXPECT_FALSE(CheckFetched("", range_).ok());
  EXPECT_FALSE(CheckFetched(good.substr(0, good.size() - 1), range_).ok());
  EXPECT_FALSE(CheckFetched(Records(Sequence(5), Sequence(8)), range_).ok());
  EXPECT_FALSE(CheckFetched(Records(Sequence(6), Sequence(9)), range_).ok());
  EXPECT_FALSE(
      CheckFetched(Records(Sequence(5), Sequence(6)) + Records(Sequence(8), Sequence(9)), range_)
          .ok());
}

}  // namespace
}  // namespace engram::runtime
