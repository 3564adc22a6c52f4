// What is known of an id as of everything appended, durable or not: what the next write of it is
// decided upon. Found in three places: what is on its way to the disk, the row table, and for
// memories deleted before the space opened the catalog.
//
// A look-up has two halves, so that no file is read under the writer's lock: Look (without it)
// finds the row and reads its record, Resolve (under it) says whether that still holds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engram/space/core.h"
#include "engram/space/group.h"

namespace engram::space {

struct IdState {
  uint64_t version = 0;  // newest ever; 0: never used
  bool live = false;
  bool suppressed = false;
  // ---- of the newest version, when live ----
  Sequence content;
  int staged = -1;  // place in the batch that is being decided, which has no sequences yet
  std::shared_ptr<const pb::StoreRecord> record;
  // What it depends on that is not durable yet; null when all of it is.
  std::shared_ptr<Group> group;
};

struct IdHint {
  RowIndex newest = kNoRow;                       // with the hash, when looked at
  RowIndex match = kNoRow;                        // the newest row that is of this id
  std::shared_ptr<const pb::StoreRecord> record;  // of `match`
  uint64_t deleted_version = 0;                   // no row, but it was used before
};

class IdTable {
 public:
  explicit IdTable(Core& core) : core_(core) {}

  // Not under the lock; reads the log and the catalog when it must.
  Result<IdHint> Look(std::string_view id) const;
  // Under the lock. nullopt: the hint is stale, look again.
  std::optional<IdState> Resolve(const std::string& id, const IdHint& hint) const;
  // Under the lock: appended, not durable yet.
  void Note(const std::string& id, IdState state);
  // Under the lock: an entry of the log that the rows do not know yet; those before it are noted.
  void TakeOver(const TailEntryPtr& entry, const std::shared_ptr<Group>& group);
  // Under the lock: the rows know all that `group` did.
  void Settle(const std::string& id, const Group* group);
  // Under the lock: what was noted and not settled will never be.
  void Clear() { pending_.clear(); }

 private:
  IdState Before(const std::string& id, Sequence content) const;

  Core& core_;
  std::unordered_map<std::string, IdState> pending_;
};

}  // namespace engram::space
