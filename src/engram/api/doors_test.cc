// Both doors over real sockets: what only sockets can show.
#include <thread>

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engram/api/errors.h"
#include "engram/api/grpc_server.h"
#include "engram/api/http_server.h"
#include "engram/api/test_kit.h"
#include "engram/v1/service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Stub = v1::EngramService::Stub;

Status FromGrpc(const grpc::Status& status) {
  return DecodeError(status.error_code(), status.error_message(), status.error_details());
}

class GrpcDoorTest : public testing::Test {
 protected:
  void SetUp() override { Start(1 << 20); }
  void Start(size_t message_bytes) {
    GrpcOptions options;
    options.address = "127.0.0.1:0";
    options.message_bytes = message_bytes;
    auto server = GrpcServer::Start(node_.node(), node_.service(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(Address(), grpc::InsecureChannelCredentials(), arguments);
    stub_ = v1::EngramService::NewStub(channel_);
  }
  std::string Address() { return "127.0.0.1:" + std::to_string(server_->port()); }

  grpc::Status Remember(const std::string& what, v1::RememberResponse* response) {
    grpc::ClientContext context;
    v1::RememberRequest request;
    request.mutable_episode()->set_what(what);
    return stub_->Remember(&context, request, response);
  }
  // Raw bytes to a method.
  grpc::Status Raw(const std::string& method, const std::string& bytes) {
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1), response;
    grpc::ClientContext context;
    std::promise<grpc::Status> status;
    grpc::GenericStub(channel_).UnaryCall(&context, method, grpc::StubOptions(), &request,
                                          &response,
                                          [&](grpc::Status s) { status.set_value(std::move(s)); });
    return status.get_future().get();
  }

  TestNode node_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(GrpcDoorTest, AnswersWithARequestId) {
  grpc::ClientContext context;
  v1::RememberRequest request;
  request.mutable_episode()->set_what("over the wire");
  v1::RememberResponse response;
  const grpc::Status status = stub_->Remember(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.write().outcome(), v1::WRITE_OUTCOME_CREATED);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("engram-request-id"), 1u);
}

TEST_F(GrpcDoorTest, ErrorsCarryReasonAndFacts) {
  grpc::ClientContext context;
  context.AddMetadata("x-memory-space", "one");
  v1::RememberRequest request;
  request.set_memory_space_id("two");
  request.mutable_episode()->set_what("x");
  v1::RememberResponse response;
  const grpc::Status status = stub_->Remember(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FromGrpc(status).reason(), Reason::SPACE_CONFLICT);
  EXPECT_THAT(status.error_message(), HasSubstr("\n  Expected: "));
}

TEST_F(GrpcDoorTest, MalformedAndOversizedMessagesAreRefusedAndTheRestServed) {
  const grpc::Status malformed = Raw("/engram.v1.EngramService/Remember", "\xff\xff\xff");
  EXPECT_EQ(FromGrpc(malformed).reason(), Reason::INVALID_REQUEST) << malformed.error_message();
  const grpc::Status not_utf8 =
      Raw("/engram.v1.EngramService/Remember", std::string("\x1a\x03\x1a\x01\xff", 5));
  EXPECT_EQ(FromGrpc(not_utf8).reason(), Reason::INVALID_REQUEST) << not_utf8.error_message();
  const grpc::Status large = Raw("/engram.v1.EngramService/Remember", std::string(1'500'000, '\0'));
  EXPECT_EQ(FromGrpc(large).reason(), Reason::TOO_LARGE) << large.error_message();
  const grpc::Status larger =
      Raw("/engram.v1.EngramService/Remember", std::string(9'000'000, '\0'));
  EXPECT_EQ(FromGrpc(larger).reason(), Reason::TOO_LARGE) << larger.error_message();
  const grpc::Status unknown = Raw("/engram.v1.EngramService/Nothing", "");
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  v1::RememberResponse response;
  EXPECT_TRUE(Remember("still served", &response).ok());
}

TEST_F(GrpcDoorTest, ATextOf100MegabytesIsRefused) {
  Start(16u << 20);
  v1::RememberResponse response;
  const grpc::Status status = Remember(std::string(100u << 20, 'x'), &response);
  EXPECT_EQ(FromGrpc(status).reason(), Reason::TOO_LARGE) << status.error_message();
  EXPECT_TRUE(Remember("still served", &response).ok());
}

TEST_F(GrpcDoorTest, CallsThatAreNotBuiltNameWhatServes) {
  {
    grpc::ClientContext context;
    v1::RecognizeResponse response;
    const Status status = FromGrpc(stub_->Recognize(&context, {}, &response));
    EXPECT_EQ(status.reason(), Reason::UNIMPLEMENTED_FEATURE);
    EXPECT_THAT(status.metadata().at("hint"), HasSubstr("Recall"));
  }
  {
    grpc::ClientContext context;
    auto reader = stub_->Dream(&context, {});
    v1::DreamResponse response;
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(FromGrpc(reader->Finish()).reason(), Reason::UNIMPLEMENTED_FEATURE);
  }
  {
    grpc::ClientContext context;
    auto stream = stub_->ObserveStream(&context);
    v1::ObservationResponse response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_EQ(FromGrpc(stream->Finish()).reason(), Reason::UNIMPLEMENTED_FEATURE);
  }
}

TEST_F(GrpcDoorTest, AStreamAnswersInOrderAndGoesOnAfterABadItem) {
  constexpr int kItems = 3000;  // more than a stream holds
  grpc::ClientContext context;
  auto stream = stub_->StreamingRemember(&context);
  std::thread writer([&] {
    for (int i = 0; i < kItems; ++i) {
      v1::RememberRequest request;
      request.mutable_episode()->set_id("id-" + std::to_string(i));
      if (i % 100 != 7) request.mutable_episode()->set_what("item " + std::to_string(i));
      ASSERT_TRUE(stream->Write(request));
    }
    stream->WritesDone();
  });
  v1::RememberResponse response;
  int answers = 0;
  for (; stream->Read(&response); ++answers) {
    if (answers % 100 == 7) {
      EXPECT_EQ(response.error().reason(), "INVALID_EPISODE");
    } else {
      EXPECT_EQ(response.memory_id(), "id-" + std::to_string(answers));
    }
  }
  writer.join();
  EXPECT_EQ(answers, kItems);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcDoorTest, AStreamThatIsCancelledLeavesNothingBehind) {
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    auto stream = stub_->StreamingRemember(&context);
    for (int i = 0; i < 50; ++i) {
      v1::RememberRequest request;
      request.mutable_episode()->set_what("x");
      stream->Write(request);
    }
    context.TryCancel();
    (void)stream->Finish();
  }
  v1::RememberResponse response;
  EXPECT_TRUE(Remember("still served", &response).ok());
}

