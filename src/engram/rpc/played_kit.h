// For tests: a node that is played by hand against a real transport.
#pragma once

#include <grpcpp/grpcpp.h>

#include "engram/internal/v1/replication.grpc.pb.h"
#include "engram/rpc/errors.h"
#include "engram/rpc/handshake.h"
#include "engram/rpc/test_kit.h"

namespace engram::rpc {

// A stream by hand, as another program might open one.
class HandMade {
 public:
  explicit HandMade(const std::string& address)
      : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        stub_(pb::ReplicationService::NewStub(channel_)),
        stream_(stub_->ReplicationStream(&context_)) {}

  bool Write(const pb::StreamMessage& message) { return stream_->Write(message); }
  pb::StreamMessage Read() {
    pb::StreamMessage message;
    stream_->Read(&message);
    return message;
  }
  // What the other side ends the stream with.
  Status End() {
    for (pb::StreamMessage message; stream_->Read(&message);) {
    }
    return FromGrpc(stream_->Finish());
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::ReplicationService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<pb::StreamMessage, pb::StreamMessage>> stream_;
};

// n2 runs, n1 is played by hand.
class PlayedTest : public testing::Test {
 protected:
  PlayedTest() : cluster_(2) {
    cluster_.addresses[0].replication = "127.0.0.1:1";
    options_ = cluster_.Options(1);
    local_.cluster = "test";
    local_.nodes = cluster_.addresses;
    local_.id.bytes[0] = local_.incarnation.bytes[0] = 1;
  }

  void StartNode() { cluster_.Start(1, options_); }
  std::unique_ptr<HandMade> Dial() {
    return std::make_unique<HandMade>(cluster_.addresses[1].replication);
  }
  std::unique_ptr<HandMade> SayHello(Lane lane, uint64_t nonce = 7) {
    auto stream = Dial();
    pb::StreamMessage hello;
    *hello.mutable_hello() = MakeHello(local_, 1, lane, nonce);
    EXPECT_TRUE(stream->Write(hello));
    EXPECT_TRUE(stream->Read().has_hello_reply());
    return stream;
  }

  Cluster cluster_;
  GrpcTransportOptions options_;
  LocalNode local_;
};

}  // namespace engram::rpc
