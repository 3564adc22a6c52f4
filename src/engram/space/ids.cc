#include "engram/space/ids.h"

#include "engram/base/hash.h"

namespace engram::space {

Result<IdHint> IdTable::Look(std::string_view id) const {
  IdHint hint;
  hint.newest = core_.rows->NewestWith(Hash64(id));
  for (RowIndex row = hint.newest; row != kNoRow; row = core_.rows->Before(row)) {
    ASSIGN_OR_RETURN(auto record, core_.RecordAt(core_.rows->row(row).content));
    if (record->episode().id() != id) continue;  // two ids with one hash
    hint.match = row;
    hint.record = std::move(record);
    return hint;
  }
  if (!core_.deleted_before_open.load()) return hint;
  ASSIGN_OR_RETURN(const auto snapshot, core_.catalog->NewSnapshot());
  ASSIGN_OR_RETURN(const auto known, snapshot->FindId(id));
  if (known.has_value() && known->deleted) hint.deleted_version = known->version;
  return hint;
}

std::optional<IdState> IdTable::Resolve(const std::string& id, const IdHint& hint) const {
  if (const auto pending = pending_.find(id); pending != pending_.end()) {
    IdState state = pending->second;
    if (state.live && state.record == nullptr) {
      // Hidden or shown by a command that had no use for the record: the row is known already.
      if (hint.match == kNoRow || core_.rows->row(hint.match).content != state.content)
        return std::nullopt;
      state.record = hint.record;
    }
    return state;
  }
  if (core_.rows->NewestWith(Hash64(id)) != hint.newest) return std::nullopt;
  IdState state;
  state.version = hint.deleted_version;
  if (hint.match == kNoRow) return state;
  const Row& row = core_.rows->row(hint.match);
  state.version = row.version;
  const Sequence now(UINT64_MAX);
  state.live = core_.rows->LiveAt(hint.match, now);
  if (!state.live) return state;
  state.suppressed = core_.rows->SuppressedAt(hint.match, now);
  state.content = row.content;
  state.record = hint.record;
  return state;
}

void IdTable::Note(const std::string& id, IdState state) {
  pending_[id] = std::move(state);
}

// The state of an id as of everything noted; `content` is where it lies when only the rows know.
IdState IdTable::Before(const std::string& id, Sequence content) const {
  if (const auto pending = pending_.find(id); pending != pending_.end()) return pending->second;
  IdState state;
  const auto row = core_.rows->Find(content, core_.rows->size());
  if (!row.has_value()) return state;
  const Sequence now(UINT64_MAX);
  state.version = core_.rows->row(*row).version;
  state.live = core_.rows->LiveAt(*row, now);
  state.suppressed = state.live && core_.rows->SuppressedAt(*row, now);
  state.content = content;
  return state;
}

void IdTable::TakeOver(const TailEntryPtr& entry, const std::shared_ptr<Group>& group) {
  const auto note = [&](const std::string& id, IdState state) {
    state.group = group;
    group->ids.push_back(id);
    pending_[id] = std::move(state);
  };
  const model::Decision& decision = entry->change.decision;
  if (const pb::StoreRecord* content = entry->content()) {
    IdState state;
    const std::vector<Sequence> ended = EndedBy(entry->change);
    const bool keeps_state = !std::holds_alternative<pb::StoreRecord>(decision);
    const std::string& id = content->episode().id();
    state.suppressed = keeps_state && !ended.empty() && Before(id, ended.front()).suppressed;
    state.version = content->version();
    state.live = true;
    state.content = entry->sequence();
    state.record = std::shared_ptr<const pb::StoreRecord>(entry, content);
    note(id, std::move(state));
  } else if (const auto* update = std::get_if<pb::UpdateRecord>(&decision)) {
    for (int i = 0; i < std::min(update->ids_size(), update->contents_size()); ++i) {
      IdState state = Before(update->ids(i), Sequence(update->contents(i)));
      if (!state.live || !update->has_state()) continue;
      state.suppressed = update->state().suppressed();
      note(update->ids(i), std::move(state));
    }
  } else if (const auto* deleted = std::get_if<pb::DeleteRecord>(&decision)) {
    for (int i = 0; i < std::min(deleted->ids_size(), deleted->versions_size()); ++i) {
      IdState state;
      state.version = deleted->versions(i);
      note(deleted->ids(i), std::move(state));
    }
  }
}

void IdTable::Settle(const std::string& id, const Group* group) {
  const auto pending = pending_.find(id);
  if (pending != pending_.end() && pending->second.group.get() == group) pending_.erase(pending);
}

}  // namespace engram::space
