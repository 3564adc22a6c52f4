// Watch and Stream: the pages of a watch (watch.h) as messages of a gRPC stream, written one after
// another. Stream is the earlier project's shape of the same changes.
//
// Invariants: one write is under way at most; the next page is asked for when the one before is
// written; Finish is called once, without the mutex, and when no write is under way. A stream is
// held by gRPC (until OnDone) and by its watch, whichever is longer.
#include <optional>

#include "engram/api/grpc_support.h"
#include "engram/api/request_checks.h"
#include "engram/api/watch.h"

namespace engram::api {
namespace {

using grpc::ByteBuffer;

constexpr float kUnstatedImportance = 0.5f;

class WatchStream : public grpc::ServerWriteReactor<ByteBuffer>,
                    public WatchSink,
                    public std::enable_shared_from_this<WatchStream> {
 public:
  explicit WatchStream(GrpcDoor& door) : door_(door) {
    counted_ = door_.streams.fetch_add(1) < door_.options.streams_max;
  }

  // gRPC lets go of it in OnDone.
  void Begin(const CallContext& context, v1::WatchRequest request) {
    self_ = shared_from_this();
    if (!counted_) {
      return End(Status(Reason::OVERLOADED, "All streams of this server are in use.")
                     .Expected("at most " + std::to_string(door_.options.streams_max))
                     .Suggest("end one, or watch at another node"));
    }
    auto reader = door_.watches->NewReader(context, std::move(request));
    if (!reader.ok()) return End(reader.status());
    const Result<uint64_t> watch = door_.watches->Add(*std::move(reader), shared_from_this());
    if (!watch.ok()) return End(watch.status());
    MutexLock lock(mutex_);
    watch_ = *watch;
  }
  void Refuse(const Status& status) {
    self_ = shared_from_this();
    End(status);
  }

  // ---- of the watch ----
  void OnPage(uint64_t watch, std::vector<v1::WatchResponse> page) override {
    std::vector<ByteBuffer> messages;
    Status unwritable;
    for (auto response = page.begin(); response != page.end() && unwritable.ok(); ++response) {
      unwritable = Add(*response, &messages);
    }
    bool nothing = false;
    {
      MutexLock lock(mutex_);
      watch_ = watch;
      if (over_.has_value()) return;
      page_ = std::move(messages);
      after_page_ = unwritable;
      written_ = 0;
      nothing = page_.empty();
      if (!nothing) Write();
    }
    if (nothing) PageTaken(watch, unwritable);
  }
  void OnEnd(const Status& why) override { End(why); }

  // ---- of gRPC ----
  void OnWriteDone(bool ok) override {
    if (!ok) Cancelled();
    bool taken = false;
    uint64_t watch = 0;
    Status unwritable;
    {
      MutexLock lock(mutex_);
      writing_ = false;
      watch = watch_;
      unwritable = after_page_;
      ++written_;
      if (!over_.has_value() && written_ < page_.size()) Write();
      taken = !over_.has_value() && written_ == page_.size();
      if (taken) page_.clear();
    }
    if (taken) PageTaken(watch, unwritable);
    FinishIfOver();
  }
  void OnCancel() override {
    Cancelled();
    FinishIfOver();
  }
  void OnDone() override {
    door_.streams.fetch_sub(1);
    const std::shared_ptr<WatchStream> self = std::move(self_);  // may be the end of it
  }

 protected:
  virtual Status Add(const v1::WatchResponse& response, std::vector<ByteBuffer>* messages) {
    return AddMessage(response, messages);
  }
  // TOO_LARGE, with nothing added.
  template <class Message>
  Status AddMessage(const Message& message, std::vector<ByteBuffer>* messages) {
    ByteBuffer bytes;
    RETURN_IF_ERROR(SerializeMessage(message, door_.options.message_bytes, &bytes));
    messages->push_back(std::move(bytes));
    return OkStatus();
  }

 private:
  // A change that can't be sent is not passed over: the stream ends before it, and says why.
  void PageTaken(uint64_t watch, const Status& unwritable) {
    if (unwritable.ok()) return door_.watches->Taken(watch);
    door_.watches->Cancel(watch, unwritable);
    End(unwritable);
  }

  void Write() REQUIRES(mutex_) {
    writing_ = true;
    grpc::WriteOptions options;
    // Never the first of a stream: with the hint gRPC keeps the headers, too, and this write would
    // not be done before another.
    if (std::exchange(begun_, true) && written_ + 1 < page_.size()) options.set_buffer_hint();
    StartWrite(&page_[written_], options);
  }

  void Cancelled() {
    uint64_t watch = 0;
    {
      MutexLock lock(mutex_);
      watch = watch_;
      if (!over_.has_value()) over_ = grpc::Status(grpc::StatusCode::CANCELLED, "cancelled");
    }
    door_.watches->Cancel(watch);
  }

  void End(const Status& why) {
    {
      MutexLock lock(mutex_);
      if (!over_.has_value()) over_ = ToGrpc(why);
    }
    FinishIfOver();
  }

  void FinishIfOver() {
    grpc::Status with;
    {
      MutexLock lock(mutex_);
      if (!over_.has_value() || writing_ || std::exchange(finished_, true)) return;
      with = *over_;
    }
    Finish(with);
  }

  GrpcDoor& door_;
  bool counted_ = false;
  std::shared_ptr<WatchStream> self_;
  Mutex mutex_;
  uint64_t watch_ GUARDED_BY(mutex_) = 0;
  std::vector<ByteBuffer> page_ GUARDED_BY(mutex_);
  Status after_page_ GUARDED_BY(mutex_);  // what ends the stream when the page is written
  size_t written_ GUARDED_BY(mutex_) = 0;
  bool writing_ GUARDED_BY(mutex_) = false;
  bool begun_ GUARDED_BY(mutex_) = false;                // something was written
  std::optional<grpc::Status> over_ GUARDED_BY(mutex_);  // it shall end with this
  bool finished_ GUARDED_BY(mutex_) = false;
};

// Without heartbeats: its clients would take them for events.
class EventStream : public WatchStream {
 public:
  using WatchStream::WatchStream;

