#include <algorithm>

#include "engram/space/view_impl.h"

namespace engram::space {
namespace {

// The conditions that a row of the table answers; the catalog answers the others.
model::ResolvedFilter RowConditions(const model::ResolvedFilter& filter) {
  model::ResolvedFilter rest;
  rest.event_time = filter.event_time;
  rest.stored_time = filter.stored_time;
  rest.min_confidence = filter.min_confidence;
  rest.min_importance = filter.min_importance;
  rest.types = filter.types;
  rest.include_undated = filter.include_undated;
  return rest;
}

void FillFacets(const Row& row, model::Facets* facets) {
  facets->event_time.reset();
  if (row.has_event_time) facets->event_time = row.event_time;
  facets->stored_at = row.stored_at;
  facets->confidence = row.confidence;
  facets->importance = row.importance;
  facets->type = static_cast<v1::MemoryType>(row.memory_type);
}

}  // namespace

Result<RowSet> ViewImpl::Select(const model::ResolvedFilter& filter) {
  RowSet selected(row_count_);
  RETURN_IF_ERROR(SelectIndexed(filter, &selected));
  RETURN_IF_ERROR(SelectTail(filter, &selected));
  return selected;
}

RowSet ViewImpl::RowsOf(const std::vector<Sequence>& contents) const {
  RowSet set(row_count_);
  for (const Sequence content : contents) {
    if (const auto row = Find(content)) set.Add(*row);
  }
  return set;
}

Status ViewImpl::Require(const Contents& contents, std::optional<RowSet>* set) const {
  RETURN_IF_ERROR(contents.status());
  RowSet rows = RowsOf(*contents);
  if (set->has_value()) {
    (*set)->Intersect(rows);
  } else {
    *set = std::move(rows);
  }
  return OkStatus();
}

Status ViewImpl::RequireNames(const model::ResolvedFilter& filter, std::optional<RowSet>* set) {
  index::CatalogSnapshot& catalog = *snapshots_.catalog;
  if (!filter.who.any_of.empty()) {
    RETURN_IF_ERROR(Require(catalog.WithPeople(filter.who.any_of), set));
  }
  for (const std::string& who : filter.who.all_of) {
    RETURN_IF_ERROR(Require(catalog.WithPeople({&who, 1}), set));
  }
  if (!filter.tags.any_of.empty()) {
    RETURN_IF_ERROR(Require(catalog.WithTags(filter.tags.any_of), set));
  }
  for (const std::string& tag : filter.tags.all_of) {
    RETURN_IF_ERROR(Require(catalog.WithTags({&tag, 1}), set));
  }
  return OkStatus();
}

Status ViewImpl::RequireOthers(const model::ResolvedFilter& filter, std::optional<RowSet>* set) {
  index::CatalogSnapshot& catalog = *snapshots_.catalog;
  if (!filter.ids.empty()) RETURN_IF_ERROR(Require(catalog.WithIds(filter.ids), set));
  if (!filter.places.empty()) RETURN_IF_ERROR(Require(catalog.InPlaces(filter.places), set));
  if (!filter.sessions.empty()) RETURN_IF_ERROR(Require(catalog.InSessions(filter.sessions), set));
  if (!filter.sources.empty()) RETURN_IF_ERROR(Require(catalog.FromSources(filter.sources), set));
  for (const auto& [key, value] : filter.metadata) {
    RETURN_IF_ERROR(Require(catalog.WithMetadata(key, value), set));
  }
  return OkStatus();
}

Status ViewImpl::SelectIndexed(const model::ResolvedFilter& filter, RowSet* out) {
  std::optional<RowSet> candidates;
  RETURN_IF_ERROR(RequireNames(filter, &candidates));
  RETURN_IF_ERROR(RequireOthers(filter, &candidates));
  std::optional<RowSet> none;
  for (const auto& [names, people] :
       {std::pair(&filter.who.none_of, true), std::pair(&filter.tags.none_of, false)}) {
    if (names->empty()) continue;
    const Contents with =
        people ? snapshots_.catalog->WithPeople(*names) : snapshots_.catalog->WithTags(*names);
    RETURN_IF_ERROR(with.status());
    if (!none.has_value()) none.emplace(row_count_);
    for (const Sequence content : *with) {
      if (const auto row = Find(content)) none->Add(*row);
    }
  }
  const size_t indexed =
      std::min(row_count_, rows_->CountThrough(snapshots_.catalog->identity().sequence));
  const model::ResolvedFilter conditions = RowConditions(filter);
  const bool free = conditions.empty();
  model::Facets facets;
  for (RowIndex row = 0; row < indexed; ++row) {
    if (candidates.has_value() && !candidates->Has(row)) continue;
    if (none.has_value() && none->Has(row)) continue;
    if (!Live(row) || (!filter.include_suppressed && Suppressed(row))) continue;
    if (!free) {
      FillFacets(rows_->row(row), &facets);
      if (!model::Matches(conditions, facets)) continue;
    }
    out->Add(row);
  }
  return OkStatus();
}

Status ViewImpl::SelectTail(const model::ResolvedFilter& filter, RowSet* out) {
  return ForEachAfter(snapshots_.catalog->identity(), [&](const TailEntryPtr& entry) {
    const auto found = entry->content() == nullptr ? std::nullopt : Find(entry->sequence());
    if (!found.has_value() || !Live(*found)) return OkStatus();
    const RowIndex row = *found;
    if (!filter.include_suppressed && Suppressed(row)) return OkStatus();
    const pb::StoreRecord& record = *entry->content();
    if (!filter.empty()) {
      const model::Facets facets =
          model::FacetsOf(record.episode(), model::UtcTime::FromProto(record.stored_at()));
      if (!model::Matches(filter, facets)) return OkStatus();
    }
    out->Add(row);
    return OkStatus();
  });
}

Result<model::Facets> ViewImpl::FacetsOf(RowIndex row) {
  ASSIGN_OR_RETURN(const TailEntryPtr entry, EntryOf(row));
  return model::FacetsOf(entry->content()->episode(), rows_->row(row).stored_at);
}

}  // namespace engram::space
