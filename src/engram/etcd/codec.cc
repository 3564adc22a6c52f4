#include "engram/etcd/codec.h"

#include <chrono>

namespace engram::etcd {
namespace {

namespace pb = ::etcdserverpb;

pb::Compare ToCompare(const runtime::StoreCompare& compare, const std::string& prefix) {
  pb::Compare out;
  out.set_key(prefix + compare.key);
  out.set_result(compare.equal ? pb::Compare::EQUAL : pb::Compare::NOT_EQUAL);
  if (compare.what == runtime::StoreCompare::What::kCreated) {
    out.set_target(pb::Compare::CREATE);
    out.set_create_revision(compare.revision);
  } else {
    out.set_target(pb::Compare::MOD);
    out.set_mod_revision(compare.revision);
  }
  return out;
}

}  // namespace

pb::TxnRequest ToTxn(const runtime::StoreTransaction& transaction, const std::string& prefix) {
  pb::TxnRequest out;
  for (const runtime::StoreCompare& compare : transaction.compares)
    *out.add_compare() = ToCompare(compare, prefix);
  for (const std::string& key : transaction.erase)
    out.add_success()->mutable_request_delete_range()->set_key(prefix + key);
  for (const auto& [key, value, lease] : transaction.put) {
    pb::PutRequest& put = *out.add_success()->mutable_request_put();
    put.set_key(prefix + key);
    put.set_value(value);
    put.set_lease(lease);
  }
  for (const std::string& key : transaction.reads) {
    out.add_success()->mutable_request_range()->set_key(prefix + key);
    out.add_failure()->mutable_request_range()->set_key(prefix + key);
  }
  return out;
}

Result<runtime::StoreResult> FromTxn(const pb::TxnResponse& response, const std::string& prefix) {
  runtime::StoreResult out;
  out.done = response.succeeded();
  out.revision = response.header().revision();
  for (const pb::ResponseOp& one : response.responses()) {
    for (const pb::KeyValue& kv : one.response_range().kvs()) {
      if (kv.key().compare(0, prefix.size(), prefix) != 0) {
        return Status(Reason::STORE_UNAVAILABLE,
                      "The configuration store answered with the key \"" + kv.key() +
                          "\", for which it was not asked.")
            .Expected("keys that begin with \"" + prefix + "\"")
            .Suggest("see that cluster.etcd_endpoints are etcd, of version 3.4 or newer");
      }
      out.read[kv.key().substr(prefix.size())] = {kv.value(), kv.create_revision(),
                                                  kv.mod_revision(), kv.lease()};
    }
  }
  return out;
}

int64_t TtlSeconds(Duration ttl) {
  return std::chrono::ceil<std::chrono::seconds>(ttl).count();
}

}  // namespace engram::etcd
