#include <algorithm>
#include <unordered_set>

#include "engram/model/episode.h"
#include "engram/space/writes.h"

namespace engram::space {
namespace {

// Ids that a decision is about: looked up together, resolved together.
class Targets {
 public:
  template <class Ids>
  explicit Targets(const Ids& ids) {
    std::unordered_set<std::string> seen;
    for (const std::string& id : ids) {
      if (seen.insert(id).second) ids_.push_back(id);
    }
  }
  const std::vector<std::string>& ids() const { return ids_; }

  Status Check() const {
    if (ids_.empty()) {
      return Status(Reason::INVALID_REQUEST, "No id was given.").Expected("one id at least");
    }
    for (const std::string& id : ids_) RETURN_IF_ERROR(model::CheckId(id));
    return OkStatus();
  }
  Status Look(const IdTable& ids) {
    hints_.clear();
    for (const std::string& id : ids_) {
      ASSIGN_OR_RETURN(IdHint hint, ids.Look(id));
      hint.record = nullptr;  // who it is was asked, not what
      hints_.push_back(std::move(hint));
    }
    return OkStatus();
  }
  // False: stale.
  bool Resolve(const IdTable& ids) {
    states_.clear();
    for (size_t i = 0; i < ids_.size(); ++i) {
      std::optional<IdState> state = ids.Resolve(ids_[i], hints_[i]);
      if (!state.has_value()) return false;
      after_ = Later(after_, state->group);
      states_.push_back(*std::move(state));
    }
    return true;
  }
  const IdState& state(size_t i) const { return states_[i]; }
  // What all of the states depend on.
  std::shared_ptr<Group> after() const { return after_; }

 private:
  std::vector<std::string> ids_;
  std::vector<IdHint> hints_;
  std::vector<IdState> states_;
  std::shared_ptr<Group> after_;
};

Status CheckNoCondition(const v1::WriteOptions& options, size_t ids) {
  const auto condition = options.condition_case();
  if (condition == v1::WriteOptions::CONDITION_NOT_SET) return OkStatus();
  if (condition == v1::WriteOptions::kIfVersion && ids == 1) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "This call takes no such condition.")
      .Expected("if_version with one id, or none")
      .With("field", "options");
}

// The record that hides these memories, or shows them again.
pb::UpdateRecord StateRecord(const Operation& operation, bool suppressed, model::UtcTime now) {
  pb::UpdateRecord record;
  record.mutable_state()->set_suppressed(suppressed);
  *record.mutable_at() = now.ToProto();
  if (!operation.options().idempotency_key().empty()) {
    FillKey(operation, 0, 1, record.mutable_key());
  }
  return record;
}

void StageState(pb::UpdateRecord record, const Targets& targets, const std::vector<size_t>& changed,
                Staged* staged) {
  for (const size_t i : changed) {
    record.add_ids(targets.ids()[i]);
    record.add_contents(targets.state(i).content.value());
    IdState next = targets.state(i);
    next.suppressed = record.state().suppressed();
    staged->ids[targets.ids()[i]] = std::move(next);
  }
  std::string payload = model::Encode(record);
  staged->Add(record::EntryType::kMemoryUpdate, std::move(record), std::move(payload));
}

class Forget : public Operation {
 public:
  Forget(Core& core, ForgetCommand command, Done<v1::ForgetResponse> done)
      : core_(core), command_(std::move(command)), done_(std::move(done)), targets_(command_.ids) {
    now_ = model::UtcTime::FromNs(core.environment.clock->WallNs());
    deletes_ = command_.mode == v1::FORGET_MODE_DELETE;
  }

  const v1::WriteOptions& options() const override { return command_.options; }
  uint64_t request_digest() const override { return command_.request_digest; }

  Status Look(const IdTable& ids) override {
    RETURN_IF_ERROR(CheckMode());
    RETURN_IF_ERROR(targets_.Check());
    RETURN_IF_ERROR(CheckNoCondition(command_.options, targets_.ids().size()));
    return targets_.Look(ids);
  }

