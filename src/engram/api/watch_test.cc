// Watches of one door: pages come as their sinks take them, heartbeats by the clock, and nothing is
// left behind.
#include "engram/api/watch.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/api/open_space.h"
#include "engram/api/test_kit.h"

namespace engram::api {
namespace {

using testing::ElementsAre;

constexpr auto kLong = std::chrono::seconds(30);

// Keeps what comes; takes it at once unless it is slow.
class Kept : public WatchSink {
 public:
  explicit Kept(Watches& watches, bool slow = false) : watches_(watches), slow_(slow) {}

  void OnPage(uint64_t watch, std::vector<v1::WatchResponse> page) override {
    {
      MutexLock lock(mutex_);
      ++pages_;
      for (v1::WatchResponse& change : page) changes_.push_back(std::move(change));
      changed_.notify_all();
    }
    if (slow_) return;
    watches_.Taken(watch);
    MutexLock lock(mutex_);
    ++taken_;
    changed_.notify_all();
  }
  void OnEnd(const Status& why) override {
    MutexLock lock(mutex_);
    end_ = why;
    changed_.notify_all();
  }

  // Waits for so many changes, and until they are taken; their ids, "~" for a heartbeat.
  std::vector<std::string> Ids(size_t at_least) {
    MutexLock lock(mutex_);
    changed_.wait_for(lock, kLong,
                      [&] { return changes_.size() >= at_least && (slow_ || taken_ == pages_); });
    std::vector<std::string> ids;
    for (const v1::WatchResponse& change : changes_) {
      ids.push_back(change.kind() == v1::WatchResponse::KIND_HEARTBEAT ? "~" : change.memory_id());
    }
    return ids;
  }
  Status End() {
    MutexLock lock(mutex_);
    changed_.wait_for(lock, kLong, [&] { return !end_.ok(); });
    return end_;
  }
  size_t pages() {
    MutexLock lock(mutex_);
    return pages_;
  }

 private:
  Watches& watches_;
  const bool slow_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<v1::WatchResponse> changes_;
  size_t pages_ = 0, taken_ = 0;
  Status end_;
};

class WatchesTest : public testing::Test {
 protected:
  ~WatchesTest() override { watches_->End(); }
  std::shared_ptr<Kept> Watch(uint64_t* number, bool slow = false, const std::string& space = "") {
    auto kept = std::make_shared<Kept>(*watches_, slow);
    v1::WatchRequest request;
    request.set_memory_space_id(space);
    auto reader = watches_->NewReader(node_.Context(), request);
    EXPECT_TRUE(reader.ok()) << reader.status().ToString();
    const Result<uint64_t> added = watches_->Add(*std::move(reader), kept);
    EXPECT_TRUE(added.ok()) << added.status().ToString();
    if (added.ok()) *number = *added;
    return kept;
  }
  double Value(const std::string& series) {
    const auto values = node_.node().metrics().Values();
    const auto found = values.find(series);
    return found == values.end() ? -1 : found->second;
  }

  env::ManualClock clock_;
  TestNode node_{ServiceOptions(), clock_};
  std::shared_ptr<Watches> watches_ = std::make_shared<Watches>(node_.node(), 3);
  uint64_t number_ = 0;
};

TEST_F(WatchesTest, TellsChangesAsTheyComeAndCountsThem) {
  const auto kept = Watch(&number_);
  EXPECT_THAT(kept->Ids(1), ElementsAre("~"));
  EXPECT_EQ(Value("engram_watchers"), 1);
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(node_.Remember(id, "x").ok());
  EXPECT_THAT(kept->Ids(4), ElementsAre("~", "a", "b", "c"));
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (Value(R"(engram_watch_changes_sent_total{memory_space="default"})") < 3 &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Value(R"(engram_watch_changes_sent_total{memory_space="default"})"), 3);
  watches_->Cancel(number_);
  EXPECT_EQ(Value("engram_watchers"), 0);
}

TEST_F(WatchesTest, AHeartbeatComesAfterFifteenSecondsOfSilence) {
  const auto kept = Watch(&number_);
  EXPECT_THAT(kept->Ids(1), ElementsAre("~"));
  clock_.Advance(Watches::kHeartbeat - std::chrono::milliseconds(1));
  ASSERT_TRUE(node_.Remember("a", "x").ok());
  EXPECT_THAT(kept->Ids(2), ElementsAre("~", "a"));  // it was not silent
  clock_.Advance(Watches::kHeartbeat);
  EXPECT_THAT(kept->Ids(3), ElementsAre("~", "a", "~"));
}

TEST_F(WatchesTest, ASlowOneHoldsOnePageAndNobodyUp) {
  const auto slow = Watch(&number_, /*slow=*/true);
  EXPECT_THAT(slow->Ids(1), ElementsAre("~"));
  uint64_t other = 0;
  const auto quick = Watch(&other);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(node_.Remember("", "x").ok());
  EXPECT_EQ(quick->Ids(1001).size(), 1001u);
  EXPECT_EQ(slow->pages(), 1u);
  watches_->Taken(number_);
  EXPECT_GT(slow->Ids(2).size(), 1u);
  EXPECT_EQ(slow->pages(), 2u);
}

TEST_F(WatchesTest, AreBounded) {
  uint64_t first = 0;
  Watch(&first);
  for (int i = 0; i < 2; ++i) Watch(&number_);
  auto reader = watches_->NewReader(node_.Context(), {});
  const auto kept = std::make_shared<Kept>(*watches_);
  const Result<uint64_t> refused = watches_->Add(*std::move(reader), kept);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().reason(), Reason::OVERLOADED);
  EXPECT_EQ(refused.status().metadata().at("limit"), "3");
  EXPECT_FALSE(refused.status().suggestion().empty());
  watches_->Cancel(first);
  Watch(&number_);
  EXPECT_EQ(watches_->open(), 3u);
}

TEST_F(WatchesTest, SayWhatIsWrongAndEnd) {
  EXPECT_EQ(Watch(&number_, false, "nothere")->End().reason(), Reason::SPACE_NOT_FOUND);
  v1::CreateSpaceRequest create;
  create.mutable_space()->set_id("brief");
  ASSERT_TRUE(node_.Call(&Service::CreateSpace, create).ok());
  const auto kept = Watch(&number_, false, "brief");
  EXPECT_THAT(kept->Ids(1), ElementsAre("~"));
  v1::DeleteSpaceRequest gone;
  gone.set_id("brief");
  gone.set_confirm_id("brief");
  ASSERT_TRUE(node_.Call(&Service::DeleteSpace, gone).ok());
  EXPECT_EQ(kept->End().reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_EQ(watches_->open(), 0u);
  EXPECT_EQ(Value("engram_watchers"), 0);
}

TEST_F(WatchesTest, EndWithTheServer) {
  const auto kept = Watch(&number_);
  watches_->End();
  EXPECT_EQ(kept->End().reason(), Reason::SHUTTING_DOWN);
  EXPECT_EQ(Value("engram_watchers"), 0);
  auto reader = watches_->NewReader(node_.Context(), {});
  EXPECT_EQ(watches_->Add(*std::move(reader), kept).status().reason(), Reason::SHUTTING_DOWN);
  watches_->Cancel(number_);
  watches_->Taken(number_);
}

TEST_F(WatchesTest, ComeAndGoWhileEntriesArrive) {
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over) (void)node_.Remember("", "x");
  });
  for (int i = 0; i < 100; ++i) {
    const auto kept = Watch(&number_, i % 3 == 0);
    if (i % 2 == 0) (void)kept->Ids(i % 3 == 0 ? 1 : 2);
    watches_->Cancel(number_);
  }
  over = true;
  writer.join();
  EXPECT_EQ(watches_->open(), 0u);
}

