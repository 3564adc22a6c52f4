// The token that etcd gives for a user and a password, where a user is configured. However many
// requests need a new one at a time, etcd is asked once: it takes about 0.1 s of its processor.
//
// Thread-safe; nothing blocks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/etcd/calls.h"

namespace engram::etcd {

class Login {
 public:
  Login(Calls& calls, std::string user, std::string password);

  bool needed() const { return !user_.empty(); }
  // The token; empty: none yet.
  std::string token() const EXCLUDES(mutex_);
  // Calls `then` once there is another token than `refused`, at once when there is one already,
  // else when the login that is under way (by then) has ended, well or not.
  void Renew(const std::string& refused, const Target& target, Ended then) EXCLUDES(mutex_);

 private:
  // Forgets the token that was refused.
  bool HasOther(const std::string& refused) EXCLUDES(mutex_);
  void Finish(const grpc::Status& status) EXCLUDES(mutex_);

  Calls& calls_;
  const std::string user_, password_;
  mutable Mutex mutex_;
  std::string token_ GUARDED_BY(mutex_);
  std::vector<Ended> waiting_ GUARDED_BY(mutex_);  // not empty: a login is under way
  pb::AuthenticateRequest request_;                // of the login that is under way
  pb::AuthenticateResponse response_;              // …
};

}  // namespace engram::etcd
