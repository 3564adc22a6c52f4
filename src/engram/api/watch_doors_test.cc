// Watch over both doors, by real sockets: what comes, how it goes on, and that nothing is left.
#include <thread>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "engram/api/errors.h"
#include "engram/api/grpc_server.h"
#include "engram/api/http_server.h"
#include "engram/api/test_kit.h"
#include "engram/v1/service.grpc.pb.h"

namespace engram::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr auto kLong = std::chrono::seconds(30);

Status FromGrpc(const grpc::Status& status) {
  return DecodeError(status.error_code(), status.error_message(), status.error_details());
}

class WatchDoorTest : public testing::Test {
 protected:
  double Watchers() { return node_.node().metrics().Values().at("engram_watchers"); }
  bool Becomes(double watchers) {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (Watchers() != watchers) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::string Remember(const std::string& id, const std::string& what = "x") {
    const auto stored = node_.Remember(id, what);
    EXPECT_TRUE(stored.ok()) << stored.status().ToString();
    return stored.ok() ? stored->write().token() : "";
  }

  TestNode node_;
};

class GrpcWatchTest : public WatchDoorTest {
 protected:
  void SetUp() override { Start(100); }
  void Start(int streams_max, size_t message_bytes = GrpcOptions().message_bytes) {
    GrpcOptions options;
    options.message_bytes = message_bytes;
    options.address = "127.0.0.1:0";
    options.streams_max = streams_max;
    auto server = GrpcServer::Start(node_.node(), node_.service(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::EngramService::NewStub(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                  grpc::InsecureChannelCredentials(), arguments));
  }
  using Stream = std::unique_ptr<grpc::ClientReader<v1::WatchResponse>>;
  Stream Watch(grpc::ClientContext* context, const std::string& from = "") {
    v1::WatchRequest request;
    request.set_from_token(from);
    request.set_include_content(true);
    return stub_->Watch(context, request);
  }
  Reason EndOf(grpc::ClientReader<v1::WatchResponse>& stream) {
    v1::WatchResponse change;
    while (stream.Read(&change)) {
    }
    return FromGrpc(stream.Finish()).reason();
  }

  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::EngramService::Stub> stub_;
};

TEST_F(GrpcWatchTest, ChangesArriveAsTheyAreCommitted) {
  grpc::ClientContext context;
  const Stream stream = Watch(&context);
  v1::WatchResponse change;
  ASSERT_TRUE(stream->Read(&change));
  EXPECT_EQ(change.kind(), v1::WatchResponse::KIND_HEARTBEAT);
  const std::string start = change.token();
  for (int i = 0; i < 300; ++i) {
    Remember("id" + std::to_string(i), "text " + std::to_string(i));
    ASSERT_TRUE(stream->Read(&change));
    EXPECT_EQ(change.kind(), v1::WatchResponse::KIND_STORED);
    EXPECT_EQ(change.memory_id(), "id" + std::to_string(i));
    EXPECT_EQ(change.episode().what(), "text " + std::to_string(i));
  }
  context.TryCancel();
  (void)stream->Finish();
  grpc::ClientContext again;
  const Stream rest = Watch(&again, start);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(rest->Read(&change));
    EXPECT_EQ(change.memory_id(), "id" + std::to_string(i));
  }
  again.TryCancel();
  (void)rest->Finish();
  EXPECT_TRUE(Becomes(0));
}

TEST_F(GrpcWatchTest, CancelledOnesLeaveNothingBehind) {
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over) (void)node_.Remember("", "x");
  });
  for (int round = 0; round < 50; ++round) {
    grpc::ClientContext context;
    const Stream stream = Watch(&context);
    v1::WatchResponse change;
    for (int i = 0; i < round % 4; ++i) EXPECT_TRUE(stream->Read(&change));
    context.TryCancel();
    (void)stream->Finish();
  }
  over = true;
  writer.join();
  EXPECT_TRUE(Becomes(0));
  grpc::ClientContext context;
  const Stream stream = Watch(&context);
  v1::WatchResponse change;
  EXPECT_TRUE(stream->Read(&change));
  context.TryCancel();
  (void)stream->Finish();
}

