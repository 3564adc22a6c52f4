// Whether an episode passes a filter. All lists on both sides are sorted.
#include <algorithm>

#include "engram/model/filter.h"

namespace engram::model {
namespace {

using Strings = std::vector<std::string>;

bool Has(const Strings& sorted, const std::string& name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

bool MatchesNames(const NameMatch& match, const Strings& names) {
  auto has = [&](const std::string& name) { return Has(names, name); };
  if (!match.any_of.empty() && std::none_of(match.any_of.begin(), match.any_of.end(), has)) {
    return false;
  }
  return std::all_of(match.all_of.begin(), match.all_of.end(), has) &&
         std::none_of(match.none_of.begin(), match.none_of.end(), has);
}

bool MatchesPlace(const Strings& places, const std::string& place) {
  return places.empty() || std::any_of(places.begin(), places.end(), [&](const std::string& asked) {
           return PlaceWithin(place, asked);
         });
}

bool MatchesSource(const Strings& sources, std::string_view source) {
  return sources.empty() ||
         std::any_of(sources.begin(), sources.end(), [&](std::string_view asked) {
           if (!asked.ends_with('*')) return source == asked;
           return source.starts_with(asked.substr(0, asked.size() - 1));
         });
}

bool MatchesTypes(const std::vector<engram::v1::MemoryType>& types, engram::v1::MemoryType type) {
  return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
}

// The first condition that fails, or "".
std::string_view FirstFailed(const ResolvedFilter& filter, const Facets& facets) {
  if (!filter.ids.empty() && !Has(filter.ids, facets.id)) return "ids";
  if (filter.event_time &&
      !MatchesTime(*filter.event_time, facets.event_time, filter.include_undated)) {
    return "event_time";
  }
  if (filter.stored_time) {
    TimeInterval stored{facets.stored_at,
                        UtcTime{facets.stored_at.seconds, facets.stored_at.nanos}};
    stored.end.nanos += 1;
    if (!MatchesTime(*filter.stored_time, stored, false)) return "stored_time";
  }
  if (!MatchesNames(filter.who, facets.who)) return "who";
  if (!MatchesNames(filter.tags, facets.tags)) return "tags";
  if (!MatchesPlace(filter.places, facets.place)) return "where_location";
  if (!filter.sessions.empty() && !Has(filter.sessions, facets.session)) return "sessions";
  if (filter.min_confidence && facets.confidence < *filter.min_confidence) return "min_confidence";
  if (filter.min_importance && facets.importance < *filter.min_importance) return "min_importance";
  if (!MatchesTypes(filter.types, facets.type)) return "memory_types";
  if (!std::includes(facets.metadata.begin(), facets.metadata.end(), filter.metadata.begin(),
                     filter.metadata.end())) {
    return "metadata";
  }
  return MatchesSource(filter.sources, facets.source) ? "" : "sources";
}

}  // namespace

bool Matches(const ResolvedFilter& filter, const Facets& facets, std::string* failed) {
  std::string_view first = FirstFailed(filter, facets);
  if (failed != nullptr) *failed = first;
  return first.empty();
}

bool MatchesTime(const RangeMatch& match, const std::optional<TimeInterval>& interval,
                 bool include_undated) {
  if (!interval) return include_undated;
  const TimeInterval& range = match.range;
  switch (match.relation) {
    case engram::v1::TimeRange::RELATION_WITHIN:
      return interval->start >= range.start && interval->end <= range.end;
    case engram::v1::TimeRange::RELATION_STARTS_IN:
      return interval->start >= range.start && interval->start < range.end;
    default:
      return interval->start < range.end && range.start < interval->end;
  }
}

bool PlaceWithin(std::string_view place, std::string_view asked) {
  return place.starts_with(asked) && (place.size() == asked.size() || place[asked.size()] == '/');
}

}  // namespace engram::model
