#include "sim/outer_store.h"

#include <algorithm>

namespace engram::sim {

using namespace std::chrono_literals;
using runtime::StoreCompare;
using runtime::StoredKey;
using runtime::StoreResult;
using runtime::StoreTransaction;

namespace {

constexpr Duration kUsual = 3ms;  // each way, at most

// What a node holds of it. Answers come as tasks of that node, and wait while it is paused.
class WayTo : public runtime::ConfigStore {
 public:
  WayTo(OuterStore& store, size_t place) : store_(store), place_(place) {}
  ~WayTo() override { *open_ = false; }

  void Commit(StoreTransaction transaction, Duration timeout,
              std::function<void(Result<StoreResult>)> done) override {
    Ask<StoreResult>(
        timeout,
        [transaction = std::move(transaction)](OuterStore& s) { return s.Commit(transaction); },
        std::move(done));
  }
  void GrantLease(Duration ttl, Duration timeout,
                  std::function<void(Result<int64_t>)> done) override {
    Ask<int64_t>(
        timeout, [ttl](OuterStore& s) { return s.Grant(ttl); }, std::move(done));
  }
  void KeepAlive(int64_t lease, Duration timeout,
                 std::function<void(Result<Duration>)> done) override {
    Ask<Duration>(
        timeout, [lease](OuterStore& s) { return s.KeepAlive(lease); }, std::move(done));
  }
  void RevokeLease(int64_t lease, Duration timeout, std::function<void(Status)> done) override {
    Ask<bool>(
        timeout, [lease](OuterStore& s) { return s.Revoke(lease), true; },
        [done = std::move(done)](const Result<bool>& ok) { done(ok.status()); });
  }
  std::string Describe() const override { return "the simulated store"; }
  void Stop() override { *open_ = false; }

 private:
  template <class Value>
  void Ask(Duration timeout, std::function<Value(OuterStore&)> call,
           std::function<void(Result<Value>)> done) {
    if (!*open_) return;
    auto answered = std::make_shared<bool>(false);
    const auto answer = [open = open_, answered, done = std::move(done)](Result<Value> value) {
      if (*open && !std::exchange(*answered, true)) done(std::move(value));
    };
    Scheduler& scheduler = store_.scheduler();
    const auto node = static_cast<Owner>(place_);
    scheduler.After(timeout, node,
                    [answer] { answer(Status(Reason::STORE_UNAVAILABLE, "no answer in time")); });
    if (Lost()) return;
    OuterStore& store = store_;
    const size_t place = place_;
    scheduler.After(Delay(), kWorld,
                    [&store, &scheduler, place, node, call = std::move(call), answer] {
                      Value value = call(store);  // whether anybody waits for it or not
                      WayTo back(store, place);
                      if (back.Lost()) return;
                      scheduler.After(back.Delay(), node,
                                      [answer, value = std::move(value)] { answer(value); });
                    });
  }
  bool Lost() {
    const OuterStore::Way& way = store_.way(place_);
    return way.cut || (way.loses_one_in != 0 && store_.scheduler().prng().OneIn(way.loses_one_in));
  }
  Duration Delay() {
    const Duration most = kUsual + store_.way(place_).slow;
    return Duration(
        static_cast<int64_t>(store_.scheduler().prng().Below(static_cast<uint64_t>(most.count()))));
  }

