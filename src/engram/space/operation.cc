#include "engram/space/operation.h"

#include "engram/model/episode.h"
#include "engram/space/token.h"

namespace engram::space {

int Staged::Add(record::EntryType type, model::Decision decision, std::string payload) {
  bytes += payload.size() + record::kHeaderSize;
  entries.push_back(std::make_shared<TailEntry>());
  entries.back()->change.decision = std::move(decision);
  drafts.push_back({type, std::move(payload)});
  return static_cast<int>(entries.size()) - 1;
}

void Staged::Replace(std::string payload) {
  bytes += payload.size() - drafts.back().payload.size();
  drafts.back().payload = std::move(payload);
}

Status CheckOptions(const v1::WriteOptions& options) {
  if (!options.idempotency_key().empty()) {
    RETURN_IF_ERROR(model::CheckIdempotencyKey(options.idempotency_key()));
  }
  const v1::Durability asked = options.durability();
  if (asked == v1::DURABILITY_UNSPECIFIED || asked == v1::DURABILITY_LOCAL ||
      asked == v1::DURABILITY_REPLICATED || asked == v1::DURABILITY_AUTO) {
    return OkStatus();
  }
  return Status(Reason::INVALID_REQUEST, "This durability cannot be asked for.")
      .Expected("local, replicated or auto")
      .With("field", "options.durability")
      .With("actual", static_cast<uint64_t>(asked));
}

Result<v1::Durability> LevelOf(const v1::WriteOptions& options, const v1::SpaceSettings& settings,
                               bool copies) {
  v1::Durability asked = options.durability();
  if (asked == v1::DURABILITY_UNSPECIFIED) asked = settings.durability();
  if (copies) {
    if (asked != v1::DURABILITY_UNSPECIFIED) return asked;
    const bool replicas = !settings.has_replica_count() || settings.replica_count() > 0;
    return replicas ? v1::DURABILITY_REPLICATED : v1::DURABILITY_LOCAL;
  }
  if (asked != v1::DURABILITY_REPLICATED) return v1::DURABILITY_LOCAL;
  return Status(Reason::NOT_ENOUGH_IN_SYNC, "This node has no replica to make a second copy.")
      .Expected("2 copies on different nodes")
      .Suggest("ask for local durability, or for auto: the reply says what was reached")
      .Example("engram remember \"…\" --durability local")
      .With("have", uint64_t{1})
      .With("need", uint64_t{2});
}

Status CheckCondition(const v1::WriteOptions& options, const std::string& id,
                      const IdState& state) {
  if (options.condition_case() == v1::WriteOptions::kCreateOnly && options.create_only() &&
      state.live) {
    return Status(Reason::ALREADY_EXISTS, "The memory '" + id + "' exists.")
        .Expected("an id that is not in use")
        .Suggest("leave create_only out to write a new version of it")
        .With("id", id)
        .With("version", state.version);
  }
  if (options.condition_case() != v1::WriteOptions::kIfVersion) return OkStatus();
  const uint64_t newest = state.live ? state.version : 0;
  if (options.if_version() == newest) return OkStatus();
  return Status(Reason::VERSION_CONFLICT, newest == 0
                                              ? "The memory '" + id + "' does not exist."
                                              : "The newest version of '" + id + "' is another.")
      .Expected("version " + std::to_string(options.if_version()))
      .Suggest("read it again and decide anew")
      .With("id", id)
      .With("expected", options.if_version())
      .With("actual", newest);
}

Status NoSuchMemory(const Core& core, const std::string& id) {
  return Status(Reason::MEMORY_NOT_FOUND, "No memory '" + id + "' in space '" + core.id + "'.")
      .Expected("the id of a memory that was not deleted")
      .Suggest("list what is there")
      .Example("engram list --space " + core.id)
      .With("space", core.id)
      .With("id", id);
}

void FillKey(const Operation& operation, uint32_t item, uint32_t items, pb::IdempotencyKey* key) {
  key->set_key(operation.options().idempotency_key());
  key->set_request_digest(operation.request_digest());
  key->set_item(item);
  key->set_items(items);
}

std::shared_ptr<Group> Later(std::shared_ptr<Group> a, std::shared_ptr<Group> b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  return a->entries.back()->sequence() > b->entries.back()->sequence() ? a : b;
}

v1::WriteResult ResultOf(const Core& core, const Reached& reached, Position position,
                         v1::WriteOutcome outcome) {
  v1::WriteResult result;
  result.set_token(FormatToken(core.incarnation, position));
  result.set_sequence(position.sequence.value());
  result.set_epoch(position.epoch.value());
  result.set_durability(reached.durability);
  result.set_durable_copies(reached.durable_copies);
  result.set_wanted_copies(reached.wanted_copies);
  result.set_degraded(reached.degraded);
  result.set_outcome(outcome);
  return result;
}

v1::WriteResult NothingWritten(const Core& core, const v1::WriteOptions& options,
                               const Reached& reached, v1::WriteOutcome outcome) {
  if (!options.validate_only()) return ResultOf(core, reached, core.visible.Get(), outcome);
  v1::WriteResult result;
  result.set_outcome(outcome);
  return result;
}

void FillStored(const pb::StoreRecord& record, Position position, v1::StoredInfo* stored) {
  stored->set_version(record.version());
  stored->set_sequence(position.sequence.value());
  stored->set_epoch(position.epoch.value());
  *stored->mutable_stored_at() = record.stored_at();
  *stored->mutable_first_stored_at() = record.first_stored_at();
}

}  // namespace engram::space
