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

void IdTable::Settle(const std::string& id, const Group* group) {
  const auto pending = pending_.find(id);
  if (pending != pending_.end() && pending->second.group.get() == group) pending_.erase(pending);
}

}  // namespace engram::space
