// Asking another node for a range: over real connections, between two transports.
#include "engram/rpc/fetch.h"

#include <atomic>
#include <future>

#include <gmock/gmock.h>

#include "engram/rpc/test_kit.h"

namespace engram::rpc {
namespace {

using testing::HasSubstr;

class GivingCalls : public runtime::ReplicationCalls {
 public:
  Result<std::vector<runtime::CopyStatus>> GetStatus(const std::string&) override {
    return std::vector<runtime::CopyStatus>();
  }
  Result<replication::Floors> Fetch(const runtime::FetchCall& call,
                                    const runtime::FetchSink& sink) override {
    {
      std::lock_guard lock(mutex);
      asked = call;
    }
    if (refuses) return Status(Reason::CORRUPTION_DETECTED, "It is damaged here, too.");
    if (stalls) release.get_future().wait();
    for (const std::string& part : parts) {
      if (!sink(part)) break;
    }
    return floors;
  }
  Result<runtime::ShipBatchAnswer> ShipBatch(runtime::ShipBatchCall) override {
    return runtime::ShipBatchAnswer();
  }

  runtime::FetchCall Asked() {
    std::lock_guard lock(mutex);
    return asked;
  }

  std::mutex mutex;
  runtime::FetchCall asked;
  std::vector<std::string> parts = {"one ", "two ", std::string(3000, '3')};
  replication::Floors floors{Sequence(7), {Epoch(3), Sequence(40)}};
  std::atomic<bool> refuses = false, stalls = false;
  std::promise<void> release;
};

class FetchTest : public testing::Test {
 protected:
  FetchTest() : cluster_(2) {
    GrpcTransportOptions options = cluster_.Options(1);
    options.calls = &calls_;
    cluster_.Start(0, cluster_.Options(0));
    cluster_.Start(1, options);
  }
  using Answer = Result<runtime::FetchAnswer>;
  std::shared_ptr<std::promise<Answer>> Ask(uint64_t bytes_max = 1u << 20) {
    auto answer = std::make_shared<std::promise<Answer>>();
    const runtime::FetchCall call{"notes", {{9}}, Sequence(3), Sequence(8)};
    cluster_.transports[0]->Fetch(1, call, bytes_max,
                                  [answer](Answer got) { answer->set_value(std::move(got)); });
    return answer;
  }

  GivingCalls calls_;
  Cluster cluster_;
};

TEST_F(FetchTest, RecordsAndFloors) {
  const Answer answer = Ask()->get_future().get();
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->records, "one two " + std::string(3000, '3'));
  EXPECT_EQ(answer->floors, calls_.floors);
  const runtime::FetchCall asked = calls_.Asked();
  EXPECT_EQ(asked.space, "notes");
  EXPECT_EQ(asked.incarnation, (Incarnation{{9}}));
  EXPECT_EQ(asked.first, Sequence(3));
  EXPECT_EQ(asked.last, Sequence(8));
}

TEST_F(FetchTest, ARefusalSaysWhoseItIs) {
  calls_.refuses = true;
  const Answer answer = Ask()->get_future().get();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.status().reason(), Reason::CORRUPTION_DETECTED);
  EXPECT_THAT(answer.status().message(), HasSubstr("n2: It is damaged here"));
}

TEST_F(FetchTest, MoreThanItIsForIsNotTaken) {
  EXPECT_EQ(Ask(2000)->get_future().get().status().reason(), Reason::TOO_LARGE);
}

TEST_F(FetchTest, NobodyThere) {
  cluster_.Stop(1);
  EXPECT_FALSE(Ask()->get_future().get().ok());
}

TEST_F(FetchTest, StoppingEndsWhatIsUnderWay) {
  calls_.stalls = true;
  const auto answer = Ask();
  EXPECT_TRUE(Becomes([&] { return !calls_.Asked().space.empty(); }));
  cluster_.Stop(0);
  calls_.release.set_value();
  EXPECT_EQ(answer.use_count(), 1);  // nobody will call back
}

}  // namespace
}  // namespace engram::rpc
