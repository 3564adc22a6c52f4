#include "engram/rpc/replication_door.h"

#include <chrono>
#include <condition_variable>

#include "engram/base/thread_annotations.h"
#include "engram/internal/v1/replication.grpc.pb.h"
#include "engram/record/batch.h"
#include "engram/rpc/errors.h"

namespace engram::rpc {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

using Calls = pb::ReplicationService;
using grpc::CallbackServerContext;
using Base = Calls::WithRawCallbackMethod_ReplicationStream<Calls::WithCallbackMethod_ShipBatch<
    Calls::WithCallbackMethod_GetStatus<Calls::WithCallbackMethod_Fetch<Calls::Service>>>>;

Status NotServed() {
  return Status(Reason::UNIMPLEMENTED_FEATURE, "This node answers no calls about its copies.");
}

Status BadRequest(const std::string& what) {
  return Status(Reason::INVALID_REQUEST, what).Expected("a request of docs/replication-wire.md");
}

Status CheckCluster(const LocalNode& local, const std::string& cluster) {
  if (cluster.empty() || cluster == local.cluster) return OkStatus();
  return Status(Reason::CONFIGURATION, "A call for another cluster.")
      .Expected("the cluster '" + local.cluster + "'")
      .Suggest("correct the address or the name of the cluster");
}

Result<runtime::ShipBatchCall> Take(const LocalNode& local, const pb::ShipBatchRequest& request) {
  RETURN_IF_ERROR(CheckCluster(local, request.cluster()));
  if (!request.replica_id().empty() && request.replica_id() != local.name())
    return Status(Reason::REPLICA_NOT_FOUND, "This node is '" + local.name() + "'.")
        .Expected("replica_id '" + local.name() + "', or none");
  runtime::ShipBatchCall call;
  if (request.space().empty() || request.space().size() > kNameBytesMax)
    return BadRequest("The batch names no space.");
  if (!TakeId(request.sender(), &call.sender)) return BadRequest("The sender is not 16 bytes.");
  const pb::ReplicationBatch& batch = request.batch();
  if (batch.batch_header().size() != record::kBatchHeaderSize)
    return Status(Reason::TRUNCATED_BATCH, "The header of the batch has " +
                                               std::to_string(batch.batch_header().size()) +
                                               " bytes.")
        .Expected("64 bytes");
  if (batch.wal_entries_size() != 1)
    return BadRequest("wal_entries has " + std::to_string(batch.wal_entries_size()) +
                      " elements, not one.");
  call.space = request.space();
  call.epoch = Epoch(request.epoch());
  call.batch = batch.batch_header() + batch.wal_entries(0);
  return call;
}

Result<runtime::FetchCall> Take(const LocalNode& local, const pb::FetchRequest& request) {
  RETURN_IF_ERROR(CheckCluster(local, request.cluster()));
  runtime::FetchCall call;
  call.space = request.space();
  if (!TakeId(request.incarnation(), &call.incarnation))
    return BadRequest("The incarnation is not 16 bytes.");
  call.first = Sequence(request.first());
  call.last = Sequence(request.last());
  if (call.space.empty() || call.space.size() > kNameBytesMax || call.first.is_zero() ||
      call.last < call.first)
    return BadRequest("The range has no space, or is empty.");
  return call;
}

void SetNow(google::protobuf::Timestamp* at) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  at->set_seconds(seconds.count());
  at->set_nanos(static_cast<int32_t>(std::chrono::nanoseconds(now - seconds).count()));
}

// Chunks are written one at a time; the thread of the call waits for each.
class FetchWriter : public grpc::ServerWriteReactor<pb::FetchResponse> {
 public:
  // False once the caller is gone.
  bool Write(ByteView records) {
    for (size_t at = 0; at < records.size(); at += kChunkBytes) {
      pb::FetchResponse chunk;
      chunk.set_records(std::string(records.substr(at, kChunkBytes)));
      if (!WriteOne(std::move(chunk))) return false;
    }
    return true;
  }

