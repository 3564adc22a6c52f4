// The calls beside the stream, by a plain client.
#include <atomic>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include "engram/internal/v1/replication.grpc.pb.h"
#include "engram/rpc/codec.h"
#include "engram/rpc/errors.h"
#include "engram/rpc/test_kit.h"

namespace engram::rpc {
namespace {

using testing::ElementsAre;

// Answers from a string instead of logs.
class FakeCalls : public runtime::ReplicationCalls {
 public:
  Result<std::vector<runtime::CopyStatus>> GetStatus(const std::string& space) override {
    if (space == "none") return Status(Reason::SPACE_NOT_FOUND, "No space 'none'.");
    runtime::CopyStatus status;
    status.space = space.empty() ? "default" : space;
    status.role = "primary";
    status.commit = Sequence(12);
    return std::vector{status};
  }
  Result<replication::Floors> Fetch(const runtime::FetchCall& call,
                                    const runtime::FetchSink& sink) override {
    if (call.last > Sequence(100))
      return Status(Reason::SEQUENCE_GAP, "Not committed here.").With("commit", 100);
    for (size_t i = 0; i < 3; ++i) {
      if (!sink(log)) {
        ++abandoned;
        break;
      }
    }
    return floors;
  }
  Result<runtime::ShipBatchAnswer> ShipBatch(runtime::ShipBatchCall call) override {
    if (call.epoch < Epoch(5))
      return Status(Reason::STALE_EPOCH, "Promised 5.").With("promised", 5);
    std::lock_guard lock(mutex);
    shipped = std::move(call);
    return runtime::ShipBatchAnswer{Sequence(8), Sequence(7)};
  }

  std::string log = std::string((5u << 20) / 2, 'r');
  replication::Floors floors{Sequence(7), {Epoch(3), Sequence(40)}};
  std::mutex mutex;
  runtime::ShipBatchCall shipped;
  std::atomic<int> abandoned{0};
};

class CallsTest : public testing::Test {
 protected:
  CallsTest() : cluster_(1) {
    GrpcTransportOptions options = cluster_.Options(0);
    options.calls = &calls_;
    cluster_.Start(0, options);
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(64 << 20);
    stub_ = pb::ReplicationService::NewStub(grpc::CreateCustomChannel(
        cluster_.addresses[0].replication, grpc::InsecureChannelCredentials(), arguments));
  }

  Status Ship(const pb::ShipBatchRequest& request, pb::ShipBatchResponse* response) {
    grpc::ClientContext context;
    const grpc::Status status = stub_->ShipBatch(&context, request, response);
    return status.ok() ? OkStatus() : FromGrpc(status);
  }
  Reason ShipFails(const pb::ShipBatchRequest& request) {
    pb::ShipBatchResponse response;
    const Status status = Ship(request, &response);
    EXPECT_FALSE(status.ok());
    return status.ok() ? Reason::IO : status.reason();
  }
  static pb::ShipBatchRequest GoodBatch() {
    pb::ShipBatchRequest request;
    request.set_replica_id("n1");
    request.set_space("notes");
    request.set_epoch(5);
    request.mutable_batch()->set_batch_header(std::string(64, 'h'));
    request.mutable_batch()->add_wal_entries("records");
    return request;
  }

