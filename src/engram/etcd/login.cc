#include "engram/etcd/login.h"

#include <utility>

namespace engram::etcd {

Login::Login(Calls& calls, std::string user, std::string password)
    : calls_(calls), user_(std::move(user)), password_(std::move(password)) {
  request_.set_name(user_);
  request_.set_password(password_);
}

std::string Login::token() const {
  MutexLock lock(mutex_);
  return token_;
}

bool Login::HasOther(const std::string& refused) {
  MutexLock lock(mutex_);
  if (token_ == refused) token_.clear();
  return !token_.empty();
}

void Login::Renew(const std::string& refused, const Target& target, Ended then) {
  if (HasOther(refused)) return then(grpc::Status::OK);
  {
    MutexLock lock(mutex_);
    waiting_.push_back(std::move(then));
    if (waiting_.size() > 1) return;
  }
  calls_.Unary<pb::Auth>(&Async<pb::Auth>::Authenticate, {target.channel, target.deadline, ""},
                         &request_, &response_,
                         [this](const grpc::Status& status) { Finish(status); });
}

void Login::Finish(const grpc::Status& status) {
  std::vector<Ended> waited;
  {
    MutexLock lock(mutex_);
    if (status.ok()) token_ = response_.token();
    waited.swap(waiting_);
  }
  for (const Ended& then : waited) then(status);
}

}  // namespace engram::etcd
