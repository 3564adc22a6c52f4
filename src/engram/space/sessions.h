// Which rows are neighbours: the rows of each session in the order (turn, event time, sequence). A
// row without a turn comes before those with one, an unknown event time before known ones.
//
// Part of RowTable; thread-safe. Dead rows stay in their session: readers skip them.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/model/time.h"

namespace engram::space {

using RowIndex = uint32_t;

class SessionIndex {
 public:
  struct Key {
    uint64_t turn = 0;
    model::UtcTime time = model::kMinTime;
    RowIndex row = 0;  // rows are in order of sequence
    auto operator<=>(const Key&) const = default;
  };
  void Add(uint64_t session_hash, const Key& key) EXCLUDES(mutex_);

  // Up to `steps` rows on each side of `key`, nearest first, that `wanted` accepts. `wanted` must
  // not block.
  void Neighbours(uint64_t session_hash, const Key& key, int steps,
                  const std::function<bool(RowIndex)>& wanted, std::vector<RowIndex>* before,
                  std::vector<RowIndex>* after) const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::unordered_map<uint64_t, std::vector<Key>> sessions_ GUARDED_BY(mutex_);
};

}  // namespace engram::space
