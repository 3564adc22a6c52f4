// The watches of one door: who watches which space, and when each gets its next page. No thread
// waits for a watch: one task looks every 20 ms, while anybody watches, whose space has moved, and
// pages are read on the node's readers. Of each watch there is one page at a time, from its reading
// until its client has taken it: a slow client costs a page of memory and holds nobody up.
//
// Owned by a door, which ends it before it ends itself. Thread-safe. Calls of a sink come on any
// thread, never from inside of a call of this class but End, and one after another for one watch.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <vector>

#include "engram/api/service.h"
#include "engram/api/watch_reader.h"
#include "engram/base/thread_annotations.h"

namespace engram::api {

// As JSON and events have it: "stored", "deleted" …
std::string ChangeName(v1::WatchResponse::Kind kind);

// Where the pages of a watch go.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Never empty. Watches::Taken, once it is on its way, asks for the next.
  virtual void OnPage(uint64_t watch, std::vector<v1::WatchResponse> page) = 0;
  // The last call. The reason of the reader, or SHUTTING_DOWN.
  virtual void OnEnd(const Status& why) = 0;
};

class Watches : public std::enable_shared_from_this<Watches> {
 public:
  static constexpr env::Duration kHeartbeat = std::chrono::seconds(15);

  // `node` outlives End.
  Watches(runtime::Node& node, size_t at_most) : node_(node), at_most_(at_most) {}

  // The reader of a request; it is not begun. SPACE_CONFLICT, INVALID_SPACE_ID.
  Result<std::unique_ptr<WatchReader>> NewReader(const CallContext& context,
                                                 v1::WatchRequest request);
  // Begins to read; the reader is begun first when it is not yet. Returns the number of the watch.
  // OVERLOADED, SHUTTING_DOWN.
  Result<uint64_t> Add(std::unique_ptr<WatchReader> reader, std::shared_ptr<WatchSink> sink)
      EXCLUDES(mutex_);
  void Taken(uint64_t watch) EXCLUDES(mutex_);
  // Nobody wants it any more: its sink is called no more, but for a call that is on its way. Does
  // nothing for one that has ended.
  // `why`: what its client is told instead; OK when the client left.
  void Cancel(uint64_t watch, const Status& why = OkStatus()) EXCLUDES(mutex_);
  // Ends all of them, and takes no more. Nothing of the node is used after it. Blocks until the
  // pages that are being read are there.
  void End() EXCLUDES(mutex_);
  size_t open() const EXCLUDES(mutex_);

 private:
  enum class State { kReading, kHanded, kIdle };
  struct Watch {
    std::shared_ptr<WatchReader> reader;  // of the reading task; of whoever has the mutex when idle
    std::shared_ptr<WatchSink> sink;
    State state = State::kReading;
    env::Instant heard{};  // when its client was last sent something
    uint64_t changes = 0;  // of the page that was handed over
    int pause = 0;         // looks that pass it by: it waits for entries that are not here yet
  };

  void Read(uint64_t number) EXCLUDES(mutex_);
  // What comes of a page, or of the error that ended the watch.
  void Hand(uint64_t number, Result<std::vector<v1::WatchResponse>> page, bool moved)
      EXCLUDES(mutex_);
  void ReadLater(uint64_t number, Watch* watch) REQUIRES(mutex_);
  void Look() EXCLUDES(mutex_);
  void LookLater() REQUIRES(mutex_);
  // Counts the call as answered: by an error, or OK when its client left.
  std::shared_ptr<WatchSink> Remove(std::map<uint64_t, Watch>::iterator at, const Status& end)
      REQUIRES(mutex_);
  void Count(const Status& end) const;
  void Leave(size_t tasks) EXCLUDES(mutex_);

  runtime::Node& node_;
  const size_t at_most_;
  mutable Mutex mutex_;
  std::condition_variable_any left_;
  std::map<uint64_t, Watch> watches_ GUARDED_BY(mutex_);
  uint64_t next_ GUARDED_BY(mutex_) = 1;
  size_t busy_ GUARDED_BY(mutex_) = 0;       // tasks of ours that use node or sinks
  bool looking_ GUARDED_BY(mutex_) = false;  // a look is on its way
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace engram::api