 protected:
  Status Add(const v1::WatchResponse& response, std::vector<ByteBuffer>* messages) override {
    if (response.kind() == v1::WatchResponse::KIND_HEARTBEAT) return OkStatus();
    v1::StreamResponse event;
    event.set_event_type(v1::STREAM_EVENT_TYPE_STORAGE);
    *event.mutable_timestamp() = response.stored_at();
    const std::string kind = ChangeName(response.kind());
    event.set_description(kind + " " + response.memory_id());
    auto& facts = *event.mutable_metadata();
    facts["kind"] = kind;
    facts["memory_id"] = response.memory_id();
    facts["sequence"] = std::to_string(response.sequence());
    facts["token"] = response.token();
    const v1::Episode& episode = response.episode();
    event.set_importance(episode.has_importance() ? episode.importance() : kUnstatedImportance);
    return AddMessage(event, messages);
  }
};

// The request of the Watch that serves a Stream.
Result<v1::WatchRequest> ToWatch(const v1::StreamRequest& request) {
  bool storage = request.event_types().empty();
  for (const int type : request.event_types()) storage |= type == v1::STREAM_EVENT_TYPE_STORAGE;
  if (!storage) {
    return Unimplemented("A stream of these events", "event_types",
                         "nothing produces them; ask for STREAM_EVENT_TYPE_STORAGE");
  }
  v1::WatchRequest watch;
  watch.set_memory_space_id(request.memory_space_id());
  watch.set_include_content(true);
  if (request.min_importance() > 0) {
    watch.mutable_filter()->set_min_importance(request.min_importance());
  }
  return watch;
}

}  // namespace

grpc::ServerWriteReactor<ByteBuffer>* NewWatchStream(GrpcDoor& door,
                                                     grpc::CallbackServerContext& context,
                                                     const ByteBuffer& in) {
  const CallContext about = MakeCallContext(door, context);
  auto stream = std::make_shared<WatchStream>(door);
  v1::WatchRequest request;
  const Status bad = ParseMessage(in, door.options.message_bytes, &request);
  bad.ok() ? stream->Begin(about, std::move(request)) : stream->Refuse(bad);
  return stream.get();
}

grpc::ServerWriteReactor<ByteBuffer>* NewEventStream(GrpcDoor& door,
                                                     grpc::CallbackServerContext& context,
                                                     const ByteBuffer& in) {
  const CallContext about = MakeCallContext(door, context);
  auto stream = std::make_shared<EventStream>(door);
  v1::StreamRequest request;
  Status bad = ParseMessage(in, door.options.message_bytes, &request);
  if (!bad.ok()) {
    stream->Refuse(bad);
    return stream.get();
  }
  Result<v1::WatchRequest> watch = ToWatch(request);
  watch.ok() ? stream->Begin(about, *std::move(watch)) : stream->Refuse(watch.status());
  return stream.get();
}

}  // namespace engram::api
