// Probes whose answer changes while they are asked: grpc.health.v1/Watch, and live.
#include "engram/api/health.h"

#include <latch>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "engram/api/grpc_server.h"
#include "engram/api/http_router.h"
#include "engram/api/test_kit.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::api {
namespace {

namespace health = grpc::health::v1;
using Answer = health::HealthCheckResponse;
using testing::HasSubstr;

class WatchTest : public testing::Test {
 protected:
  void Start(int streams_max) {
    GrpcOptions options;
    options.address = "127.0.0.1:0";
    options.streams_max = streams_max;
    auto server = GrpcServer::Start(node_.node(), node_.service(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = health::Health::NewStub(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                  grpc::InsecureChannelCredentials(), arguments));
  }
  std::unique_ptr<grpc::ClientReader<Answer>> Watch(grpc::ClientContext* context,
                                                    const std::string& service) {
    health::HealthCheckRequest request;
    request.set_service(service);
    return stub_->Watch(context, request);
  }
  // The next that is sent; -1 at the end of the stream.
  static int Next(grpc::ClientReader<Answer>& stream) {
    Answer answer;
    return stream.Read(&answer) ? static_cast<int>(answer.status()) : -1;
  }

  TestNode node_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<health::Health::Stub> stub_;
};

TEST_F(WatchTest, TellsEachChangeAndEndsWithTheServer) {
  Start(100);
  grpc::ClientContext context;
  auto stream = Watch(&context, "engram.space/later");
  EXPECT_EQ(Next(*stream), Answer::SERVICE_UNKNOWN);
  v1::CreateSpaceRequest create;
  create.mutable_space()->set_id("later");
  ASSERT_TRUE(node_.Call(&Service::CreateSpace, create).ok());
  EXPECT_EQ(Next(*stream), Answer::SERVING);
  node_.node().BeginShutdown();
  EXPECT_EQ(Next(*stream), Answer::NOT_SERVING);
  server_->Shutdown(std::chrono::hours(1));  // it would wait for the stream
  EXPECT_EQ(Next(*stream), -1);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(WatchTest, EndsWithItsClientAndMakesRoom) {
  Start(1);
  int served = 0;
  for (int round = 0; round < 10'000 && served < 5; ++round) {
    grpc::ClientContext context;
    auto stream = Watch(&context, "");
    if (Next(*stream) == -1) {  // the one before is on its way out
      EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      continue;
    }
    ++served;
    grpc::ClientContext second;
    auto refused = Watch(&second, "");
    EXPECT_EQ(Next(*refused), -1);
    EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_EQ(served, 5);
}

TEST(LiveTest, NamesThePoolWhoseThreadsAllWait) {
  env::ManualClock clock;
  TestNode node({}, clock);
  const auto live = [&] {
    HttpRequest request;
    request.method = "GET";
    request.target = "/health/live";
    return HandleOps(&node.node(), request).value();
  };
  EXPECT_EQ(live().status, 200);
  std::latch waiting(4), release(1);
  for (int i = 0; i < 4; ++i) {
    node.node().readers().Post([&] {
      waiting.count_down();
      release.wait();
    });
  }
  waiting.wait();
  clock.Advance(std::chrono::seconds(11));
  const HttpResponse response = live();
  release.count_down();
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("read"));
  EXPECT_THAT(response.body, HasSubstr("stuck"));
}

}  // namespace
}  // namespace engram::api
