// Calls of the protocol cores as transactions of a store outside, and its answers as theirs; making
// the record of a space, and deleting it.
#include "engram/runtime/outer_configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/cluster/static_store.h"
#include "engram/internal/v1/store.pb.h"
#include "engram/runtime/fake_store.h"

namespace engram::runtime {
namespace {

using namespace std::chrono_literals;  // NOLINT
using cluster::Outcome;
using cluster::StoreAnswered;
using cluster::StoreCall;
using replication::Member;
using replication::SpaceRecord;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Fault = FakeStore::Fault;
using What = StoreCompare::What;
namespace pb = engram::internal::v1;

const Member kSelf{"n1", {{1}}, {{101}}}, kOther{"n2", {{2}}, {}};
constexpr Incarnation kSpace{{9}}, kOtherSpace{{8}};
const std::string kKey = "spaces/s";

std::string Bytes(const std::array<uint8_t, 16>& bytes) {
  return {bytes.begin(), bytes.end()};
}

SpaceRecord Record(const Member& primary, uint64_t n = 1) {
  SpaceRecord record;
  record.epoch = cluster::MakeEpoch(n, primary == kSelf ? 0 : 1);
  record.primary = primary;
  record.in_sync = {primary};
  return record;
}

std::string Stored(Incarnation space, const SpaceRecord& record, bool deleted = false) {
  pb::StoredSpace stored;
  stored.set_incarnation(Bytes(space.bytes));
  stored.set_record(replication::EncodeRecord(record));
  stored.set_primary_lease(5);
  stored.set_deleted(deleted);
  return stored.SerializeAsString();
}

class OuterConfigurationTest : public testing::Test {
 protected:
  OuterConfigurationTest() {
    auto store = std::make_unique<FakeStore>(clock_, executor_);
    store_ = store.get();
    OuterOptions options;
    options.nodes = {"n1", "n2", "n3"};
    options.me = 0;
    options.self = kSelf;
    options.replication = "h1:7402";
    options.may_wait = false;
    configuration_ = std::make_unique<OuterConfiguration>(std::move(store), clock_, executor_,
                                                          options, [this] { ++lease_changes_; });
  }
  ~OuterConfigurationTest() override {
    executor_.RunAll();
    configuration_.reset();
  }
  void Start() {
    configuration_->Start();
    executor_.RunAll();
    ASSERT_NE(Lease(), 0);
  }
  int64_t Lease() const { return configuration_->lease().number(); }
  void PutNode(const Member& member) {
    pb::StoredNode node;
    node.set_incarnation(Bytes(member.incarnation.bytes));
    store_->Put("nodes/" + member.node, node.SerializeAsString(), 77);
  }
  StoreAnswered Carry(const StoreCall& call) {
    std::vector<StoreAnswered> answers;
    configuration_->Carry("s", kSpace, call,
                          [&](StoreAnswered answered) { answers.push_back(std::move(answered)); });
    EXPECT_TRUE(answers.empty());
    executor_.RunAll();
    EXPECT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers.at(0).id, call.id);
    return answers.at(0);
  }
  static StoreCall Write(const SpaceRecord& record, int64_t over) {
    return {.id = 3, .write = StoreCall::Write{.record = record, .over = over}};
  }
  Result<int64_t> Create(Incarnation gone = {}) {
    Result<int64_t> result = int64_t{-1};
    configuration_->Create(
        "s", kSpace, Record(kSelf), [gone](Incarnation space) { return space == gone; },
        [&](Result<int64_t> made) { result = std::move(made); });
    executor_.RunAll();
    return result;
  }
  pb::StoredSpace Read() {
    pb::StoredSpace stored;
    EXPECT_TRUE(stored.ParseFromString(store_->keys[kKey].value));
    return stored;
  }
  void Run(Duration time) {
    clock_.Advance(time);
    executor_.RunAll();
  }

