#include "engram/space/content.h"

#include "engram/base/bytes.h"

namespace engram::space {
namespace {

void AppendVarint(std::string* out, uint64_t number) {
  for (; number >= 128; number >>= 7) out->push_back(static_cast<char>(number | 128));
  out->push_back(static_cast<char>(number));
}

void Embed(const Core& core, NewContent* content) {
  v1::Episode& episode = content->episode;
  if (core.settings.embedder() != "hashed" || episode.embedding_size() > 0) return;
  const std::vector<float> values = index::HashedEmbedding(episode.what());
  episode.mutable_embedding()->Assign(values.begin(), values.end());
}

void FillRecordStatics(const Operation& operation, uint32_t item, uint32_t items,
                       const NewContent& content, pb::StoreRecord* record) {
  if (!operation.options().idempotency_key().empty()) {
    FillKey(operation, item, items, record->mutable_key());
  }
  for (const v1::Warning& warning : content.warnings) *record->add_warnings() = warning;
}

}  // namespace

Status PrepareContent(const Core& core, model::UtcTime now, const v1::EventTime* previous_time,
                      NewContent* content, bool of_store) {
  model::PrepareContext context;
  context.of_store = of_store;
  context.space = core.id;
  context.settings = &core.settings;
  context.now = now;
  context.previous_time = previous_time;
  RETURN_IF_ERROR(model::PrepareEpisode(context, &content->episode, &content->warnings));
  Embed(core, content);
  content->made_id = content->episode.id().empty();
  if (content->made_id) {
    env::Entropy& entropy = *core.environment.entropy;
    const int64_t ms = now.seconds * 1000 + now.nanos / 1'000'000;
    const uint64_t high = entropy.Next(), low = entropy.Next();
    content->episode.set_id(MakeUlid(static_cast<uint64_t>(ms), high & 0xffff, low));
  }
  content->encoded = model::Encode(content->episode);
  return OkStatus();
}

pb::StoreRecord NextRecord(const IdState& state, model::UtcTime now, int place) {
  pb::StoreRecord record;
  record.set_version(state.version + 1);
  record.set_created(!state.live);
  *record.mutable_stored_at() = now.ToProto();
  *record.mutable_first_stored_at() = state.live ? state.record->first_stored_at() : now.ToProto();
  if (state.live) {
    record.set_replaces(state.staged >= 0 ? state.staged - place
                                          : static_cast<int64_t>(state.content.value()));
  }
  return record;
}

std::string EncodeStore(ByteView encoded_episode, const pb::StoreRecord& rest) {
  constexpr char kEpisodeTag = (pb::StoreRecord::kEpisodeFieldNumber << 3) | 2;
  std::string out;
  out.reserve(encoded_episode.size() + 64);
  out.push_back(kEpisodeTag);
  AppendVarint(&out, encoded_episode.size());
  out.append(encoded_episode);
  rest.AppendToString(&out);
  return out;
}

IdState StagedState(const Staged& staged, int place) {
  const std::shared_ptr<TailEntry>& entry = staged.entries[static_cast<size_t>(place)];
  IdState state;
  state.record = std::shared_ptr<const pb::StoreRecord>(entry, entry->content());
  state.version = state.record->version();
  state.live = true;
  state.staged = place;
  return state;
}

ContentOutcome DecideContent(const Operation& operation, uint32_t item, uint32_t items,
                             model::UtcTime now, const IdState& state, NewContent* content,
                             Staged* staged) {
  ContentOutcome outcome;
  const std::string id = content->episode.id();
  outcome.refused = CheckCondition(operation.options(), id, state);
  if (!outcome.refused.ok()) return outcome;
  if (state.live && content->episode.event_time().is_storing_time()) {
    *content->episode.mutable_event_time() = state.record->episode().event_time();
    content->encoded = model::Encode(content->episode);
  }
  if (state.live && !state.suppressed &&
      model::SameContent(state.record->episode(), content->episode)) {
    outcome.outcome = v1::WRITE_OUTCOME_UNCHANGED;
    outcome.version = state.version;
    outcome.staged = state.staged;
    outcome.state = state;
    return outcome;
  }
  outcome.staged = static_cast<int>(staged->entries.size());
  pb::StoreRecord record = NextRecord(state, now, outcome.staged);
  FillRecordStatics(operation, item, items, *content, &record);
  std::string payload = EncodeStore(content->encoded, record);
  record.mutable_episode()->Swap(&content->episode);
  outcome.version = record.version();
  outcome.outcome = state.live ? v1::WRITE_OUTCOME_UPDATED : v1::WRITE_OUTCOME_CREATED;
  if (!state.live) ++staged->created;
  staged->Add(record::EntryType::kEpisodeStore, std::move(record), std::move(payload));
  if (!content->made_id) staged->ids[id] = StagedState(*staged, outcome.staged);
  return outcome;
}

v1::RememberResponse RememberReply(const Core& core, const Reached& reached,
                                   const pb::StoreRecord& record, Position position,
                                   v1::WriteOutcome outcome) {
  const v1::Episode& episode = record.episode();
  v1::RememberResponse reply;
  reply.set_memory_id(episode.id());
  v1::Confidence* confidence = reply.mutable_storage_confidence();
  *confidence = episode.encoding_confidence();
  confidence->set_value(model::ConfidenceOf(episode));
  confidence->set_category(model::CategoryOf(confidence->value()));
  reply.set_initial_state(v1::CONSOLIDATION_STATE_RECENT);
  *reply.mutable_event_time() = episode.event_time();
  v1::WriteResult* write = reply.mutable_write();
  *write = ResultOf(core, reached, position, outcome);
  write->set_version(record.version());
  *write->mutable_stored_at() = record.stored_at();
  *write->mutable_warnings() = record.warnings();
  return reply;
}

}  // namespace engram::space
