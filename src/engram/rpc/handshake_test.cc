#include "engram/rpc/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/rpc/errors.h"

namespace engram::rpc {
namespace {

using testing::HasSubstr;

LocalNode NodeAt(size_t me) {
  LocalNode node;
  node.cluster = "c";
  node.nodes = {{"n1", "", "", "", "127.0.0.1:1001"},
                {"n2", "", "", "", "127.0.0.1:1002"},
                {"n3", "", "", "", "127.0.0.1:1003"}};
  node.me = me;
  node.id.bytes[0] = static_cast<uint8_t>(me + 1);
  node.incarnation.bytes[0] = static_cast<uint8_t>(me + 11);
  node.process = me + 100;
  node.program_version = "0.1.0";
  return node;
}

// Hello of n1 to n2, changed, as n2 judges it.
Status Judge(const std::function<void(pb::Hello*)>& change) {
  pb::Hello hello = MakeHello(NodeAt(0), 1, runtime::Lane::kBulk, 7);
  change(&hello);
  return CheckHello(NodeAt(1), hello).status();
}

void ExpectRefusal(const Status& status, Reason reason, const std::string& text) {
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.reason(), reason);
  EXPECT_THAT(status.message(), HasSubstr(text));
  EXPECT_FALSE(status.expected().empty());
}

TEST(HandshakeTest, AGoodHelloSaysWho) {
  const auto guest = CheckHello(NodeAt(1), MakeHello(NodeAt(0), 1, runtime::Lane::kBulk, 7));
  ASSERT_TRUE(guest.ok()) << guest.status().ToString();
  EXPECT_EQ(guest->place, 0u);
  EXPECT_EQ(guest->identity.id, NodeAt(0).id);
  EXPECT_EQ(guest->identity.incarnation, NodeAt(0).incarnation);
  EXPECT_EQ(guest->identity.program_version, "0.1.0");
  EXPECT_EQ(guest->lane, runtime::Lane::kBulk);
  EXPECT_EQ(guest->nonce, 7u);
}

TEST(HandshakeTest, BothSayWhichCompressionsTheyRead) {
  LocalNode one = NodeAt(0), two = NodeAt(1);
  two.readable = Only(record::Compression::kNone) | Only(record::Compression::kLz4);
  const auto guest = CheckHello(two, MakeHello(one, 1, runtime::Lane::kLive, 7));
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest->identity.compressions, record::kEveryCompression);
  const auto identity = CheckReply(one, 1, MakeReply(two, 1));
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->compressions, two.readable);
}

TEST(HandshakeTest, CompressionsHaveGoldenBytes) {
  pb::Hello hello;
  hello.add_compressions(pb::BATCH_COMPRESSION_ZSTD);
  hello.add_compressions(pb::BATCH_COMPRESSION_LZ4);
  EXPECT_EQ(hello.SerializeAsString(), "\x3a\x02\x01\x02");
  pb::HelloReply reply;
  reply.add_compressions(pb::BATCH_COMPRESSION_LZ4);
  EXPECT_EQ(reply.SerializeAsString(), "\x1a\x01\x02");
}

TEST(HandshakeTest, WhoSaysNothingReadsNoCompression) {
  pb::Hello hello = MakeHello(NodeAt(0), 1, runtime::Lane::kLive, 7);
  hello.clear_compressions();  // a version before
  const auto guest = CheckHello(NodeAt(1), hello);
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest->identity.compressions, Only(record::Compression::kNone));
}

TEST(HandshakeTest, EveryRefusalSaysWhy) {
  ExpectRefusal(Judge([](auto* h) { h->mutable_node()->set_cluster("other"); }),
                Reason::CONFIGURATION, "of the cluster 'other'");
  ExpectRefusal(Judge([](auto* h) { h->mutable_node()->set_name("n9"); }), Reason::CONFIGURATION,
                "'n9' is not in the list");
  ExpectRefusal(Judge([](auto* h) { h->mutable_node()->set_place(2); }), Reason::CONFIGURATION,
                "number 3 of the list");
  ExpectRefusal(Judge([](auto* h) {
                  h->mutable_node()->set_name("n2");
                  h->mutable_node()->set_place(1);
                }),
                Reason::CONFIGURATION, "Two nodes are named 'n2'");
  ExpectRefusal(Judge([](auto* h) { h->set_to_name("n3"); }), Reason::CONFIGURATION,
                "configured for 'n3' reaches 'n2'");
  ExpectRefusal(Judge([](auto* h) { h->set_lane(pb::LANE_UNSPECIFIED); }), Reason::INVALID_REQUEST,
                "lane");
  ExpectRefusal(Judge([](auto* h) { h->mutable_node()->clear_incarnation(); }),
                Reason::INVALID_REQUEST, "identity");
  ExpectRefusal(Judge([](auto* h) { *h = pb::Hello(); }), Reason::CONFIGURATION, "cluster");
}

TEST(HandshakeTest, ANodeThatReachesItselfIsTold) {
  ExpectRefusal(CheckHello(NodeAt(0), MakeHello(NodeAt(0), 1, runtime::Lane::kLive, 7)).status(),
                Reason::CONFIGURATION, "reached itself");
}

