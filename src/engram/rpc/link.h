// What goes to one peer on one lane: a queue bounded by bytes, and the wire that takes it, one
// frame at a time. Messages that wait for the wire share the next frame, up to 1 MiB; so a busy
// lane sends few big frames, and an idle one sends at once. Spaces take turns, message by message,
// and one space fills half of the queue at the most: on a slow wire a busy space does not stand in
// front of a quiet one. Messages of one space keep their order. Batches are compressed as
// configured, as far as the other side can read it, on the thread that sends.
//
// Thread-safe. Never blocks.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "engram/base/instant.h"
#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/record/compress.h"
#include "engram/rpc/frame.h"
#include "engram/rpc/wire.h"

namespace engram::rpc {

struct LinkOptions {
  size_t queue_bytes = 0;    // refused beyond; a single message always finds room in an empty queue
  size_t message_bytes = 0;  // dropped beyond: the other side would break the connection
  env::Clock* clock = nullptr;
  record::CompressionChoice compression = {};
};

class Link {
 public:
  // `writable` is called after a refusal, when half of the queue is free; it must not call back.
  Link(const LinkOptions& options, std::function<void()> writable)
      : options_(options), writable_(std::move(writable)) {}

  // `readable`: compressions that the other side can read.
  void Attach(const WirePtr& wire,
              record::CompressionSet readable = record::Only(record::Compression::kNone));
  void Detach();  // drops what waits

  bool Send(const runtime::SpaceMessage& message);
  void OnWritten(const WirePtr& wire);
  // Sends a sign of life unless something was sent in the last `every`.
  void Heartbeat(Instant now, Duration every);
  // The wire has not taken a frame for longer than `limit`, and a second for each MiB of it.
  bool Stuck(Instant now, Duration limit) const;
  // Queued, and under way.
  size_t bytes_held() const {
    MutexLock lock(mutex_);
    return bytes_;
  }
  // Batches so far, as they came and as they went into the queue.
  runtime::TransportCounts counts() const { return {bytes_raw_, bytes_sent_}; }

 private:
  struct Waiting {
    std::deque<Parcel> parcels;  // never empty
    size_t bytes = 0;
  };

  bool HasRoom(const std::string& space, size_t bytes) const REQUIRES(mutex_);
  void Queue(const std::string& space, Parcel parcel) REQUIRES(mutex_);
  Parcel TakeNext() REQUIRES(mutex_);
  std::shared_ptr<const std::string> Shrink(const std::shared_ptr<const std::string>& batch) const;
  void Pump() REQUIRES(mutex_);
  void Write(grpc::ByteBuffer frame, size_t bytes) REQUIRES(mutex_);

  const LinkOptions options_;
  const std::function<void()> writable_;
  std::atomic<record::CompressionSet> readable_{record::Only(record::Compression::kNone)};
  std::atomic<uint64_t> bytes_raw_{0}, bytes_sent_{0};
  mutable Mutex mutex_;
  WirePtr wire_ GUARDED_BY(mutex_);
  std::map<std::string, Waiting> waiting_ GUARDED_BY(mutex_);  // by space
  std::deque<std::string> turns_ GUARDED_BY(mutex_);           // the spaces that wait, next first
  size_t bytes_ GUARDED_BY(mutex_) = 0;                        // queued, and under way
  size_t writing_ GUARDED_BY(mutex_) = 0;                      // bytes under way
  bool busy_ GUARDED_BY(mutex_) = false;                       // a write is under way
  bool refused_ GUARDED_BY(mutex_) = false;
  Instant began_ GUARDED_BY(mutex_);  // the last write
};

}  // namespace engram::rpc
