// The store over real etcds that die, stop, are not there, or lose their leader: every call is
// told within its time, and a change is never made twice.
#include <atomic>
#include <thread>

#include "engram/etcd/endpoints.h"
#include "engram/etcd/test_kit.h"

namespace engram::etcd {
namespace {

using testing::HasSubstr;
using What = StoreCompare::What;

// Machines that run tests are slow; what must not happen takes much longer.
constexpr auto kLate = 5s;

EtcdOptions Of(std::vector<std::string> endpoints) {
  return {std::move(endpoints), {}, {}, {}, {}};
}

TEST(EndpointsTest, TheOneAfterAFailureIsAskedNext) {
  std::vector<Endpoint> three;
  for (const char* text : {"h:1", "h:2", "h:3"}) three.push_back(*ParseEndpoint(text, false));
  Endpoints endpoints(three, "");
  EXPECT_EQ(endpoints.current(), 0u);
  endpoints.Failed(0);
  EXPECT_EQ(endpoints.current(), 1u);
  endpoints.Failed(0);  // late: it was no longer the current one
  EXPECT_EQ(endpoints.current(), 1u);
  endpoints.Answered(0);
  EXPECT_EQ(endpoints.current(), 0u) << "one that answers comes before one that never did";
  endpoints.Answered(1);
  EXPECT_EQ(endpoints.current(), 0u);
  endpoints.Failed(2);
  endpoints.Failed(0);
  EXPECT_EQ(endpoints.current(), 1u);
  EXPECT_EQ(endpoints.Describe(), "etcd at http://h:1, http://h:2 (answered last), http://h:3");
  EXPECT_FALSE(endpoints.Proved(1)) << "there is no connection";
}

TEST(EndpointsTest, WhatIsProvedIsNoLongerWhenTheConnectionEnds) {
  Etcd etcd;
  Endpoints endpoints({*ParseEndpoint(etcd.endpoint(), false)}, "");
  const auto deadline = std::chrono::system_clock::now() + kit::kDeadline;
  ASSERT_TRUE(endpoints.channel(0)->WaitForConnected(deadline));
  EXPECT_FALSE(endpoints.Proved(0));
  endpoints.Answered(0);
  EXPECT_TRUE(endpoints.Proved(0));
  etcd.Kill();
  ASSERT_TRUE(endpoints.channel(0)->WaitForStateChange(GRPC_CHANNEL_READY, deadline));
  EXPECT_FALSE(endpoints.Proved(0));
}

// An address at which nobody listens.
std::string Nowhere() {
  return "http://127.0.0.1:" + std::to_string(kit::FreePort());
}

// Writes one key after another, from one thread, until the first error.
class Writer {
 public:
  explicit Writer(Store& store, Duration timeout) {
    thread_ = std::thread([this, &store, timeout] {
      while (true) {
        const auto began = std::chrono::steady_clock::now();
        const Result<StoreResult> result =
            store.Commit({.put = {{"w", std::to_string(written + 1)}}}, timeout);
        if (result.ok()) {
          ++written;
          continue;
        }
        error = result.status();
        took = std::chrono::steady_clock::now() - began;
        return;
      }
    });
  }
  ~Writer() { Join(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  std::atomic<int> written = 0;  // acknowledged
  Status error;                  // after Join
  std::chrono::nanoseconds took{};

 private:
  std::thread thread_;
};

// The value is what was acknowledged last, or what nobody knows of.
void ExpectLast(Store& store, int written) {
  const int found = std::stoi(store.Read("w")->value);
  EXPECT_TRUE(found == written || found == written + 1) << found << " of " << written;
}

TEST(EtcdTroubleTest, AServerThatIsKilledIsAnErrorInTime) {
  Etcd etcd;
  Store store(etcd);
  Writer writer(store, 2s);
  ASSERT_TRUE(kit::Until([&] { return writer.written > 20; }));
  etcd.Kill();
  writer.Join();
  EXPECT_EQ(ReasonOf(writer.error), Reason::STORE_UNAVAILABLE) << writer.error.ToString();
  EXPECT_LT(writer.took, 2s + kLate);
  etcd.Start();
  EXPECT_TRUE(kit::Until([&] { return store.Commit({}, 1s).ok(); }));
  ExpectLast(store, writer.written);
}

TEST(EtcdTroubleTest, AServerThatStandsStillIsAnErrorAtTheDeadline) {
  Etcd etcd;
  Store store(etcd);
  Writer writer(store, 300ms);
  ASSERT_TRUE(kit::Until([&] { return writer.written > 20; }));
  etcd.Pause();
  writer.Join();
  EXPECT_EQ(ReasonOf(writer.error), Reason::STORE_UNAVAILABLE) << writer.error.ToString();
  EXPECT_THAT(writer.error.message(), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_GE(writer.took, 290ms);
  EXPECT_LT(writer.took, 300ms + kLate);
  // All kinds of calls.
  EXPECT_EQ(ReasonOf(store.Grant(1s, kHasty).status()), Reason::STORE_UNAVAILABLE);
  EXPECT_EQ(ReasonOf(store.KeepAlive(1, kHasty).status()), Reason::STORE_UNAVAILABLE);
  EXPECT_EQ(ReasonOf(store.Revoke(1, kHasty)), Reason::STORE_UNAVAILABLE);
  etcd.Resume();
  ASSERT_TRUE(kit::Until([&] { return store.Commit({}, 1s).ok(); }));
  ExpectLast(store, writer.written);
}

// An error says that nobody knows: what is sent to a server that stands still is done later.
TEST(EtcdTroubleTest, AChangeWithoutAnswerMayBeMadeLater) {
  Etcd etcd;
  Store store(etcd);
  bool made = false;  // etcd may see first that the call was cancelled
  for (int tries = 0; tries < 50 && !made; ++tries) {
    const std::string key = "late" + std::to_string(tries);
    store.Put("warm", "1");
    etcd.Pause();
    const Result<StoreResult> result = store.Commit({.put = {{key, "1"}}}, 20ms);
    EXPECT_FALSE(result.ok());
    etcd.Resume();
    ASSERT_TRUE(kit::Until([&] { return store.Commit({}, 1s).ok(); }));
    made = store.Read(key).has_value();
  }
  EXPECT_TRUE(made);
}

TEST(EtcdTroubleTest, OneOfTwoEndpointsIsEnough) {
  Etcd etcd;
  for (const auto& endpoints :
       {std::vector{Nowhere(), etcd.endpoint()}, std::vector{etcd.endpoint(), Nowhere()}}) {
    Store store(Of(endpoints));
    for (int i = 0; i < 3; ++i) {
      const Result<StoreResult> result = store.Commit({.put = {{"k", "1"}}}, 10s);
      EXPECT_TRUE(result.ok()) << result.status().ToString();
    }
    EXPECT_THAT(store->Describe(), HasSubstr(etcd.endpoint() + " (answered last)"));
  }
}

TEST(EtcdTroubleTest, AnEndpointThatStandsStillCostsAPartOfTheTime) {
  Etcd still, well;
  still.Pause();
  Store store(Of({still.endpoint(), well.endpoint()}));
  const Result<StoreResult> result = store.Commit({.put = {{"k", "1"}}}, 3s);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  const Result<int64_t> lease = store.Grant(60s);
  EXPECT_EQ(*store.KeepAlive(*lease), 60s);
  still.Resume();
}

// The two are not members of one cluster, so that each shows who got what.
TEST(EtcdTroubleTest, AFailedChangeIsNotSentToTheNextEndpoint) {
  Etcd first, second;
  Store store(Of({first.endpoint(), second.endpoint()}));
  Store direct(second);
  ASSERT_TRUE(store.Put("k", "first").done);
  ASSERT_FALSE(direct.Read("k").has_value());
  first.Pause();
  EXPECT_EQ(ReasonOf(store.Commit({.put = {{"k", "lost"}}}, kHasty).status()),
            Reason::STORE_UNAVAILABLE);
  EXPECT_FALSE(direct.Read("k").has_value());
  // The next request is.
  EXPECT_TRUE(store.Put("k", "second").done);
  EXPECT_EQ(direct.Read("k")->value, "second");
  first.Resume();
}

// … nor when there is time left for it.
TEST(EtcdTroubleTest, AChangeWhoseConnectionIsLostIsNotSentToTheNextEndpoint) {
  Etcd first, second;
  Store store(Of({first.endpoint(), second.endpoint()}));
  Store direct(second);
  ASSERT_TRUE(store.Put("k", "first").done);
  first.Pause();
  auto told = std::make_shared<std::promise<Status>>();
  store->Commit({.put = {{"k", "lost"}}}, 60s, [told](const Result<StoreResult>& result) {
    told->set_value(result.ok() ? OkStatus() : result.status());
  });
  first.Kill();
  EXPECT_EQ(ReasonOf(told->get_future().get()), Reason::STORE_UNAVAILABLE);
  EXPECT_FALSE(direct.Read("k").has_value());
}

TEST(EtcdTroubleTest, AnEndpointWhoseConnectionIsGoneIsAskedFirst) {
  Etcd first, second;
  Store store(Of({first.endpoint(), second.endpoint()}));
  ASSERT_TRUE(store.Put("k", "first").done);
  first.Kill();
  // Some requests may meet the end of the connection; once it is known, none is lost.
  ASSERT_TRUE(kit::Until([&] { return store.Commit({}, 10s).ok(); }));
  EXPECT_TRUE(store.Put("k", "second").done);
  EXPECT_THAT(store->Describe(), HasSubstr(second.endpoint() + " (answered last)"));
}

TEST(EtcdTroubleTest, NobodyThereIsSaidInFourParts) {
  const std::string one = Nowhere(), two = Nowhere();
  Store store(Of({one, two}));
  const Status status = store.Commit({.put = {{"k", "1"}}}, 2s).status();
  ASSERT_EQ(ReasonOf(status), Reason::STORE_UNAVAILABLE) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(one + " gave UNAVAILABLE \""));
  EXPECT_THAT(status.message(), HasSubstr(two + " gave UNAVAILABLE \""));
  EXPECT_THAT(status.expected(), HasSubstr("within 2000 ms, from one of " + one + ", " + two));
  EXPECT_THAT(status.suggestion(), HasSubstr("has a leader"));
  EXPECT_THAT(status.example(), HasSubstr("/health"));
  EXPECT_EQ(status.metadata().at("endpoint"), two);
  EXPECT_EQ(status.metadata().at("grpc_code"), "UNAVAILABLE");
  Store single(Of({one}));
  EXPECT_EQ(ReasonOf(single.Grant(1s, 2s).status()), Reason::STORE_UNAVAILABLE);
  EXPECT_EQ(ReasonOf(single.KeepAlive(1, 2s).status()), Reason::STORE_UNAVAILABLE);
}

TEST(EtcdTroubleTest, ATimeThatIsOverIsAnError) {
  Etcd etcd;
  Store store(etcd);
  EXPECT_EQ(ReasonOf(store.Commit({}, Duration::zero()).status()), Reason::STORE_UNAVAILABLE);
  EXPECT_EQ(ReasonOf(store.KeepAlive(1, -1s).status()), Reason::STORE_UNAVAILABLE);
}

TEST(EtcdTroubleTest, StopEndsWhatIsUnderWayAndNobodyIsTold) {
  Etcd etcd;
  Store store(etcd);
  store.Put("k", "1");
  etcd.Pause();
  std::atomic<int> told = 0;
  for (int i = 0; i < 20; ++i) {
    store->Commit({.put = {{"k", "2"}}}, 60s, [&](const auto&) { ++told; });
    store->KeepAlive(1, 60s, [&](const auto&) { ++told; });
    store->GrantLease(60s, 60s, [&](const auto&) { ++told; });
    store->RevokeLease(1, 60s, [&](const auto&) { ++told; });
  }
  const auto began = std::chrono::steady_clock::now();
  store->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, kLate);
  etcd.Resume();
  store->Commit({}, 1s, [&](const auto&) { ++told; });
  store->Stop();
  store.Destroy();
  EXPECT_EQ(told, 0);
}

// Stop while answers come in: whoever is told is told before Stop returns.
TEST(EtcdTroubleTest, StopAgainstAnswers) {
  Etcd etcd;
  for (int round = 0; round < 20; ++round) {
    Store store(etcd);
    std::atomic<int> told = 0;
    std::atomic<bool> stopped = false;
    for (int i = 0; i < 30; ++i) {
      const auto note = [&](const auto&) {
        EXPECT_FALSE(stopped);
        ++told;
      };
      store->Commit({.reads = {"k"}}, kPatient, note);
      store->KeepAlive(1, kPatient, note);
    }
    ASSERT_TRUE(kit::Until([&] { return told > round; }));
    store->Stop();
    stopped = true;
    store.Destroy();
  }
}

TEST(EtcdTroubleTest, AMajorityServesAndAMinorityDoesNot) {
  EtcdCluster cluster(3);
  Store store(Of(cluster.endpoints()));
  const int64_t lease = *store.Grant(60s);
  ASSERT_TRUE(store.Put("k", "1", lease).done);
  cluster[0].Kill();
  // Whoever led may have to be replaced; no request is sent twice meanwhile.
  ASSERT_TRUE(kit::Until([&] { return store.Commit({.put = {{"k", "2"}}}, 2s).ok(); }));
  ASSERT_TRUE(kit::Until([&] {
    const Result<Duration> left = store.KeepAlive(lease, 2s);
    return left.ok() && *left == 60s;
  }));
  cluster[1].Kill();
  EXPECT_TRUE(kit::Until([&] {
    const Result<StoreResult> result = store.Commit({.put = {{"k", "3"}}}, 500ms);
    return ReasonOf(result.status()) == Reason::STORE_UNAVAILABLE;
  }));
  EXPECT_FALSE(store.Commit({.reads = {"k"}}, 500ms).ok()) << "a minority must not answer reads";
  cluster[1].Start();
  ASSERT_TRUE(kit::Until([&] { return store.Commit({.reads = {"k"}}, 2s).ok(); }));
}

}  // namespace
}  // namespace engram::etcd
