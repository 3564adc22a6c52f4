#include "engram/model/filter.h"

#include <algorithm>

#include "engram/model/checks.h"
#include "engram/model/text.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using Strings = google::protobuf::RepeatedPtrField<std::string>;

void SortUnique(std::vector<std::string>* names) {
  std::sort(names->begin(), names->end());
  names->erase(std::unique(names->begin(), names->end()), names->end());
}

std::vector<std::string> FoldAll(const Strings& names) {
  std::vector<std::string> out;
  out.reserve(static_cast<size_t>(names.size()));
  for (const std::string& name : names) out.push_back(Fold(name));
  SortUnique(&out);
  return out;
}

// "Berlin / Office" as "berlin/office"; empty levels are left out.
std::string FoldPlace(std::string_view place) {
  std::string out;
  while (!place.empty()) {
    size_t slash = place.find('/');
    std::string level = Fold(place.substr(0, slash));
    if (!level.empty()) out += (out.empty() ? "" : "/") + level;
    place.remove_prefix(slash == std::string_view::npos ? place.size() : slash + 1);
  }
  return out;
}

Status CheckList(std::string_view field, const Strings& list) {
  if (list.size() > static_cast<int>(kMaxBatch)) {
    return TooLarge(field, "elements", kMaxBatch, static_cast<uint64_t>(list.size()));
  }
  for (const std::string& element : list) {
    RETURN_IF_ERROR(CheckName(field, element, kMaxNameBytes, Reason::INVALID_FILTER));
  }
  return OkStatus();
}

Result<NameMatch> ResolveNames(const std::string& field, const v1::StringMatch& match) {
  RETURN_IF_ERROR(CheckList(field + ".any_of", match.any_of()));
  RETURN_IF_ERROR(CheckList(field + ".all_of", match.all_of()));
  RETURN_IF_ERROR(CheckList(field + ".none_of", match.none_of()));
  return NameMatch{FoldAll(match.any_of()), FoldAll(match.all_of()), FoldAll(match.none_of())};
}

Result<std::vector<std::string>> ResolveList(std::string_view field, const Strings& list) {
  RETURN_IF_ERROR(CheckList(field, list));
  std::vector<std::string> out(list.begin(), list.end());
  SortUnique(&out);
  return out;
}

Result<RangeMatch> ResolveTime(const std::string& field, const v1::TimeRange& range,
                               std::string_view zone) {
  auto interval = ResolveRange(range, zone);
  if (!interval.ok()) {
    const auto& facts = interval.status().metadata();
    auto inner = facts.find("field");
    std::string part = inner == facts.end() ? "" : "." + inner->second;
    return Status(interval.status()).With("field", field + part);
  }
  if (!v1::TimeRange::Relation_IsValid(range.relation())) {
    return Invalid(Reason::INVALID_FILTER, field + ".relation", "The relation is not known.",
                   "overlaps, within or starts_in", std::to_string(range.relation()));
  }
  return RangeMatch{*interval, range.relation()};
}

Result<std::vector<std::string>> ResolvePlaces(const Strings& places) {
  RETURN_IF_ERROR(CheckList("where_location", places));
  std::vector<std::string> out;
  for (const std::string& place : places) {
    out.push_back(FoldPlace(place));
    if (out.back().empty()) {
      return Invalid(Reason::INVALID_FILTER, "where_location", "A place has no level.",
                     "a name between the slashes", place);
    }
  }
  SortUnique(&out);
  return out;
}

Status ResolveNumbers(const v1::Filter& filter, ResolvedFilter* out) {
  if (filter.has_min_confidence()) {
    RETURN_IF_ERROR(
        CheckRange("min_confidence", filter.min_confidence(), 0, 1, Reason::INVALID_FILTER));
    out->min_confidence = filter.min_confidence();
  }
  if (filter.has_min_importance()) {
    RETURN_IF_ERROR(
        CheckRange("min_importance", filter.min_importance(), 0, 1, Reason::INVALID_FILTER));
    out->min_importance = filter.min_importance();
  }
  for (int type : filter.memory_types()) {
    if (type == v1::MEMORY_TYPE_UNSPECIFIED || !v1::MemoryType_IsValid(type)) {
      return Invalid(Reason::INVALID_FILTER, "memory_types", "A memory type is not known.",
                     "episodic, semantic, procedural or working", std::to_string(type));
    }
    out->types.push_back(static_cast<v1::MemoryType>(type));
  }
  return OkStatus();
}

Status ResolveMetadata(const v1::Filter& filter, ResolvedFilter* out) {
  if (filter.metadata().size() > kMaxBatch) {
    return TooLarge("metadata", "keys", kMaxBatch, filter.metadata().size());
  }
  for (const auto& [key, value] : filter.metadata()) {
    RETURN_IF_ERROR(CheckName("metadata", key, kMaxNameBytes, Reason::INVALID_FILTER));
    RETURN_IF_ERROR(CheckText("metadata", value, kMaxReasonBytes, Reason::INVALID_FILTER));
    out->metadata.emplace_back(key, value);
  }
  std::sort(out->metadata.begin(), out->metadata.end());
  return OkStatus();
}

}  // namespace

Facets FacetsOf(const v1::Episode& episode, UtcTime stored_at) {
  Facets out;
  out.id = episode.id();
  out.who = FoldAll(episode.who());
  out.tags = FoldAll(episode.tags());
  out.place = FoldPlace(episode.where_location());
  out.session = episode.session();
  out.source = episode.source();
  out.metadata.assign(episode.metadata().begin(), episode.metadata().end());
  std::sort(out.metadata.begin(), out.metadata.end());
  out.event_time = IntervalOf(episode.event_time());
  out.stored_at = stored_at;
  out.confidence = ConfidenceOf(episode);
  out.importance = ImportanceOf(episode);
  if (episode.memory_type() != v1::MEMORY_TYPE_UNSPECIFIED) out.type = episode.memory_type();
  return out;
}

bool ResolvedFilter::empty() const {
  return ids.empty() && !event_time && !stored_time && who.empty() && tags.empty() &&
         places.empty() && sessions.empty() && !min_confidence && !min_importance &&
         types.empty() && metadata.empty() && sources.empty();
}

Result<ResolvedFilter> ResolveFilter(const v1::Filter& filter, std::string_view space_zone) {
  ResolvedFilter out;
  ASSIGN_OR_RETURN(out.ids, ResolveList("ids", filter.ids()));
  if (filter.has_event_time()) {
    ASSIGN_OR_RETURN(out.event_time, ResolveTime("event_time", filter.event_time(), space_zone));
  }
  if (filter.has_stored_time()) {
    ASSIGN_OR_RETURN(out.stored_time, ResolveTime("stored_time", filter.stored_time(), space_zone));
  }
  ASSIGN_OR_RETURN(out.who, ResolveNames("who", filter.who()));
  ASSIGN_OR_RETURN(out.tags, ResolveNames("tags", filter.tags()));
  ASSIGN_OR_RETURN(out.places, ResolvePlaces(filter.where_location()));
  ASSIGN_OR_RETURN(out.sessions, ResolveList("sessions", filter.sessions()));
  ASSIGN_OR_RETURN(out.sources, ResolveList("sources", filter.sources()));
  RETURN_IF_ERROR(ResolveNumbers(filter, &out));
  RETURN_IF_ERROR(ResolveMetadata(filter, &out));
  out.include_suppressed = filter.include_suppressed();
  out.include_superseded = filter.include_superseded();
  out.include_undated = filter.include_undated();
  return out;
}

}  // namespace engram::model
