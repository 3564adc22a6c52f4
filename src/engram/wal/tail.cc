#include "engram/wal/tail.h"

#include <utility>

namespace engram::wal {

std::string Tail::Trim(const Group* oldest_unwritten) {
  size_t written = 0;
  for (const GroupPtr& group : groups_) {
    if (group.get() == oldest_unwritten) break;
    if (!group->closed) break;
    written += group->bytes.size();
  }
  std::string spare;
  while (!groups_.empty() && written > keep_bytes_) {
    GroupPtr group = std::move(groups_.front());
    groups_.pop_front();
    written -= group->bytes.size();
    if (group.use_count() == 1) spare = std::move(group->bytes);
  }
  return spare;
}

Chunk Tail::Find(const Segment* segment, uint64_t offset) const {
  for (auto it = groups_.rbegin(); it != groups_.rend(); ++it) {
    const GroupPtr& group = *it;
    if (group->segment.get() != segment) {
      if (group->segment->first() < segment->first()) break;
      continue;
    }
    if (offset < group->base) continue;
    if (offset >= group->end()) break;
    if (group->closed) return {{group, &group->bytes}, group->base};
    const auto from = static_cast<size_t>(offset - group->base);
    return {std::make_shared<const std::string>(group->bytes.substr(from)), offset};
  }
  return {};
}

}  // namespace engram::wal
