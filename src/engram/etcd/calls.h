// The calls to etcd that are under way, so that all of them can be ended at once. Each has an
// endpoint, a deadline and, after a login, a token; each ends in a grpc::Status.
//
// Thread-safe. `ended` runs once on a thread of gRPC, also when the call is cancelled by Stop; what
// it holds is let go before the call counts as ended, so that after Stop nothing of gRPC's threads
// holds a channel (gRPC 1.51 aborts when one of them lets go of the last).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "engram/base/thread_annotations.h"
#include "etcdserverpb/rpc.grpc.pb.h"

namespace engram::etcd {

namespace pb = ::etcdserverpb;

using Deadline = std::chrono::steady_clock::time_point;
using Ended = std::function<void(const grpc::Status&)>;

struct Target {
  std::shared_ptr<grpc::Channel> channel;
  Deadline deadline;
  std::string token;  // empty: none
};

class Calls {
 public:
  ~Calls() { Stop(); }

  // `request` and `response` live until `ended` is called, or, after Stop, dropped. Of `method`
  // the form with a function is meant: Unary<pb::KV>(&Async<pb::KV>::Txn, …).
  template <class Service, class Request, class Response>
  void Unary(void (Service::StubInterface::async_interface::*method)(
                 grpc::ClientContext*, const Request*, Response*,
                 std::function<void(grpc::Status)>),
             const Target& target, const Request* request, Response* response, Ended ended) {
    auto call = std::make_unique<UnaryCall<Service>>(target);
    UnaryCall<Service>* const raw = call.get();
    if (!Begin(std::move(call), target, std::move(ended))) return;
    (raw->stub->async()->*method)(&raw->context, request, response,
                                  [this, raw](const grpc::Status& status) { End(raw, status); });
  }
  // A stream of one request and one answer.
  void KeepAlive(const Target& target, const pb::LeaseKeepAliveRequest* request,
                 pb::LeaseKeepAliveResponse* response, Ended ended);

  // True from the beginning of Stop on: then nobody is told anything more.
  bool stopped() const EXCLUDES(mutex_);
  // Ends what is under way, and waits until all of it has ended. Not on a thread of gRPC.
  void Stop() EXCLUDES(mutex_);

 private:
  struct Call {
    virtual ~Call() = default;
    grpc::ClientContext context;
    Ended ended;
  };
  template <class Service>
  struct UnaryCall : Call {
    explicit UnaryCall(const Target& target) : stub(Service::NewStub(target.channel)) {}
    std::unique_ptr<typename Service::Stub> stub;
  };
  class KeepAliveCall;

  // The call is owned by whoever ends it from then on. False, and it is gone, when stopped.
  bool Begin(std::unique_ptr<Call> call, const Target& target, Ended ended) EXCLUDES(mutex_);
  void End(Call* call, const grpc::Status& status) EXCLUDES(mutex_);

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::set<Call*> live_ GUARDED_BY(mutex_);
  int count_ GUARDED_BY(mutex_) = 0;  // of those that are not destroyed yet
  bool stopped_ GUARDED_BY(mutex_) = false;
};

template <class Service>
using Async = typename Service::StubInterface::async_interface;

}  // namespace engram::etcd
