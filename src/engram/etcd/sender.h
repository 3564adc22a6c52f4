// The way of one request to etcd: choose an endpoint, see whether it answers, log in, send, tell.
// The request itself is sent once, or once more when etcd refused it for a token that it does not
// know; its failure is told, since nobody knows what became of it. Only what changes nothing (a
// read that proves an endpoint, a login) is tried at one endpoint after another.
//
// Thread-safe; nothing blocks.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engram/base/instant.h"
#include "engram/etcd/calls.h"
#include "engram/etcd/endpoints.h"
#include "engram/etcd/login.h"

namespace engram::etcd {

// Starts the call; may be asked twice.
using Rpc = std::function<void(const Target& target, Ended ended)>;

struct Outcome {
  grpc::Status status;
  Duration timeout{};  // that the request had
  // Which endpoints did not answer, or refused, and what gRPC said; the last one is of `status`.
  std::vector<std::pair<std::string, grpc::Status>> failures;
};
using Told = std::function<void(const Outcome& outcome)>;

class Sender {
 public:
  // `probe`: a key that the user may read. All of it outlives the calls.
  Sender(Calls& calls, Endpoints& endpoints, Login& login, const std::string& probe);

  // `told` is called once, on a thread of gRPC, unless the calls are stopped before.
  void Send(Duration timeout, Rpc rpc, Told told);

 private:
  class Way;

  Calls& calls_;
  Endpoints& endpoints_;
  Login& login_;
  pb::RangeRequest probe_;
};

// Nobody knows what became of a request that ended so: no answer of etcd, or one that says so.
bool IsUnknown(const grpc::Status& status);

}  // namespace engram::etcd
