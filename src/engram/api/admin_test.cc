// Admin over a replication that says what the test wants: who may ask, what is refused, how a state
// and a report become messages, words and JSON. The real replication has its own tests.
#include "engram/api/admin.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/api/json.h"
#include "engram/api/replica_state.h"
#include "engram/api/request_checks.h"
#include "engram/api/test_kit.h"
#include "engram/cluster/static_store.h"
#include "engram/runtime/replication.h"

namespace engram::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

replication::Member MemberOf(const std::string& node) {
  return {.node = node, .incarnation = {}, .id = {}};
}

// n1 leads `default`, n2 follows; told what to answer to a promotion.
class TwoNodes : public runtime::Replication {
 public:
  std::optional<runtime::StoreState> Store() const override { return store; }
  std::optional<runtime::StoreState> store;
  TwoNodes() {
    options_.nodes = {{"n1", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"},
                      {"n2", "127.0.0.1:5", "127.0.0.1:6", "127.0.0.1:7", "127.0.0.1:8"}};
    state.space = "default";
    state.role = cluster::Role::kPrimary;
    state.primary = "n1";
    state.epoch = state.promised = cluster::MakeEpoch(3, 0);
    state.log_end = state.durable = state.commit = Sequence(41880);
    state.copies_in_sync = state.copies_wanted = state.min_in_sync = 2;
    state.serving = state.writes_local = state.writes_replicated = true;
    state.record.emplace();
    state.record->epoch = state.epoch;
    state.record->primary = MemberOf("n1");
    state.record->in_sync = {MemberOf("n1"), MemberOf("n2")};
    runtime::ReplicaState replica;
    replica.node = "n2";
    replica.connected = replica.joined = replica.in_set = true;
    replica.lag.status = replication::ReplicaStatus::kHealthy;
    replica.mode = "streaming";
    replica.durable = Sequence(41880);
    state.replicas = {replica};
    state.history = {"12:40:07  epoch 3.1 began"};
  }

  const runtime::ReplicationOptions& options() const override { return options_; }
  api::Nodes Nodes() const override {
    runtime::PeerState peer;
    peer.connected = connected;
    peer.why = connected ? OkStatus() : Status(Reason::CONNECTION_TIMEOUT, "connection refused");
    return {{options_.nodes[0], {}}, {options_.nodes[1], peer}};
  }
  std::vector<runtime::SpaceState> Spaces() override { return {state}; }
  Result<runtime::SpaceState> StateOf(const std::string& space) override {
    if (space == state.space) return state;
    return Status(Reason::SPACE_NOT_FOUND, "There is no space '" + space + "'.");
  }
  void Promote(const runtime::PromoteCommand& command,
               std::function<void(Result<cluster::PromotionReport>)> done) override {
    commands.push_back(command);
    done(report);
  }
  void SwitchOver(const runtime::SwitchCommand& command,
                  std::function<void(Result<cluster::SwitchReport>)> done) override {
    switches.push_back(command);
    done(switched);
  }
  Result<std::shared_ptr<space::Space>> CreateSpace(const std::string&,
                                                    const v1::SpaceSettings&) override {
    return Status(Reason::NOT_ENOUGH_IN_SYNC, "n2 is silent.");
  }
  Result<v1::DeleteSpaceResponse> DeleteSpace(const std::string&) override {
    return v1::DeleteSpaceResponse();
  }
  Result<std::vector<runtime::QuarantineInfo>> ListQuarantine(const std::string& space) override {
    return std::vector<runtime::QuarantineInfo>{{.space = space,
                                                 .file = "f",
                                                 .epoch = Epoch(769),
                                                 .first = Sequence(7),
                                                 .last = Sequence(9),
                                                 .bytes = 300,
                                                 .entries = 3,
                                                 .replayed = false}};
  }
  Result<runtime::QuarantinePart> ShowQuarantine(const std::string&, const std::string& file,
                                                 Sequence from, bool with_records) override {
    runtime::QuarantineEntry entry{.sequence = std::max(from, Sequence(7)),
                                   .epoch = Epoch(769),
                                   .memory_id = "m",
                                   .kind = "stored",
                                   .content = "of " + file};
    if (with_records) entry.type = 2, entry.checksum = 5, entry.record = "r";
    return runtime::QuarantinePart{.entries = {entry}, .next = Sequence(8)};
  }
  Result<uint64_t> ReplayQuarantine(const std::string&,
                                    const std::vector<runtime::QuarantineEntry>& entries) override {
    replayed = entries;
    return entries.size();
  }
  Status MarkReplayed(const std::string&, const std::string& file) override {
    marked = file;
    return OkStatus();
  }
  void Stop() override {}

  runtime::SpaceState state;
  std::vector<runtime::QuarantineEntry> replayed;
  std::string marked;
  bool connected = true;
  cluster::PromotionReport report;
  std::vector<runtime::PromoteCommand> commands;
  Result<cluster::SwitchReport> switched = cluster::SwitchReport();
  std::vector<runtime::SwitchCommand> switches;

 private:
  runtime::ReplicationOptions options_;
};

class AdminTest : public testing::Test {
 protected:
  template <class Request, class Response>
  Result<Response> Call(void (Admin::*call)(const CallContext&, Request, Reply<Response>),
                        Request request, bool loopback = true) {
    CallContext context = node_.Context();
    context.principal.loopback = loopback;
    auto promise = std::make_shared<std::promise<Result<Response>>>();
    (admin_.get()->*call)(context, std::move(request), [promise](Result<Response> result) {
      promise->set_value(std::move(result));
    });
    return promise->get_future().get();
  }
  template <class Response>
  static Reason ReasonOf(const Result<Response>& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? Reason::IO : result.status().reason();
  }