TEST_F(GrpcWatchTest, SaysWhatIsWrongAtOnce) {
  grpc::ClientContext bad;
  EXPECT_EQ(EndOf(*Watch(&bad, "nonsense")), Reason::INVALID_REQUEST);
  grpc::ClientContext foreign;
  EXPECT_EQ(EndOf(*Watch(&foreign, "1.00000000000000000000000000.1.2")), Reason::TOKEN_FOREIGN);
  grpc::ClientContext elsewhere;
  elsewhere.AddMetadata("x-engram-memory-space", "nothere");
  EXPECT_EQ(EndOf(*Watch(&elsewhere)), Reason::SPACE_NOT_FOUND);
  EXPECT_TRUE(Becomes(0));
}

TEST_F(GrpcWatchTest, AreBoundedWithAllOtherStreams) {
  Start(1);
  grpc::ClientContext first, second;
  const Stream stream = Watch(&first);
  v1::WatchResponse change;
  ASSERT_TRUE(stream->Read(&change));
  EXPECT_EQ(EndOf(*Watch(&second)), Reason::OVERLOADED);
  first.TryCancel();
  (void)stream->Finish();
  EXPECT_TRUE(Becomes(0));
}

TEST_F(GrpcWatchTest, WhatIsTooLargeToSendEndsTheStreamBehindWhatCameBefore) {
  server_.reset();
  Start(100, 2048);
  grpc::ClientContext now, later;
  v1::WatchResponse change;
  std::string start;
  {
    const Stream stream = Watch(&now);
    ASSERT_TRUE(stream->Read(&change));
    start = change.token();
    now.TryCancel();
    (void)stream->Finish();
  }
  Remember("small");
  Remember("large", std::string(4096, 'x'));
  Remember("behind");
  const Stream stream = Watch(&later, start);
  ASSERT_TRUE(stream->Read(&change));
  EXPECT_EQ(change.memory_id(), "small");
  EXPECT_FALSE(stream->Read(&change)) << change.memory_id();
  EXPECT_EQ(FromGrpc(stream->Finish()).reason(), Reason::TOO_LARGE);
  EXPECT_TRUE(Becomes(0));
}

TEST_F(GrpcWatchTest, EndWithTheServerAtOnce) {
  grpc::ClientContext context;
  const Stream stream = Watch(&context);
  v1::WatchResponse change;
  ASSERT_TRUE(stream->Read(&change));
  const auto began = std::chrono::steady_clock::now();
  server_->Shutdown(kLong);
  EXPECT_LT(std::chrono::steady_clock::now() - began, kLong / 3);
  EXPECT_EQ(EndOf(*stream), Reason::SHUTTING_DOWN);
}

TEST_F(GrpcWatchTest, StreamTellsThemAsTheEarlierProjectDid) {
  grpc::ClientContext context;
  v1::StreamRequest request;
  request.add_event_types(v1::STREAM_EVENT_TYPE_RECALL);
  request.add_event_types(v1::STREAM_EVENT_TYPE_STORAGE);
  request.set_min_importance(0.7f);
  auto stream = stub_->Stream(&context, request);
  std::atomic<bool> over{false};
  std::thread writer([&] {  // from now on: what comes too early is not told
    for (int i = 0; !over; ++i) {
      v1::RememberRequest remember;
      const bool dull = i % 2 == 0;
      remember.mutable_episode()->set_id((dull ? "dull" : "important") + std::to_string(i));
      remember.mutable_episode()->set_what("secret");
      remember.mutable_episode()->set_importance(dull ? 0.2f : 0.9f);
      (void)node_.Call(&Service::Remember, remember);
    }
  });
  v1::StreamResponse event;
  const bool told = stream->Read(&event);
  over = true;
  writer.join();
  ASSERT_TRUE(told);
  EXPECT_EQ(event.event_type(), v1::STREAM_EVENT_TYPE_STORAGE);
  EXPECT_THAT(event.description(), StartsWith("stored important"));
  EXPECT_FLOAT_EQ(event.importance(), 0.9f);
  EXPECT_THAT(event.metadata().at("memory_id"), StartsWith("important"));
  EXPECT_EQ(event.metadata().at("kind"), "stored");
  EXPECT_THAT(event.metadata().at("token"), StartsWith("1."));
  EXPECT_GT(event.timestamp().seconds(), 0);
  context.TryCancel();
  (void)stream->Finish();
}

