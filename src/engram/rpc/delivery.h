// What comes from one peer, on its way to the listener: a queue and a thread for each lane, so that
// neither a slow listener nor a big batch holds a thread of gRPC or the other lane. Up and Down
// stand between the messages of two connections: the live lane's thread says them while the bulk
// lane's is outside of the listener; what was queued before a Down is dropped.
//
// Thread-safe. Nothing here blocks but Stop, which must not be called by the listener.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <optional>
#include <thread>

#include <grpcpp/support/byte_buffer.h>

#include "engram/base/thread_annotations.h"
#include "engram/internal/v1/replication.pb.h"
#include "engram/rpc/wire.h"
#include "engram/runtime/transport.h"

namespace engram::rpc {

using Wires = std::array<WirePtr, runtime::kLanes>;

class Delivery {
 public:
  // A lane whose queue has `lane_bytes` or more is not read until it has less.
  Delivery(size_t peer, runtime::TransportListener& listener, size_t lane_bytes);
  ~Delivery();

  void Up(const runtime::PeerIdentity& identity, const Wires& wires);
  void Down(const Status& why);
  // Takes a frame and reads the next one, now or when there is room. Frames of other wires than
  // those of Up are dropped; a frame that is no message closes its wire.
  void Push(const WirePtr& wire, grpc::ByteBuffer frame);
  void Writable(runtime::Lane lane);
  // The lane is not being read, because the listener is behind.
  bool paused(runtime::Lane lane) const;
  // Of frames that wait for the listener, and of those that it is being told.
  size_t bytes_held() const;
  // No call of the listener begins after this.
  void Stop();

 private:
  struct LaneState {
    WirePtr wire;  // of the connection that is up
    std::deque<grpc::ByteBuffer> frames;
    size_t bytes = 0;
    size_t telling = 0;  // bytes of the frame that its thread has taken
    bool paused = false;
    bool writable = false;  // to be told
    bool busy = false;      // its thread is in the listener, or decodes
  };
  // Up (identity) or Down (why).
  struct Notice {
    std::optional<runtime::PeerIdentity> identity;
    Status why;
  };

  void Run(runtime::Lane lane);
  bool MayTellNotice(runtime::Lane lane) const REQUIRES(mutex_);
  void TellNotice() REQUIRES(mutex_);
  bool HasWork(runtime::Lane lane) const REQUIRES(mutex_);
  void Work(runtime::Lane lane) REQUIRES(mutex_);
  void TellFrame(runtime::Lane lane, const WirePtr& wire, grpc::ByteBuffer frame);
  Status TellMessages(runtime::Lane lane, internal::v1::StreamMessage* message);
  bool Interrupted() const;

  LaneState& state(runtime::Lane lane) REQUIRES(mutex_) { return lanes_[static_cast<int>(lane)]; }
  const LaneState& state(runtime::Lane lane) const REQUIRES(mutex_) {
    return lanes_[static_cast<int>(lane)];
  }

  const size_t peer_;
  runtime::TransportListener& listener_;
  const size_t lane_bytes_;
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::array<LaneState, runtime::kLanes> lanes_ GUARDED_BY(mutex_);
  std::deque<Notice> notices_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::array<std::thread, runtime::kLanes> threads_;
};

}  // namespace engram::rpc
