// The one door through which a space changes. Decides each write under one short lock, appends it
// to the log under the same lock (so that decisions and sequences have one order), and when it is
// durable makes it visible and answers.
//
// Owned by SpaceImpl. Thread-safe. Answers come on the log's threads, or on the caller's when
// nothing has to be written.
//
// Invariants: entries become visible in log order; an answer comes after its entries are visible;
// what a decision was based on is durable before its answer.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>

#include "engram/base/thread_annotations.h"
#include "engram/space/core.h"
#include "engram/space/keys.h"
#include "engram/space/operation.h"

namespace engram::space {

class Writer {
 public:
  // `moved` is told, without a lock, when the visible end has moved.
  Writer(Core& core, std::function<void()> moved);

  void Run(std::shared_ptr<Operation> operation) EXCLUDES(mutex_);
  // Appends the last entry of the space and waits; every later write is refused.
  Status MarkDeleted() EXCLUDES(mutex_);

  // At opening: an entry above the catalog is visible already.
  void Replay(TailEntryPtr entry) EXCLUDES(mutex_);
  // The catalog answers for keys up to here.
  void CatalogReached(Sequence through) EXCLUDES(mutex_);
  // Waits until nothing is between decision and answer.
  void Drain() EXCLUDES(mutex_);
  size_t in_flight() const EXCLUDES(mutex_);

 private:
  enum class Step { kAgain, kDone };
  Step Try(const std::shared_ptr<Operation>& operation) EXCLUDES(mutex_);
  void Repeat(const std::shared_ptr<Operation>& operation, const KeyUse& use) EXCLUDES(mutex_);
  void AnswerRepeat(Operation& operation, const KeyUse& use);
  // kSettled, or validate_only.
  void AnswerWithout(const std::shared_ptr<Operation>& operation, std::shared_ptr<Group> after)
      EXCLUDES(mutex_);
  Status Commit(Staged staged, const std::shared_ptr<Operation>& operation) REQUIRES(mutex_);
  Status CheckRoom(const Staged& staged) REQUIRES(mutex_);
  Status TakeRoom(uint64_t bytes) REQUIRES(mutex_);
  Status EnsureEpoch() REQUIRES(mutex_);
  void OnDurable(const std::shared_ptr<Group>& group, const Status& status) EXCLUDES(mutex_);
  void Publish(const std::shared_ptr<Group>& group) REQUIRES(mutex_);
  // Runs `then` once the group is finished; at once when it is.
  void After(const std::shared_ptr<Group>& group, std::function<void(const Status&)> then)
      EXCLUDES(mutex_);

  Core& core_;
  const std::function<void()> moved_;
  mutable Mutex mutex_;
  std::condition_variable_any drained_;
  IdTable ids_;    // Resolve, Note and Settle under mutex_
  KeyTable keys_;  // Resolve, Note, Settle and ForgetThrough under mutex_
  bool deleted_ GUARDED_BY(mutex_) = false;
  size_t in_flight_ GUARDED_BY(mutex_) = 0;
  // Of everything appended.
  uint64_t live_ GUARDED_BY(mutex_) = 0;
  bool counted_ GUARDED_BY(mutex_) = false;
};

}  // namespace engram::space