TEST_F(GrpcDoorTest, HealthHasTheNamesOfTheDocumentation) {
  auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = health->Check(&context, request, &response);
    return status.ok() ? static_cast<int>(response.status())
                       : -static_cast<int>(status.error_code());
  };
  EXPECT_EQ(check(""), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("engram.primary"), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("engram.replica"), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(check("engram.space/default"), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("engram.space/nothere"), -static_cast<int>(grpc::StatusCode::NOT_FOUND));
  EXPECT_EQ(check("nonsense"), -static_cast<int>(grpc::StatusCode::NOT_FOUND));
  node_.node().BeginShutdown();
  EXPECT_EQ(check(""), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
}

TEST_F(GrpcDoorTest, APortInUseIsRefused) {
  GrpcOptions options;
  options.address = Address();
  const auto second = GrpcServer::Start(node_.node(), node_.service(), options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().reason(), Reason::CONFIGURATION);
  EXPECT_FALSE(second.status().example().empty());
  options.address = "no such host:x";
  EXPECT_FALSE(GrpcServer::Start(node_.node(), node_.service(), options).ok());
}

// A connection of bytes, for requests that no library would send.
class Connection {
 public:
  explicit Connection(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Connection() { close(socket_); }
  void Send(const std::string& bytes) {
    size_t at = 0;
    while (at < bytes.size()) {
      const ssize_t n = send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has heard enough
      at += static_cast<size_t>(n);
    }
  }
  // One reply, as long as it says that it is; the server may keep the connection.
  std::string ReadReply() {
    std::string bytes;
    char buffer[4096];
    while (!Whole(bytes)) {
      const ssize_t n = recv(socket_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      bytes.append(buffer, static_cast<size_t>(n));
    }
    return bytes;
  }

 private:
  static bool Whole(const std::string& bytes) {
    const size_t body = bytes.find("\r\n\r\n");
    const size_t length = bytes.find("Content-Length: ");
    if (body == std::string::npos || length > body) return false;
    return bytes.size() >= body + 4 + std::stoul(bytes.substr(length + 16));
  }

  int socket_;
};

class HttpDoorTest : public testing::Test {
 protected:
  void SetUp() override {
    HttpOptions options;
    options.address = "127.0.0.1:0";
    options.message_bytes = 1 << 20;
    auto server = HttpServer::Start(node_.node(), node_.service(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  std::string Exchange(const std::string& bytes) {
    Connection connection(server_->port());
    connection.Send(bytes);
    return connection.ReadReply();
  }
  std::string Post(const std::string& path, const std::string& body, const std::string& more = "") {
    return Exchange("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more +
                    "Content-Type: application/json\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  TestNode node_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpDoorTest, RemembersAndRecalls) {
  const std::string stored = Post("/api/v1/memories/remember", R"({"what":"over the wire"})");
  EXPECT_THAT(stored, StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(stored, HasSubstr("Engram-Token: 1."));
  EXPECT_THAT(Post("/api/v1/memories/recall", R"({"query":{"text":"wire"}})"),
              HasSubstr("over the wire"));
}

TEST_F(HttpDoorTest, ADeleteWithoutABodyIsAnsweredAtOnce) {
  ASSERT_TRUE(node_.Remember("a", "x").ok());
  EXPECT_THAT(
      Exchange("DELETE /api/v1/memories/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
      StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpDoorTest, BadRequestsAreRefusedAndTheRestServed) {
  const std::string large(2u << 20, ' ');
  EXPECT_THAT(Post("/api/v1/memories/remember", large), HasSubstr("\"TOO_LARGE\""));
  EXPECT_THAT(Exchange("POST /api/v1/memories/remember HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "200000\r\n" +
                       large + "\r\n0\r\n\r\n"),
              HasSubstr("\"TOO_LARGE\""));
  EXPECT_THAT(Post("/api/v1/memories/remember", "x", "Content-Encoding: gzip\r\n"),
              HasSubstr("HTTP/1.1 415"));
  EXPECT_THAT(Exchange("nonsense\r\n\r\n"), HasSubstr("HTTP/1.1 400"));
  EXPECT_THAT(Exchange("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n"),
              HasSubstr("HTTP/1.1 414"));
  EXPECT_THAT(Exchange("BREW /pot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              HasSubstr("HTTP/1.1 40"));
  EXPECT_THAT(Exchange("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              HasSubstr("application/problem+json"));
  EXPECT_THAT(Post("/api/v1/memories/remember", R"({"what":"x"})"), StartsWith("HTTP/1.1 201"));
}

TEST_F(HttpDoorTest, APortInUseIsRefused) {
  HttpOptions options;
  options.address = "127.0.0.1:" + std::to_string(server_->port());
  const auto second = HttpServer::Start(node_.node(), node_.service(), options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().reason(), Reason::CONFIGURATION);
  for (const char* address : {"nonsense", "127.0.0.1:", "127.0.0.1:99999", ":1", "127.0.0.1:x"}) {
    options.address = address;
    EXPECT_FALSE(HttpServer::Start(node_.node(), node_.service(), options).ok()) << address;
  }
}

TEST(OpsDoorTest, IsThereBeforeAndAfterTheNode) {
  auto ops = OpsServer::Start("127.0.0.1:0");
  ASSERT_TRUE(ops.ok()) << ops.status().ToString();
  const auto get = [&](const std::string& path) {
    Connection connection((*ops)->port());
    connection.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return connection.ReadReply();
  };
  EXPECT_THAT(get("/health/live"), HasSubstr("HTTP/1.1 200"));
  EXPECT_THAT(get("/health/startup"), HasSubstr("HTTP/1.1 503"));
  TestNode node;
  (*ops)->Attach(&node.node());
  EXPECT_THAT(get("/health/startup"), HasSubstr("HTTP/1.1 200"));
  EXPECT_THAT(get("/metrics"), HasSubstr("engram_requests_total"));
  EXPECT_THAT(get("/api/v1/memories"), HasSubstr("HTTP/1.1 404"));
  (*ops)->Attach(nullptr);
  EXPECT_THAT(get("/health/ready"), HasSubstr("HTTP/1.1 503"));
  (*ops)->Shutdown();
}

}  // namespace
}  // namespace engram::api
