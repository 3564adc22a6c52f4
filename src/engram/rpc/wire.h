// One gRPC stream that carries one lane, whoever dialled it: reads, writes and ends, told to a
// WireEvents. It knows nothing of what the frames mean. A wire keeps itself alive until OnClosed,
// its last event; after Close, or once the other side is gone, Read and Write do nothing.
//
// Thread-safe. At most one Read and one Write are under way.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "engram/base/status.h"
#include "engram/runtime/transport.h"

namespace engram::rpc {

class Wire;
class Session;
using WirePtr = std::shared_ptr<Wire>;

// Called by gRPC's threads, which are few: must not block. Never from inside of a call of Wire.
class WireEvents {
 public:
  virtual ~WireEvents() = default;
  virtual void OnAccepted(const WirePtr& wire) = 0;  // another node dialled
  virtual void OnFrame(const WirePtr& wire, grpc::ByteBuffer frame) = 0;
  virtual void OnWritten(const WirePtr& wire) = 0;
  virtual void OnClosed(const WirePtr& wire, const Status& why) = 0;
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual void Read() = 0;                         // OnFrame follows
  virtual void Write(grpc::ByteBuffer frame) = 0;  // OnWritten follows
  // The other side is told why, if it was it who dialled. OnClosed follows.
  virtual void Close(const Status& why) = 0;

  // Who takes frames once the handshake is done; null before, and after the session ended.
  std::atomic<Session*> session{nullptr};
  // Set by who shakes hands, before `session`.
  runtime::Lane lane = runtime::Lane::kLive;
};

struct ChannelOptions {
  size_t message_bytes = 0;
  Duration keepalive{};
};
// A channel with a TCP connection of its own.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const ChannelOptions& options);
// The same for the other end.
void SetUp(const ChannelOptions& options, grpc::ServerBuilder* builder);

// Begins the call; `events` outlives the wire's OnClosed.
WirePtr Dial(std::shared_ptr<grpc::Channel> channel, WireEvents& events);
// OnAccepted is called before it returns.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Accept(
    grpc::CallbackServerContext& context, WireEvents& events);

}  // namespace engram::rpc
