// What a RecallRequest asks, checked and in one form: a cue becomes a query, filters and settings.
// Pure; needs no view.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engram/model/filter.h"
#include "engram/recall/weights.h"

namespace engram::recall {

inline constexpr size_t kDefaultResults = 10;
inline constexpr size_t kMaxContext = 10;  // neighbours returned on each side
inline constexpr size_t kMaxQueryBytes = 32 << 10;

struct Question {
  v1::Query query;                             // as given, or what the cue becomes
  std::vector<model::ResolvedFilter> filters;  // all of them hold; the first is the request's
  std::optional<model::TimeInterval> around;
  Weights weights;
  size_t max_results = kDefaultResults;
  size_t depth = kDefaultResults;  // so many of the best have to be right
  float min_relevance = 0;
  float no_match_below = 0;
  std::optional<float> least_cosine;

  // No leg is asked for: the filter alone decides, the prior orders.
  bool FilterOnly() const;
};

// Reasons: INVALID_CUE, INVALID_REQUEST, INVALID_FILTER, INVALID_TIME, INVALID_EMBEDDING,
// DIMENSION_MISMATCH, MODEL_MISMATCH, TOO_LARGE, UNIMPLEMENTED_FEATURE.
Result<Question> ResolveQuestion(std::string_view space, const v1::SpaceSettings& settings,
                                 const v1::RecallRequest& request, model::UtcTime now);

// What one cue becomes (docs/recall.md, "Cues").
struct CueMeaning {
  v1::Query query;
  v1::Filter filter;
  float min_relevance = 0;
  std::optional<float> least_cosine;
};
Result<CueMeaning> MeaningOf(const v1::Cue& cue, model::UtcTime now);

// Shared by the calls that read. INVALID_REQUEST below 0, TOO_LARGE above 1,000; 0 is `otherwise`.
Result<size_t> ResolveLimit(int32_t asked, size_t otherwise, const char* field);
Status CheckCount(size_t count, size_t limit, const char* field);
Status Unimplemented(const char* field, std::string what, const std::string& hint);

}  // namespace engram::recall
