// For tests: the store over a real etcd, with calls that wait for their answer.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/etcd/etcd_kit.h"
#include "engram/etcd/etcd_store.h"

namespace engram::etcd {

using namespace std::chrono_literals;  // NOLINT
using runtime::StoreCompare;
using runtime::StoredKey;
using runtime::StoreResult;
using runtime::StoreTransaction;

inline constexpr char kPrefix[] = "/engram/test/";
// Of a request that has to succeed; of one that must not, on the way to a test of its error.
inline constexpr Duration kPatient = 20s;
inline constexpr Duration kHasty = 150ms;

// nullopt: it is OK.
inline std::optional<Reason> ReasonOf(const Status& status) {
  if (status.ok()) return std::nullopt;
  return status.reason();
}

// Starts a call with a `done` of its own, and waits for what that is told.
template <class T, class Start>
T Wait(Start start) {
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> future = promise->get_future();
  start([promise](T told) { promise->set_value(std::move(told)); });
  if (future.wait_for(kit::kDeadline) != std::future_status::ready)
    throw std::runtime_error("nothing is told");
  return future.get();
}

// The store and its calls, waiting.
class Store {
 public:
  explicit Store(EtcdOptions options) {
    if (options.prefix.empty()) options.prefix = kPrefix;
    Result<std::unique_ptr<runtime::ConfigStore>> made = MakeEtcdStore(std::move(options));
    if (!made.ok()) throw std::runtime_error(made.status().ToString());
    store_ = *std::move(made);
  }
  explicit Store(const Etcd& etcd) : Store(EtcdOptions{{etcd.endpoint()}, {}, {}, {}, {}}) {}

  Result<StoreResult> Commit(StoreTransaction transaction, Duration timeout = kPatient) {
    return Wait<Result<StoreResult>>(
        [&](auto done) { store_->Commit(std::move(transaction), timeout, done); });
  }
  StoreResult Done(StoreTransaction transaction) {
    Result<StoreResult> result = Commit(std::move(transaction));
    if (!result.ok()) throw std::runtime_error(result.status().ToString());
    return *result;
  }
  StoreResult Put(const std::string& key, const std::string& value, int64_t lease = 0) {
    return Done({.put = {{key, value, lease}}, .reads = {key}});
  }
  // nullopt: not there.
  std::optional<StoredKey> Read(const std::string& key) {
    StoreResult result = Done({.reads = {key}});
    if (result.read.count(key) == 0) return std::nullopt;
    return result.read[key];
  }
  Result<int64_t> Grant(Duration ttl, Duration timeout = kPatient) {
    return Wait<Result<int64_t>>([&](auto done) { store_->GrantLease(ttl, timeout, done); });
  }
  Result<Duration> KeepAlive(int64_t lease, Duration timeout = kPatient) {
    return Wait<Result<Duration>>([&](auto done) { store_->KeepAlive(lease, timeout, done); });
  }
  Status Revoke(int64_t lease, Duration timeout = kPatient) {
    return Wait<Status>([&](auto done) { store_->RevokeLease(lease, timeout, done); });
  }
  runtime::ConfigStore& operator*() { return *store_; }
  runtime::ConfigStore* operator->() { return store_.get(); }
  void Destroy() { store_.reset(); }

 private:
  std::unique_ptr<runtime::ConfigStore> store_;
};

}  // namespace engram::etcd
