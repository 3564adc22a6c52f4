#include "engram/space/content.h"
#include "engram/space/writes.h"

namespace engram::space {
namespace {

class Remember : public Operation {
 public:
  Remember(Core& core, v1::Episode episode, v1::WriteOptions options,
           Done<v1::RememberResponse> done)
      : core_(core), options_(std::move(options)), done_(std::move(done)) {
    if (!options_.idempotency_key().empty()) digest_ = model::RequestDigest(episode);
    content_.episode = std::move(episode);
    now_ = model::UtcTime::FromNs(core.environment.clock->WallNs());
    prepared_ = PrepareContent(core, now_, nullptr, &content_);
    id_ = content_.episode.id();
  }

  const v1::WriteOptions& options() const override { return options_; }
  uint64_t request_digest() const override { return digest_; }

  Status Look(const IdTable& ids) override {
    RETURN_IF_ERROR(prepared_);
    if (content_.made_id) return OkStatus();
    ASSIGN_OR_RETURN(content_.hint, ids.Look(id_));
    return OkStatus();
  }

  Verdict Decide(const IdTable& ids, Staged* staged) override {
    IdState state;
    if (!content_.made_id) {
      const std::optional<IdState> found = ids.Resolve(id_, content_.hint);
      if (!found.has_value()) return Verdict::Stale();
      state = *found;
    }
    outcome_ = DecideContent(*this, 0, 1, now_, state, &content_, staged);
    if (!outcome_.refused.ok()) return Verdict::Settled(state.group, outcome_.refused);
    if (outcome_.outcome == v1::WRITE_OUTCOME_UNCHANGED) return Verdict::Settled(state.group);
    return Verdict::Write();
  }

  void Refuse(const Status& why) override { done_(why); }

  void Answer(const Group* group, const Reached& reached) override {
    if (group != nullptr) {
      const model::Change& change = group->entries.front()->change;
      return done_(RememberReply(core_, reached, *ContentOf(change),
                                 {change.epoch, change.sequence}, outcome_.outcome));
    }
    if (outcome_.outcome == v1::WRITE_OUTCOME_UNCHANGED) return done_(Unchanged(reached));
    v1::RememberResponse valid;  // validate_only
    valid.set_memory_id(id_);
    valid.mutable_write()->set_outcome(outcome_.outcome);
    valid.mutable_write()->set_version(outcome_.version);
    done_(std::move(valid));
  }

  void Repeat(const std::vector<TailEntryPtr>& entries, const Reached& reached) override {
    const model::Change& change = entries.front()->change;
    if (const pb::StoreRecord* record = ContentOf(change)) {
      return done_(RememberReply(core_, reached, *record, {change.epoch, change.sequence},
                                 v1::WRITE_OUTCOME_REPEATED));
    }
    done_(Status(Reason::CORRUPTION_DETECTED, "The entry of an idempotency key is no episode.")
              .With("sequence", change.sequence.value()));
  }

 private:
  v1::RememberResponse Unchanged(const Reached& reached) const {
    const Sequence content = outcome_.state.content;
    v1::RememberResponse reply =
        RememberReply(core_, reached, *outcome_.state.record, {core_.EpochAt(content), content},
                      v1::WRITE_OUTCOME_UNCHANGED);
    reply.mutable_write()->clear_warnings();
    for (const v1::Warning& warning : content_.warnings) {
      *reply.mutable_write()->add_warnings() = warning;
    }
    return reply;
  }

  Core& core_;
  v1::WriteOptions options_;
  Done<v1::RememberResponse> done_;
  uint64_t digest_ = 0;
  model::UtcTime now_;
  NewContent content_;
  Status prepared_;
  std::string id_;
  ContentOutcome outcome_;
};

}  // namespace

std::shared_ptr<Operation> MakeRemember(Core& core, v1::Episode episode, v1::WriteOptions options,
                                        Done<v1::RememberResponse> done) {
  return std::make_shared<Remember>(core, std::move(episode), std::move(options), std::move(done));
}

}  // namespace engram::space