  void WriteLast(const replication::Floors& floors) {
    pb::FetchResponse last;
    Encode(floors, last.mutable_floors());
    last.set_last(true);
    WriteOne(std::move(last));
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(mutex_);
    writing_ = false;
    gone_ = gone_ || !ok;
    changed_.notify_all();
  }
  void OnDone() override { delete this; }

 private:
  bool WriteOne(pb::FetchResponse message) {
    MutexLock lock(mutex_);
    if (gone_) return false;
    chunk_ = std::move(message);
    writing_ = true;
    StartWrite(&chunk_);
    changed_.wait(lock, [this]() REQUIRES(mutex_) { return !writing_; });
    return !gone_;
  }

  pb::FetchResponse chunk_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  bool writing_ GUARDED_BY(mutex_) = false;
  bool gone_ GUARDED_BY(mutex_) = false;
};

class ReplicationDoor : public Base {
 public:
  explicit ReplicationDoor(DoorContext context) : context_(std::move(context)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ReplicationStream(
      CallbackServerContext* context) override {
    return Accept(*context, context_.wires);
  }

  grpc::ServerUnaryReactor* ShipBatch(CallbackServerContext* context,
                                      const pb::ShipBatchRequest* request,
                                      pb::ShipBatchResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    context_.executor.Post(
        [this, reactor, request, response] { reactor->Finish(ToGrpc(Ship(*request, response))); });
    return reactor;
  }

  grpc::ServerUnaryReactor* GetStatus(CallbackServerContext* context,
                                      const pb::GetStatusRequest* request,
                                      pb::GetStatusResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const Status knocked = Knock(*request);
    Describe(context_.local, response->mutable_node());
    if (!knocked.ok() || request->identity_only()) {
      reactor->Finish(ToGrpc(knocked));
      return reactor;
    }
    context_.executor.Post([this, reactor, request, response] {
      reactor->Finish(ToGrpc(FillCopies(*request, response)));
    });
    return reactor;
  }

  grpc::ServerWriteReactor<pb::FetchResponse>* Fetch(CallbackServerContext*,
                                                     const pb::FetchRequest* request) override {
    auto* writer = new FetchWriter();
    context_.executor.Post(
        [this, writer, request] { writer->Finish(ToGrpc(FetchInto(*request, writer))); });
    return writer;
  }

 private:
  Status Knock(const pb::GetStatusRequest& request) {
    if (!request.has_from()) return OkStatus();
    ASSIGN_OR_RETURN(const size_t place, CheckNode(context_.local, request.from()));
    context_.knocked(place);
    return OkStatus();
  }

  Status Ship(const pb::ShipBatchRequest& request, pb::ShipBatchResponse* response) {
    if (context_.calls == nullptr) return NotServed();
    ASSIGN_OR_RETURN(runtime::ShipBatchCall call, Take(context_.local, request));
    ASSIGN_OR_RETURN(const runtime::ShipBatchAnswer answer,
                     context_.calls->ShipBatch(std::move(call)));
    response->set_applied_sequence(answer.applied.value());
    response->set_durable_sequence(answer.durable.value());
    SetNow(response->mutable_committed_at());
    return OkStatus();
  }

  Status FillCopies(const pb::GetStatusRequest& request, pb::GetStatusResponse* response) {
    if (context_.calls == nullptr) return NotServed();
    ASSIGN_OR_RETURN(const std::vector<runtime::CopyStatus> copies,
                     context_.calls->GetStatus(request.space()));
    for (const runtime::CopyStatus& copy : copies) Encode(copy, response->add_copies());
    return OkStatus();
  }

  Status FetchInto(const pb::FetchRequest& request, FetchWriter* writer) {
    if (context_.calls == nullptr) return NotServed();
    ASSIGN_OR_RETURN(const runtime::FetchCall call, Take(context_.local, request));
    ASSIGN_OR_RETURN(
        const replication::Floors floors,
        context_.calls->Fetch(call, [writer](ByteView records) { return writer->Write(records); }));
    writer->WriteLast(floors);
    return OkStatus();
  }

  const DoorContext context_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeReplicationDoor(DoorContext context) {
  return std::make_unique<ReplicationDoor>(std::move(context));
}

}  // namespace engram::rpc
