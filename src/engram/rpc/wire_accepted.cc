// The accepting end of a wire. gRPC wants exactly one Finish, and no write under way with it.
#include "engram/base/thread_annotations.h"
#include "engram/rpc/errors.h"
#include "engram/rpc/wire.h"

namespace engram::rpc {
namespace {

Status CallerGone() {
  return Status(Reason::CONNECTION_TIMEOUT, "The other node closed the connection, or it broke.");
}

class AcceptedWire : public Wire,
                     public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                     public std::enable_shared_from_this<AcceptedWire> {
 public:
  AcceptedWire(grpc::CallbackServerContext& context, WireEvents& events)
      : context_(context), events_(events) {}

  void Begin() {
    self_ = shared_from_this();
    events_.OnAccepted(self_);
  }

  void Read() override {
    MutexLock lock(mutex_);
    if (!closing_) StartRead(&incoming_);
  }

  void Write(grpc::ByteBuffer frame) override {
    MutexLock lock(mutex_);
    if (closing_) return;
    outgoing_ = std::move(frame);
    writing_ = true;
    StartWrite(&outgoing_);
  }

  void Close(const Status& why) override {
    const std::shared_ptr<AcceptedWire> keep = shared_from_this();
    MutexLock lock(mutex_);
    BeginClose(why);
  }

  void OnReadDone(bool ok) override {
    const std::shared_ptr<AcceptedWire> keep = shared_from_this();
    if (!ok) {
      MutexLock lock(mutex_);
      return BeginClose(CallerGone());
    }
    grpc::ByteBuffer frame;
    frame.Swap(&incoming_);
    events_.OnFrame(keep, std::move(frame));
  }

  void OnWriteDone(bool ok) override {
    const std::shared_ptr<AcceptedWire> keep = shared_from_this();
    {
      MutexLock lock(mutex_);
      writing_ = false;
      outgoing_.Clear();
      if (closing_) return FinishOnce();
      if (!ok) return BeginClose(CallerGone());
    }
    events_.OnWritten(keep);
  }

  void OnCancel() override { Close(CallerGone()); }

  void OnDone() override {
    const std::shared_ptr<AcceptedWire> self = std::move(self_);
    Status why;
    {
      MutexLock lock(mutex_);
      why = why_;
    }
    events_.OnClosed(self, why);
  }

 private:
  void BeginClose(const Status& why) REQUIRES(mutex_) {
    if (closing_) return;
    closing_ = true;
    why_ = why;
    if (writing_) {
      context_.TryCancel();  // the write fails, and OnWriteDone finishes
    } else {
      FinishOnce();
    }
  }

  void FinishOnce() REQUIRES(mutex_) {
    if (finished_) return;
    finished_ = true;
    Finish(ToGrpc(why_));
  }

  grpc::CallbackServerContext& context_;
  WireEvents& events_;
  std::shared_ptr<AcceptedWire> self_;
  grpc::ByteBuffer incoming_, outgoing_;
  Mutex mutex_;
  Status why_ GUARDED_BY(mutex_);
  bool writing_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Accept(
    grpc::CallbackServerContext& context, WireEvents& events) {
  const auto wire = std::make_shared<AcceptedWire>(context, events);
  wire->Begin();
  return wire.get();
}

}  // namespace engram::rpc