TEST(HandshakeTest, ACopiedDirectoryIsNotTheNodeItself) {
  ExpectRefusal(Judge([](auto* h) { h->mutable_node()->set_node_id(IdBytes(NodeAt(1).id)); }),
                Reason::CONFIGURATION, "is a copy of the other's");
}

TEST(HandshakeTest, TheHighestCommonVersionIsChosen) {
  LocalNode older = NodeAt(0), newer = NodeAt(1);
  older.protocol_max = 3;
  newer.protocol_min = 2;
  newer.protocol_max = 5;
  auto guest = CheckHello(newer, MakeHello(older, 1, runtime::Lane::kLive, 7));
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest->identity.protocol_version, 3u);
  EXPECT_TRUE(CheckReply(older, 1, MakeReply(newer, 3)).ok());
  older.protocol_max = 1;
  guest = CheckHello(newer, MakeHello(older, 1, runtime::Lane::kLive, 7));
  ExpectRefusal(guest.status(), Reason::UNSUPPORTED_VERSION, "2 to 5 here, 1 to 1 there");
  ExpectRefusal(CheckReply(older, 1, MakeReply(newer, 3)).status(), Reason::UNSUPPORTED_VERSION,
                "version");
}

TEST(HandshakeTest, AReplyOfAnotherNodeIsRefused) {
  EXPECT_TRUE(CheckReply(NodeAt(0), 1, MakeReply(NodeAt(1), 1)).ok());
  const Status status = CheckReply(NodeAt(0), 1, MakeReply(NodeAt(2), 1)).status();
  EXPECT_THAT(status.message(), HasSubstr("configured for 'n2' reaches 'n3'"));
}

Status Configured(const std::string& address) {
  LocalNode node = NodeAt(0);
  node.nodes[1].replication = address;
  return CheckConfiguration(node);
}

TEST(HandshakeTest, AddressesThatNobodyCanDialAreRefused) {
  EXPECT_TRUE(Configured("host-2.example:50052").ok());
  EXPECT_TRUE(Configured("[::1]:50052").ok());
  for (const char* address : {"0.0.0.0:50052", "[::]:50052", ":::50052", "*:50052"})
    ExpectRefusal(Configured(address), Reason::CONFIGURATION, "nobody can dial it");
  for (const char* address : {"", "host", ":50052", "host:"})
    ExpectRefusal(Configured(address), Reason::CONFIGURATION, "is not host:port");
  for (const char* address : {"host:0", "host:65536", "host:x", "host:999999999999"})
    ExpectRefusal(Configured(address), Reason::CONFIGURATION, "no valid port");
  ExpectRefusal(Configured("127.0.0.1:1003"), Reason::CONFIGURATION, "Two nodes have");
}

TEST(HandshakeTest, TheListOfNodesIsChecked) {
  LocalNode node = NodeAt(0);
  node.nodes[1].name = "n1";
  ExpectRefusal(CheckConfiguration(node), Reason::CONFIGURATION, "Two nodes are named n1");
  node = NodeAt(0);
  node.nodes[2].name = "";
  ExpectRefusal(CheckConfiguration(node), Reason::CONFIGURATION, "without a name");
  node = NodeAt(0);
  node.me = 3;
  ExpectRefusal(CheckConfiguration(node), Reason::CONFIGURATION, "not in it");
  node = NodeAt(0);
  node.advertise = "0.0.0.0:50052";
  ExpectRefusal(CheckConfiguration(node), Reason::CONFIGURATION, "nobody can dial it");
}

TEST(ErrorsTest, AnErrorGoesThereAndBack) {
  for (int i = 0; i < kReasonCount; ++i) {
    const Status sent =
        Status(static_cast<Reason>(i), "what").Expected("this").Suggest("that").With("sequence", 7);
    const Status got = FromGrpc(ToGrpc(sent));
    EXPECT_EQ(got.reason(), sent.reason());
    EXPECT_EQ(got.ToString(), sent.ToString());
    EXPECT_EQ(got.metadata(), sent.metadata());
  }
}

TEST(ErrorsTest, WhatGoesIntoHeadersIsBounded) {
  Status sent(Reason::IO, std::string(1 << 20, 'x'));
  for (int i = 0; i < 100; ++i)
    sent = std::move(sent).With("key" + std::to_string(i), std::string(9000, 'v'));
  const grpc::Status status = ToGrpc(sent);
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 6000u);
}

TEST(ErrorsTest, ACodeWithoutDetailsHasAReason) {
  const auto reason = [](grpc::StatusCode code) {
    return FromGrpc(grpc::Status(code, "x", "no message")).reason();
  };
  EXPECT_EQ(reason(grpc::StatusCode::UNAVAILABLE), Reason::CONNECTION_TIMEOUT);
  EXPECT_EQ(reason(grpc::StatusCode::RESOURCE_EXHAUSTED), Reason::TOO_LARGE);
  EXPECT_EQ(reason(grpc::StatusCode::UNIMPLEMENTED), Reason::UNIMPLEMENTED_FEATURE);
  EXPECT_EQ(FromGrpc(grpc::Status::OK).reason(), Reason::SHUTTING_DOWN);
}

}  // namespace
}  // namespace engram::rpc
