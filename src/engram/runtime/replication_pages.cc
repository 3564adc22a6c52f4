// The spaces of a node, told when a connection is made: copies that are equal and closed on both
// sides stay closed; of the others each side opens its own, and the primary does the rest.
#include <algorithm>

#include "engram/runtime/replication_impl.h"
#include "engram/wal/space_meta.h"

namespace engram::runtime {

using replication::Page;
using replication::Summary;

namespace {

constexpr size_t kPageRows = 1000;

}  // namespace

// Of an open space nothing is said but that it is open: its runner speaks for it. What a closed one
// says is read once, and forgotten when it is opened.
Summary ReplicationImpl::SummaryOf(const std::string& space) {
  const auto runner = Find(space);
  Summary summary;
  summary.space = space;
  if (runner != nullptr && runner->bound()) {
    summary.incarnation = runner->incarnation();
    return summary;
  }
  {
    MutexLock lock(mutex_);
    if (const auto it = summaries_.find(space); it != summaries_.end()) return it->second;
  }
  const auto file = wal::SpaceMetaFile::Open(
      *context_.fs, env::JoinPath(DirectoryOf(space), "space.meta"), /*writable=*/false);
  if (!file.ok()) return summary;
  const wal::SpaceMeta& meta = file->meta();
  summary.incarnation = meta.incarnation;
  summary.clean = file->newest() && meta.clean_end.has_value();
  if (summary.clean) {
    summary.end = meta.clean_end->last;
    summary.end_crc = meta.clean_end->last_crc;
  }
  MutexLock lock(mutex_);
  // One that is being opened at this moment has no say any more.
  if (!runners_.contains(space)) summaries_[space] = summary;
  return summary;
}

void ReplicationImpl::SendPages(size_t peer) {
  std::string after;
  for (bool last = false; !last && !stopped_;) {
    const std::vector<std::string> ids = registry_->Ids("", after, kPageRows);
    last = ids.size() < kPageRows;
    Page page;
    page.after = after;
    page.last = last;
    for (const std::string& id : ids) page.spaces.push_back(SummaryOf(id));
    if (!ids.empty()) after = page.through = ids.back();
    SpaceMessage message;
    message.message.stamp = {Incarnation(), Epoch(), self_.incarnation};
    message.message.body = std::move(page);
    if (!transport_->Send(peer, Lane::kLive, std::move(message))) return;  // told when it is back
  }
}

// Opens what this node has within the page and the other does not have in the same state.
void ReplicationImpl::ComparePage(const Page& page) {
  for (std::string after = page.after; !stopped_;) {
    const std::vector<std::string> ids = registry_->Ids("", after, kPageRows);
    for (const std::string& id : ids) {
      if (!page.last && id > page.through) return;
      const auto there = std::lower_bound(
          page.spaces.begin(), page.spaces.end(), id,
          [](const Summary& row, const std::string& name) { return row.space < name; });
      const bool known = there != page.spaces.end() && there->space == id;
      const Summary own = SummaryOf(id);
      if (known && own.clean && own == *there) continue;
      const auto runner = Find(id);
      if (runner != nullptr && runner->bound()) continue;
      const auto bound = Bound(id);
      if (!bound.ok()) context_.report(id, "space_not_opened", bound.status().message());
    }
    if (ids.size() < kPageRows) return;
    after = ids.back();
  }
}

}  // namespace engram::runtime