TEST_F(GrpcWatchTest, StreamOfWhatNothingProducesIsRefused) {
  grpc::ClientContext context;
  v1::StreamRequest request;
  request.add_event_types(v1::STREAM_EVENT_TYPE_DECAY);
  auto stream = stub_->Stream(&context, request);
  v1::StreamResponse event;
  EXPECT_FALSE(stream->Read(&event));
  const Status refused = FromGrpc(stream->Finish());
  EXPECT_EQ(refused.reason(), Reason::UNIMPLEMENTED_FEATURE);
  EXPECT_EQ(refused.metadata().at("field"), "event_types");
}

// A connection that asks for events and reads what comes.
class Events {
 public:
  Events(int port, const std::string& path, const std::string& headers = "")
      : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{30, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n" + headers + "\r\n";
    EXPECT_EQ(send(socket_, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  ~Events() { close(socket_); }
  // Reads until `text` has come, or the end; everything so far.
  const std::string& Until(const std::string& text) {
    char buffer[4096];
    while (all_.find(text) == std::string::npos) {
      const ssize_t n = recv(socket_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      all_.append(buffer, static_cast<size_t>(n));
    }
    return all_;
  }

 private:
  const int socket_;
  std::string all_;
};

class HttpWatchTest : public WatchDoorTest {
 protected:
  void SetUp() override {
    HttpOptions options;
    options.address = "127.0.0.1:0";
    options.event_streams_max = 2;
    auto server = HttpServer::Start(node_.node(), node_.service(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  int port() const { return server_->port(); }

  const std::string path_ = "/api/v1/stream/activities";
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpWatchTest, EventsCarryTheirTokensAndGoOnByThem) {
  std::string first;
  {
    Events events(port(), path_ + "?include_content=true");
    const std::string& all = events.Until(": heartbeat\nid: 1.");
    EXPECT_THAT(all, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(all, HasSubstr("text/event-stream"));
    EXPECT_THAT(all, Not(HasSubstr("Content-Encoding")));
    first = Remember("a", "the first");
    Remember("b", "the second");
    EXPECT_THAT(events.Until("the second"), HasSubstr("id: " + first + "\nevent: stored\ndata: {"));
    EXPECT_THAT(events.Until("the second"), HasSubstr(R"("memory_id":"a")"));
  }
  EXPECT_TRUE(Becomes(0));
  // The header is newer than the address, which a browser asks for again and again.
  Events again(port(), path_ + "?from=nonsense", "Last-Event-ID: " + first + "\r\n");
  const std::string& rest = again.Until(R"("memory_id":"b")");
  EXPECT_THAT(rest, HasSubstr(R"("memory_id":"b")"));
  EXPECT_THAT(rest, Not(HasSubstr(R"("memory_id":"a")")));
  EXPECT_THAT(rest, Not(HasSubstr("the second")));
}

TEST_F(HttpWatchTest, WhatIsWrongIsAPlainError) {
  EXPECT_THAT(Events(port(), path_ + "?from=nonsense").Until("INVALID_REQUEST"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Events(port(), path_ + "?space=nothere").Until("SPACE_NOT_FOUND"),
              StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Events(port(), path_ + "?form=x").Until("UNKNOWN_FIELD"), HasSubstr("from"));
  EXPECT_EQ(Watchers(), 0);
}

TEST_F(HttpWatchTest, HaveABoundOfTheirOwnAndLeaveTheDoorToOthers) {
  Events one(port(), path_), two(port(), path_);
  EXPECT_THAT(one.Until("heartbeat"), HasSubstr("heartbeat"));
  EXPECT_THAT(two.Until("heartbeat"), HasSubstr("heartbeat"));
  Events three(port(), path_);
  EXPECT_THAT(three.Until("OVERLOADED"), StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(Events(port(), "/health/ready").Until("200"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpWatchTest, EndWithTheServerAtOnce) {
  Events events(port(), path_);
  ASSERT_THAT(events.Until("heartbeat"), HasSubstr("heartbeat"));
  const auto began = std::chrono::steady_clock::now();
  server_->Shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - began, kLong / 3);
  EXPECT_THAT(events.Until("SHUTTING_DOWN"), HasSubstr("event: error\ndata: {"));
  EXPECT_TRUE(Becomes(0));
}

}  // namespace
}  // namespace engram::api