  Verdict Decide(const IdTable& ids, Staged* staged) override {
    if (!targets_.Resolve(ids)) return Verdict::Stale();
    changed_.clear();
    for (size_t i = 0; i < targets_.ids().size(); ++i) {
      const IdState& state = targets_.state(i);
      if (!state.live && !command_.allow_missing) {
        return Verdict::Settled(state.group, NoSuchMemory(core_, targets_.ids()[i]));
      }
      Status status = CheckCondition(command_.options, targets_.ids()[i], state);
      if (!status.ok()) return Verdict::Settled(state.group, std::move(status));
      if (state.live && (deletes_ || !state.suppressed)) changed_.push_back(i);
    }
    if (changed_.empty()) return Verdict::Settled(targets_.after());
    if (deletes_) {
      StageDelete(staged);
    } else {
      pb::UpdateRecord record = StateRecord(*this, true, now_);
      record.set_reason(command_.reason);
      StageState(std::move(record), targets_, changed_, staged);
    }
    return Verdict::Write();
  }

  void Refuse(const Status& why) override { done_(why); }

  void Answer(const Group* group, const Reached& reached) override {
    v1::ForgetResponse reply;
    for (const size_t i : changed_) AddId(targets_.ids()[i], &reply);
    const v1::WriteOutcome outcome =
        changed_.empty() ? v1::WRITE_OUTCOME_UNCHANGED : v1::WRITE_OUTCOME_UPDATED;
    if (group != nullptr) {
      const model::Change& change = group->entries.front()->change;
      FillWrite(change, reached, outcome, now_.ToProto(), &reply);
    } else {
      *reply.mutable_write() = NothingWritten(core_, command_.options, reached, outcome);
    }
    reply.set_reversible(!deletes_);
    done_(std::move(reply));
  }

  void Repeat(const std::vector<TailEntryPtr>& entries, const Reached& reached) override {
    const model::Change& change = entries.front()->change;
    v1::ForgetResponse reply;
    const auto* deleted = std::get_if<pb::DeleteRecord>(&change.decision);
    const auto* update = std::get_if<pb::UpdateRecord>(&change.decision);
    if (deleted != nullptr) {
      for (const std::string& id : deleted->ids()) AddId(id, &reply);
      FillWrite(change, reached, v1::WRITE_OUTCOME_REPEATED, deleted->at(), &reply);
    } else if (update != nullptr) {
      for (const std::string& id : update->ids()) AddId(id, &reply);
      FillWrite(change, reached, v1::WRITE_OUTCOME_REPEATED, update->at(), &reply);
    }
    reply.set_reversible(!deletes_);
    done_(std::move(reply));
  }

 private:
  Status CheckMode() const {
    if (command_.mode == v1::FORGET_MODE_SUPPRESS || deletes_) return OkStatus();
    if (command_.mode == v1::FORGET_MODE_PURGE) {
      return Status(Reason::UNIMPLEMENTED_FEATURE, "Purging is not built yet.")
          .Suggest("delete: no reader finds it any more, the bytes stay until compaction")
          .With("field", "mode")
          .With("hint", "delete");
    }
    return Status(Reason::INVALID_REQUEST, "This mode of forgetting is refused.")
        .Expected("suppress or delete")
        .Suggest("to overwrite a memory, remember its id again")
        .With("field", "mode");
  }

  void StageDelete(Staged* staged) {
    pb::DeleteRecord record;
    *record.mutable_at() = now_.ToProto();
    record.set_reason(command_.reason);
    if (!command_.options.idempotency_key().empty()) FillKey(*this, 0, 1, record.mutable_key());
    for (const size_t i : changed_) {
      const IdState& state = targets_.state(i);
      record.add_ids(targets_.ids()[i]);
      record.add_versions(state.version);
      record.add_contents(state.content.value());
      IdState next;
      next.version = state.version;
      staged->ids[targets_.ids()[i]] = std::move(next);
    }
    staged->removed = changed_.size();
    std::string payload = model::Encode(record);
    staged->Add(record::EntryType::kMemoryDelete, std::move(record), std::move(payload));
  }

  static void AddId(const std::string& id, v1::ForgetResponse* reply) {
    reply->set_memories_affected(reply->memories_affected() + 1);
    if (reply->ids_size() < static_cast<int>(model::kMaxBatch)) reply->add_ids(id);
  }

  void FillWrite(const model::Change& change, const Reached& reached, v1::WriteOutcome outcome,
                 const google::protobuf::Timestamp& at, v1::ForgetResponse* reply) const {
    *reply->mutable_write() = ResultOf(core_, reached, {change.epoch, change.sequence}, outcome);
    *reply->mutable_write()->mutable_stored_at() = at;
  }

