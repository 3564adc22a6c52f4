// grpc.health.v1.Health: Check, and Watch, which sends what a service is now and each change of it.
// Nothing tells of a change, so one task looks every half second while anybody watches, for all
// watchers. A watch ends with its client, or with UNAVAILABLE when the server shuts down.
//
// One mutex for all watchers. Finish is called without it and once, when no write is under way:
// gRPC calls OnDone only after it, and may do so on another thread before it returns.
#include <optional>
#include <set>

#include "engram/api/grpc_support.h"
#include "engram/api/health.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::api {
namespace {

namespace health = grpc::health::v1;
using Answer = health::HealthCheckResponse;

constexpr env::Duration kLookEvery = std::chrono::milliseconds(500);

class Watcher;

// Who watches. Tasks may outlive the door: after End nothing of the door is touched.
class Watchers : public std::enable_shared_from_this<Watchers> {
 public:
  explicit Watchers(GrpcDoor& door) : door_(door) {}

  void Add(Watcher* watcher) EXCLUDES(mutex_);
  void Remove(Watcher* watcher) EXCLUDES(mutex_);
  void Written(Watcher* watcher, bool ok) EXCLUDES(mutex_);
  void Cancelled(Watcher* watcher) EXCLUDES(mutex_);
  void End() EXCLUDES(mutex_);

 private:
  void Look() EXCLUDES(mutex_);
  void LookLater() REQUIRES(mutex_);
  void Refresh(Watcher* watcher) REQUIRES(mutex_);
  // Whether the caller has to call Finish, once it is without the mutex.
  bool Over(Watcher* watcher) REQUIRES(mutex_);

  GrpcDoor& door_;
  Mutex mutex_;
  std::set<Watcher*> all_ GUARDED_BY(mutex_);
  bool looking_ GUARDED_BY(mutex_) = false;  // a task is on its way
  bool ended_ GUARDED_BY(mutex_) = false;
};

// One stream. Its fields but the first two belong to the mutex of the watchers.
class Watcher : public grpc::ServerWriteReactor<Answer> {
 public:
  Watcher(std::shared_ptr<Watchers> watchers, std::string service)
      : service(std::move(service)), watchers_(std::move(watchers)) {}

  void OnWriteDone(bool ok) override { watchers_->Written(this, ok); }
  void OnCancel() override { watchers_->Cancelled(this); }
  void OnDone() override {
    watchers_->Remove(this);
    delete this;
  }

  const std::string service;
  Answer answer;  // what was sent last
  bool sent = false;
  bool writing = false;
  std::optional<grpc::Status> last;  // it shall end with this
  bool finished = false;

 private:
  const std::shared_ptr<Watchers> watchers_;
};

Answer::ServingStatus StatusOf(const std::optional<bool>& serving) {
  if (!serving) return Answer::SERVICE_UNKNOWN;
  return *serving ? Answer::SERVING : Answer::NOT_SERVING;
}

void Watchers::Add(Watcher* watcher) {
  bool over = false;
  {
    MutexLock lock(mutex_);
    if (ended_) {
      watcher->last = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down");
    } else if (all_.size() >= static_cast<size_t>(door_.options.streams_max)) {
      watcher->last = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many watch already");
    } else {
      all_.insert(watcher);
      Refresh(watcher);
      LookLater();
    }
    over = Over(watcher);
  }
  if (over) watcher->Finish(*watcher->last);
}

void Watchers::Remove(Watcher* watcher) {
  MutexLock lock(mutex_);
  all_.erase(watcher);
}

void Watchers::Written(Watcher* watcher, bool ok) {
  bool over = false;
  {
    MutexLock lock(mutex_);
    watcher->writing = false;
    if (!ok && !watcher->last) watcher->last = grpc::Status::CANCELLED;
    if (!ended_) Refresh(watcher);
    over = Over(watcher);
  }
  if (over) watcher->Finish(*watcher->last);
}

void Watchers::Cancelled(Watcher* watcher) {
  bool over = false;
  {
    MutexLock lock(mutex_);
    if (!watcher->last) watcher->last = grpc::Status::CANCELLED;
    over = Over(watcher);
  }
  if (over) watcher->Finish(*watcher->last);
}

void Watchers::End() {
  std::vector<Watcher*> over;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    for (Watcher* watcher : all_) {
      if (!watcher->last) {
        watcher->last = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down");
      }
      if (Over(watcher)) over.push_back(watcher);
    }
  }
  for (Watcher* watcher : over) watcher->Finish(*watcher->last);
}

bool Watchers::Over(Watcher* watcher) {
  if (!watcher->last || watcher->writing || watcher->finished) return false;
  watcher->finished = true;
  return true;
}

void Watchers::Refresh(Watcher* watcher) {
  if (watcher->writing || watcher->last) return;
  const Answer::ServingStatus now = StatusOf(Serving(door_.node, watcher->service));
  if (watcher->sent && watcher->answer.status() == now) return;
  watcher->answer.set_status(now);
  watcher->sent = watcher->writing = true;
  watcher->StartWrite(&watcher->answer);
}

void Watchers::Look() {
  MutexLock lock(mutex_);
  looking_ = false;
  if (ended_) return;
  for (Watcher* watcher : all_) Refresh(watcher);
  LookLater();
}

void Watchers::LookLater() {
  if (looking_ || all_.empty()) return;
  looking_ = true;
  door_.node.readers().PostAfter(kLookEvery, [watchers = weak_from_this()] {
    if (const std::shared_ptr<Watchers> alive = watchers.lock()) alive->Look();
  });
}

class HealthDoor : public HealthService, public health::Health::CallbackService {
 public:
  explicit HealthDoor(GrpcDoor& door) : door_(door), watchers_(std::make_shared<Watchers>(door)) {}

  grpc::Service& service() override { return *this; }
  void EndWatches() override { watchers_->End(); }

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const health::HealthCheckRequest* request,
                                  Answer* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const std::optional<bool> serving = Serving(door_.node, request->service());
    response->set_status(StatusOf(serving));
    reactor->Finish(serving ? grpc::Status::OK
                            : grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown service"));
    return reactor;
  }

  // A name that is not known is watched too: it may come to be.
  grpc::ServerWriteReactor<Answer>* Watch(grpc::CallbackServerContext*,
                                          const health::HealthCheckRequest* request) override {
    auto* watcher = new Watcher(watchers_, request->service());
    watchers_->Add(watcher);
    return watcher;
  }

 private:
  GrpcDoor& door_;
  const std::shared_ptr<Watchers> watchers_;
};

}  // namespace

std::unique_ptr<HealthService> HealthService::Make(GrpcDoor& door) {
  return std::make_unique<HealthDoor>(door);
}

}  // namespace engram::api