  env::ManualClock clock_;
  env::ManualExecutor executor_{clock_};
  FakeStore* store_;  // of configuration_
  int lease_changes_ = 0;
  std::unique_ptr<OuterConfiguration> configuration_;
};

TEST_F(OuterConfigurationTest, TheNodeShowsWhoItIs) {
  Start();
  EXPECT_EQ(lease_changes_, 1);
  pb::StoredNode node;
  ASSERT_TRUE(node.ParseFromString(store_->keys["nodes/n1"].value));
  EXPECT_EQ(node.node_id(), Bytes(kSelf.id.bytes));
  EXPECT_EQ(node.incarnation(), Bytes(kSelf.incarnation.bytes));
  EXPECT_EQ(node.replication(), "h1:7402");
  configuration_->Stop();
  EXPECT_FALSE(store_->keys.contains("nodes/n1"));
}

TEST_F(OuterConfigurationTest, ReadsTheRecordAndTheLeases) {
  Start();
  PutNode(kOther);
  store_->Put(kKey, Stored(kSpace, Record(kOther)));
  const StoreAnswered answered = Carry({.id = 3, .write = {}});
  const StoreTransaction& asked = store_->asked.back();
  EXPECT_THAT(asked.reads, ElementsAre("nodes/n1", "nodes/n2", "nodes/n3", kKey));
  EXPECT_TRUE(asked.compares.empty());
  EXPECT_TRUE(asked.put.empty());
  EXPECT_EQ(answered.outcome, Outcome::kDone);
  ASSERT_EQ(answered.leases.size(), 3u);
  EXPECT_EQ(answered.leases[0].number, Lease());
  EXPECT_EQ(answered.leases[1].number, store_->keys["nodes/n2"].created);
  EXPECT_EQ(answered.leases[1].incarnation, kOther.incarnation);
  EXPECT_EQ(answered.leases[2].number, 0);
  EXPECT_TRUE(answered.space.there);
  EXPECT_EQ(answered.space.record, Record(kOther));
  EXPECT_EQ(answered.space.lease, 5);
  EXPECT_FALSE(answered.space.resigned);
  EXPECT_EQ(answered.space.revision, store_->keys[kKey].changed);
}

TEST_F(OuterConfigurationTest, WritesOverARevisionUnderItsLease) {
  Start();
  store_->Put(kKey, Stored(kSpace, Record(kOther)));
  const int64_t over = store_->keys[kKey].changed;
  StoreCall call = Write(Record(kSelf, 2), over);
  call.write->deposes = "n2";
  call.write->deposes_lease = 44;
  call.write->resigned = true;
  const StoreAnswered answered = Carry(call);
  const StoreTransaction& asked = store_->asked.back();
  const auto compare = [](const std::string& key, What what, bool equal, int64_t revision) {
    return AllOf(testing::Field(&StoreCompare::key, key), testing::Field(&StoreCompare::what, what),
                 testing::Field(&StoreCompare::equal, equal),
                 testing::Field(&StoreCompare::revision, revision));
  };
  EXPECT_THAT(asked.compares, ElementsAre(compare(kKey, What::kChanged, true, over),
                                          compare("nodes/n1", What::kCreated, true, Lease()),
                                          compare("nodes/n2", What::kCreated, false, 44)));
  ASSERT_EQ(asked.put.size(), 1u);
  EXPECT_EQ(asked.put[0].lease, 0);  // it stays when the node goes
  EXPECT_EQ(answered.outcome, Outcome::kDone);
  EXPECT_EQ(answered.space.record, Record(kSelf, 2));
  EXPECT_EQ(answered.space.lease, Lease());
  EXPECT_TRUE(answered.space.resigned);
  EXPECT_GT(answered.space.revision, over);
  EXPECT_EQ(Read().incarnation(), Bytes(kSpace.bytes));
  EXPECT_EQ(configuration_->counts().done, 1u);
}

TEST_F(OuterConfigurationTest, AConflictShowsWhatIsThere) {
  Start();
  PutNode(kOther);
  store_->Put(kKey, Stored(kSpace, Record(kOther)));
  const int64_t over = store_->keys[kKey].changed;
  StoreAnswered answered = Carry(Write(Record(kSelf, 2), over - 1));
  EXPECT_EQ(answered.outcome, Outcome::kConflict);
  EXPECT_EQ(answered.space.record, Record(kOther));
  EXPECT_EQ(answered.space.revision, over);
  StoreCall call = Write(Record(kSelf, 2), over);
  call.write->deposes = "n2";
  call.write->deposes_lease = store_->keys["nodes/n2"].created;  // it lives
  EXPECT_EQ(Carry(call).outcome, Outcome::kConflict);
  EXPECT_EQ(configuration_->counts().conflict, 2u);
  store_->End(77);
  EXPECT_EQ(Carry(call).outcome, Outcome::kDone);
}

TEST_F(OuterConfigurationTest, WithoutItsLeaseNothingIsKnown) {
  store_->Put(kKey, Stored(kSpace, Record(kOther)));
  const StoreCall write = Write(Record(kSelf, 2), store_->keys[kKey].changed);
  EXPECT_EQ(Carry(write).outcome, Outcome::kUnknown);
  EXPECT_EQ(store_->calls, 0u);
  EXPECT_EQ(Carry({.id = 3, .write = {}}).outcome, Outcome::kDone);  // it may read
  Start();
  store_->End(store_->leases.begin()->first);  // it does not know yet
  EXPECT_EQ(Carry(write).outcome, Outcome::kUnknown);
  EXPECT_EQ(store_->keys[kKey].value, Stored(kSpace, Record(kOther)));
  EXPECT_EQ(configuration_->counts().unknown, 1u);
}

TEST_F(OuterConfigurationTest, ALostAnswerIsUnknown) {
  Start();
  store_->Put(kKey, Stored(kSpace, Record(kOther)));
  const StoreCall write = Write(Record(kSelf, 2), store_->keys[kKey].changed);
  store_->faults = {Fault::kAnswerLost};
  EXPECT_EQ(Carry(write).outcome, Outcome::kUnknown);
  const StoreAnswered again = Carry(write);
  EXPECT_EQ(again.outcome, Outcome::kConflict);
  EXPECT_EQ(again.space.record, Record(kSelf, 2));
  EXPECT_EQ(again.space.lease, Lease());
}

TEST_F(OuterConfigurationTest, WhatIsDeletedOrForeignIsNotThere) {
  Start();
  EXPECT_FALSE(Carry({.id = 3, .write = {}}).space.there);
  for (const std::string& value :
       {Stored(kSpace, Record(kOther), /*deleted=*/true), Stored(kOtherSpace, Record(kOther)),
        std::string("\xff no message"), pb::StoredSpace().SerializeAsString()}) {
    store_->Put(kKey, value);
    const StoreAnswered answered = Carry({.id = 3, .write = {}});
    EXPECT_EQ(answered.outcome, Outcome::kDone);
    EXPECT_FALSE(answered.space.there) << value;
  }
}

// ---- making and deleting ----

TEST_F(OuterConfigurationTest, MakesTheRecordOfASpace) {
  Start();
  EXPECT_EQ(*Create(), Lease());
  EXPECT_EQ(Read().incarnation(), Bytes(kSpace.bytes));
  EXPECT_EQ(Read().primary_lease(), Lease());
  EXPECT_FALSE(Read().resigned());
  EXPECT_EQ(Carry({.id = 3, .write = {}}).space.record, Record(kSelf));
}

TEST_F(OuterConfigurationTest, MakesItOverWhatIsFree) {
  Start();
  SpaceRecord shared = Record(kSelf);
  shared.in_sync.push_back(kOther);
  const auto over = [&](const std::string& value) {
    store_->Put(kKey, value);
    return Create(/*gone=*/{{6}}).ok();
  };
  EXPECT_TRUE(over(Stored(kOtherSpace, Record(kOther, 4), /*deleted=*/true)));
  EXPECT_TRUE(over(Stored({{6}}, Record(kOther, 4))));      // known to be gone
  EXPECT_TRUE(over(Stored(kOtherSpace, Record(kSelf))));    // begun here, and not finished
  EXPECT_FALSE(over(Stored(kOtherSpace, Record(kOther))));  // … elsewhere
  EXPECT_FALSE(over(Stored(kOtherSpace, shared)));          // another has it
  EXPECT_FALSE(over(Stored(kOtherSpace, Record(kSelf, 2))));
  EXPECT_FALSE(over("\xff no message"));
}

TEST_F(OuterConfigurationTest, ASpaceThatExistsIsLeftAlone) {
  Start();
  store_->Put(kKey, Stored(kOtherSpace, Record(kOther)));
  const Status status = Create().status();
  EXPECT_EQ(status.reason(), Reason::SPACE_EXISTS);
  EXPECT_THAT(status.message(), HasSubstr("'s' exists on n2"));
  EXPECT_EQ(store_->keys[kKey].value, Stored(kOtherSpace, Record(kOther)));
}

TEST_F(OuterConfigurationTest, MakesNothingWithoutALease) {
  store_->down = true;
  configuration_->Start();
  executor_.RunAll();
  Status status = Create().status();
  EXPECT_EQ(status.reason(), Reason::STORE_UNAVAILABLE);
  EXPECT_THAT(status.message(), HasSubstr("has no lease in the configuration store: The store"));
  EXPECT_THAT(status.suggestion(), HasSubstr("a store of a test"));
  store_->down = false;
  Run(200ms);
  store_->End(store_->leases.begin()->first);
  status = Create().status();
  EXPECT_EQ(status.reason(), Reason::STORE_UNAVAILABLE);
  EXPECT_THAT(status.message(), HasSubstr("has lost its lease"));
  EXPECT_FALSE(store_->keys.contains(kKey));
}

TEST_F(OuterConfigurationTest, MakingItAgainAfterALostAnswerIsMakingIt) {
  Start();
  store_->faults = {Fault::kAnswerLost};
  EXPECT_EQ(Create().status().reason(), Reason::STORE_UNAVAILABLE);
  const int64_t made = store_->keys[kKey].changed;
  EXPECT_EQ(*Create(), Lease());
  EXPECT_EQ(store_->keys[kKey].changed, made);
}

TEST_F(OuterConfigurationTest, DeletesUntilItIsDone) {
  Start();
  store_->leases_end = false;
  store_->Put(kKey, Stored(kSpace, Record(kOther, 3)));
  store_->down = true;
  configuration_->Delete("s", kSpace);
  executor_.RunAll();
  store_->down = false;
  EXPECT_FALSE(Read().deleted());
  // Changed between reading and writing: read again.
  store_->before = [&](const StoreTransaction& transaction) {
    if (transaction.put.empty()) return;
    store_->before = nullptr;
    store_->Put(kKey, Stored(kSpace, Record(kSelf, 4)));
  };
  Run(1s);
  EXPECT_FALSE(Read().deleted());
  Run(1s);
  EXPECT_TRUE(Read().deleted());
  EXPECT_EQ(Read().record(), replication::EncodeRecord(Record(kSelf, 4)));
  const int64_t changed = store_->keys[kKey].changed;
  Run(5s);
  EXPECT_EQ(store_->keys[kKey].changed, changed);
}

TEST_F(OuterConfigurationTest, DeletesNoOtherSpaceOfTheName) {
  Start();
  store_->Put(kKey, Stored(kOtherSpace, Record(kOther)));
  configuration_->Delete("s", kSpace);
  executor_.RunAll();
  EXPECT_FALSE(Read().deleted());
  store_->keys.erase(kKey);
  configuration_->Delete("s", kSpace);
  executor_.RunAll();
  EXPECT_FALSE(store_->keys.contains(kKey));
}

}  // namespace
}  // namespace engram::runtime