  TestNode node_;
  TwoNodes two_;
  std::unique_ptr<Admin> admin_ = Admin::Make(node_.node(), &two_);
};

TEST_F(AdminTest, TellsOfAStoreOutside) {
  two_.store =
      runtime::StoreState{"etcd at 127.0.0.1:2379", std::chrono::milliseconds(1500), 2, ""};
  auto shown = Call(&Admin::GetCluster, admin_v1::GetClusterRequest());
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_EQ(shown->mode(), "etcd");
  EXPECT_EQ(shown->store().lease_losses(), 2u);
  const auto words = [&] {
    std::string text;
    for (const std::string& line : ExplainInWords(shown->spaces(0), *shown, 0)) text += line + "\n";
    return text;
  };
  EXPECT_THAT(words(),
              testing::HasSubstr("etcd at 127.0.0.1:2379; this node's lease is good for 1500 ms"));
  two_.store->lease_left = {};
  two_.store->trouble = "no answer";
  shown = Call(&Admin::GetCluster, admin_v1::GetClusterRequest());
  EXPECT_THAT(words(), testing::HasSubstr(
                           "no lease: local writes and reads of the primary wait; no answer"));
}

TEST_F(AdminTest, ShowsNodesAndSpaces) {
  const auto shown = Call(&Admin::GetCluster, admin_v1::GetClusterRequest());
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_EQ(shown->mode(), "static");
  ASSERT_EQ(shown->nodes_size(), 2);
  EXPECT_TRUE(shown->nodes(0).me());
  EXPECT_EQ(shown->nodes(1).grpc(), "127.0.0.1:5");
  ASSERT_EQ(shown->spaces_size(), 1);
  EXPECT_EQ(shown->spaces(0).epoch(), 769u);
  EXPECT_THAT(shown->spaces(0).record().in_sync(), ElementsAre("n1", "n2"));
  EXPECT_EQ(shown->spaces(0).replicas(0).status(), 3);
  EXPECT_THAT(MessageToJson(*shown), HasSubstr(R"("space":"default","role":"primary")"));
  admin_v1::GetClusterRequest other;
  other.set_memory_space_id("other");
  EXPECT_EQ(ReasonOf(Call(&Admin::GetCluster, other)), Reason::SPACE_NOT_FOUND);
}

TEST_F(AdminTest, TakesNoCallsFromOtherMachines) {
  EXPECT_EQ(ReasonOf(Call(&Admin::GetCluster, {}, false)), Reason::PERMISSION_DENIED);
  EXPECT_EQ(ReasonOf(Call(&Admin::Promote, {}, false)), Reason::PERMISSION_DENIED);
  EXPECT_EQ(ReasonOf(Call(&Admin::ReplayQuarantine, {}, false)), Reason::PERMISSION_DENIED);
  EXPECT_TRUE(two_.commands.empty());
}

TEST_F(AdminTest, ASingleNodeShowsItselfAndRefusesTheRest) {
  admin_ = Admin::Make(node_.node(), nullptr);
  const auto shown = Call(&Admin::GetCluster, admin_v1::GetClusterRequest());
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_EQ(shown->mode(), "single");
  ASSERT_EQ(shown->spaces_size(), 1);
  EXPECT_TRUE(shown->spaces(0).writes_local());
  EXPECT_EQ(ReasonOf(Call(&Admin::Promote, {})), Reason::CONFIGURATION);
  EXPECT_EQ(ReasonOf(Call(&Admin::ListQuarantine, {})), Reason::CONFIGURATION);
}

TEST_F(AdminTest, PromotesAndReports) {
  two_.report.done = two_.report.lossless = true;
  two_.report.epoch = cluster::MakeEpoch(4, 0);
  two_.report.votes = two_.report.votes_needed = 2;
  two_.report.nodes.resize(2);
  two_.report.nodes[1].answered = true;
  two_.report.nodes[1].end = {Epoch(769), Sequence(41880)};
  admin_v1::PromoteRequest request;
  request.set_node("n1");
  request.set_primary_is_stopped("n2");
  request.set_dry_run(true);
  const auto report = Call(&Admin::Promote, request);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->done());
  EXPECT_EQ(report->epoch(), 1025u);
  EXPECT_EQ(report->epoch_before(), 769u);
  EXPECT_EQ(report->primary_before(), "n1");
  EXPECT_EQ(report->nodes(1).end().sequence(), 41880u);
  ASSERT_EQ(two_.commands.size(), 1u);
  EXPECT_EQ(two_.commands[0].space, "default");
  EXPECT_EQ(two_.commands[0].stopped, "n2");
  EXPECT_TRUE(two_.commands[0].dry_run);
}

