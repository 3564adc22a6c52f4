#include "engram/space/writer.h"

#include "engram/base/probe.h"
#include "engram/space/epoch.h"

namespace engram::space {

void Writer::Run(std::shared_ptr<Operation> operation) {
  core_.Touch();
  if (writes_held_ && Park(operation)) return;
  const Status admitted = Admit(operation.get());
  // A repeat of what is in the log already needs nobody's leave: it waits for that entry.
  const bool may_be_repeat = admitted.ok() || (!operation->options().idempotency_key().empty() &&
                                               admitted.reason() == Reason::NOT_ENOUGH_IN_SYNC);
  if (!may_be_repeat) return operation->Refuse(admitted);
  const Result<Gate::Pass> pass = core_.Enter();
  if (!pass.ok()) return operation->Refuse(pass.status());
  while (Try(operation, admitted) == Step::kAgain) {
  }
}

Status Writer::Admit(Operation* operation) {
  RETURN_IF_ERROR(CheckOptions(operation->options()));
  Committer* const committer = core_.committer;
  Asked& asked = operation->asked;
  ASSIGN_OR_RETURN(asked.level,
                   LevelOf(operation->options(), core_.settings, committer != nullptr));
  if (committer == nullptr) return OkStatus();
  ASSIGN_OR_RETURN(asked.level, committer->Admit(asked.level));
  const CopyState state = committer->State();
  asked.wanted_copies = state.wanted_copies;
  asked.copies_in_sync = state.copies_in_sync;
  return OkStatus();
}

Writer::Step Writer::Try(const std::shared_ptr<Operation>& operation, const Status& admitted) {
  const std::string& key = operation->options().idempotency_key();
  KeyHint hint;
  if (!key.empty()) {
    Result<KeyHint> looked = keys_.Look(key);
    if (!looked.ok()) return operation->Refuse(looked.status()), Step::kDone;
    hint = *std::move(looked);
  }
  if (hint.use.has_value() && hint.use->whole) return Repeat(operation, *hint.use), Step::kDone;
  if (Status status = operation->Look(ids_); !status.ok()) {
    return operation->Refuse(status), Step::kDone;
  }
  Verdict verdict;
  std::optional<KeyUse> use;
  bool repeats = false, appended = false, held = false;
  {
    MutexLock lock(mutex_);
    held = writes_held_;
    if (held) {
      verdict = Verdict::Stale();
    } else if (core_.committer != nullptr && !leading_) {
      verdict = Verdict::Refused(NotLeading());
    } else if (!key.empty() && !keys_.Resolve(key, hint, &use)) {
      return Step::kAgain;
    } else if (use.has_value() &&
               (use->whole || use->request_digest != operation->request_digest())) {
      repeats = true;
    } else if (!admitted.ok()) {
      verdict = Verdict::Refused(admitted);
    } else {
      verdict = Decide(operation, use, &appended);
      if (verdict.kind == Verdict::kStale) return Step::kAgain;
    }
  }
  if (held) return Park(operation) ? Step::kDone : Step::kAgain;
  // What was appended is answered when it has come as far as was asked.
  if (repeats) {
    Repeat(operation, *use);
  } else if (verdict.kind == Verdict::kRefused) {
    operation->Refuse(verdict.why);
  } else if (appended) {
    if (core_.committer != nullptr) core_.committer->OnLogMoved();
  } else if (operation->options().validate_only() && !use.has_value()) {
    verdict.why.ok() ? operation->Answer(nullptr, Reached()) : operation->Refuse(verdict.why);
  } else {
    AnswerWithout(operation, verdict, use);
  }
  return Step::kDone;
}

Verdict Writer::Decide(const std::shared_ptr<Operation>& operation,
                       const std::optional<KeyUse>& torn, bool* appended) {
  operation->first_item = torn.has_value() ? torn->items.back().first + 1 : 0;
  Staged staged;
  Verdict verdict = operation->Decide(ids_, &staged);
  if (verdict.kind != Verdict::kWrite) return verdict;
  Status status = CheckRoom(staged);
  if (status.ok() && operation->options().validate_only()) return verdict;
  if (status.ok()) status = Stage(std::move(staged), operation, torn);
  *appended = status.ok();
  return status.ok() ? verdict : Verdict::Refused(std::move(status));
}

void Writer::AnswerWithout(const std::shared_ptr<Operation>& operation, const Verdict& verdict,
                           const std::optional<KeyUse>& torn) {
  const std::shared_ptr<Group> group =
      torn.has_value() ? Later(verdict.after, torn->group) : verdict.after;
  // What is published is somewhere at or below the visible end.
  Sequence through = group != nullptr ? group->last() : core_.visible.Get().sequence;
  if (torn.has_value()) through = std::max(through, torn->last());
  const auto then = [this, operation, through, torn, why = verdict.why](const Status& status) {
    if (!status.ok() || !why.ok()) return operation->Refuse(status.ok() ? why : status);
    Acknowledge(*operation, nullptr, through, torn);
  };
  Wait(operation->asked, through, group, then);
}

void Writer::Repeat(const std::shared_ptr<Operation>& operation, const KeyUse& use) {
  if (use.request_digest != operation->request_digest()) return RefuseReuse(*operation, use);
  Wait(operation->asked, use.last(), use.group, [this, operation, use](const Status& status) {
    status.ok() ? AnswerRepeat(*operation, use) : operation->Refuse(status);
  });
}

void Writer::RefuseReuse(Operation& operation, const KeyUse& use) {
  Status reused =
      Status(Reason::IDEMPOTENCY_KEY_REUSED, "This idempotency key belongs to another request.")
          .Expected("the same request again, or a key of its own")
          .Suggest("make a new key for each new request")
          .With("key", operation.options().idempotency_key());
  const Sequence at = use.items.front().second;
  const bool pending = use.group != nullptr && use.group->first() <= at;
  const Result<TailEntryPtr> first =
      pending ? TailEntryPtr(use.group->entries[at.value() - use.group->first().value()])
              : core_.EntryAt(at);
  if (first.ok() && (*first)->content() != nullptr) {
    reused = std::move(reused).With("memory_id", (*first)->content()->episode().id());
  }
  operation.Refuse(reused);
}

Result<std::vector<TailEntryPtr>> Writer::EntriesOf(const KeyUse& use) {
  std::vector<TailEntryPtr> entries;
  for (const auto& [item, sequence] : use.items) {
    ASSIGN_OR_RETURN(TailEntryPtr entry, core_.EntryAt(sequence));
    entries.push_back(std::move(entry));
  }
  return entries;
}

void Writer::AnswerRepeat(Operation& operation, const KeyUse& use) {
  const Result<std::vector<TailEntryPtr>> entries = EntriesOf(use);
  if (!entries.ok()) return operation.Refuse(entries.status());
  operation.Repeat(*entries, ReachedAt(use.last(), operation.asked));
}

void Writer::Acknowledge(Operation& operation, const Group* group, Sequence through,
                         const std::optional<KeyUse>& torn) {
  if (torn.has_value()) {
    Result<std::vector<TailEntryPtr>> earlier = EntriesOf(*torn);
    if (!earlier.ok()) return operation.Refuse(earlier.status());
    operation.earlier = *std::move(earlier);
  }
  const Reached reached = ReachedAt(through, operation.asked);
  SpaceObserver* const observer = core_.environment.observer;
  const bool degraded = group != nullptr && reached.degraded;
  if (degraded && observer != nullptr) observer->OnDegraded(core_.id);
  operation.Answer(group, reached);
}

Status Writer::CheckRoom(const Staged& staged) {
  if (deleted_) return SpaceIsDeleted(core_.id);
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
  Visit(Probe::kWritersSlowed);
  const uint64_t limit = core_.environment.tail_bytes_max;
  const bool waits_for_copies =
      core_.committer != nullptr && pending_bytes_ > core_.charged.load() / 2;
  return Status(Reason::OVERLOADED, waits_for_copies
                                        ? "Too much of this space waits for its other copies."
                                        : "Writes come faster than they can be indexed.")
      .Expected("room for what is not committed or not indexed: " + std::to_string(limit) +
                " bytes")
      .Suggest(waits_for_copies
                   ? "wait for retry_after_ms and send it again; if a node is gone for longer, "
                     "take it out (engram replicas remove), or make a space of durability local"
                   : "wait for retry_after_ms, then send it again")
      .With("space", core_.id)
      .With("retry_after_ms", uint64_t{waits_for_copies ? 500u : 50u})
      .With("limit", limit);
}

Status Writer::EnsureEpoch() {
  if (core_.epoch_begun || core_.committer != nullptr) return OkStatus();
  ASSIGN_OR_RETURN(TailEntryPtr entry, BeginNextEpoch(core_));
  core_.epoch_begun = true;
  const Position position{entry->change.epoch, entry->sequence()};
  core_.log->SetCommit(position.sequence);
  core_.Apply(std::move(entry));
  core_.visible.Advance(position);
  return OkStatus();
}

Status Writer::Stage(Staged staged, const std::shared_ptr<Operation>& operation,
                     const std::optional<KeyUse>& torn) {
  auto group = std::make_shared<Group>();
  for (size_t i = 0; i < staged.entries.size(); ++i) {
    staged.entries[i]->bytes = ChargeFor(staged.drafts[i].payload.size());
    group->bytes += staged.entries[i]->bytes;
  }
  RETURN_IF_ERROR(EnsureEpoch());
  RETURN_IF_ERROR(TakeRoom(group->bytes));
  group->entries = std::move(staged.entries);
  if (Status status = Append(group, std::move(staged.drafts)); !status.ok()) {
    core_.GiveCharge(group->bytes);
    // Promised away a moment ago: nothing was written, and another primary takes it.
    const bool promised = core_.committer != nullptr && status.reason() == Reason::STALE_EPOCH;
    return promised ? NotLeading() : status;
  }
  for (const auto& entry : group->entries) keys_.Note(entry->change, group);
  for (auto& [id, state] : staged.ids) {
    if (state.staged >= 0) {
      state.content = group->entries[static_cast<size_t>(state.staged)]->sequence();
    }
    state.staged = -1;
    state.group = group;
    group->ids.push_back(id);
    ids_.Note(id, std::move(state));
  }
  live_ += staged.created - staged.removed;
  Waiter waiter{group->last(), group, {}, [this, operation, group, torn](const Status& status) {
                  status.ok() ? Acknowledge(*operation, group.get(), group->last(), torn)
                              : operation->Refuse(status);
                }};
  AddWaiter(operation->asked, std::move(waiter));
  return OkStatus();
}

}  // namespace engram::space
