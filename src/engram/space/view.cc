#include "engram/space/view.h"

#include <algorithm>
#include <bit>

#include "engram/base/hash.h"
#include "engram/index/catalog_similar.h"
#include "engram/space/operation.h"
#include "engram/space/view_impl.h"

namespace engram::space {

size_t RowSet::Count() const {
  size_t count = 0;
  for (size_t i = 0; i < words_.size(); ++i) {
    uint64_t word = words_[i];
    if (i + 1 == words_.size() && rows_ % 64 != 0) word &= (uint64_t{1} << (rows_ % 64)) - 1;
    count += static_cast<size_t>(std::popcount(word));
  }
  return count;
}

void RowSet::Intersect(const RowSet& other) {
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] &= i < other.words_.size() ? other.words_[i] : 0;
  }
}

Result<std::unique_ptr<ViewImpl>> ViewImpl::Make(std::shared_ptr<Core> core) {
  ASSIGN_OR_RETURN(Gate::Pass pass, core->Enter());
  core->Touch();
  std::unique_ptr<ViewImpl> view(new ViewImpl(std::move(core), std::move(pass)));
  Core& space = *view->core_;
  for (;;) {
    ASSIGN_OR_RETURN(view->snapshots_, space.TakeSnapshots());
    view->vectors_at_ = space.vectors->identity();
    view->visible_ = space.visible.Get();
    const Sequence behind =
        std::min({view->snapshots_.catalog->identity().sequence,
                  view->snapshots_.text->identity().sequence, view->vectors_at_.sequence});
    view->slice_ = space.tail.After(behind);
    // The catalog is never trimmed away from; when it was, the snapshot was old: take a newer one.
    if (view->snapshots_.catalog->identity().sequence.next() >= view->slice_.first()) break;
  }
  view->row_count_ = view->rows_->CountThrough(view->visible_.sequence);
  return view;
}

ViewImpl::~ViewImpl() {
  if (snapshots_.catalog != nullptr) core_->ReturnSnapshots(std::move(snapshots_));
}

std::map<std::string, uint64_t> ViewImpl::IndexedThrough() const {
  const auto shown = [&](const index::IndexIdentity& identity) {
    return std::min(identity.sequence, visible_.sequence).value();
  };
  return {{"catalog", shown(snapshots_.catalog->identity())},
          {"text", shown(snapshots_.text->identity())},
          {"vectors", shown(vectors_at_)}};
}

Result<TailEntryPtr> ViewImpl::EntryOf(RowIndex row) {
  constexpr size_t kKept = 2048;
  if (const auto kept = entries_.find(row); kept != entries_.end()) return kept->second;
  ASSIGN_OR_RETURN(const TailEntryPtr entry, core_->EntryAt(rows_->row(row).content));
  if (entry->content() == nullptr) {
    return Status(Reason::CORRUPTION_DETECTED, "An entry of the log is no episode.")
        .Suggest("engram index rebuild builds the catalog again from the log")
        .With("space", core_->id)
        .With("sequence", entry->sequence().value());
  }
  if (entries_.size() >= kKept) entries_.clear();
  entries_[row] = entry;
  return entry;
}

Result<std::optional<IdLookup>> ViewImpl::FindId(std::string_view id) {
  IdLookup found;
  uint64_t later_version = 0;  // the oldest of those that this view does not show
  RowIndex row = rows_->NewestWith(Hash64(id));
  for (; row != kNoRow; row = rows_->Before(row)) {
    ASSIGN_OR_RETURN(const TailEntryPtr entry, EntryOf(row));
    if (entry->content()->episode().id() != id) continue;
    if (row < row_count_) break;
    later_version = rows_->row(row).version;
  }
  if (row != kNoRow) {
    found.version = rows_->row(row).version;
    found.deleted = !Live(row);
    found.suppressed = !found.deleted && Suppressed(row);
    if (!found.deleted) found.row = row;
    return std::optional(found);
  }
  found.deleted = true;
  if (later_version > 0) {
    found.version = later_version - 1;
  } else if (core_->deleted_before_open.load()) {
    ASSIGN_OR_RETURN(const auto known, snapshots_.catalog->FindId(id));
    if (known.has_value()) found.version = known->version;
  }
  return found.version == 0 ? std::optional<IdLookup>() : std::optional(found);
}

std::vector<RowIndex> ViewImpl::VectorSample(size_t limit) const {
  return core_->VectorSample(*rows_, row_count_, visible_.sequence, limit);
}

Result<internal::v1::StoreRecord> ViewImpl::Load(RowIndex row) {
  ASSIGN_OR_RETURN(const TailEntryPtr entry, EntryOf(row));
  return internal::v1::StoreRecord(*entry->content());
}

Result<v1::Episode> ViewImpl::LoadEpisode(RowIndex row, bool with_embedding) {
  ASSIGN_OR_RETURN(const TailEntryPtr entry, EntryOf(row));
  const pb::StoreRecord& record = *entry->content();
  v1::Episode episode = record.episode();
  if (!with_embedding) episode.clear_embedding();
  FillStored(record, {entry->change.epoch, entry->sequence()}, episode.mutable_stored());
  episode.mutable_stored()->set_suppressed(Suppressed(row));
  return episode;
}

Result<std::vector<View::Version>> ViewImpl::History(std::string_view id) {
  std::vector<Sequence> contents;  // oldest first
  ASSIGN_OR_RETURN(const auto known, snapshots_.catalog->History(id));
  for (auto version = known.rbegin(); version != known.rend(); ++version) {
    contents.push_back(version->content);
  }
  RETURN_IF_ERROR(ForEachAfter(snapshots_.catalog->identity(), [&](const TailEntryPtr& entry) {
    const pb::StoreRecord* content = entry->content();
    if (content != nullptr && content->episode().id() == id) contents.push_back(entry->sequence());
    if (const auto* gone = std::get_if<pb::DeleteRecord>(&entry->change.decision)) {
      if (std::find(gone->ids().begin(), gone->ids().end(), id) != gone->ids().end()) {
        contents.clear();
      }
    }
    return OkStatus();
  }));
  std::vector<Version> versions;
  for (auto content = contents.rbegin(); content != contents.rend(); ++content) {
    ASSIGN_OR_RETURN(const TailEntryPtr entry, core_->EntryAt(*content));
    if (entry->content() == nullptr) continue;
    versions.push_back({*entry->content(), entry->sequence(), entry->change.epoch});
  }
  return versions;
}

Result<std::vector<std::string>> ViewImpl::SimilarIds(std::string_view id, size_t limit) {
  ASSIGN_OR_RETURN(std::vector<std::string> similar, snapshots_.catalog->SimilarIds(id, limit));
  RETURN_IF_ERROR(ForEachAfter(snapshots_.catalog->identity(), [&](const TailEntryPtr& entry) {
    const pb::StoreRecord* content = entry->content();
    if (content == nullptr) return OkStatus();
    const std::string& other = content->episode().id();
    if (other == id) return OkStatus();
    if (other.starts_with(id) || index::WithinOneEdit(id, other)) similar.push_back(other);
    return OkStatus();
  }));
  std::sort(similar.begin(), similar.end());
  similar.erase(std::unique(similar.begin(), similar.end()), similar.end());
  std::vector<std::string> live;
  for (std::string& other : similar) {
    if (live.size() == limit) break;
    ASSIGN_OR_RETURN(const auto found, FindId(other));
    if (found.has_value() && !found->deleted) live.push_back(std::move(other));
  }
  return live;
}

}  // namespace engram::space