TEST_F(AdminTest, SwitchesOverAndReports) {
  cluster::SwitchReport done{.id = 1, .to = 1, .done = true};
  done.before = cluster::MakeEpoch(3, 0);
  done.epoch = cluster::MakeEpoch(4, 1);
  done.held = std::chrono::milliseconds(12);
  two_.switched = done;
  admin_v1::SwitchoverRequest request;
  request.set_node("n2");
  request.set_within_ms(500);
  const auto report = Call(&Admin::Switchover, request);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->done());
  EXPECT_EQ(report->from(), "n1");
  EXPECT_EQ(report->to(), "n2");
  EXPECT_EQ(report->epoch_before(), 769u);
  EXPECT_EQ(report->epoch(), 1026u);
  EXPECT_EQ(report->pause().nanos(), 12'000'000);
  ASSERT_EQ(two_.switches.size(), 1u);
  EXPECT_EQ(two_.switches[0].space, "default");
  EXPECT_EQ(two_.switches[0].to, "n2");
  EXPECT_EQ(two_.switches[0].within, std::chrono::milliseconds(500));
  two_.switched = Status(Reason::NOT_PRIMARY, "n2 is.");
  EXPECT_EQ(ReasonOf(Call(&Admin::Switchover, request)), Reason::NOT_PRIMARY);
  request.set_within_ms(4001);
  EXPECT_EQ(ReasonOf(Call(&Admin::Switchover, request)), Reason::INVALID_REQUEST);
  request.set_within_ms(0);
  request.set_node("n9");
  EXPECT_EQ(ReasonOf(Call(&Admin::Switchover, request)), Reason::REPLICA_NOT_FOUND);
  EXPECT_EQ(two_.switches.size(), 2u);
}

TEST_F(AdminTest, RefusesAPromotionThatIsNotMeant) {
  admin_v1::PromoteRequest request;
  request.set_node("n2");  // this is n1
  EXPECT_EQ(ReasonOf(Call(&Admin::Promote, request)), Reason::INVALID_REQUEST);
  request.set_node("n1");
  request.set_primary_is_stopped("n9");
  EXPECT_EQ(ReasonOf(Call(&Admin::Promote, request)), Reason::REPLICA_NOT_FOUND);
  request.clear_primary_is_stopped();
  request.set_force(true);
  EXPECT_EQ(ReasonOf(Call(&Admin::Promote, request)), Reason::INVALID_REQUEST);
  EXPECT_TRUE(two_.commands.empty());
  request.set_confirm_space("default");
  EXPECT_TRUE(Call(&Admin::Promote, request).ok());
  EXPECT_TRUE(two_.commands.at(0).force);
}

