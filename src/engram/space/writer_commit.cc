// From the append to the answer: what is durable, what is committed, who waited for it.
#include <algorithm>
#include <future>

#include "engram/space/token.h"
#include "engram/space/writer.h"

namespace engram::space {

// Outlives the writer while a timer of it waits in the executor.
struct Writer::Alarm {
  Mutex mutex;
  Writer* writer GUARDED_BY(mutex) = nullptr;
};

Writer::Writer(Core& core, std::function<void()> moved)
    : core_(core),
      moved_(std::move(moved)),
      alarm_(std::make_shared<Alarm>()),
      ids_(core),
      keys_(core) {
  MutexLock lock(alarm_->mutex);
  alarm_->writer = this;
}

Writer::~Writer() {
  MutexLock lock(alarm_->mutex);
  alarm_->writer = nullptr;
}

Status Writer::Append(const std::shared_ptr<Group>& group, std::vector<wal::Draft> drafts) {
  ASSIGN_OR_RETURN(const Sequence first,
                   core_.log->Append(std::move(drafts), [this, group](const Status& status) {
                     OnDurable(group, status);
                   }));
  ++in_flight_;
  const Epoch epoch = core_.log->epoch();
  for (size_t i = 0; i < group->entries.size(); ++i) {
    model::Change& change = group->entries[i]->change;
    change.sequence = Sequence(first.value() + i);
    change.epoch = epoch;
  }
  Pend(group);
  return OkStatus();
}

void Writer::Pend(std::shared_ptr<Group> group) {
  pending_bytes_ += group->bytes;
  groups_.push_back(std::move(group));
}

void Writer::Settle(Group& group) {
  group.pending = false;
  pending_bytes_ -= group.bytes;
}

void Writer::OnDurable(const std::shared_ptr<Group>& group, const Status& status) {
  std::vector<Answered> answered;
  Committer* const committer = core_.committer;
  {
    MutexLock lock(mutex_);
    if (status.ok()) {
      progress_.durable = std::max(progress_.durable, group->last());
      if (committer == nullptr) {
        core_.log->SetCommit(group->last());
        PublishThrough(group->last());
        waiters_.TakeReached(Now(), &answered);
      }
    } else if (group->pending) {
      Fail(group, status, &answered);
    }
  }
  if (committer != nullptr) {
    // What it commits at once is visible before it is answered.
    committer->OnLogMoved();
    MutexLock lock(mutex_);
    waiters_.TakeReached(Now(), &answered);
  } else if (status.ok()) {
    moved_();
  }
  AnswerAll(&answered);
  MutexLock lock(mutex_);
  --in_flight_;
  drained_.notify_all();
}

void Writer::Fail(const std::shared_ptr<Group>& group, const Status& why,
                  std::vector<Answered>* out) {
  if (failure_.ok()) failed_from_ = group->first();
  failure_ = why;
  Settle(*group);
  std::erase(groups_, group);
  core_.GiveCharge(group->bytes);
  waiters_.TakeFailed(group->first(), group->last(), why, out);
  if (core_.committer == nullptr) return;
  // Another copy may have it.
  for (Answered& answer : *out) {
    answer.status = CommitUnknown(answer.waiter).With("cause", why.message());
  }
}

void Writer::PublishThrough(Sequence commit) {
  while (!held_ && !groups_.empty() && groups_.front()->last() <= commit) {
    Publish(groups_.front());
    groups_.pop_front();
  }
}

void Writer::Publish(const std::shared_ptr<Group>& group) {
  uint64_t bytes = 0;
  for (const auto& entry : group->entries) {
    bytes += entry->content() == nullptr ? 0 : entry->bytes;
    core_.Apply(entry);
  }
  Settle(*group);
  for (const std::string& id : group->ids) ids_.Settle(id, group.get());
  keys_.Settle(*group);
  const model::Change& last = group->entries.back()->change;
  core_.visible.Advance({last.epoch, last.sequence});
  if (core_.environment.observer != nullptr) {
    core_.environment.observer->OnWrite(core_.id, group->entries.size(), bytes / 2);
  }
}

Progress Writer::Now() {
  progress_.visible = core_.visible.Get().sequence;
  return progress_;
}

bool Writer::CommitThrough(Sequence commit, Sequence replicated, uint32_t copies) {
  std::vector<Answered> answered;
  {
    MutexLock lock(mutex_);
    core_.log->SetCommit(commit);
    if (!leading_) return false;
    commit_ = std::max(commit_, commit);
    progress_.copies = copies;
    // Of one node alone nothing is replicated, but what was stays so.
    if (copies >= 2) progress_.replicated = std::max(progress_.replicated, replicated);
    PublishThrough(commit_);
    waiters_.TakeReached(Now(), &answered);
  }
  moved_();
  AnswerAll(&answered);
  return true;
}

void Writer::Hold() {
  MutexLock lock(mutex_);
  held_ = true;
}

void Writer::Release() {
  std::vector<Answered> answered;
  {
    MutexLock lock(mutex_);
    held_ = false;
    PublishThrough(commit_);
    waiters_.TakeReached(Now(), &answered);
  }
  moved_();
  AnswerAll(&answered);
}

void Writer::Wait(const Asked& asked, Sequence through, std::shared_ptr<const Group> group,
                  std::function<void(const Status&)> then) {
  std::vector<Answered> answered;
  Waiter waiter{through, std::move(group), {}, std::move(then)};
  {
    MutexLock lock(mutex_);
    if (!failure_.ok() && through >= failed_from_) {
      Status status = core_.committer == nullptr ? failure_ : CommitUnknown(waiter);
      answered.push_back({std::move(waiter), std::move(status)});
    } else {
      AddWaiter(asked, std::move(waiter));
      waiters_.TakeReached(Now(), &answered);
    }
  }
  AnswerAll(&answered);
}

void Writer::AddWaiter(const Asked& asked, Waiter waiter) {
  Need need = Need::kVisible;
  waiter.deadline = {INT64_MAX};
  if (core_.committer != nullptr) {
    need = asked.level == v1::DURABILITY_REPLICATED ? Need::kReplicated
           : asked.level == v1::DURABILITY_AUTO     ? Need::kBest
                                                    : Need::kDurable;
    const env::Instant now = core_.environment.clock->Now();
    if (need == Need::kReplicated) waiter.deadline = now + core_.committer->commit_timeout();
    if (need == Need::kBest) waiter.deadline = now + core_.committer->auto_wait();
    Arm(waiter.deadline);
    if (need != Need::kReplicated) MindLease(&waiter);
  }
  waiters_.Add(need, std::move(waiter));
}

// What one copy alone acknowledges it must not when another may lead meanwhile.
void Writer::MindLease(Waiter* waiter) {
  waiter->then = [this, through = waiter->through, group = waiter->group,
                  then = std::move(waiter->then)](const Status& status) {
    if (!status.ok() || !core_.committer->LeaseRanOut() || IsReplicated(through)) {
      return then(status);
    }
    then(CommitUnknown({through, group, {}, {}}).With("cause", "the lease of this node ran out"));
  };
}

bool Writer::IsReplicated(Sequence sequence) {
  MutexLock lock(mutex_);
  return sequence <= progress_.replicated;
}

void Writer::Arm(env::Instant deadline) {
  if (deadline >= armed_for_) return;
  armed_for_ = deadline;
  const env::Duration delay = std::max(env::Duration(0), deadline - core_.environment.clock->Now());
  core_.environment.background->PostAfter(delay, [alarm = alarm_, deadline] {
    MutexLock lock(alarm->mutex);
    if (alarm->writer != nullptr) alarm->writer->OnDeadline(deadline);
  });
}

void Writer::OnDeadline(env::Instant deadline) {
  std::vector<Answered> answered;
  {
    MutexLock lock(mutex_);
    if (deadline != armed_for_) return;  // an earlier one was set in its place
    armed_for_ = {INT64_MAX};
    std::vector<Waiter> expired;
    waiters_.TakeExpired(core_.environment.clock->Now(), &expired);
    for (Waiter& waiter : expired) {
      Status status = CommitUnknown(waiter);
      answered.push_back({std::move(waiter), std::move(status)});
    }
    waiters_.TakeReached(Now(), &answered);
    if (const auto next = waiters_.NextDeadline()) Arm(*next);
  }
  AnswerAll(&answered);
}

void Writer::AnswerAll(std::vector<Answered>* answered) {
  for (Answered& answer : *answered) answer.waiter.then(answer.status);
  answered->clear();
}

Status Writer::CommitUnknown(const Waiter& waiter) const {
  std::string id;
  Position position{Epoch(), waiter.through};
  if (waiter.group != nullptr) {
    const model::Change& change = waiter.group->entries.back()->change;
    position.epoch = change.epoch;
    if (const pb::StoreRecord* content = ContentOf(change)) {
      id = content->episode().id();
    } else if (const auto* update = std::get_if<pb::UpdateRecord>(&change.decision)) {
      if (update->ids_size() > 0) id = update->ids(0);
    } else if (const auto* gone = std::get_if<pb::DeleteRecord>(&change.decision)) {
      if (gone->ids_size() > 0) id = gone->ids(0);
    }
  } else {
    position.epoch = core_.EpochAt(waiter.through);
  }
  return Status(Reason::COMMIT_UNKNOWN,
                "The write is in this node's log, and not known to be on the other copies.")
      .Expected("every copy that is in sync to have it in time")
      .Suggest("send it again with the same idempotency key: that tells what became of it")
      .With("memory_id", id)
      .With("sequence", position.sequence.value())
      .With("token", FormatToken(core_.incarnation, position));
}

Reached Writer::ReachedAt(Sequence sequence, const Asked& asked) {
  const wal::FsyncMode mode = core_.environment.log.fsync_mode;
  const bool synced = mode == wal::FsyncMode::kPerWrite || mode == wal::FsyncMode::kPerBatch;
  Reached reached;
  reached.durability = synced ? v1::DURABILITY_LOCAL : v1::DURABILITY_WRITTEN;
  reached.durable_copies = synced ? 1 : 0;
  if (core_.committer == nullptr) return reached;
  {
    MutexLock lock(mutex_);
    if (sequence <= progress_.replicated) {
      reached.durability = v1::DURABILITY_REPLICATED;
      reached.durable_copies = std::max(2u, progress_.copies);
    }
  }
  reached.wanted_copies = asked.wanted_copies;
  // Who asked for one copy gets what was asked for, unless the space has no more.
  reached.degraded =
      reached.durable_copies < asked.wanted_copies &&
      (asked.level != v1::DURABILITY_LOCAL || asked.copies_in_sync < asked.wanted_copies);
  return reached;
}

void Writer::Drain() {
  MutexLock lock(mutex_);
  drained_.wait(lock, [&]() REQUIRES(mutex_) { return in_flight_ == 0; });
}

size_t Writer::in_flight() const {
  MutexLock lock(mutex_);
  return in_flight_ + groups_.size();
}

}  // namespace engram::space
