#include "engram/etcd/calls.h"

#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/time.h>

namespace engram::etcd {
namespace {

gpr_timespec ToGrpc(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
      deadline - std::chrono::steady_clock::now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
}

}  // namespace

class Calls::KeepAliveCall
    : public Call,
      public grpc::ClientBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> {
 public:
  KeepAliveCall(Calls& calls, const Target& target)
      : calls_(calls), stub_(pb::Lease::NewStub(target.channel)) {}

  void Start(const pb::LeaseKeepAliveRequest* request, pb::LeaseKeepAliveResponse* response) {
    stub_->async()->LeaseKeepAlive(&context, this);
    StartWriteLast(request, {});
    StartRead(response);
    StartCall();
  }
  void OnReadDone(bool ok) override { answered_ = ok; }
  void OnDone(const grpc::Status& status) override {
    if (answered_) return calls_.End(this, grpc::Status::OK);
    calls_.End(this, !status.ok() ? status
                                  : grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                                 "the stream ended without an answer"));
  }

 private:
  Calls& calls_;
  std::unique_ptr<pb::Lease::Stub> stub_;
  bool answered_ = false;
};

void Calls::KeepAlive(const Target& target, const pb::LeaseKeepAliveRequest* request,
                      pb::LeaseKeepAliveResponse* response, Ended ended) {
  auto call = std::make_unique<KeepAliveCall>(*this, target);
  KeepAliveCall* const raw = call.get();
  if (Begin(std::move(call), target, std::move(ended))) raw->Start(request, response);
}

bool Calls::Begin(std::unique_ptr<Call> call, const Target& target, Ended ended) {
  call->ended = std::move(ended);
  call->context.set_deadline(ToGrpc(target.deadline));
  if (!target.token.empty()) call->context.AddMetadata("token", target.token);
  MutexLock lock(mutex_);
  if (stopped_) return false;
  ++count_;
  live_.insert(call.release());
  return true;
}

void Calls::End(Call* call, const grpc::Status& status) {
  {
    const Ended ended = std::move(call->ended);
    ended(status);
  }
  {
    MutexLock lock(mutex_);
    live_.erase(call);
  }
  delete call;
  MutexLock lock(mutex_);
  if (--count_ == 0) changed_.notify_all();
}

bool Calls::stopped() const {
  MutexLock lock(mutex_);
  return stopped_;
}

void Calls::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  for (Call* call : live_) call->context.TryCancel();
  while (count_ > 0) changed_.wait(lock);
}

}  // namespace engram::etcd
