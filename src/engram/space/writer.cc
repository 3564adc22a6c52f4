#include "engram/space/writer.h"

#include "engram/space/epoch.h"

namespace engram::space {

Writer::Writer(Core& core, std::function<void()> moved)
    : core_(core), moved_(std::move(moved)), ids_(core), keys_(core) {}

void Writer::Run(std::shared_ptr<Operation> operation) {
  core_.Touch();
  if (Status status = CheckOptions(operation->options(), core_.settings); !status.ok()) {
    return operation->Refuse(status);
  }
  const Result<Gate::Pass> pass = core_.gate.Enter();
  if (!pass.ok()) return operation->Refuse(pass.status());
  while (Try(operation) == Step::kAgain) {
  }
}

Writer::Step Writer::Try(const std::shared_ptr<Operation>& operation) {
  const std::string& key = operation->options().idempotency_key();
  KeyHint hint;
  if (!key.empty()) {
    Result<KeyHint> looked = keys_.Look(key);
    if (!looked.ok()) return operation->Refuse(looked.status()), Step::kDone;
    hint = *std::move(looked);
  }
  if (hint.use.has_value()) return Repeat(operation, *hint.use), Step::kDone;
  if (Status status = operation->Look(ids_); !status.ok()) {
    return operation->Refuse(status), Step::kDone;
  }
  Verdict verdict;
  std::optional<KeyUse> use;
  {
    MutexLock lock(mutex_);
    if (!key.empty() && !keys_.Resolve(key, hint, &use)) return Step::kAgain;
    if (!use.has_value()) {
      Staged staged;
      verdict = operation->Decide(ids_, &staged);
      if (verdict.kind == Verdict::kStale) return Step::kAgain;
      const bool writes = verdict.kind == Verdict::kWrite && !operation->options().validate_only();
      if (verdict.kind == Verdict::kWrite) {
        Status status = CheckRoom(staged);
        if (status.ok() && writes) status = Commit(std::move(staged), operation);
        if (!status.ok()) verdict = Verdict::Refused(std::move(status));
      }
    }
  }
  // What was committed is answered by OnDurable.
  if (use.has_value()) {
    Repeat(operation, *use);
  } else if (verdict.kind == Verdict::kRefused) {
    operation->Refuse(verdict.why);
  } else if (operation->options().validate_only()) {
    operation->Answer(nullptr);
  } else if (verdict.kind == Verdict::kSettled) {
    AnswerWithout(operation, verdict.after);
  }
  return Step::kDone;
}

void Writer::AnswerWithout(const std::shared_ptr<Operation>& operation,
                           std::shared_ptr<Group> after) {
  After(after, [operation](const Status& status) {
    status.ok() ? operation->Answer(nullptr) : operation->Refuse(status);
  });
}

void Writer::Repeat(const std::shared_ptr<Operation>& operation, const KeyUse& use) {
  if (use.request_digest == operation->request_digest()) {
    return After(use.group, [this, operation, use](const Status& status) {
      status.ok() ? AnswerRepeat(*operation, use) : operation->Refuse(status);
    });
  }
  Status reused =
      Status(Reason::IDEMPOTENCY_KEY_REUSED, "This idempotency key belongs to another request.")
          .Expected("the same request again, or a key of its own")
          .Suggest("make a new key for each new request")
          .With("key", operation->options().idempotency_key());
  const Result<TailEntryPtr> first = use.group == nullptr
                                         ? core_.EntryAt(use.items.front().second)
                                         : TailEntryPtr(use.group->entries.front());
  if (first.ok() && (*first)->content() != nullptr) {
    reused = std::move(reused).With("memory_id", (*first)->content()->episode().id());
  }
  operation->Refuse(reused);
}

void Writer::AnswerRepeat(Operation& operation, const KeyUse& use) {
  std::vector<TailEntryPtr> entries;
  for (const auto& [item, sequence] : use.items) {
    Result<TailEntryPtr> entry = core_.EntryAt(sequence);
    if (!entry.ok()) return operation.Refuse(entry.status());
    entries.push_back(*std::move(entry));
  }
  operation.Repeat(entries);
}

void Writer::After(const std::shared_ptr<Group>& group, std::function<void(const Status&)> then) {
  Status status;
  if (group != nullptr) {
    MutexLock lock(mutex_);
    if (!group->finished) {
      group->waiters.push_back(std::move(then));
      return;
    }
    status = group->status;
  }
  then(status);
}

Status Writer::CheckRoom(const Staged& staged) {
  if (deleted_) {
    return Status(Reason::SPACE_NOT_FOUND, "The space '" + core_.id + "' was deleted.")
        .With("space", core_.id);
  }
  const auto refuse = [&](const char* what, uint64_t limit) {
    return Status(Reason::QUOTA_EXCEEDED,
                  "Space '" + core_.id + "' is at its quota of " + what + ".")
        .Expected("at most " + std::to_string(limit))
        .Suggest("delete memories that are not needed, or raise the quota of the space")
        .With("space", core_.id)
        .With("limit", limit);
  };
  if (!counted_) live_ = core_.live, counted_ = true;
  const uint64_t episodes = core_.settings.max_episodes(), bytes = core_.settings.max_bytes();
  if (episodes != 0 && staged.created > 0 && live_ + staged.created > episodes + staged.removed) {
    return refuse("episodes", episodes);
  }
  const bool frees = staged.removed > 0 && staged.created == 0;
  if (bytes != 0 && !frees && core_.log->bytes() + staged.bytes > bytes) {
    return refuse("bytes", bytes);
  }
  return OkStatus();
}

Status Writer::TakeRoom(uint64_t bytes) {
  if (core_.TakeCharge(bytes)) return OkStatus();
  core_.TrimTail(/*pressed=*/true);
  if (core_.TakeCharge(bytes)) return OkStatus();
  return Status(Reason::OVERLOADED, "Writes come faster than they can be indexed.")
      .Expected("room in the tail: " + std::to_string(core_.environment.tail_bytes_max) + " bytes")
      .Suggest("wait for retry_after_ms, then send it again")
      .With("space", core_.id)
      .With("retry_after_ms", uint64_t{50})
      .With("limit", core_.environment.tail_bytes_max);
}

Status Writer::EnsureEpoch() {
  if (core_.epoch_begun) return OkStatus();
  ASSIGN_OR_RETURN(TailEntryPtr entry, BeginNextEpoch(core_));
  core_.epoch_begun = true;
  const Position position{entry->change.epoch, entry->sequence()};
  core_.Apply(std::move(entry));
  core_.visible.Advance(position);
  return OkStatus();
}

Status Writer::Commit(Staged staged, const std::shared_ptr<Operation>& operation) {
  auto group = std::make_shared<Group>();
  for (size_t i = 0; i < staged.entries.size(); ++i) {
    // Decoded, an entry takes about as much again as its bytes.
    staged.entries[i]->bytes = 2 * staged.drafts[i].payload.size() + 512;
    group->bytes += staged.entries[i]->bytes;
  }
  RETURN_IF_ERROR(EnsureEpoch());
  RETURN_IF_ERROR(TakeRoom(group->bytes));
  group->entries = std::move(staged.entries);
  const Result<Sequence> first = core_.log->Append(
      std::move(staged.drafts), [this, group](const Status& status) { OnDurable(group, status); });
  if (!first.ok()) {
    core_.GiveCharge(group->bytes);
    return first.status();
  }
  ++in_flight_;
  const Epoch epoch = core_.log->epoch();
  for (size_t i = 0; i < group->entries.size(); ++i) {
    model::Change& change = group->entries[i]->change;
    change.sequence = Sequence(first->value() + i);
    change.epoch = epoch;
    keys_.Note(change, group);
  }
  for (auto& [id, state] : staged.ids) {
    if (state.staged >= 0)
      state.content = Sequence(first->value() + static_cast<uint64_t>(state.staged));
    state.staged = -1;
    state.group = group;
    group->ids.push_back(id);
    ids_.Note(id, std::move(state));
  }
  live_ += staged.created - staged.removed;
  group->waiters.push_back([operation, raw = group.get()](const Status& status) {
    status.ok() ? operation->Answer(raw) : operation->Refuse(status);
  });
  return OkStatus();
}

void Writer::OnDurable(const std::shared_ptr<Group>& group, const Status& status) {
  std::vector<std::function<void(const Status&)>> waiters;
  {
    MutexLock lock(mutex_);
    if (status.ok()) Publish(group);
    group->finished = true;
    group->status = status;
    waiters.swap(group->waiters);
  }
  if (status.ok()) moved_();
  for (const auto& waiter : waiters) waiter(status);
  waiters.clear();
  if (!status.ok()) core_.GiveCharge(group->bytes);
  MutexLock lock(mutex_);
  --in_flight_;
  drained_.notify_all();
}

void Writer::Publish(const std::shared_ptr<Group>& group) {
  uint64_t bytes = 0;
  for (const auto& entry : group->entries) {
    bytes += entry->content() == nullptr ? 0 : entry->bytes;
    core_.Apply(entry);
  }
  for (const std::string& id : group->ids) ids_.Settle(id, group.get());
  keys_.Settle(*group);
  const model::Change& last = group->entries.back()->change;
  core_.visible.Advance({last.epoch, last.sequence});
  if (core_.environment.observer != nullptr) {
    core_.environment.observer->OnWrite(core_.id, group->entries.size(), bytes / 2);
  }
}

Status Writer::MarkDeleted() {
  ASSIGN_OR_RETURN(const Gate::Pass pass, core_.gate.Enter());
  MutexLock lock(mutex_);
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
  RETURN_IF_ERROR(EnsureEpoch());
  ASSIGN_OR_RETURN(const Sequence sequence,
                   core_.log->Append(std::move(drafts), [this, group](const Status& status) {
                     OnDurable(group, status);
                   }));
  ++in_flight_;
  group->entries.back()->change.sequence = sequence;
  group->entries.back()->change.epoch = core_.log->epoch();
  deleted_ = true;
  drained_.wait(lock, [&]() REQUIRES(mutex_) { return group->finished; });
  return group->status;
}

void Writer::Replay(TailEntryPtr entry) {
  MutexLock lock(mutex_);
  keys_.Note(entry->change, nullptr);
  const Position position{entry->change.epoch, entry->sequence()};
  core_.Apply(std::move(entry));
  core_.visible.Advance(position);
}

void Writer::CatalogReached(Sequence through) {
  MutexLock lock(mutex_);
  keys_.ForgetThrough(through);
}

void Writer::Drain() {
  MutexLock lock(mutex_);
  drained_.wait(lock, [&]() REQUIRES(mutex_) { return in_flight_ == 0; });
}

size_t Writer::in_flight() const {
  MutexLock lock(mutex_);
  return in_flight_;
}

}  // namespace engram::space
