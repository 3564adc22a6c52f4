// The one door through which a space changes. Decides each write under one short lock, appends it
// to the log under the same lock (so that decisions and sequences have one order), makes it visible
// when it is committed, and answers when it has come as far as was asked. Without a committer
// (core.h) what is durable is committed; with one, it says what is, and whether this copy leads.
//
// Owned by SpaceImpl. Thread-safe. Answers come on the log's threads, on the committer's, on a
// timer's, or on the caller's when nothing has to be written.
//
// Invariants: entries become visible in log order; decisions go by everything appended; what a
// decision was based on is as safe as its answer says.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/space/core.h"
#include "engram/space/keys.h"
#include "engram/space/operation.h"
#include "engram/space/waiters.h"

namespace engram::space {

class Writer {
 public:
  // `moved` is told, without a lock, when the visible end has moved.
  Writer(Core& core, std::function<void()> moved);
  ~Writer();

  void Run(std::shared_ptr<Operation> operation) EXCLUDES(mutex_);
  // Appends the last entry of the space and waits until it is committed; every later write is
  // refused.
  Status MarkDeleted() EXCLUDES(mutex_);

  // Entries of the log above what is visible: at opening, and on a copy that follows.
  void Replay(std::vector<TailEntryPtr> entries) EXCLUDES(mutex_);
  // The catalog answers for keys up to here.
  void CatalogReached(Sequence through) EXCLUDES(mutex_);
  // The log was cut below what is visible: all that was known of keys is void.
  void StartOver() EXCLUDES(mutex_);
  // Waits until the log has answered for everything that was appended.
  void Drain() EXCLUDES(mutex_);
  // Nothing becomes visible until Release: rows and indexes are replaced.
  void Hold() EXCLUDES(mutex_);
  void Release() EXCLUDES(mutex_);
  // Appended, and not durable or not visible.
  size_t in_flight() const EXCLUDES(mutex_);
  bool appending() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return in_flight_ > 0;
  }

  // ---- with a committer (writer_lead.cc) ----
  // Everything committed must be visible, or known to this writer since it leads already; nobody
  // else appends. Who waits goes on waiting when it led before.
  Status Lead(Epoch epoch, std::string payload) EXCLUDES(mutex_);
  // The log has begun an epoch: takes what it holds above the visible end as not committed.
  // `again`: it led until now, and knows the older ones.
  Status TakeOver(bool again) EXCLUDES(mutex_);
  bool leading() const EXCLUDES(mutex_);
  Result<Sequence> AppendEpochStart(std::string payload) EXCLUDES(mutex_);
  void Follow() EXCLUDES(mutex_);
  // False when this copy does not lead: the entries are not known here.
  bool CommitThrough(Sequence commit, Sequence replicated, uint32_t copies) EXCLUDES(mutex_);
  // While writes are held they are kept as they come, without a thread and unanswered; then they
  // run in their order. When it returns nobody appends (but for EpochStarts).
  void HoldWrites(bool held) EXCLUDES(mutex_);
  // Of the newest EpochStart that was appended or taken over; zero when it does not lead.
  Sequence epoch_start() const EXCLUDES(mutex_);

 private:
  enum class Step { kAgain, kDone };
  struct Alarm;

  // writer.cc
  Status Admit(Operation* operation);
  Step Try(const std::shared_ptr<Operation>& operation, const Status& admitted) EXCLUDES(mutex_);
  void Repeat(const std::shared_ptr<Operation>& operation, const KeyUse& use) EXCLUDES(mutex_);
  void RefuseReuse(Operation& operation, const KeyUse& use) EXCLUDES(mutex_);
  void AnswerRepeat(Operation& operation, const KeyUse& use) EXCLUDES(mutex_);
  Result<std::vector<TailEntryPtr>> EntriesOf(const KeyUse& use);
  // `torn` (here and below): the use that the operation completes, if it does.
  Verdict Decide(const std::shared_ptr<Operation>& operation, const std::optional<KeyUse>& torn,
                 bool* appended) REQUIRES(mutex_);
  // To who asked for it, at the level that was reached. `group`: null when nothing was written.
  void Acknowledge(Operation& operation, const Group* group, Sequence through,
                   const std::optional<KeyUse>& torn) EXCLUDES(mutex_);
  // kSettled, or validate_only.
  void AnswerWithout(const std::shared_ptr<Operation>& operation, const Verdict& verdict,
                     const std::optional<KeyUse>& torn) EXCLUDES(mutex_);
  Status Stage(Staged staged, const std::shared_ptr<Operation>& operation,
               const std::optional<KeyUse>& torn) REQUIRES(mutex_);
  Status CheckRoom(const Staged& staged) REQUIRES(mutex_);
  Status TakeRoom(uint64_t bytes) REQUIRES(mutex_);
  Status EnsureEpoch() REQUIRES(mutex_);

