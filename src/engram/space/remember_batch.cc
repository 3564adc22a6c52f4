#include "engram/space/content.h"
#include "engram/space/writes.h"

namespace engram::space {
namespace {

void FillError(const Status& status, v1::ItemError* error) {
  error->set_code(static_cast<int32_t>(status.code()));
  error->set_reason(std::string(InfoOf(status.reason()).name));
  error->set_message(status.ToString());
  for (const auto& [key, value] : status.metadata()) (*error->mutable_metadata())[key] = value;
}

class RememberBatch : public Operation {
 public:
  RememberBatch(Core& core, v1::RememberBatchRequest request, Done<v1::RememberBatchResponse> done)
      : core_(core),
        options_(request.options()),
        atomic_(request.atomic()),
        done_(std::move(done)) {
    request.clear_options();
    request.clear_memory_space_id();
    if (!options_.idempotency_key().empty()) digest_ = model::RequestDigest(request);
    now_ = model::UtcTime::FromNs(core.environment.clock->WallNs());
    refused_ = CheckShape(request);
    if (refused_.ok()) Prepare(&request);
  }

  const v1::WriteOptions& options() const override { return options_; }
  uint64_t request_digest() const override { return digest_; }

  Status Look(const IdTable& ids) override {
    RETURN_IF_ERROR(refused_);
    for (Item& item : items_) {
      if (!item.prepared.ok() || item.content.made_id) continue;
      ASSIGN_OR_RETURN(item.content.hint, ids.Look(item.id));
    }
    return OkStatus();
  }

  Verdict Decide(const IdTable& ids, Staged* staged) override {
    for (size_t i = first_item; i < items_.size(); ++i) {
      const Item& item = items_[i];  // staging takes the episodes: no way back after it
      if (!item.prepared.ok() || item.content.made_id) continue;
      if (!ids.Resolve(item.id, item.content.hint).has_value()) return Verdict::Stale();
    }
    std::shared_ptr<Group> after;
    for (size_t i = first_item; i < items_.size(); ++i) {
      Item& item = items_[i];
      item.outcome = ContentOutcome();
      item.outcome.refused = item.prepared;
      if (!item.prepared.ok()) continue;
      const IdState state = StateOf(ids, *staged, item);
      item.outcome =
          DecideContent(*this, static_cast<uint32_t>(i), static_cast<uint32_t>(items_.size()), now_,
                        state, &item.content, staged);
      after = Later(after, state.group);
    }
    if (staged->entries.empty()) return Verdict::Settled(after);
    MarkLast(staged);
    return Verdict::Write();
  }

  void Refuse(const Status& why) override { done_(why); }

  void Answer(const Group* group, const Reached& reached) override {
    v1::RememberBatchResponse reply;
    AddRepeated(earlier, first_item, reached, &reply);
    for (size_t i = first_item; i < items_.size(); ++i) {
      *reply.add_results() = ReplyOf(items_[i], group, reached);
    }
    if (group != nullptr) {
      const model::Change& last = group->entries.back()->change;
      FillWrite(last, reached, Overall(), reply.mutable_write());
    } else if (!earlier.empty() && !options_.validate_only()) {
      FillWrite(earlier.back()->change, reached, v1::WRITE_OUTCOME_REPEATED, reply.mutable_write());
    } else {
      *reply.mutable_write() = NothingWritten(core_, options_, reached, Overall());
    }
    done_(std::move(reply));
  }

  void Repeat(const std::vector<TailEntryPtr>& entries, const Reached& reached) override {
    v1::RememberBatchResponse reply;
    AddRepeated(entries, items_.size(), reached, &reply);
    FillWrite(entries.back()->change, reached, v1::WRITE_OUTCOME_REPEATED, reply.mutable_write());
    done_(std::move(reply));
  }

 private:
  struct Item {
    std::string id;
    Status prepared;
    NewContent content;
    ContentOutcome outcome;
  };

  Status CheckShape(const v1::RememberBatchRequest& request) const {
    const auto size = static_cast<size_t>(request.episodes_size());
    if (size == 0) {
      return Status(Reason::EMPTY_BATCH, "The batch has no episode.")
          .Expected("1 to " + std::to_string(model::kMaxBatch) + " episodes");
    }
    if (size > model::kMaxBatch) {
      return Status(Reason::TOO_LARGE, "The batch has too many episodes.")
          .Expected("at most " + std::to_string(model::kMaxBatch))
          .Suggest("send several batches")
          .With("field", "episodes")
          .With("limit", model::kMaxBatch)
          .With("actual", size);
    }
    if (options_.condition_case() != v1::WriteOptions::CONDITION_NOT_SET) {
      return Status(Reason::INVALID_REQUEST, "A batch takes no condition.")
          .Expected("neither create_only nor if_version")
          .Suggest("write the episodes that need a condition one by one")
          .With("field", "options");
    }
    return OkStatus();
  }

