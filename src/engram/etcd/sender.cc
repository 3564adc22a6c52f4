#include "engram/etcd/sender.h"

#include <memory>

namespace engram::etcd {
namespace {

// etcd refuses a request, and does nothing of it, when it does not know the token (it was started
// again, the token is too old), or when users or roles were changed since the token was given.
bool IsTokenRefused(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         status.error_message().find("revision of auth store is old") != std::string::npos;
}

}  // namespace

bool IsUnknown(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DATA_LOSS:
      return true;
    default:
      return false;
  }
}

// Kept alive by the call that is under way for it.
class Sender::Way : public std::enable_shared_from_this<Way> {
 public:
  Way(Sender& sender, Duration timeout, Rpc rpc, Told told)
      : sender_(sender),
        deadline_(std::chrono::steady_clock::now() + timeout),
        rpc_(std::move(rpc)),
        told_(std::move(told)),
        place_(sender.endpoints_.current()),
        left_(sender.endpoints_.size()) {
    outcome_.timeout = timeout;
  }

  // At an endpoint that was not tried yet.
  void Try() {
    token_ = sender_.login_.token();
    const auto tried = [self = shared_from_this()](const grpc::Status& status) {
      self->Tried(status);
    };
    if (sender_.login_.needed() && token_.empty()) {
      sender_.login_.Renew("", ToHere(ShareOfTime()), tried);
    } else if (sender_.endpoints_.size() > 1 && !sender_.endpoints_.Proved(place_)) {
      sender_.calls_.Unary<pb::KV>(&Async<pb::KV>::Range, ToHere(ShareOfTime()), &sender_.probe_,
                                   &probed_, tried);
    } else {
      Send();
    }
  }

 private:
  Target ToHere(Deadline deadline) const {
    return {sender_.endpoints_.channel(place_), deadline, token_};
  }
  // Equal parts for the endpoints that are left, and one for the request itself.
  Deadline ShareOfTime() const {
    const Deadline now = std::chrono::steady_clock::now();
    return now + (deadline_ - now) / static_cast<int>(left_ + 1);
  }

  void Tried(const grpc::Status& status) {
    if (IsUnknown(status)) {
      Fail(status);
      if (--left_ == 0) return Tell(status);
      place_ = (place_ + 1) % sender_.endpoints_.size();
      return Try();
    }
    sender_.endpoints_.Answered(place_);
    if (!status.ok() && sender_.login_.needed() && token_.empty()) {
      Fail(status);
      return Tell(status);
    }
    Send();
  }

  void Send() {
    token_ = sender_.login_.token();
    rpc_(ToHere(deadline_),
         [self = shared_from_this()](const grpc::Status& status) { self->Sent(status); });
  }

  void Sent(const grpc::Status& status) {
    if (sender_.login_.needed() && IsTokenRefused(status) && !logged_in_again_) {
      logged_in_again_ = true;
      return sender_.login_.Renew(token_, ToHere(deadline_),
                                  [self = shared_from_this()](const grpc::Status& login) {
                                    if (login.ok()) return self->Send();
                                    self->Fail(login);
                                    self->Tell(login);
                                  });
    }
    if (status.ok()) {
      sender_.endpoints_.Answered(place_);
    } else {
      Fail(status);
    }
    Tell(status);
  }

  void Fail(const grpc::Status& status) {
    outcome_.failures.emplace_back(sender_.endpoints_.url(place_), status);
    if (IsUnknown(status)) {
      sender_.endpoints_.Failed(place_);
    } else {
      sender_.endpoints_.Answered(place_);
    }
  }

  void Tell(const grpc::Status& status) {
    if (sender_.calls_.stopped()) return;
    outcome_.status = status;
    told_(outcome_);
  }

  Sender& sender_;
  const Deadline deadline_;
  const Rpc rpc_;
  const Told told_;
  size_t place_;  // of the endpoint that is asked
  size_t left_;   // endpoints, with that one
  std::string token_;
  bool logged_in_again_ = false;
  pb::RangeResponse probed_;
  Outcome outcome_;
};

Sender::Sender(Calls& calls, Endpoints& endpoints, Login& login, const std::string& probe)
    : calls_(calls), endpoints_(endpoints), login_(login) {
  probe_.set_key(probe);
  probe_.set_count_only(true);
}

void Sender::Send(Duration timeout, Rpc rpc, Told told) {
  std::make_shared<Way>(*this, timeout, std::move(rpc), std::move(told))->Try();
}

}  // namespace engram::etcd
