// Transactions and their results as etcd has them. Keys get a prefix on the way there and lose it
// on the way back. Pure functions.
#pragma once

#include <string>

#include "engram/base/status.h"
#include "engram/runtime/config_store.h"
#include "etcdserverpb/rpc.pb.h"

namespace engram::etcd {

// In the order in which etcd does them: erase, put, then read what is there after it.
etcdserverpb::TxnRequest ToTxn(const runtime::StoreTransaction& transaction,
                               const std::string& prefix);
// STORE_UNAVAILABLE when the answer has a key without the prefix: it is not an answer to ours.
Result<runtime::StoreResult> FromTxn(const etcdserverpb::TxnResponse& response,
                                     const std::string& prefix);
// Whole seconds, rounded up.
int64_t TtlSeconds(Duration ttl);

}  // namespace engram::etcd