  void Prepare(v1::RememberBatchRequest* request) {
    items_.resize(static_cast<size_t>(request->episodes_size()));
    for (size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      item.content.episode.Swap(request->mutable_episodes(static_cast<int>(i)));
      item.prepared = PrepareContent(core_, now_, nullptr, &item.content);
      item.id = item.content.episode.id();
      if (item.prepared.ok() || !atomic_) continue;
      refused_ = item.prepared.Annotate("episode " + std::to_string(i));
      return;
    }
  }

  // Of a keyed batch, so that its repeat can tell whether the end was cut off.
  void MarkLast(Staged* staged) const {
    if (options_.idempotency_key().empty() || items_.size() < 2) return;
    auto& record = std::get<pb::StoreRecord>(staged->entries.back()->change.decision);
    record.mutable_key()->set_last(true);
    staged->Replace(model::Encode(record));
  }

  static IdState StateOf(const IdTable& ids, const Staged& staged, const Item& item) {
    if (item.content.made_id) return IdState();
    const auto found = staged.ids.find(item.id);
    return found != staged.ids.end() ? found->second : *ids.Resolve(item.id, item.content.hint);
  }

  v1::RememberResponse ReplyOf(const Item& item, const Group* group, const Reached& reached) const {
    v1::RememberResponse reply;
    const ContentOutcome& outcome = item.outcome;
    if (!outcome.refused.ok()) {
      reply.set_memory_id(item.id);
      FillError(outcome.refused, reply.mutable_error());
    } else if (outcome.staged >= 0 && group != nullptr) {
      const model::Change& change = group->entries[static_cast<size_t>(outcome.staged)]->change;
      reply = RememberReply(core_, reached, *ContentOf(change), {change.epoch, change.sequence},
                            outcome.outcome);
    } else if (outcome.outcome == v1::WRITE_OUTCOME_UNCHANGED && outcome.staged < 0) {
      const Sequence content = outcome.state.content;
      reply = RememberReply(core_, reached, *outcome.state.record,
                            {core_.EpochAt(content), content}, outcome.outcome);
    } else {  // validate_only
      reply.set_memory_id(item.id);
      reply.mutable_write()->set_outcome(outcome.outcome);
      reply.mutable_write()->set_version(outcome.version);
    }
    return reply;
  }

  // Results of the items before `end`, whose entries these are.
  void AddRepeated(const std::vector<TailEntryPtr>& entries, size_t end, const Reached& reached,
                   v1::RememberBatchResponse* reply) const {
    size_t next = 0;
    for (size_t i = 0; i < end; ++i) {
      const bool written = next < entries.size() && KeyOf(entries[next]->change)->item() == i;
      *reply->add_results() =
          written ? RepeatedReply(*entries[next++], reached) : NotWritten(items_[i]);
    }
  }

  v1::RememberResponse RepeatedReply(const TailEntry& entry, const Reached& reached) const {
    const Position position{entry.change.epoch, entry.sequence()};
    return RememberReply(core_, reached, *entry.content(), position, v1::WRITE_OUTCOME_REPEATED);
  }

  // An item that wrote nothing the first time, as one behind it did write, or the last entry says
  // that none would: refused as then, or unchanged.
  v1::RememberResponse NotWritten(const Item& item) const {
    v1::RememberResponse reply;
    reply.set_memory_id(item.id);
    if (!item.prepared.ok()) {
      FillError(item.prepared, reply.mutable_error());
    } else {
      reply.mutable_write()->set_outcome(v1::WRITE_OUTCOME_REPEATED);
    }
    return reply;
  }

  v1::WriteOutcome Overall() const {
    v1::WriteOutcome overall = v1::WRITE_OUTCOME_UNSPECIFIED;
    for (const v1::WriteOutcome wanted :
         {v1::WRITE_OUTCOME_UNCHANGED, v1::WRITE_OUTCOME_UPDATED, v1::WRITE_OUTCOME_CREATED}) {
      for (const Item& item : items_) {
        if (item.outcome.outcome == wanted) overall = wanted;
      }
    }
    return overall;
  }

  void FillWrite(const model::Change& last, const Reached& reached, v1::WriteOutcome outcome,
                 v1::WriteResult* write) const {
    *write = ResultOf(core_, reached, {last.epoch, last.sequence}, outcome);
    *write->mutable_stored_at() = ContentOf(last)->stored_at();
  }

  Core& core_;
  v1::WriteOptions options_;
  bool atomic_;
  Done<v1::RememberBatchResponse> done_;
  uint64_t digest_ = 0;
  model::UtcTime now_;
  Status refused_;
  std::vector<Item> items_;
};

}  // namespace

std::shared_ptr<Operation> MakeRememberBatch(Core& core, v1::RememberBatchRequest request,
                                             Done<v1::RememberBatchResponse> done) {
  return std::make_shared<RememberBatch>(core, std::move(request), std::move(done));
}

}  // namespace engram::space
