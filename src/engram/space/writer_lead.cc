// Leading and following: what a log holds beyond what is committed is taken over by its new
// primary, and forgotten by one that steps down. Also the first and the last word of a space.
#include <algorithm>
#include <future>

#include "engram/space/writer.h"

namespace engram::space {

namespace {

constexpr size_t kParkedMax = 10'000;  // writes that wait for a hand-over

}  // namespace

Status Writer::NotLeading() const {
  return Status(Reason::NOT_PRIMARY, "This copy of '" + core_.id + "' takes no writes any more.")
      .Expected("the primary of the space")
      .Suggest("send it again: the next answer names the primary")
      .With("space", core_.id);
}

Status Writer::Lead(Epoch epoch, std::string payload) {
  bool again;  // it led before, and followed nobody since: what waits goes on waiting
  uint64_t turn;
  {
    MutexLock lock(mutex_);
    again = leading_;
    leading_ = false;
  }
  if (!again) Follow();
  {
    MutexLock lock(mutex_);
    turn = turn_;
  }
  // Without the lock: entries that were received may become durable with this one, and are told of.
  if (Status begun = core_.log->BeginEpoch(epoch, std::move(payload)); !begun.ok()) {
    Follow();
    return begun;
  }
  {
    MutexLock lock(mutex_);
    drained_.wait(lock, [&]() REQUIRES(mutex_) { return in_flight_ == 0; });
    if (turn != turn_) return NotLeading();
  }
  return TakeOver(again);
}

Result<std::vector<std::shared_ptr<TailEntry>>> Writer::ReadSuffix() {
  const Sequence end = core_.log->end();
  Sequence known = core_.visible.Get().sequence;
  {
    MutexLock lock(mutex_);
    if (!groups_.empty()) known = std::max(known, groups_.back()->last());
  }
  const auto cursor = core_.log->NewCursor(known.next(), wal::ReadThrough::kAppended);
  std::vector<std::shared_ptr<TailEntry>> suffix;
  while (cursor->position() <= end) {
    ASSIGN_OR_RETURN(const std::optional<record::Entry> entry, cursor->Next());
    if (!entry.has_value() || entry->header.sequence > end) break;
    ASSIGN_OR_RETURN(std::shared_ptr<TailEntry> decoded, DecodeEntry(*entry));
    decoded->bytes = ChargeFor(entry->payload.size());
    suffix.push_back(std::move(decoded));
  }
  return suffix;
}

Status Writer::TakeOver(bool again) {
  ASSIGN_OR_RETURN(const auto suffix, ReadSuffix());
  MutexLock lock(mutex_);
  if (!again) {
    live_ = core_.live;
    counted_ = true;
    deleted_ = false;
    progress_ = Progress();
    commit_ = Sequence();
  }
  progress_.durable = suffix.empty() ? core_.visible.Get().sequence : suffix.back()->sequence();
  for (const auto& entry : suffix) TakeOver(entry);
  leading_ = true;
  return OkStatus();
}

void Writer::TakeOver(const std::shared_ptr<TailEntry>& entry) {
  auto group = std::make_shared<Group>();
  group->entries.push_back(entry);
  group->bytes = entry->bytes;
  core_.MustCharge(group->bytes);
  keys_.Note(entry->change, group);
  ids_.TakeOver(entry, group);
  CountTaken(*entry);
  Pend(std::move(group));
}

void Writer::CountTaken(const TailEntry& entry) {
  const model::Decision& decision = entry.change.decision;
  if (const pb::StoreRecord* content = entry.content()) {
    live_ += content->created() ? 1 : 0;
  } else if (const auto* removed = std::get_if<pb::DeleteRecord>(&decision)) {
    live_ -= static_cast<uint64_t>(removed->ids_size());
  } else if (const auto* settings = std::get_if<pb::SettingsRecord>(&decision)) {
    deleted_ = deleted_ || settings->deleted();
  } else if (std::holds_alternative<pb::EpochStartRecord>(decision)) {
    epoch_start_ = entry.sequence();
  }
}

Result<Sequence> Writer::AppendEpochStart(std::string payload) {
  auto group = std::make_shared<Group>();
  ASSIGN_OR_RETURN(
      model::Decision decision,
      model::DecodeDecision(static_cast<uint32_t>(record::EntryType::kEpochStart), payload));
  group->entries.push_back(std::make_shared<TailEntry>());
  group->entries.back()->change.decision = std::move(decision);
  std::vector<wal::Draft> drafts;
  drafts.push_back({record::EntryType::kEpochStart, std::move(payload)});
  {
    MutexLock lock(mutex_);
    if (!leading_) return NotLeading();
    RETURN_IF_ERROR(Append(group, std::move(drafts)));
  }
  core_.committer->OnLogMoved();
  return group->last();
}

void Writer::Follow() {
  std::vector<Waiter> waiting;
  {
    MutexLock lock(mutex_);
    ++turn_;
    leading_ = false;
    deleted_ = false;
    counted_ = false;
    commit_ = epoch_start_ = Sequence();
    for (const auto& group : groups_) {
      Settle(*group);
      core_.GiveCharge(group->bytes);
    }
    groups_.clear();
    ids_.Clear();
    keys_.ForgetAbove(core_.visible.Get().sequence);
    waiters_.TakeAll(&waiting);
  }
  for (const Waiter& waiter : waiting) waiter.then(CommitUnknown(waiter));
}

void Writer::HoldWrites(bool held) {
  std::vector<std::shared_ptr<Operation>> parked;
  {
    MutexLock lock(mutex_);
    writes_held_ = held;
    if (!held) parked.swap(parked_);
  }
  for (const auto& operation : parked) Run(operation);
}

bool Writer::Park(const std::shared_ptr<Operation>& operation) {
  {
    MutexLock lock(mutex_);
    if (!writes_held_) return false;
    if (parked_.size() < kParkedMax) return parked_.push_back(operation), true;
  }
  operation->Refuse(Status(Reason::OVERLOADED, "Too many writes wait for the space '" + core_.id +
                                                   "' to be handed over.")
                        .Expected("at most " + std::to_string(kParkedMax) + " that wait")
                        .Suggest("wait for retry_after_ms, then send it again")
                        .With("space", core_.id)
                        .With("retry_after_ms", uint64_t{200}));
  return true;
}

bool Writer::leading() const {
  MutexLock lock(mutex_);
  return leading_;
}

Sequence Writer::epoch_start() const {
  MutexLock lock(mutex_);
  return epoch_start_;
}

Status Writer::MarkDeleted() {
  Asked asked;
  if (core_.committer != nullptr) {
    ASSIGN_OR_RETURN(asked.level, LevelOf({}, core_.settings, true));
    ASSIGN_OR_RETURN(asked.level, core_.committer->Admit(asked.level));
  }
  ASSIGN_OR_RETURN(const Gate::Pass pass, core_.Enter());
  pb::SettingsRecord record;
  *record.mutable_settings() = core_.settings;
  *record.mutable_created_at() = core_.created_at.ToProto();
  *record.mutable_at() = model::UtcTime::FromNs(core_.environment.clock->WallNs()).ToProto();
  record.set_deleted(true);
  auto group = std::make_shared<Group>();
  group->entries.push_back(std::make_shared<TailEntry>());
  std::vector<wal::Draft> drafts;
  drafts.push_back({record::EntryType::kSpaceSettings, model::Encode(record)});
  group->entries.back()->change.decision = std::move(record);
  auto committed = std::make_shared<std::promise<Status>>();
  {
    MutexLock lock(mutex_);
    if (core_.committer != nullptr && !leading_) return NotLeading();
    if (writes_held_) {
      return Status(Reason::RECOVERING, "The space '" + core_.id + "' is being handed over.")
          .Suggest("try again in a moment")
          .With("space", core_.id)
          .With("retry_after_ms", uint64_t{50});
    }
    RETURN_IF_ERROR(EnsureEpoch());
    RETURN_IF_ERROR(Append(group, std::move(drafts)));
    deleted_ = true;
    Waiter waiter{group->last(), group, {INT64_MAX}, [committed](const Status& status) {
                    committed->set_value(status);
                  }};
    if (core_.committer != nullptr) {
      waiter.deadline = core_.environment.clock->Now() + core_.committer->commit_timeout();
      Arm(waiter.deadline);
    }
    waiters_.Add(Need::kVisible, std::move(waiter));
  }
  if (core_.committer != nullptr) core_.committer->OnLogMoved();
  return committed->get_future().get();
}

void Writer::Replay(std::vector<TailEntryPtr> entries) {
  MutexLock lock(mutex_);
  for (TailEntryPtr& entry : entries) {
    keys_.Note(entry->change, nullptr);
    const Position position{entry->change.epoch, entry->sequence()};
    core_.Apply(std::move(entry));
    core_.visible.Advance(position);
  }
}

void Writer::CatalogReached(Sequence through) {
  MutexLock lock(mutex_);
  keys_.ForgetThrough(through);
}

void Writer::StartOver() {
  MutexLock lock(mutex_);
  keys_.Reset();
  counted_ = false;
}

}  // namespace engram::space
