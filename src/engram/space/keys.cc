#include "engram/space/keys.h"

namespace engram::space {

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
  return hint;
}

bool KeyTable::Resolve(const std::string& key, const KeyHint& hint,
                       std::optional<KeyUse>* use) const {
  if (const auto recent = recent_.find(key); recent != recent_.end()) {
    *use = recent->second;
    return true;
  }
  *use = hint.use;
  return hint.looked_through >= forgotten_through_;
}

void KeyTable::Note(const model::Change& change, std::shared_ptr<Group> group) {
  const pb::IdempotencyKey* key = KeyOf(change);
  if (key == nullptr) return;
  KeyUse& use = recent_[key->key()];
  use.request_digest = key->request_digest();
  use.items.emplace_back(key->item(), change.sequence);
  use.group = std::move(group);
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
    recent_.erase(order_.back().second);
    order_.pop_back();
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
    // A batch is forgotten with its last entry.
    if (recent != recent_.end() && recent->second.items.back().second <= through) {
      recent_.erase(recent);
    }
    order_.pop_front();
  }
  forgotten_through_ = std::max(forgotten_through_, through);
}

}  // namespace engram::space