// ---- max_staleness ----

google::protobuf::Duration Seconds(int64_t seconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  return duration;
}

TEST(StalenessTest, RefusesAReplicaThatIsCutOffSilentOrBehind) {
  Freshness at;
  at.visible = Sequence(7);
  at.unheard = std::chrono::milliseconds(300);
  at.copy.primary_node = "n1";
  at.copy.behind = std::chrono::milliseconds(400);
  at.primary_grpc = "n1:50051";
  at.primary_http = "http://n1:7432";
  EXPECT_TRUE(CheckStaleness(at, Seconds(1)).ok());
  at.copy.behind = std::chrono::milliseconds(1400);
  const Status behind = CheckStaleness(at, Seconds(1));
  EXPECT_EQ(behind.reason(), Reason::TOO_STALE);
  EXPECT_EQ(behind.metadata().at("behind_ms"), "1400");
  EXPECT_EQ(behind.metadata().at("visible_through"), "7");
  EXPECT_EQ(behind.metadata().at("primary_grpc"), "n1:50051");
  EXPECT_EQ(behind.metadata().at("primary_http"), "http://n1:7432");
  EXPECT_EQ(behind.metadata().at("connected"), "true");
  EXPECT_NE(behind.suggestion().find("n1:50051"), std::string::npos);
  EXPECT_TRUE(CheckStaleness(at, Seconds(2)).ok());
  // Nothing is missing as far as it knows, but it has heard nothing.
  at.copy.behind = Duration::zero();
  at.unheard = std::chrono::seconds(3);
  const Status silent = CheckStaleness(at, Seconds(1));
  EXPECT_EQ(silent.reason(), Reason::TOO_STALE);
  EXPECT_NE(silent.message().find("heard nothing"), std::string::npos) << silent.message();
  at.unheard.reset();
  EXPECT_EQ(CheckStaleness(at, Seconds(1)).reason(), Reason::TOO_STALE);
  // Cut off: however short it was.
  at.unheard = Duration::zero();
  at.copy.connected = false;
  at.copy.primary_node = at.primary_grpc = "";
  at.led_last = "n1 at n1:50051";
  const Status cut = CheckStaleness(at, Seconds(60));
  EXPECT_EQ(cut.reason(), Reason::TOO_STALE);
  EXPECT_EQ(cut.metadata().count("primary_grpc"), 0u);
  EXPECT_NE(cut.suggestion().find("n1 at n1:50051"), std::string::npos);
  at.copy.primary = true;
  EXPECT_TRUE(CheckStaleness(at, Seconds(0)).ok());
  EXPECT_EQ(CheckStaleness(at, Seconds(-1)).reason(), Reason::INVALID_REQUEST);
}

TEST(StalenessTest, ASingleNodeIsItsOwnPrimary) {
  TestNode node;
  ASSERT_TRUE(node.Remember("a", "x").ok());
  v1::GetRequest get;
  get.add_ids("a");
  get.mutable_read()->mutable_max_staleness()->set_nanos(1);
  const auto found = node.Call(&Service::Get, get);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->episodes_size(), 1);
}

}  // namespace
}  // namespace engram::api
