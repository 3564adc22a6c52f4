// What a request to etcd that failed is called, in four parts. Pure functions.
#pragma once

#include <string>

#include "engram/base/status.h"
#include "engram/etcd/sender.h"

namespace engram::etcd {

// `endpoints`: all of them, as a person reads them. Requires an outcome that is not OK.
//   STORE_UNAVAILABLE   no answer, or etcd says that it cannot serve: nobody knows what became of
//   it UNAUTHENTICATED     etcd refused the user, the password, or a request without a user
//   PERMISSION_DENIED   the user may not read or write these keys
//   INVALID_REQUEST     anything else that etcd refused; nothing of it was done
// Facts: endpoint, grpc_code.
Status ToStatus(const Outcome& outcome, const std::string& endpoints);

}  // namespace engram::etcd