  OuterStore& store_;
  const size_t place_;
  std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

}  // namespace

OuterStore::OuterStore(Scheduler& scheduler, size_t nodes)
    : scheduler_(scheduler), prng_(nodes), ways_(nodes) {}

std::unique_ptr<runtime::ConfigStore> OuterStore::Connect(size_t place) {
  return std::make_unique<WayTo>(*this, place);
}

bool OuterStore::Alive(const std::string& node, int64_t created) const {
  const auto it = keys_.find("nodes/" + node);
  if (it == keys_.end() || it->second.created != created) return false;
  const auto lease = leases_.find(it->second.lease);
  return lease != leases_.end() && lease->second.ends > scheduler_.now();
}

bool OuterStore::Holds(const StoreCompare& compare) const {
  const auto it = keys_.find(compare.key);
  const StoredKey key = it == keys_.end() ? StoredKey() : it->second;
  const bool created = compare.what == StoreCompare::What::kCreated;
  return ((created ? key.created : key.changed) == compare.revision) == compare.equal;
}

StoreResult OuterStore::Commit(const StoreTransaction& transaction) {
  Expire();
  StoreResult result;
  result.done = std::all_of(transaction.compares.begin(), transaction.compares.end(),
                            [&](const StoreCompare& compare) { return Holds(compare); });
  if (result.done && !(transaction.put.empty() && transaction.erase.empty())) {
    ++revision_;
    for (const std::string& key : transaction.erase) keys_.erase(key);
    for (const auto& put : transaction.put) {
      StoredKey& key = keys_[put.key];
      if (on_write) on_write(put.key, key.value, put.value);
      key = {put.value, key.created == 0 ? revision_ : key.created, revision_, put.lease};
      if (put.key.starts_with("spaces/")) scheduler_.Trace("store: " + put.key + " is written");
    }
  }
  result.revision = revision_;
  for (const std::string& key : transaction.reads) {
    if (const auto it = keys_.find(key); it != keys_.end()) result.read[key] = it->second;
  }
  return result;
}

int64_t OuterStore::Grant(Duration ttl) {
  leases_[++last_lease_] = {ttl, scheduler_.now() + ttl};
  scheduler_.After(ttl + 1ms, kWorld, [this] { Expire(); });
  return last_lease_;
}

Duration OuterStore::KeepAlive(int64_t lease) {
  Expire();
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return {};
  it->second.ends = scheduler_.now() + it->second.ttl;
  scheduler_.After(it->second.ttl + 1ms, kWorld, [this] { Expire(); });
  return it->second.ttl;
}

void OuterStore::Revoke(int64_t lease) {
  if (const auto it = leases_.find(lease); it != leases_.end()) it->second.ends = scheduler_.now();
  Expire();
}

void OuterStore::Expire() {
  std::erase_if(leases_, [&](const auto& lease) { return lease.second.ends <= scheduler_.now(); });
  const size_t erased = std::erase_if(keys_, [&](const auto& key) {
    return key.second.lease != 0 && !leases_.contains(key.second.lease);
  });
  if (erased > 0) ++revision_;
}

// ---- trouble ----

void OuterStore::StartTrouble(Duration between) {
  troubled_ = true;
  prng_ = Prng(scheduler_.prng().Next());
  Trouble(between);
}

void OuterStore::Trouble(Duration between) {
  const auto wait = static_cast<int64_t>(prng_.Below(static_cast<uint64_t>(2 * between.count())));
  scheduler_.After(Duration(wait), kWorld, [this, between] {
    if (!troubled_) return;
    for (Way& way : ways_) way = Way();
    const uint64_t kind = prng_.Below(6);
    const size_t place = prng_.Below(ways_.size());
    scheduler_.Trace("store: trouble " + std::to_string(kind) + " at n" +
                     std::to_string(place + 1));
    if (kind == 0) ways_[place].cut = true;
    for (Way& way : ways_) {
      if (kind == 1) way.cut = true;
      if (kind == 2) way.slow = 1500ms;
      if (kind == 3) way.loses_one_in = 2 + prng_.Below(6);
    }
    if (kind == 4 && !leases_.empty() && prng_.OneIn(2)) {
      ended_early_ = true;
      auto lease = leases_.begin();
      std::advance(lease, prng_.Below(leases_.size()));
      Revoke(lease->first);
    }
    Trouble(between);
  });
}

void OuterStore::Heal() {
  troubled_ = false;
  for (Way& way : ways_) way = Way();
}

}  // namespace engram::sim