TEST_F(AdminTest, RemovesAReplicaButNotItself) {
  admin_v1::RemoveReplicaRequest request;
  request.set_node("n1");
  EXPECT_EQ(ReasonOf(Call(&Admin::RemoveReplica, request)), Reason::INVALID_REQUEST);
  request.set_node("n9");
  EXPECT_EQ(ReasonOf(Call(&Admin::RemoveReplica, request)), Reason::REPLICA_NOT_FOUND);
  request.set_node("n2");
  EXPECT_TRUE(Call(&Admin::RemoveReplica, request).ok());
  EXPECT_EQ(two_.commands.at(0).remove, "n2");
}

TEST_F(AdminTest, ListsShowsAndReplaysQuarantines) {
  const auto files = Call(&Admin::ListQuarantine, admin_v1::ListQuarantineRequest());
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ASSERT_EQ(files->files_size(), 1);
  EXPECT_EQ(files->files(0).memory_space_id(), "default");
  EXPECT_EQ(files->files(0).last(), 9u);
  admin_v1::ShowQuarantineRequest show;
  show.set_file("f");
  const auto shown = Call(&Admin::ShowQuarantine, show);
  EXPECT_EQ(shown->entries(0).content(), "of f");
  EXPECT_EQ(shown->entries(0).record(), "");
  EXPECT_EQ(shown->next(), 8u);
}

TEST_F(AdminTest, HandsEntriesWithTheirRecordsOnAndNotesWhatWasReplayed) {
  admin_v1::ShowQuarantineRequest show;
  show.set_file("f");
  show.set_from(8);
  show.set_with_records(true);
  const auto shown = Call(&Admin::ShowQuarantine, show);
  admin_v1::ReplayQuarantineRequest replay;
  *replay.mutable_entries() = shown->entries();
  EXPECT_EQ(Call(&Admin::ReplayQuarantine, replay)->written(), 1u);
  ASSERT_EQ(two_.replayed.size(), 1u);
  EXPECT_EQ(two_.replayed[0].sequence, Sequence(8));
  EXPECT_EQ(two_.replayed[0].epoch, Epoch(769));
  EXPECT_EQ(two_.replayed[0].type, 2u);
  EXPECT_EQ(two_.replayed[0].checksum, 5u);
  EXPECT_EQ(two_.replayed[0].record, "r");
  EXPECT_EQ(two_.marked, "");
  replay.Clear();
  replay.set_file("f");
  EXPECT_EQ(Call(&Admin::ReplayQuarantine, replay)->written(), 0u);
  EXPECT_EQ(two_.marked, "f");
}

class ExplainTest : public AdminTest {
 protected:
  std::vector<std::string> Words() {
    const auto explained = Call(&Admin::Explain, admin_v1::ExplainRequest());
    EXPECT_TRUE(explained.ok()) << explained.status().ToString();
    return {explained->words().begin(), explained->words().end()};
  }
};

TEST_F(ExplainTest, SaysWhoLeadsAndWhatWouldHappen) {
  const auto words = Words();
  EXPECT_THAT(words.front(), StartsWith("default: n1 is primary in epoch 3.1"));
  EXPECT_THAT(words, Contains(HasSubstr("n1, n2. Replicated writes are answered when both")));
  EXPECT_THAT(words, Contains(HasSubstr("replicated: accepted, 2 copies (need 2)")));
  EXPECT_THAT(words, Contains(HasSubstr("writes wait for a promotion of n2 by hand")));
  EXPECT_THAT(words, Contains(HasSubstr("engram replicas remove n2 --space default")));
  EXPECT_THAT(words, Contains(HasSubstr("12:40:07  epoch 3.1 began")));
}

TEST_F(ExplainTest, SaysWhatIsMissing) {
  two_.connected = false;
  two_.state.replicas[0].connected = false;
  two_.state.replicas[0].since_contact = std::chrono::seconds(41);
  two_.state.replicas[0].why = "connection refused";
  two_.state.writes_replicated = false;
  two_.state.copies_in_sync = 1;
  EXPECT_THAT(Words(), Contains(HasSubstr("not connected for 41 s")));
  EXPECT_THAT(Words(), Contains(HasSubstr("connection refused")));
  EXPECT_THAT(Words(), Contains(HasSubstr("replicated: refused (NOT_ENOUGH_IN_SYNC), 1 of 2")));
  two_.state.role = cluster::Role::kReplica;
  two_.state.primary = "";
  two_.state.without_primary = std::chrono::minutes(2);
  EXPECT_THAT(Words().front(), StartsWith("default: no primary since 2 min"));
  EXPECT_THAT(Words(), Contains(HasSubstr("refused (NO_PRIMARY)")));
}

}  // namespace
}  // namespace engram::api
