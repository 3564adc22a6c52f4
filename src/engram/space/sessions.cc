#include "engram/space/sessions.h"

#include <algorithm>

namespace engram::space {

void SessionIndex::Add(uint64_t session_hash, const Key& key) {
  MutexLock lock(mutex_);
  std::vector<Key>& keys = sessions_[session_hash];
  if (keys.empty() || keys.back() < key) {
    keys.push_back(key);  // the usual case: sessions are written in their order
    return;
  }
  keys.insert(std::upper_bound(keys.begin(), keys.end(), key), key);
}

void SessionIndex::Neighbours(uint64_t session_hash, const Key& key, int steps,
                              const std::function<bool(RowIndex)>& wanted,
                              std::vector<RowIndex>* before, std::vector<RowIndex>* after) const {
  MutexLock lock(mutex_);
  const auto session = sessions_.find(session_hash);
  if (session == sessions_.end()) return;
  const std::vector<Key>& keys = session->second;
  const auto here = std::lower_bound(keys.begin(), keys.end(), key);
  int left = steps;
  for (auto at = here; at != keys.begin() && left > 0;) {
    if (wanted((--at)->row)) before->push_back(at->row), --left;
  }
  left = steps;
  for (auto at = here; at != keys.end() && left > 0; ++at) {
    if (at->row != key.row && wanted(at->row)) after->push_back(at->row), --left;
  }
}

}  // namespace engram::space
