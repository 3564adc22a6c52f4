// Filters, resolved once per request, and the facets of an episode that they look at. Names, places
// and tags are folded (model::Fold), so both sides compare equal bytes. Pure, thread-safe.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engram/model/episode.h"
#include "engram/model/time.h"

namespace engram::model {

// What a filter can ask of an episode, folded.
struct Facets {
  std::string id;
  std::vector<std::string> who;                               // sorted, unique
  std::vector<std::string> tags;                              // sorted, unique
  std::string place;                                          // folded levels joined by '/'
  std::string session;                                        // as given
  std::string source;                                         // as given
  std::vector<std::pair<std::string, std::string>> metadata;  // sorted by key
  std::optional<TimeInterval> event_time;
  UtcTime stored_at;
  float confidence = 1;
  float importance = 0.5f;
  engram::v1::MemoryType type = engram::v1::MEMORY_TYPE_EPISODIC;
};
Facets FacetsOf(const engram::v1::Episode& episode, UtcTime stored_at);

struct NameMatch {
  std::vector<std::string> any_of, all_of, none_of;  // folded
  bool empty() const { return any_of.empty() && all_of.empty() && none_of.empty(); }
};
struct RangeMatch {
  TimeInterval range;
  engram::v1::TimeRange::Relation relation = engram::v1::TimeRange::RELATION_OVERLAPS;
};

struct ResolvedFilter {
  std::vector<std::string> ids;
  std::optional<RangeMatch> event_time, stored_time;
  NameMatch who, tags;
  std::vector<std::string> places;  // any of; itself and what lies below
  std::vector<std::string> sessions;
  std::optional<float> min_confidence, min_importance;
  std::vector<engram::v1::MemoryType> types;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> sources;  // any of; a trailing * matches a prefix
  bool include_suppressed = false;
  bool include_superseded = false;
  bool include_undated = false;
  bool empty() const;  // asks for nothing (the include_ flags do not count)
};

// INVALID_FILTER or INVALID_TIME name the field.
Result<ResolvedFilter> ResolveFilter(const engram::v1::Filter& filter, std::string_view space_zone);
// All conditions but suppression, which is not a facet. The first one that fails is named in
// `failed` (for explain) unless it is null.
bool Matches(const ResolvedFilter& filter, const Facets& facets, std::string* failed = nullptr);
bool MatchesTime(const RangeMatch& match, const std::optional<TimeInterval>& interval,
                 bool include_undated);
// A folded place equals `asked` or lies below it.
bool PlaceWithin(std::string_view place, std::string_view asked);

}  // namespace engram::model
