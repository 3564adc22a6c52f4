#include "engram/runtime/lease_keeper.h"

#include <algorithm>

namespace engram::runtime {

LeaseKeeper::LeaseKeeper(ConfigStore& store, env::Clock& clock, env::Executor& executor,
                         LeaseOptions options, std::function<void()> changed)
    : store_(store),
      clock_(clock),
      executor_(executor),
      options_(std::move(options)),
      changed_(std::move(changed)) {}

void LeaseKeeper::Start() {
  Grant();
}

void LeaseKeeper::Stop(std::function<void()> done) {
  if (stopped_.exchange(true) || lease_ == 0) return done();
  store_.RevokeLease(lease_, options_.ttl, [done = std::move(done)](const Status&) { done(); });
}

Duration LeaseKeeper::left() const {
  if (number_ == 0) return {};
  return std::max(Duration(0), deadline() - clock_.Now());
}

std::string LeaseKeeper::trouble() const {
  MutexLock lock(mutex_);
  return trouble_;
}

void LeaseKeeper::After(Duration delay, void (LeaseKeeper::*next)()) {
  executor_.PostAfter(delay, [weak = weak_from_this(), next] {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) (self.get()->*next)();
  });
}

void LeaseKeeper::Grant() {
  const Instant sent = clock_.Now();
  store_.GrantLease(options_.ttl, options_.ttl / 2, [self = shared_from_this(), sent](auto lease) {
    if (self->stopped_) return;
    if (!lease.ok()) return self->Fail(lease.status().message());
    self->lease_ = *lease;
    self->asked_ = sent;
    self->Announce();
  });
}

// The key comes into being with this lease: its revision is the number of this life.
void LeaseKeeper::Announce() {
  StoreTransaction transaction;
  transaction.compares = {{options_.key, StoreCompare::What::kCreated, true, 0}};
  transaction.put = {{options_.key, options_.value, lease_}};
  transaction.reads = {options_.key};
  store_.Commit(std::move(transaction), options_.ttl / 2, [self = shared_from_this()](auto result) {
    if (!self->stopped_) self->OnAnnounced(std::move(result));
  });
}

void LeaseKeeper::OnAnnounced(Result<StoreResult> result) {
  if (!result.ok()) return Fail(result.status().message());
  const auto it = result->read.find(options_.key);
  if (it == result->read.end()) return Fail("the key of this node went at once");
  const StoredKey& key = it->second;
  // An earlier try whose answer was lost may have made it.
  if (result->done || key.lease == lease_) {
    Extend(asked_, options_.ttl);
    number_ = key.created;
    ran_out_ = false;
    {
      MutexLock lock(mutex_);
      trouble_.clear();
    }
    changed_();
    return After(options_.ttl / 4, &LeaseKeeper::Keep);
  }
  if (!options_.is_own(key.value)) {
    return Fail("a node of this name is alive already, with another data directory");
  }
  // Of an earlier life of this directory: nobody else holds its lock.
  StoreTransaction erase;
  erase.compares = {{options_.key, StoreCompare::What::kCreated, true, key.created}};
  erase.erase = {options_.key};
  store_.Commit(std::move(erase), options_.ttl / 2, [self = shared_from_this()](auto erased) {
    if (self->stopped_) return;
    erased.ok() ? self->Announce() : self->Fail(erased.status().message());
  });
}

void LeaseKeeper::Keep() {
  const Instant sent = clock_.Now();
  store_.KeepAlive(lease_, options_.ttl / 2, [self = shared_from_this(), sent](auto ttl) {
    if (self->stopped_) return;
    if (ttl.ok() && *ttl == Duration(0)) return self->Lose("the lease ran out");
    if (ttl.ok()) {
      self->Extend(sent, *ttl);
      self->ran_out_ = false;
      return self->After(self->options_.ttl / 4, &LeaseKeeper::Keep);
    }
    // It may still be there: it is asked for again, and not counted on meanwhile.
    if (!self->Holds() && !self->ran_out_) {
      self->ran_out_ = true;
      ++self->losses_;
    }
    {
      MutexLock lock(self->mutex_);
      self->trouble_ = ttl.status().message();
    }
    self->After(self->options_.ttl / 10, &LeaseKeeper::Keep);
  });
}

void LeaseKeeper::Extend(Instant sent, Duration ttl) {
  if (options_.mutant == replication::Mutant::kLeaseFromAnswer) sent = clock_.Now();
  const Duration margin = std::max(options_.margin, ttl / 10);
  deadline_ns_ = std::max(deadline_ns_.load(), (sent + ttl - margin).ns);
  MutexLock lock(mutex_);
  trouble_.clear();
}

void LeaseKeeper::Lose(const std::string& why) {
  if (!ran_out_) ++losses_;
  ran_out_ = true;
  Fail(why);
}

// Begins anew, with another lease.
void LeaseKeeper::Fail(const std::string& why) {
  if (lease_ != 0) store_.RevokeLease(lease_, options_.ttl / 2, [](const Status&) {});
  lease_ = 0;
  number_ = 0;
  // Not zero: how long it has been without one is counted from here.
  deadline_ns_ = std::min(deadline_ns_.load(), clock_.Now().ns);
  {
    MutexLock lock(mutex_);
    trouble_ = why;
  }
  After(options_.ttl / 10, &LeaseKeeper::Grant);
}

}  // namespace engram::runtime
