#include <algorithm>

#include "engram/space/content.h"
#include "engram/space/writes.h"

namespace engram::space {
namespace {

bool Names(const google::protobuf::FieldMask& mask, std::string_view path) {
  return std::find(mask.paths().begin(), mask.paths().end(), path) != mask.paths().end();
}

// The log gets the whole new version, as a MemoryUpdate of the content family: what the store knows
// about the memory beside its content (that it is suppressed) stays.
class Update : public Operation {
 public:
  Update(Core& core, v1::UpdateRequest request, Done<v1::UpdateResponse> done)
      : core_(core), request_(std::move(request)), done_(std::move(done)) {
    options_.Swap(request_.mutable_options());
    request_.clear_options();
    request_.clear_memory_space_id();
    if (!options_.idempotency_key().empty()) digest_ = model::RequestDigest(request_);
    now_ = model::UtcTime::FromNs(core.environment.clock->WallNs());
  }

  const v1::WriteOptions& options() const override { return options_; }
  uint64_t request_digest() const override { return digest_; }

  Status Look(const IdTable& ids) override {
    const std::string& id = request_.episode().id();
    RETURN_IF_ERROR(model::CheckId(id));
    RETURN_IF_ERROR(model::CheckFieldsKnown(request_.episode()));
    ASSIGN_OR_RETURN(hint_, ids.Look(id));
    base_ = pinned_;
    base_content_ = pinned_content_;
    if (base_ == nullptr && hint_.match != kNoRow) {
      base_ = hint_.record;
      base_content_ = core_.rows->row(hint_.match).content;
    }
    return base_ == nullptr ? OkStatus() : Change();
  }

  Verdict Decide(const IdTable& ids, Staged* staged) override {
    const std::string& id = request_.episode().id();
    const std::optional<IdState> state = ids.Resolve(id, hint_);
    if (!state.has_value()) return Verdict::Stale();
    if (!state->live) return Verdict::Settled(state->group, NoSuchMemory(core_, id));
    if (Status status = CheckCondition(options_, id, *state); !status.ok()) {
      return Verdict::Settled(state->group, std::move(status));
    }
    if (state->content != base_content_) {  // changed, or not durable yet: prepare again from that
      pinned_ = state->record;
      pinned_content_ = state->content;
      return Verdict::Stale();
    }
    state_ = *state;
    if (model::SameContent(base_->episode(), content_.episode)) {
      outcome_ = v1::WRITE_OUTCOME_UNCHANGED;
      return Verdict::Settled(state->group);
    }
    outcome_ = v1::WRITE_OUTCOME_UPDATED;
    Stage(*state, staged);
    return Verdict::Write();
  }

  void Refuse(const Status& why) override { done_(why); }

  void Answer(const Group* group, const Reached& reached) override {
    if (group != nullptr) {
      const model::Change& change = group->entries.front()->change;
      return done_(ReplyOf(reached, *ContentOf(change), {change.epoch, change.sequence}, outcome_));
    }
    const Sequence content = state_.content;
    if (!options_.validate_only()) {
      return done_(ReplyOf(reached, *base_, {core_.EpochAt(content), content}, outcome_));
    }
    v1::UpdateResponse valid;
    *valid.mutable_episode() = content_.episode;
    valid.mutable_write()->set_outcome(outcome_);
    valid.mutable_write()->set_version(state_.version + (outcome_ == v1::WRITE_OUTCOME_UPDATED));
    for (const v1::Warning& warning : content_.warnings) {
      *valid.mutable_write()->add_warnings() = warning;
    }
    done_(std::move(valid));
  }

  void Repeat(const std::vector<TailEntryPtr>& entries, const Reached& reached) override {
    const model::Change& change = entries.front()->change;
    if (const pb::StoreRecord* record = ContentOf(change)) {
      return done_(
          ReplyOf(reached, *record, {change.epoch, change.sequence}, v1::WRITE_OUTCOME_REPEATED));
    }
    done_(Status(Reason::CORRUPTION_DETECTED, "The entry of an idempotency key is no episode.")
              .With("sequence", change.sequence.value()));
  }

 private:
  // The new version, from base_.
  Status Change() {
    content_ = NewContent();
    content_.episode = base_->episode();
    const google::protobuf::FieldMask& mask = request_.update_mask();
    RETURN_IF_ERROR(
        model::ApplyMask(mask, request_.episode(), &content_.episode, &content_.warnings));
    const v1::EventTime* previous = nullptr;
    if (!Names(mask, "event_time") && !Names(mask, "when")) {
      previous = &base_->episode().event_time();
      content_.episode.clear_event_time();
    }
    RETURN_IF_ERROR(PrepareContent(core_, now_, previous, &content_, true));
    if (content_.episode.embedding_size() > 0) {  // the space has embedded the new text
      std::erase_if(content_.warnings,
                    [](const v1::Warning& w) { return w.reason() == "EMBEDDING_REMOVED"; });
    }
    return OkStatus();
  }

  void Stage(const IdState& state, Staged* staged) {
    pb::UpdateRecord update;
    update.add_ids(request_.episode().id());
    *update.mutable_at() = now_.ToProto();
    if (!options_.idempotency_key().empty()) FillKey(*this, 0, 1, update.mutable_key());
    pb::StoreRecord& record = *update.mutable_content();
    record = NextRecord(state, now_, 0);
    for (const v1::Warning& warning : content_.warnings) *record.add_warnings() = warning;
    *record.mutable_episode() = content_.episode;
    std::string payload = model::Encode(update);
    const int place =
        staged->Add(record::EntryType::kMemoryUpdate, std::move(update), std::move(payload));
    IdState next = StagedState(*staged, place);
    next.suppressed = state.suppressed;
    staged->ids[request_.episode().id()] = std::move(next);
  }

  v1::UpdateResponse ReplyOf(const Reached& reached, const pb::StoreRecord& record,
                             Position position, v1::WriteOutcome outcome) const {
    v1::UpdateResponse reply;
    *reply.mutable_episode() = record.episode();
    FillStored(record, position, reply.mutable_episode()->mutable_stored());
    v1::WriteResult* write = reply.mutable_write();
    *write = ResultOf(core_, reached, position, outcome);
    write->set_version(record.version());
    *write->mutable_stored_at() = record.stored_at();
    *write->mutable_warnings() = record.warnings();
    return reply;
  }

  Core& core_;
  v1::UpdateRequest request_;
  v1::WriteOptions options_;
  Done<v1::UpdateResponse> done_;
  uint64_t digest_ = 0;
  model::UtcTime now_;
  IdHint hint_;
  std::shared_ptr<const pb::StoreRecord> base_, pinned_;  // the version that it changes
  Sequence base_content_, pinned_content_;
  NewContent content_;
  IdState state_;
  v1::WriteOutcome outcome_ = v1::WRITE_OUTCOME_UNSPECIFIED;
};

}  // namespace

std::shared_ptr<Operation> MakeUpdate(Core& core, v1::UpdateRequest request,
                                      Done<v1::UpdateResponse> done) {
  return std::make_shared<Update>(core, std::move(request), std::move(done));
}

}  // namespace engram::space
