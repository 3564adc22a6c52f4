// What a transport must not accept: nodes that do not belong to it, and bytes that are no messages.
// A refused caller gets a reason; the others are served on.
#include <thread>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include "engram/base/prng.h"
#include "engram/rpc/played_kit.h"

namespace engram::rpc {
namespace {

using testing::HasSubstr;

// Starts n1 (changed) and n2; what n1, which dials, hears.
Status Heard(const std::function<void(Cluster&, GrpcTransportOptions*)>& change) {
  Cluster cluster(2);
  GrpcTransportOptions options = cluster.Options(0);
  change(cluster, &options);
  cluster.Start(1);
  EXPECT_TRUE(cluster.TryStart(0, options).ok());
  EXPECT_TRUE(Becomes([&] { return cluster.transports[0]->peer(1).failures_in_a_row > 0; }));
  EXPECT_EQ(cluster.recorders[0]->ups + cluster.recorders[1]->ups, 0);
  return cluster.transports[0]->peer(1).why;
}

TEST(RefusalTest, AnotherCluster) {
  const Status why = Heard([](Cluster&, auto* options) { options->cluster = "other"; });
  EXPECT_EQ(why.reason(), Reason::CONFIGURATION);
  EXPECT_THAT(why.message(), HasSubstr("cluster 'other'"));
}

TEST(RefusalTest, AnUnknownName) {
  const Status why = Heard([](Cluster&, auto* options) { options->nodes[0].name = "stranger"; });
  EXPECT_EQ(why.reason(), Reason::CONFIGURATION);
  EXPECT_THAT(why.message(), HasSubstr("'stranger' is not in the list"));
}

TEST(RefusalTest, AnotherOrderOfNodes) {
  Cluster cluster(3);
  cluster.Start(2);
  GrpcTransportOptions options = cluster.Options(0);
  std::swap(options.nodes[0], options.nodes[1]);
  options.me = 1;
  cluster.Start(0, options);
  ASSERT_TRUE(Becomes([&] { return cluster.transports[0]->peer(2).failures_in_a_row > 0; }));
  EXPECT_THAT(cluster.transports[0]->peer(2).why.message(), HasSubstr("number 2 of the list"));
  // The refusing side knows too.
  EXPECT_TRUE(Becomes([&] {
    return cluster.transports[2]->peer(0).why.message().find("number 2") != std::string::npos;
  }));
}

TEST(RefusalTest, NoCommonVersion) {
  const Status why = Heard([](Cluster&, auto* options) {
    options->protocol_min = 8;
    options->protocol_max = 9;
  });
  EXPECT_EQ(why.reason(), Reason::UNSUPPORTED_VERSION);
}

TEST(RefusalTest, ANodeThatReachesItself) {
  const Status why = Heard([](Cluster& cluster, auto* options) {
    // Its own port, under the other's name.
    options->listen = cluster.addresses[0].replication;
    options->nodes[1].replication = cluster.addresses[0].replication;
    options->nodes[0].replication = "127.0.0.1:9";
  });
  EXPECT_EQ(why.reason(), Reason::CONFIGURATION);
  EXPECT_THAT(why.message(), HasSubstr("reached itself"));
}

TEST(RefusalTest, ACopiedDirectory) {
  Cluster cluster(2);
  GrpcTransportOptions one = cluster.Options(0), two = cluster.Options(1);
  two.id = one.id;
  two.incarnation = one.incarnation;
  cluster.Start(0, one);
  cluster.Start(1, two);
  ASSERT_TRUE(Becomes([&] {
    return cluster.transports[0]->peer(1).why.message().find("copy") != std::string::npos;
  }));
  EXPECT_EQ(cluster.recorders[0]->ups + cluster.recorders[1]->ups, 0);
}

TEST(RefusalTest, ACopiedDirectoryOfAThirdNode) {
  Cluster cluster(3);
  GrpcTransportOptions two = cluster.Options(1), three = cluster.Options(2);
  three.id = two.id;
  cluster.Start(0);
  cluster.Start(1, two);
  ASSERT_TRUE(cluster.AwaitUp(0, 1));
  cluster.Start(2, three);
  EXPECT_TRUE(Becomes([&] {
    return cluster.transports[0]->peer(2).why.message().find("copy") != std::string::npos;
  }));
  EXPECT_TRUE(cluster.transports[0]->peer(1).connected);
}

TEST(RefusalTest, ACopiedDirectoryIsSeenByWhoIsDialledToo) {
  Cluster cluster(3);
  GrpcTransportOptions one = cluster.Options(0), two = cluster.Options(1);
  two.id = one.id;
  cluster.Start(2);
  cluster.Start(0, one);
  ASSERT_TRUE(cluster.AwaitUp(2, 1));
  cluster.Start(1, two);
  EXPECT_TRUE(Becomes([&] {
    return cluster.transports[2]->peer(1).why.message().find("copy") != std::string::npos;
  }));
  EXPECT_TRUE(cluster.transports[2]->peer(0).connected);
}

TEST(RefusalTest, AListThatCannotWorkIsRefusedAtStart) {
  Cluster cluster(2);
  GrpcTransportOptions options = cluster.Options(0);
  options.nodes[0].replication = "0.0.0.0:50052";
  EXPECT_EQ(cluster.TryStart(0, options).reason(), Reason::CONFIGURATION);
  options = cluster.Options(0);
  options.advertise = "0.0.0.0:50052";
  EXPECT_EQ(cluster.TryStart(0, options).reason(), Reason::CONFIGURATION);
  cluster.Start(0);
  Recorder other;
  const auto second = MakeGrpcTransport(cluster.Options(0));
  const Status taken = second->Start(other);
  ASSERT_FALSE(taken.ok());
  EXPECT_THAT(taken.message(), HasSubstr("Cannot listen"));
}

// ---- bytes that are no messages ----

int Connect(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  timeval patience{30, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

// True when the other side ends the connection.
bool IsClosed(int fd) {
  char bytes[4096];
  for (;;) {
    const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
    if (got == 0) return true;
    if (got < 0) return errno == ECONNRESET;
  }
}

TEST(GarbageTest, RandomBytesOnThePortHarmNobody) {
  Cluster cluster(2);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  Prng prng(5);
  for (int round = 0; round < 20; ++round) {
    const int fd = Connect(cluster.addresses[1].replication);
    std::string bytes = round % 2 == 0 ? "" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (int i = 0; i < 4000; ++i) bytes += static_cast<char>(prng.Next());
    (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    EXPECT_TRUE(IsClosed(fd)) << round;
    close(fd);
  }
  ASSERT_TRUE(cluster.transports[0]->Send(1, Lane::kLive, Numbered(3)));
  Recorder& recorder = *cluster.recorders[1];
  EXPECT_TRUE(recorder.Await([&] { return recorder.count == 1; }));
  EXPECT_EQ(recorder.downs, 0);
}

TEST_F(PlayedTest, AStreamThatBeginsWithoutHelloIsRefused) {
  StartNode();
  auto stream = Dial();
  pb::StreamMessage message;
  message.add_spaces()->set_space("s");
  stream->Write(message);
  EXPECT_EQ(stream->End().reason(), Reason::CONFIGURATION);
}

TEST_F(PlayedTest, AStreamThatSaysNothingIsRefused) {
  options_.connect_timeout = 100ms;
  StartNode();
  EXPECT_EQ(Dial()->End().reason(), Reason::CONNECTION_TIMEOUT);
}

TEST_F(PlayedTest, OneLaneAloneIsNotUpAndEnds) {
  options_.connect_timeout = 200ms;
  StartNode();
  auto live = SayHello(Lane::kLive);
  EXPECT_EQ(live->End().reason(), Reason::CONNECTION_TIMEOUT);
  EXPECT_EQ(cluster_.recorders[1]->ups, 0);
}

TEST_F(PlayedTest, TooManyHandshakesAtOnceAreRefused) {
  options_.connect_timeout =
      kDeadline;  // on a busy machine the first must not go before the last comes
  StartNode();
  std::vector<std::unique_ptr<HandMade>> waiting;
  for (int i = 0; i < 64; ++i) waiting.push_back(Dial());
  EXPECT_TRUE(Becomes([&] {
    auto one_more = Dial();
    pb::StreamMessage hello;
    *hello.mutable_hello() = MakeHello(local_, 1, Lane::kLive, 9);
    one_more->Write(hello);
    const bool welcome = one_more->Read().has_hello_reply();
    if (!welcome && one_more->End().reason() == Reason::OVERLOADED) return true;
    // It came before the last of the others, which was refused in its stead.
    waiting.push_back(Dial());
    return false;
  }));
}

TEST_F(PlayedTest, ADamagedMessageBreaksItsConnectionWithAReason) {
  StartNode();
  auto live = SayHello(Lane::kLive), bulk = SayHello(Lane::kBulk);
  ASSERT_TRUE(cluster_.AwaitUp(1, 1));
  pb::StreamMessage bad;
  bad.add_spaces()->mutable_ack();  // of which space?
  ASSERT_TRUE(bulk->Write(bad));
  EXPECT_EQ(bulk->End().reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(live->End().reason(), Reason::INVALID_REQUEST);
  Recorder& recorder = *cluster_.recorders[1];
  ASSERT_TRUE(recorder.Await([&] { return recorder.downs == 1; }));
  EXPECT_THAT(recorder.last_why.message(), HasSubstr("names no space"));
  // And the next connection is as good as any.
  auto again_live = SayHello(Lane::kLive, 8), again_bulk = SayHello(Lane::kBulk, 8);
  EXPECT_TRUE(cluster_.AwaitUp(1, 2));
}

TEST_F(PlayedTest, AMessageOverTheLimitBreaksItsConnection) {
  options_.message_bytes = 1 << 20;
  StartNode();
  auto live = SayHello(Lane::kLive), bulk = SayHello(Lane::kBulk);
  ASSERT_TRUE(cluster_.AwaitUp(1, 1));
  pb::StreamMessage big;
  big.add_spaces()->set_batch(std::string(2 << 20, 'b'));
  bulk->Write(big);
  Recorder& recorder = *cluster_.recorders[1];
  EXPECT_TRUE(recorder.Await([&] { return recorder.downs == 1; }));
  EXPECT_FALSE(bulk->End().ok());
  EXPECT_FALSE(live->End().ok());
}

TEST_F(PlayedTest, ANewConnectionReplacesTheOldOne) {
  StartNode();
  auto live = SayHello(Lane::kLive), bulk = SayHello(Lane::kBulk);
  ASSERT_TRUE(cluster_.AwaitUp(1, 1));
  local_.incarnation.bytes[0] = 2;
  auto new_live = SayHello(Lane::kLive, 8), new_bulk = SayHello(Lane::kBulk, 8);
  ASSERT_TRUE(cluster_.AwaitUp(1, 2));
  EXPECT_EQ(cluster_.recorders[1]->last_identity.incarnation, local_.incarnation);
  EXPECT_EQ(cluster_.recorders[1]->downs, 1);
  EXPECT_FALSE(live->End().ok());
}

TEST_F(PlayedTest, TheLanesMustComeFromOneLifeOfTheNode) {
  StartNode();
  auto live = SayHello(Lane::kLive);
  local_.incarnation.bytes[0] = 2;
  auto bulk = SayHello(Lane::kBulk);
  EXPECT_EQ(bulk->End().reason(), Reason::CONFIGURATION);
  EXPECT_EQ(cluster_.recorders[1]->ups, 0);
}

}  // namespace
}  // namespace engram::rpc
