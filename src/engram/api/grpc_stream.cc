// StreamingRemember: requests are stored as they come, answered in their order. At most 1,000 of a
// stream (or 64 MiB) are held; beyond, nothing more is read until the oldest is answered, which the
// client feels as back-pressure. A refused item carries its error, and the stream goes on.
//
// Invariants: the answers go out in the order of their requests; one read and one write are under
// way at most; the stream ends only when no request of it is under way in the service, so a
// callback always finds it alive.
#include <deque>

#include "engram/api/grpc_support.h"
#include "engram/base/thread_annotations.h"

namespace engram::api {
namespace {

constexpr size_t kHeldMax = 1000;
constexpr size_t kHeldBytesMax = 64u << 20;

class RememberStream : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  RememberStream(GrpcDoor& door, grpc::CallbackServerContext& context)
      : door_(door), context_(MakeCallContext(door, context)) {
    context_.deadline.reset();  // an item has no deadline of its own
    if (door_.streams.fetch_add(1) >= door_.options.streams_max) {
      finished_ = true;
      Finish(ToGrpc(Status(Reason::OVERLOADED, "All streams of this server are in use.")
                        .Expected("at most " + std::to_string(door_.options.streams_max))
                        .Suggest("send batches, or try again")));
      return;
    }
    StartRead(&incoming_);
  }

  void OnDone() override {
    door_.streams.fetch_sub(1);
    {
      MutexLock lock(mutex_);  // whoever called Finish may still be on its way out of it
    }
    delete this;
  }

  void OnCancel() override {
    Change([this]() REQUIRES(mutex_) {
      cancelled_ = true;
      reads_over_ = true;
    });
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return Change([this]() REQUIRES(mutex_) {
        reading_ = false;
        reads_over_ = true;
      });
    }
    v1::RememberRequest request;
    const size_t bytes = incoming_.Length();
    const Status bad = ParseMessage(incoming_, door_.options.message_bytes, &request);
    incoming_.Clear();
    const uint64_t number = Hold(bytes);
    if (!bad.ok()) {
      Answer(number, bad);
    } else {
      door_.service.Remember(context_, std::move(request),
                             [this, number](Result<v1::RememberResponse> result) {
                               Answer(number, std::move(result));
                             });
    }
    Change([this]() REQUIRES(mutex_) {
      reading_ = false;
      StartReadIfRoom();
    });
  }

  void OnWriteDone(bool ok) override {
    Change([this, ok]() REQUIRES(mutex_) {
      writing_ = false;
      if (!ok) cancelled_ = reads_over_ = true;
      held_bytes_ -= held_.front().bytes;
      held_.pop_front();
      ++first_;
      WriteNext();
      StartReadIfRoom();
    });
  }

 private:
  struct Held {
    size_t bytes = 0;
    bool answered = false;
    grpc::ByteBuffer reply;
  };

  // The request's number; its callback may come at any time from here on.
  uint64_t Hold(size_t bytes) {
    MutexLock lock(mutex_);
    door_.answers.Begin();
    held_.push_back({bytes, false, {}});
    held_bytes_ += bytes;
    ++under_way_;
    return first_ + held_.size() - 1;
  }

  // Changes the state, and ends the stream when it is over. gRPC may delete `this` on another
  // thread as soon as Finish is called, so nothing of it is touched afterwards.
  template <class How>
  void Change(How how) {
    bool over = false, cancelled = false;
    {
      MutexLock lock(mutex_);
      how();
      over = !finished_ && Over();
      finished_ = finished_ || over;
      cancelled = cancelled_;
    }
    if (!over) return;
    Finish(cancelled ? grpc::Status(grpc::StatusCode::CANCELLED, "cancelled") : grpc::Status::OK);
  }

  // May be the end of `this`, on another thread, before it returns.
  void Answer(uint64_t number, Result<v1::RememberResponse> result) {
    GrpcDoor& door = door_;
    v1::RememberResponse response;
    if (result.ok()) {
      response = std::move(*result);
    } else {
      *response.mutable_error() = ToItemError(result.status());
    }
    Change([&]() REQUIRES(mutex_) {
      Held& held = held_[number - first_];
      const size_t most = door_.options.message_bytes;
      if (const Status large = SerializeMessage(response, most, &held.reply); !large.ok()) {
        response.Clear();
        *response.mutable_error() = ToItemError(large);
        (void)SerializeMessage(response, most, &held.reply);  // a line of text
      }
      held.answered = true;
      --under_way_;
      WriteNext();
    });
    door.answers.End();
  }

  void StartReadIfRoom() REQUIRES(mutex_) {
    if (reading_ || reads_over_ || held_.size() >= kHeldMax || held_bytes_ >= kHeldBytesMax) return;
    reading_ = true;
    StartRead(&incoming_);
  }

  void WriteNext() REQUIRES(mutex_) {
    if (writing_ || cancelled_ || held_.empty() || !held_.front().answered) return;
    writing_ = true;
    grpc::WriteOptions options;
    // Never the first: with the hint gRPC keeps the headers, too, and this write would not be done
    // before another.
    if (first_ > 0 && held_.size() > 1 && held_[1].answered) options.set_buffer_hint();
    StartWrite(&held_.front().reply, options);
  }

  bool Over() const REQUIRES(mutex_) {
    if (!reads_over_ || reading_ || writing_ || under_way_ > 0) return false;
    return cancelled_ || held_.empty();
  }

  GrpcDoor& door_;
  CallContext context_;
  grpc::ByteBuffer incoming_;
  Mutex mutex_;
  std::deque<Held> held_ GUARDED_BY(mutex_);
  uint64_t first_ GUARDED_BY(mutex_) = 0;  // number of held_.front()
  size_t held_bytes_ GUARDED_BY(mutex_) = 0;
  int under_way_ GUARDED_BY(mutex_) = 0;  // in the service
  bool reading_ GUARDED_BY(mutex_) = true;
  bool writing_ GUARDED_BY(mutex_) = false;
  bool reads_over_ GUARDED_BY(mutex_) = false;
  bool cancelled_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* NewRememberStream(
    GrpcDoor& door, grpc::CallbackServerContext& context) {
  return new RememberStream(door, context);
}

}  // namespace engram::api