  FakeCalls calls_;
  Cluster cluster_;
  std::unique_ptr<pb::ReplicationService::Stub> stub_;
};

TEST_F(CallsTest, StatusOfEveryCopy) {
  grpc::ClientContext context;
  pb::GetStatusResponse response;
  ASSERT_TRUE(stub_->GetStatus(&context, {}, &response).ok());
  EXPECT_EQ(response.node().name(), "n1");
  ASSERT_EQ(response.copies_size(), 1);
  const auto copy = Decode(response.copies(0));
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(copy->space, "default");
  EXPECT_EQ(copy->commit, Sequence(12));
}

TEST_F(CallsTest, StatusSaysWhatIsWrong) {
  grpc::ClientContext context;
  pb::GetStatusRequest request;
  pb::GetStatusResponse response;
  request.set_space("none");
  EXPECT_EQ(FromGrpc(stub_->GetStatus(&context, request, &response)).reason(),
            Reason::SPACE_NOT_FOUND);
  grpc::ClientContext second;
  request.mutable_from()->set_cluster("other");
  EXPECT_EQ(FromGrpc(stub_->GetStatus(&second, request, &response)).reason(),
            Reason::CONFIGURATION);
}

TEST_F(CallsTest, ARangeComesInChunks) {
  if (kMegabytesTakeMinutes) GTEST_SKIP();
  grpc::ClientContext context;
  pb::FetchRequest request;
  request.set_space("notes");
  request.set_first(1);
  request.set_last(100);
  auto stream = stub_->Fetch(&context, request);
  std::vector<size_t> sizes;
  for (pb::FetchResponse chunk; stream->Read(&chunk);) sizes.push_back(chunk.records().size());
  EXPECT_TRUE(stream->Finish().ok());
  constexpr size_t kMiB = 1 << 20;
  // The last one has the floors alone.
  EXPECT_THAT(sizes,
              ElementsAre(kMiB, kMiB, kMiB / 2, kMiB, kMiB, kMiB / 2, kMiB, kMiB, kMiB / 2, 0));
}

TEST_F(CallsTest, ARangeThatCannotBeHadSaysWhy) {
  const auto fails = [&](uint64_t first, uint64_t last, const std::string& space) {
    grpc::ClientContext context;
    pb::FetchRequest request;
    request.set_space(space);
    request.set_first(first);
    request.set_last(last);
    auto stream = stub_->Fetch(&context, request);
    pb::FetchResponse chunk;
    EXPECT_FALSE(stream->Read(&chunk));
    return FromGrpc(stream->Finish()).reason();
  };
  EXPECT_EQ(fails(1, 101, "notes"), Reason::SEQUENCE_GAP);
  EXPECT_EQ(fails(0, 5, "notes"), Reason::INVALID_REQUEST);
  EXPECT_EQ(fails(6, 5, "notes"), Reason::INVALID_REQUEST);
  EXPECT_EQ(fails(1, 5, ""), Reason::INVALID_REQUEST);
}

TEST_F(CallsTest, ACallerThatGoesAwayEndsItsFetch) {
  if (kMegabytesTakeMinutes) GTEST_SKIP();
  calls_.log.resize(64u << 20);
  {
    grpc::ClientContext context;
    pb::FetchRequest request;
    request.set_space("notes");
    request.set_first(1);
    request.set_last(100);
    auto stream = stub_->Fetch(&context, request);
    pb::FetchResponse chunk;
    ASSERT_TRUE(stream->Read(&chunk));
    context.TryCancel();
    (void)stream->Finish();
  }
  EXPECT_TRUE(Becomes([&] { return calls_.abandoned == 1; }));
}

TEST_F(CallsTest, ABatchIsHandedOverWhole) {
  pb::ShipBatchResponse response;
  const Status status = Ship(GoodBatch(), &response);
  ASSERT_TRUE(status.ok()) << status.ToString();
  std::lock_guard lock(calls_.mutex);
  EXPECT_EQ(calls_.shipped.batch, std::string(64, 'h') + "records");
  EXPECT_EQ(calls_.shipped.space, "notes");
  EXPECT_EQ(response.applied_sequence(), 8u);
  EXPECT_EQ(response.durable_sequence(), 7u);
  EXPECT_GT(response.committed_at().seconds(), 0);
}

TEST_F(CallsTest, ABatchThatIsNoneIsRefused) {
  pb::ShipBatchRequest request = GoodBatch();
  request.set_replica_id("n2");
  EXPECT_EQ(ShipFails(request), Reason::REPLICA_NOT_FOUND);
  request = GoodBatch();
  request.set_cluster("other");
  EXPECT_EQ(ShipFails(request), Reason::CONFIGURATION);
  request = GoodBatch();
  request.set_space("");
  EXPECT_EQ(ShipFails(request), Reason::INVALID_REQUEST);
  request = GoodBatch();
  request.mutable_batch()->set_batch_header("short");
  EXPECT_EQ(ShipFails(request), Reason::TRUNCATED_BATCH);
  request = GoodBatch();
  request.mutable_batch()->add_wal_entries("second");
  EXPECT_EQ(ShipFails(request), Reason::INVALID_REQUEST);
  request = GoodBatch();
  request.set_sender("not 16 bytes");
  EXPECT_EQ(ShipFails(request), Reason::INVALID_REQUEST);
  request = GoodBatch();
  request.set_epoch(4);
  EXPECT_EQ(ShipFails(request), Reason::STALE_EPOCH);
}

TEST(CallsWithoutANode, AreRefused) {
  Cluster cluster(1);
  cluster.Start(0);
  const auto stub = pb::ReplicationService::NewStub(
      grpc::CreateChannel(cluster.addresses[0].replication, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  pb::GetStatusResponse response;
  EXPECT_EQ(FromGrpc(stub->GetStatus(&context, {}, &response)).reason(),
            Reason::UNIMPLEMENTED_FEATURE);
}

}  // namespace
}  // namespace engram::rpc
