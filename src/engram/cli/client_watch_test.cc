// The command's watch over servers that come and go: each change once, whoever tells it.
#include <condition_variable>
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
using testing::HasSubstr;
using Change = v1::WatchResponse;

// Tells the changes "1" … `last`, whose tokens are their numbers, then ends as it was told to.
class Teller : public v1::EngramService::Service {
 public:
  explicit Teller(int last) : last_(last) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Teller() override { Stop(); }
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
      changed_.notify_all();
    }
    server_->Shutdown(std::chrono::system_clock::now());
  }

  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }
  void ThenEnd(const Status& status) { end_ = status; }
  void BeginWithHeartbeat(const std::string& token) { heartbeat_ = token; }
  std::vector<std::string> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                     grpc::ServerWriter<Change>* writer) override {
    {
      std::lock_guard lock(mutex_);
      asked_.push_back(request->from_token());
    }
    Change change;
    if (!heartbeat_.empty()) {
      change.set_kind(Change::KIND_HEARTBEAT);
      change.set_token(heartbeat_);
      writer->Write(change);
    }
    int at = request->from_token().empty() ? 0 : std::stoi(request->from_token());
    for (change.set_kind(Change::KIND_STORED); at < last_;) {
      change.set_memory_id(std::to_string(++at));
      change.set_token(change.memory_id());
      writer->Write(change);
    }
    if (!end_.ok()) {
      return grpc::Status(static_cast<grpc::StatusCode>(end_.code()), api::ErrorText(end_),
                          api::EncodeErrorDetails(end_));
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopped_; });
    return grpc::Status::CANCELLED;
  }

 private:
  const int last_;
  Status end_;
  std::string heartbeat_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::vector<std::string> asked_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ClientWatchTest : public testing::Test {
 protected:
  // Until so many changes have come.
  Status Watch(const std::string& servers, size_t changes,
               env::Duration timeout = std::chrono::seconds(10)) {
    Client client({.servers = servers, .timeout = timeout, .said = [this](const std::string& text) {
                     said_.push_back(text);
                   }});
    return client.Watch({}, [&](const Change& change) {
      ids_.push_back(change.memory_id());
      if (after_each_) after_each_();
      return ids_.size() < changes;
    });
  }

  std::function<void()> after_each_;
  std::vector<std::string> ids_, said_;
};

TEST_F(ClientWatchTest, GoesOnAtTheNextServerAfterTheLastChange) {
  Teller one(3), two(6);
  one.ThenEnd(Status(Reason::SHUTTING_DOWN, "The server is shutting down."));
  EXPECT_TRUE(Watch(one.Address() + "," + two.Address(), 6).ok());
  EXPECT_THAT(ids_, ElementsAre("1", "2", "3", "4", "5", "6"));
  EXPECT_THAT(one.asked(), ElementsAre(""));
  EXPECT_THAT(two.asked(), ElementsAre("3"));
  EXPECT_THAT(said_, ElementsAre(HasSubstr("Watching on at " + two.Address())));
}

TEST_F(ClientWatchTest, GoesOnWhenAServerDies) {
  Teller one(3), two(4);
  after_each_ = [&] {
    if (ids_.size() == 3) one.Stop();
  };
  EXPECT_TRUE(Watch(one.Address() + "," + two.Address(), 4).ok());
  EXPECT_THAT(ids_, ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(two.asked(), ElementsAre("3"));
}

TEST_F(ClientWatchTest, HeartbeatsMoveItOnAndAreNotTold) {
  Teller one(2), two(8);
  one.BeginWithHeartbeat("0");
  one.ThenEnd(Status(Reason::RECOVERING, "Not yet."));
  two.BeginWithHeartbeat("5");
  two.ThenEnd(Status(Reason::WRITE_LOST, "Gone."));
  const Status end = Watch(one.Address() + "," + two.Address(), 100);
  EXPECT_EQ(end.reason(), Reason::WRITE_LOST) << end.ToString();
  EXPECT_THAT(ids_, ElementsAre("1", "2", "3", "4", "5", "6", "7", "8"));
}

TEST_F(ClientWatchTest, EndsWithWhatTheServerSays) {
  Teller one(1), two(1);
  one.ThenEnd(Status(Reason::TOKEN_FOREIGN, "Of another space."));
  EXPECT_EQ(Watch(one.Address() + "," + two.Address(), 5).reason(), Reason::TOKEN_FOREIGN);
  EXPECT_TRUE(two.asked().empty());
  EXPECT_TRUE(said_.empty());
}

TEST_F(ClientWatchTest, GivesUpWhenNobodyAnswers) {
  std::string dead;
  {
    Teller gone(0);
    dead = gone.Address();
  }
  const Status end = Watch(dead, 1, std::chrono::milliseconds(300));
  EXPECT_EQ(end.reason(), Reason::CONNECTION_TIMEOUT) << end.ToString();
  EXPECT_EQ(said_.size(), 1u);  // not at every try
}

}  // namespace
}  // namespace engram::cli
