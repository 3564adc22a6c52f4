#include "engram/space/keys.h"

#include <algorithm>

namespace engram::space {
namespace {

bool IsLast(const pb::IdempotencyKey& key) {
  return key.last() || key.item() + 1 >= key.items();
}

}  // namespace

Result<KeyHint> KeyTable::Look(const std::string& key) const {
  ASSIGN_OR_RETURN(const auto snapshot, core_.catalog->NewSnapshot());
  ASSIGN_OR_RETURN(const auto states, snapshot->FindKey(key));
  KeyHint hint;
  hint.looked_through = snapshot->identity().sequence;
  if (states.empty()) return hint;
  hint.use.emplace();
  hint.use->request_digest = states.front().request_digest;
  for (const index::KeyState& state : states) {
    hint.use->items.emplace_back(state.item, state.sequence);
  }
  hint.use->whole = states.back().item + 1 >= states.back().items;
  if (hint.use->whole) return hint;
  ASSIGN_OR_RETURN(const TailEntryPtr last, core_.EntryAt(hint.use->last()));
  const pb::IdempotencyKey* found = KeyOf(last->change);
  hint.use->whole = found != nullptr && IsLast(*found);
  return hint;
}

bool KeyTable::Resolve(const std::string& key, const KeyHint& hint,
                       std::optional<KeyUse>* use) const {
  if (hint.looked_through < forgotten_through_) return false;
  *use = hint.use;
  const auto recent = recent_.find(key);
  if (recent == recent_.end()) return true;
  const KeyUse& rest = recent->second;
  if (!use->has_value()) {
    *use = rest;
    return true;
  }
  // The catalog has its beginning.
  const Sequence known = (*use)->last();
  for (const auto& [item, sequence] : rest.items) {
    if (sequence > known) (*use)->items.emplace_back(item, sequence);
  }
  (*use)->group = rest.group;
  (*use)->whole = rest.whole;
  return true;
}

void KeyTable::Note(const model::Change& change, std::shared_ptr<Group> group) {
  const pb::IdempotencyKey* key = KeyOf(change);
  if (key == nullptr) return;
  KeyUse& use = recent_[key->key()];
  use.request_digest = key->request_digest();
  use.items.emplace_back(key->item(), change.sequence);
  use.group = std::move(group);
  use.whole = IsLast(*key);
  order_.emplace_back(change.sequence, key->key());
}

void KeyTable::Settle(const Group& group) {
  for (const auto& entry : group.entries) {
    const pb::IdempotencyKey* key = KeyOf(entry->change);
    if (key == nullptr) continue;
    const auto recent = recent_.find(key->key());
    if (recent != recent_.end() && recent->second.group.get() == &group) {
      recent->second.group = nullptr;
    }
  }
}

void KeyTable::ForgetAbove(Sequence last) {
  while (!order_.empty() && order_.back().first > last) {
    const auto recent = recent_.find(order_.back().second);
    order_.pop_back();
    if (recent == recent_.end()) continue;
    KeyUse& use = recent->second;
    use.group = nullptr;
    use.whole = false;
    while (!use.items.empty() && use.last() > last) use.items.pop_back();
    if (use.items.empty()) recent_.erase(recent);
  }
}

void KeyTable::Reset() {
  recent_.clear();
  order_.clear();
  forgotten_through_ = Sequence();
}

void KeyTable::ForgetThrough(Sequence through) {
  while (!order_.empty() && order_.front().first <= through) {
    const auto recent = recent_.find(order_.front().second);
    order_.pop_front();
    if (recent == recent_.end()) continue;
    auto& items = recent->second.items;
    items.erase(items.begin(), std::find_if(items.begin(), items.end(), [&](const auto& item) {
                  return item.second > through;
                }));
    if (items.empty()) recent_.erase(recent);
  }
  forgotten_through_ = std::max(forgotten_through_, through);
}

}  // namespace engram::space
