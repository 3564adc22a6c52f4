// What the command does about a refusal: follow, ask again, repeat with the key, or give up. The
// servers say what the test wants.
#include <deque>
#include <mutex>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "engram/api/errors.h"
#include "engram/cli/client.h"
#include "engram/v1/service.grpc.pb.h"

namespace engram::cli {
namespace {

using testing::ElementsAre;

// Answers Remember with what was queued, then with OK; keeps the keys that it saw.
class Scripted : public v1::EngramService::Service {
 public:
  Scripted() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Scripted() override { server_->Shutdown(); }

  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }
  void Then(const Status& status) { answers_.push_back(status); }
  std::vector<std::string> keys() {
    std::lock_guard lock(mutex_);
    return keys_;
  }

  grpc::Status Remember(grpc::ServerContext*, const v1::RememberRequest* request,
                        v1::RememberResponse* response) override {
    std::lock_guard lock(mutex_);
    keys_.push_back(request->options().idempotency_key());
    response->set_memory_id(Address());
    if (answers_.empty()) return grpc::Status::OK;
    const Status status = answers_.front();
    answers_.pop_front();
    return grpc::Status(static_cast<grpc::StatusCode>(status.code()), api::ErrorText(status),
                        api::EncodeErrorDetails(status));
  }

 private:
  std::mutex mutex_;
  std::deque<Status> answers_;
  std::vector<std::string> keys_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Status NotPrimary(const Scripted& primary) {
  return Status(Reason::NOT_PRIMARY, "n2 is a replica; n1 is its primary.")
      .Expected("the primary")
      .With("primary_grpc", primary.Address());
}

class ClientRetryTest : public testing::Test {
 protected:
  Result<v1::RememberResponse> Remember(const std::string& servers, const std::string& key = "k") {
    Client client({.servers = servers,
                   .timeout = std::chrono::seconds(10),
                   .said = [this](const std::string& text) { said_.push_back(text); }});
    v1::RememberRequest request;
    request.mutable_options()->set_idempotency_key(key);
    return client.Remember(request);
  }

  Scripted one_, two_;
  std::vector<std::string> said_;
};

TEST_F(ClientRetryTest, FollowsAReplicaToItsPrimaryAndSaysSo) {
  one_.Then(NotPrimary(two_));
  const auto stored = Remember(one_.Address());
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->memory_id(), two_.Address());
  EXPECT_THAT(said_,
              ElementsAre("n2 is a replica; n1 is its primary. Sent to " + two_.Address() + "."));
  EXPECT_THAT(two_.keys(), ElementsAre("k"));
}

TEST_F(ClientRetryTest, IsNotSentToAndFroForEver) {
  for (int i = 0; i < 9; ++i) one_.Then(NotPrimary(one_));
  EXPECT_EQ(Remember(one_.Address()).status().reason(), Reason::NOT_PRIMARY);
  EXPECT_EQ(one_.keys().size(), 2u);
}

TEST_F(ClientRetryTest, AsksTheNextServerWhenThereIsNoPrimary) {
  one_.Then(Status(Reason::NO_PRIMARY, "no primary"));
  const auto stored = Remember(one_.Address() + "," + two_.Address());
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->memory_id(), two_.Address());
}

TEST_F(ClientRetryTest, AsksThePrimaryAgainWhileItsReplicaJoins) {
  one_.Then(Status(Reason::NOT_ENOUGH_IN_SYNC, "one copy"));
  one_.Then(Status(Reason::RECOVERING, "opening"));
  const auto stored = Remember(one_.Address() + "," + two_.Address());
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->memory_id(), one_.Address());
  EXPECT_THAT(one_.keys(), ElementsAre("k", "k", "k"));
}

TEST_F(ClientRetryTest, GivesUpInTheEnd) {
  for (int i = 0; i < 100; ++i) one_.Then(Status(Reason::NO_PRIMARY, "no primary"));
  const auto refused = Remember(one_.Address());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().reason(), Reason::NO_PRIMARY);
  EXPECT_LT(one_.keys().size(), 100u);
}

TEST_F(ClientRetryTest, RepeatsAnUnknownCommitOnceAndWithItsKeyOnly) {
  one_.Then(Status(Reason::COMMIT_UNKNOWN, "not known"));
  EXPECT_TRUE(Remember(one_.Address()).ok());
  EXPECT_THAT(one_.keys(), ElementsAre("k", "k"));
  for (int i = 0; i < 2; ++i) two_.Then(Status(Reason::COMMIT_UNKNOWN, "not known"));
  EXPECT_EQ(Remember(two_.Address()).status().reason(), Reason::COMMIT_UNKNOWN);
  EXPECT_EQ(two_.keys().size(), 2u);
  one_.Then(Status(Reason::COMMIT_UNKNOWN, "not known"));
  EXPECT_EQ(Remember(one_.Address(), "").status().reason(), Reason::COMMIT_UNKNOWN);
}

// A repeat that is refused was not written; what it repeats may have been.
TEST_F(ClientRetryTest, StaysUnknownWhenTheRepeatIsRefused) {
  one_.Then(Status(Reason::COMMIT_UNKNOWN, "not known"));
  for (int i = 0; i < 100; ++i) one_.Then(Status(Reason::NOT_ENOUGH_IN_SYNC, "one copy"));
  EXPECT_EQ(Remember(one_.Address()).status().reason(), Reason::COMMIT_UNKNOWN);
}

TEST_F(ClientRetryTest, DoesNotRepeatWhatIsWrong) {
  one_.Then(Status(Reason::INVALID_EPISODE, "no text"));
  EXPECT_EQ(Remember(one_.Address()).status().reason(), Reason::INVALID_EPISODE);
  EXPECT_EQ(one_.keys().size(), 1u);
}

}  // namespace
}  // namespace engram::cli
