// Asking another node for a range of its log: the client side of `Fetch`. Each question blocks one
// of two threads of its own, so that nodes that ask each other do not wait for each other's doors.
// What comes is bounded and unchecked: that the records are good and cover the range is for whoever
// takes them.
//
// Thread-safe. Owned by the transport; Stop ends what is under way.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "engram/base/status.h"
#include "engram/base/thread_annotations.h"
#include "engram/env/executor.h"
#include "engram/runtime/replication_calls.h"

namespace engram::rpc {

class Fetcher {
 public:
  // Of whom, as errors name it; `bytes_max`: more records than that are refused with TOO_LARGE.
  struct Question {
    std::shared_ptr<grpc::Channel> channel;
    std::string node;     // its name
    std::string cluster;  // of this node
    runtime::FetchCall call;
    uint64_t bytes_max = 0;
  };
  using Done = std::function<void(Result<runtime::FetchAnswer>)>;

  Fetcher();
  ~Fetcher();  // Stop

  // `done` is called once, on a thread of the fetcher; not at all once it is stopped. An answer
  // has 10 s, and 1 s more for each MiB that it may have.
  void Ask(Question question, Done done) EXCLUDES(mutex_);
  void Stop() EXCLUDES(mutex_);

 private:
  Result<runtime::FetchAnswer> Run(const Question& question) EXCLUDES(mutex_);

  Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> live_ GUARDED_BY(mutex_);
  std::unique_ptr<env::Executor> executor_;
};

}  // namespace engram::rpc
