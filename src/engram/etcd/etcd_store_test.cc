// The store over a real etcd that is well: what is written is there, with the revisions that
// config_store.h promises.
#include "engram/etcd/etcd_store.h"

#include <atomic>
#include <thread>

#include "engram/etcd/test_kit.h"

namespace engram::etcd {
namespace {

using What = StoreCompare::What;

class EtcdStoreTest : public testing::Test {
 protected:
  Etcd etcd_;
  Store store_{etcd_};
};

TEST_F(EtcdStoreTest, WhatIsPutIsReadWithItsRevisions) {
  EXPECT_EQ(store_.Read("a"), std::nullopt);
  const StoreResult first = store_.Put("a", "one");
  ASSERT_TRUE(first.done);
  EXPECT_EQ(first.read.at("a"), (StoredKey{"one", first.revision, first.revision, 0}));
  const StoreResult second = store_.Put("a", std::string("t\0wo", 4));
  EXPECT_GT(second.revision, first.revision);
  const StoredKey expected = {std::string("t\0wo", 4), first.revision, second.revision, 0};
  EXPECT_EQ(store_.Read("a"), expected);
  // Another key moves the store and not this one.
  const StoreResult other = store_.Put("b", "");
  EXPECT_EQ(other.read.at("b").value, "");
  EXPECT_EQ(store_.Read("a"), expected);
  // A key that is made again was created then.
  EXPECT_TRUE(store_.Done({.erase = {"a"}}).done);
  const StoreResult third = store_.Put("a", "three");
  EXPECT_EQ(third.read.at("a"), (StoredKey{"three", third.revision, third.revision, 0}));
}

TEST_F(EtcdStoreTest, KeysHaveThePrefixInEtcdOnly) {
  store_.Put("spaces/x", "v");
  const HttpAnswer raw = etcd_.Post(
      "/v3/kv/range", R"({"key":")" + kit::Base64(std::string(kPrefix) + "spaces/x") + R"("})");
  EXPECT_THAT(raw.body, testing::HasSubstr(R"("value":")" + kit::Base64("v") + "\"")) << raw.code;
  Store other({{etcd_.endpoint()}, "/engram/another/", {}, {}, {}});
  EXPECT_EQ(other.Read("spaces/x"), std::nullopt);
}

// Each of the four kinds, on a key that is there and on one that is not; a compare that does not
// hold changes nothing and reads all the same.
TEST_F(EtcdStoreTest, ComparesHoldOrNot) {
  const int64_t created = store_.Put("k", "1").revision;
  const int64_t changed = store_.Put("k", "2").revision;
  struct Case {
    StoreCompare compare;
    bool holds;
  };
  const Case cases[] = {
      {{"k", What::kCreated, true, created}, true},
      {{"k", What::kCreated, true, changed}, false},
      {{"k", What::kCreated, true, 0}, false},
      {{"k", What::kCreated, false, created}, false},
      {{"k", What::kCreated, false, 0}, true},
      {{"k", What::kChanged, true, changed}, true},
      {{"k", What::kChanged, true, created}, false},
      {{"k", What::kChanged, false, changed}, false},
      {{"k", What::kChanged, false, created}, true},
      {{"none", What::kCreated, true, 0}, true},
      {{"none", What::kCreated, false, 0}, false},
      {{"none", What::kChanged, true, 0}, true},
      {{"none", What::kChanged, false, 0}, false},
      {{"none", What::kChanged, true, changed}, false},
  };
  int writes = 0;
  for (const auto& [compare, holds] : cases) {
    const std::string value = std::to_string(++writes);
    const StoreResult result =
        store_.Done({.compares = {compare}, .put = {{"out", value}}, .reads = {"k", "out"}});
    EXPECT_EQ(result.done, holds) << writes;
    EXPECT_EQ(result.read.at("k").value, "2");
    EXPECT_EQ(result.read.count("out") == 1 && result.read.at("out").value == value, holds);
  }
}

TEST_F(EtcdStoreTest, AllComparesHaveToHold) {
  store_.Put("k", "1");
  const StoreTransaction transaction = {
      .compares = {{"k", What::kChanged, false, 0}, {"none", What::kChanged, false, 0}},
      .put = {{"out", "x"}},
      .erase = {"k"},
      .reads = {"k", "out"}};
  const StoreResult result = store_.Done(transaction);
  EXPECT_FALSE(result.done);
  EXPECT_EQ(result.read.size(), 1u);
  EXPECT_EQ(result.read.at("k").value, "1");
}

TEST_F(EtcdStoreTest, OneTransactionErasesPutsAndThenReads) {
  store_.Put("old", "1");
  const StoreResult result = store_.Done(
      {.put = {{"new", "2"}, {"more", "3"}}, .erase = {"old", "none"}, .reads = {"old", "new"}});
  EXPECT_TRUE(result.done);
  ASSERT_EQ(result.read.size(), 1u);
  EXPECT_EQ(result.read.at("new"), (StoredKey{"2", result.revision, result.revision, 0}));
  EXPECT_EQ(store_.Read("more")->changed, result.revision);
}

TEST_F(EtcdStoreTest, AnEmptyTransactionTellsTheRevision) {
  const int64_t revision = store_.Put("k", "1").revision;
  const StoreResult result = store_.Done({});
  EXPECT_TRUE(result.done);
  EXPECT_EQ(result.revision, revision);
}

TEST_F(EtcdStoreTest, AKeyGoesWithTheLeaseThatEnds) {
  const Result<int64_t> lease = store_.Grant(500ms);  // rounded up to 1 s
  ASSERT_TRUE(lease.ok()) << lease.status().ToString();
  ASSERT_NE(*lease, 0);
  EXPECT_EQ(store_.Put("k", "1", *lease).read.at("k").lease, *lease);
  EXPECT_TRUE(kit::Until([&] { return !store_.Read("k").has_value(); }));
  const Result<Duration> left = store_.KeepAlive(*lease);
  ASSERT_TRUE(left.ok()) << left.status().ToString();
  EXPECT_EQ(*left, Duration::zero());
}

TEST_F(EtcdStoreTest, ALeaseThatIsKeptAliveOutlivesAnother) {
  const int64_t kept = *store_.Grant(1s), left = *store_.Grant(1s);
  store_.Put("kept", "1", kept);
  for (int i = 0; i < 2; ++i) {  // as long as two leases, one after another
    const int64_t clock = i == 0 ? left : *store_.Grant(1s);
    store_.Put("clock", "1", clock);
    EXPECT_TRUE(kit::Until([&] {
      const Result<Duration> time = store_.KeepAlive(kept);
      EXPECT_TRUE(time.ok() && *time == 1s) << time.status().ToString();
      return !store_.Read("clock").has_value();
    }));
  }
  EXPECT_TRUE(store_.Read("kept").has_value());
}

TEST_F(EtcdStoreTest, ARevokedLeaseTakesItsKeysAndIsGone) {
  const int64_t lease = *store_.Grant(60s);
  EXPECT_EQ(*store_.KeepAlive(lease), 60s);
  store_.Put("a", "1", lease);
  store_.Put("b", "1", lease);
  store_.Put("b", "2");  // without the lease from now on
  EXPECT_TRUE(store_.Revoke(lease).ok());
  EXPECT_FALSE(store_.Read("a").has_value());
  EXPECT_TRUE(store_.Read("b").has_value());
  EXPECT_EQ(*store_.KeepAlive(lease), Duration::zero());
  EXPECT_TRUE(store_.Revoke(lease).ok()) << "it is gone: that was wanted";
}

TEST_F(EtcdStoreTest, APutUnderALeaseThatIsGoneIsRefused) {
  const int64_t lease = *store_.Grant(60s);
  ASSERT_TRUE(store_.Revoke(lease).ok());
  const Result<StoreResult> result =
      store_.Commit({.put = {{"with", "1", lease}, {"without", "1"}}});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(ReasonOf(result.status()), Reason::INVALID_REQUEST) << result.status().ToString();
  EXPECT_THAT(result.status().message(), testing::HasSubstr("requested lease not found"));
  EXPECT_FALSE(store_.Read("without").has_value());
}

// Compare and set, from many threads at once: no increment is lost, none is done twice.
TEST_F(EtcdStoreTest, NoIncrementOfManyIsLost) {
  constexpr int kThreads = 32, kEach = 4;
  store_.Put("n", "0");
  std::atomic<int> conflicts = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      StoredKey seen = *store_.Read("n");
      for (int mine = 0; mine < kEach;) {
        const std::string next = std::to_string(std::stoi(seen.value) + 1);
        const StoreResult result =
            store_.Done({.compares = {{"n", What::kChanged, true, seen.changed}},
                         .put = {{"n", next}},
                         .reads = {"n"}});
        seen = result.read.at("n");
        result.done ? ++mine : ++conflicts;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_.Read("n")->value, std::to_string(kThreads * kEach));
  EXPECT_GT(conflicts, 0);
}

TEST_F(EtcdStoreTest, DoneIsNotCalledFromInsideOfTheCall) {
  for (int i = 0; i < 200; ++i) {
    std::promise<std::thread::id> told;
    store_->Commit({.reads = {"k"}}, kPatient,
                   [&](const auto&) { told.set_value(std::this_thread::get_id()); });
    ASSERT_NE(told.get_future().get(), std::this_thread::get_id());
  }
}

TEST_F(EtcdStoreTest, DescribesItsEndpoints) {
  EXPECT_EQ(store_->Describe(), "etcd at " + etcd_.endpoint());
  store_.Put("k", "1");
  EXPECT_EQ(store_->Describe(), "etcd at " + etcd_.endpoint() + " (answered last)");
}

}  // namespace
}  // namespace engram::etcd
