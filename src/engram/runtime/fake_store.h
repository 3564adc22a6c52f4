// For tests: a configuration store in memory. A call is carried out at once, exactly; its answer
// comes on the executor, after a time, or never, as the test says. Not thread-safe.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engram/env/clock.h"
#include "engram/env/executor.h"
#include "engram/runtime/config_store.h"

namespace engram::runtime {

class FakeStore : public ConfigStore {
 public:
  enum class Fault { kNone, kCallLost, kAnswerLost };

  FakeStore(env::Clock& clock, env::Executor& executor) : clock_(clock), executor_(executor) {}
  ~FakeStore() override { *open_ = false; }

  // ---- what the test says, and looks at ----
  Duration answers_take = {};
  std::deque<Fault> faults = {};  // of the next calls
  bool down = false;              // every call is lost
  bool leases_end = true;         // false: they outlive their time, as when etcd elects a leader
  std::function<void(const StoreTransaction&)> before = {};  // each transaction is carried out
  std::vector<StoreTransaction> asked = {};                  // transactions that arrived
  size_t calls = 0;                                          // also those that were lost
  std::map<std::string, StoredKey> keys = {};
  std::map<int64_t, std::pair<Duration, Instant>> leases = {};  // time to live, end

  void Put(const std::string& key, const std::string& value, int64_t lease = 0) {
    const auto it = keys.find(key);
    ++revision_;
    keys[key] = {value, it == keys.end() ? revision_ : it->second.created, revision_, lease};
  }
  void End(int64_t lease) {
    leases.erase(lease);
    std::erase_if(keys, [&](const auto& key) { return key.second.lease == lease; });
  }

  // ---- ConfigStore ----
  void Commit(StoreTransaction transaction, Duration,
              std::function<void(Result<StoreResult>)> done) override {
    Call<StoreResult>(
        [&] {
          asked.push_back(transaction);
          if (before) before(transaction);
          return CarryOut(transaction);
        },
        std::move(done));
  }
  void GrantLease(Duration ttl, Duration, std::function<void(Result<int64_t>)> done) override {
    Call<int64_t>(
        [&] {
          leases[++last_lease_] = {ttl, clock_.Now() + ttl};
          return last_lease_;
        },
        std::move(done));
  }
  void KeepAlive(int64_t lease, Duration, std::function<void(Result<Duration>)> done) override {
    Call<Duration>(
        [&] {
          const auto it = leases.find(lease);
          if (it == leases.end()) return Duration(0);
          it->second.second = clock_.Now() + it->second.first;
          return it->second.first;
        },
        std::move(done));
  }
  void RevokeLease(int64_t lease, Duration, std::function<void(Status)> done) override {
    Call<bool>([&] { return End(lease), true; },
               [done = std::move(done)](const Result<bool>& ended) {
                 done(ended.ok() ? OkStatus() : ended.status());
               });
  }
  std::string Describe() const override { return "a store of a test"; }
  void Stop() override { *open_ = false; }

 private:
  template <class T>
  void Call(const std::function<T()>& carry_out, std::function<void(Result<T>)> done) {
    ++calls;
    Fault fault = down ? Fault::kCallLost : Fault::kNone;
    if (!faults.empty()) {
      fault = faults.front();
      faults.pop_front();
    }
    Result<T> answer = Status(Reason::STORE_UNAVAILABLE, "The store did not answer.");
    if (fault != Fault::kCallLost) {
      EndLeases();
      T value = carry_out();
      if (fault == Fault::kNone) answer = std::move(value);
    }
    executor_.PostAfter(answers_take, [open = open_, done = std::move(done), answer] {
      if (*open) done(answer);
    });
  }
  void EndLeases() {
    if (!leases_end) return;
    std::vector<int64_t> ended;
    for (const auto& [lease, time] : leases) {
      if (time.second <= clock_.Now()) ended.push_back(lease);
    }
    for (const int64_t lease : ended) End(lease);
  }
  bool Holds(const StoreCompare& compare) const {
    const auto it = keys.find(compare.key);
    const StoredKey key = it == keys.end() ? StoredKey() : it->second;
    const bool created = compare.what == StoreCompare::What::kCreated;
    return ((created ? key.created : key.changed) == compare.revision) == compare.equal;
  }
  StoreResult CarryOut(const StoreTransaction& transaction) {
    StoreResult result;
    result.done = std::all_of(transaction.compares.begin(), transaction.compares.end(),
                              [&](const StoreCompare& compare) { return Holds(compare); });
    if (result.done) {
      for (const std::string& key : transaction.erase) keys.erase(key);
      for (const auto& put : transaction.put) Put(put.key, put.value, put.lease);
    }
    result.revision = revision_;
    for (const std::string& key : transaction.reads) {
      if (const auto it = keys.find(key); it != keys.end()) result.read[key] = it->second;
    }
    return result;
  }

  env::Clock& clock_;
  env::Executor& executor_;
  int64_t revision_ = 100, last_lease_ = 7000;
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

}  // namespace engram::runtime