  // writer_commit.cc
  // The group's entries get their sequences; it is pending until Settle.
  Status Append(const std::shared_ptr<Group>& group, std::vector<wal::Draft> drafts)
      REQUIRES(mutex_);
  void OnDurable(const std::shared_ptr<Group>& group, const Status& status) EXCLUDES(mutex_);
  void Fail(const std::shared_ptr<Group>& group, const Status& why, std::vector<Answered>* out)
      REQUIRES(mutex_);
  void PublishThrough(Sequence commit) REQUIRES(mutex_);
  void Pend(std::shared_ptr<Group> group) REQUIRES(mutex_);
  void Settle(Group& group) REQUIRES(mutex_);
  void Publish(const std::shared_ptr<Group>& group) REQUIRES(mutex_);
  Progress Now() REQUIRES(mutex_);
  // Calls `then` once what is asked for has been reached from `through` on, or cannot be.
  void Wait(const Asked& asked, Sequence through, std::shared_ptr<const Group> group,
            std::function<void(const Status&)> then) EXCLUDES(mutex_);
  void AddWaiter(const Asked& asked, Waiter waiter) REQUIRES(mutex_);
  void MindLease(Waiter* waiter);
  bool IsReplicated(Sequence sequence) EXCLUDES(mutex_);
  void Arm(env::Instant deadline) REQUIRES(mutex_);
  void OnDeadline(env::Instant deadline) EXCLUDES(mutex_);
  void AnswerAll(std::vector<Answered>* answered) EXCLUDES(mutex_);
  Status CommitUnknown(const Waiter& waiter) const;
  Reached ReachedAt(Sequence sequence, const Asked& asked) EXCLUDES(mutex_);

  // writer_lead.cc
  Status NotLeading() const;
  // False: writes are not held any more.
  bool Park(const std::shared_ptr<Operation>& operation) EXCLUDES(mutex_);
  Result<std::vector<std::shared_ptr<TailEntry>>> ReadSuffix();
  void TakeOver(const std::shared_ptr<TailEntry>& entry) REQUIRES(mutex_);
  void CountTaken(const TailEntry& entry) REQUIRES(mutex_);

  Core& core_;
  const std::function<void()> moved_;
  const std::shared_ptr<Alarm> alarm_;
  mutable Mutex mutex_;
  std::condition_variable_any drained_;
  IdTable ids_;    // Resolve, Note, TakeOver, Settle and Clear under mutex_
  KeyTable keys_;  // all but Look under mutex_
  bool deleted_ GUARDED_BY(mutex_) = false;
  size_t in_flight_ GUARDED_BY(mutex_) = 0;                       // durable callbacks to come
  std::deque<std::shared_ptr<Group>> groups_ GUARDED_BY(mutex_);  // pending, in log order
  uint64_t pending_bytes_ GUARDED_BY(mutex_) = 0;                 // charged by these
  Waiters waiters_ GUARDED_BY(mutex_);
  Progress progress_ GUARDED_BY(mutex_);
  env::Instant armed_for_ GUARDED_BY(mutex_){INT64_MAX};
  // The log is broken from here on.
  Status failure_ GUARDED_BY(mutex_);
  Sequence failed_from_ GUARDED_BY(mutex_);
  // Of everything appended.
  uint64_t live_ GUARDED_BY(mutex_) = 0;
  bool counted_ GUARDED_BY(mutex_) = false;

  bool leading_ GUARDED_BY(mutex_) = false;
  uint64_t turn_ GUARDED_BY(mutex_) = 0;  // counts the calls of Follow
  Sequence commit_ GUARDED_BY(mutex_);    // as told
  Sequence epoch_start_ GUARDED_BY(mutex_);
  bool held_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> writes_held_{false};  // set under mutex_
  std::vector<std::shared_ptr<Operation>> parked_ GUARDED_BY(mutex_);
};

}  // namespace engram::space
