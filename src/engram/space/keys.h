// Idempotency keys: which entries carried a key, in what is on its way to the disk, in the part of
// the log that the catalog has not reached, and in the catalog. Looked up in two halves, as ids.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engram/space/core.h"
#include "engram/space/group.h"

namespace engram::space {

// The entries of a key's first request, in item order, which is the order of the log.
struct KeyUse {
  uint64_t request_digest = 0;
  std::vector<std::pair<uint32_t, Sequence>> items;
  std::shared_ptr<Group> group;  // of the last of them, not durable yet; null when it is
  // The request wrote nothing behind these. False: a crash or a change of the primary has cut off
  // what came next.
  bool whole = false;

  Sequence last() const { return items.back().second; }
};

struct KeyHint {
  Sequence looked_through;  // the catalog knows keys up to here
  std::optional<KeyUse> use;
};

class KeyTable {
 public:
  explicit KeyTable(Core& core) : core_(core) {}

  // Not under the lock.
  Result<KeyHint> Look(const std::string& key) const;
  // Under the lock. False: the hint is stale, look again.
  bool Resolve(const std::string& key, const KeyHint& hint, std::optional<KeyUse>* use) const;
  // Under the lock: an entry with a key was appended (or is replayed, or taken over).
  void Note(const model::Change& change, std::shared_ptr<Group> group);
  // Under the lock: the entries of the group are durable, or never will be.
  void Settle(const Group& group);
  // Under the lock: the entries above this are no longer in the log, or not known to stay. Of a
  // use, those at or below it stay known.
  void ForgetAbove(Sequence last);
  // Under the lock: nothing is known any more, and the catalog is another.
  void Reset();
  // Under the lock: the catalog answers for entries up to here from now on.
  void ForgetThrough(Sequence through);

 private:
  Core& core_;
  // What the catalog has not: uses, or their ends, of entries above forgotten_through_.
  std::unordered_map<std::string, KeyUse> recent_;
  std::deque<std::pair<Sequence, std::string>> order_;
  Sequence forgotten_through_;
};

}  // namespace engram::space
