// The dialling end of a wire. A hold keeps the call open for reads and writes that begin outside of
// gRPC's callbacks; it is given back as soon as either fails, and OnDone follows.
#include <grpcpp/generic/generic_stub.h>

#include "engram/base/thread_annotations.h"
#include "engram/rpc/errors.h"
#include "engram/rpc/wire.h"

namespace engram::rpc {
namespace {

constexpr char kMethod[] = "/engram.internal.v1.ReplicationService/ReplicationStream";
constexpr int kWindowBytes = 8 << 20;  // of a stream, beyond which the receiver's reads decide

class DialledWire : public Wire,
                    public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                    public std::enable_shared_from_this<DialledWire> {
 public:
  DialledWire(std::shared_ptr<grpc::Channel> channel, WireEvents& events)
      : events_(events), stub_(std::move(channel)) {}

  void Begin() {
    self_ = shared_from_this();
    stub_.PrepareBidiStreamingCall(&context_, kMethod, {}, this);
    AddHold();
    StartCall();
  }

  void Read() override {
    MutexLock lock(mutex_);
    if (held_) StartRead(&incoming_);
  }

  void Write(grpc::ByteBuffer frame) override {
    MutexLock lock(mutex_);
    if (!held_) return;
    outgoing_ = std::move(frame);
    StartWrite(&outgoing_);
  }

  void Close(const Status& why) override {
    MutexLock lock(mutex_);
    if (!held_) return;
    why_ = why;
    context_.TryCancel();
    Release();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      MutexLock lock(mutex_);
      return Release();
    }
    grpc::ByteBuffer frame;
    frame.Swap(&incoming_);
    events_.OnFrame(shared_from_this(), std::move(frame));
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      outgoing_.Clear();
      if (!ok) return Release();
    }
    events_.OnWritten(shared_from_this());
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<DialledWire> self = std::move(self_);
    Status why;
    {
      MutexLock lock(mutex_);
      why = why_.ok() ? FromGrpc(status) : why_;
    }
    events_.OnClosed(self, why);
  }

 private:
  void Release() REQUIRES(mutex_) {
    if (!held_) return;
    held_ = false;
    RemoveHold();
  }

  WireEvents& events_;
  std::shared_ptr<DialledWire> self_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_, outgoing_;
  Mutex mutex_;
  Status why_ GUARDED_BY(mutex_);
  bool held_ GUARDED_BY(mutex_) = true;
};

// Arguments that both ends share: big frames, since batches are big, and liveness.
template <class SetInt>
void CommonArguments(const ChannelOptions& options, SetInt set) {
  const auto keepalive_ms = static_cast<int>(options.keepalive / std::chrono::milliseconds(1));
  set(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_ms);
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  set(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  set(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  set(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  set(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, 2 << 20);
  set(GRPC_ARG_TCP_READ_CHUNK_SIZE, 1 << 20);
  set(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, 4 << 20);
}

}  // namespace

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  CommonArguments(options, [&](const char* key, int value) { arguments.SetInt(key, value); });
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(options.message_bytes));
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

void SetUp(const ChannelOptions& options, grpc::ServerBuilder* builder) {
  CommonArguments(options,
                  [&](const char* key, int value) { builder->AddChannelArgument(key, value); });
  const auto keepalive_ms = static_cast<int>(options.keepalive / std::chrono::milliseconds(1));
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              keepalive_ms / 2);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes));
  builder->SetMaxSendMessageSize(static_cast<int>(options.message_bytes));
}

WirePtr Dial(std::shared_ptr<grpc::Channel> channel, WireEvents& events) {
  auto wire = std::make_shared<DialledWire>(std::move(channel), events);
  wire->Begin();
  return wire;
}

}  // namespace engram::rpc