  Core& core_;
  ForgetCommand command_;
  Done<v1::ForgetResponse> done_;
  Targets targets_;
  model::UtcTime now_;
  bool deletes_;
  std::vector<size_t> changed_;  // of the targets
};

class Restore : public Operation {
 public:
  Restore(Core& core, v1::RestoreRequest request, Done<v1::RestoreResponse> done)
      : core_(core),
        request_(std::move(request)),
        done_(std::move(done)),
        targets_(request_.ids()) {
    options_.Swap(request_.mutable_options());
    request_.clear_options();
    request_.clear_memory_space_id();
    if (!options_.idempotency_key().empty()) digest_ = model::RequestDigest(request_);
    now_ = model::UtcTime::FromNs(core.environment.clock->WallNs());
  }

  const v1::WriteOptions& options() const override { return options_; }
  uint64_t request_digest() const override { return digest_; }

  Status Look(const IdTable& ids) override {
    RETURN_IF_ERROR(targets_.Check());
    RETURN_IF_ERROR(CheckNoCondition(options_, 0));
    return targets_.Look(ids);
  }

  Verdict Decide(const IdTable& ids, Staged* staged) override {
    if (!targets_.Resolve(ids)) return Verdict::Stale();
    changed_.clear();
    missing_.clear();
    for (size_t i = 0; i < targets_.ids().size(); ++i) {
      if (!targets_.state(i).live) missing_.push_back(targets_.ids()[i]);
      if (targets_.state(i).suppressed) changed_.push_back(i);
    }
    if (changed_.empty()) return Verdict::Settled(targets_.after());
    pb::UpdateRecord record = StateRecord(*this, false, now_);
    if (!options_.idempotency_key().empty()) {
      for (const std::string& id : missing_) record.add_missing_ids(id);
    }
    StageState(std::move(record), targets_, changed_, staged);
    return Verdict::Write();
  }

  void Refuse(const Status& why) override { done_(why); }

  void Answer(const Group* group, const Reached& reached) override {
    v1::RestoreResponse reply;
    reply.set_restored(static_cast<uint32_t>(changed_.size()));
    for (const std::string& id : missing_) reply.add_missing(id);
    const v1::WriteOutcome outcome =
        changed_.empty() ? v1::WRITE_OUTCOME_UNCHANGED : v1::WRITE_OUTCOME_UPDATED;
    *reply.mutable_write() = NothingWritten(core_, options_, reached, outcome);
    if (group != nullptr) FillWrite(group->entries.front()->change, reached, outcome, &reply);
    done_(std::move(reply));
  }

  void Repeat(const std::vector<TailEntryPtr>& entries, const Reached& reached) override {
    const model::Change& change = entries.front()->change;
    v1::RestoreResponse reply;
    if (const auto* update = std::get_if<pb::UpdateRecord>(&change.decision)) {
      reply.set_restored(static_cast<uint32_t>(update->ids_size()));
      *reply.mutable_missing() = update->missing_ids();
    }
    FillWrite(change, reached, v1::WRITE_OUTCOME_REPEATED, &reply);
    done_(std::move(reply));
  }

 private:
  void FillWrite(const model::Change& change, const Reached& reached, v1::WriteOutcome outcome,
                 v1::RestoreResponse* reply) const {
    *reply->mutable_write() = ResultOf(core_, reached, {change.epoch, change.sequence}, outcome);
    if (const auto* update = std::get_if<pb::UpdateRecord>(&change.decision)) {
      *reply->mutable_write()->mutable_stored_at() = update->at();
    }
  }

  Core& core_;
  v1::RestoreRequest request_;
  v1::WriteOptions options_;
  Done<v1::RestoreResponse> done_;
  Targets targets_;
  uint64_t digest_ = 0;
  model::UtcTime now_;
  std::vector<size_t> changed_;  // of the targets
  std::vector<std::string> missing_;
};

}  // namespace

std::shared_ptr<Operation> MakeForget(Core& core, ForgetCommand command,
                                      Done<v1::ForgetResponse> done) {
  if (command.mode == v1::FORGET_MODE_UNSPECIFIED) command.mode = v1::FORGET_MODE_SUPPRESS;
  return std::make_shared<Forget>(core, std::move(command), std::move(done));
}

std::shared_ptr<Operation> MakeRestore(Core& core, v1::RestoreRequest request,
                                       Done<v1::RestoreResponse> done) {
  return std::make_shared<Restore>(core, std::move(request), std::move(done));
}

}  // namespace engram::space
