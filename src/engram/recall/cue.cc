// What each cue becomes.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "engram/recall/question.h"

namespace engram::recall {
namespace {

Status BadCue(std::string what, const std::string& expected, const char* field) {
  return Status(Reason::INVALID_CUE, std::move(what))
      .Expected(expected)
      .With("field", field)
      .With("expected", expected);
}

Result<CueMeaning> Semantic(const v1::SemanticCue& cue) {
  if (cue.query().empty() && cue.required_tags().empty() && cue.excluded_tags().empty()) {
    return BadCue("The semantic cue asks for nothing.", "a query or tags", "cue.semantic.query");
  }
  if (!(cue.fuzzy_threshold() >= 0 && cue.fuzzy_threshold() <= 1)) {
    return BadCue("fuzzy_threshold is not a relevance.", "a number from 0 to 1",
                  "cue.semantic.fuzzy_threshold");
  }
  CueMeaning meaning;
  meaning.query.set_text(cue.query());
  *meaning.filter.mutable_tags()->mutable_all_of() = cue.required_tags();
  *meaning.filter.mutable_tags()->mutable_none_of() = cue.excluded_tags();
  meaning.min_relevance = cue.fuzzy_threshold();
  return meaning;
}

Result<CueMeaning> Embedding(const v1::EmbeddingCue& cue) {
  if (cue.vector().empty()) {
    return BadCue("The embedding cue has no vector.", "the embedding of what is looked for",
                  "cue.embedding.vector");
  }
  if (!(cue.similarity_threshold() >= -1 && cue.similarity_threshold() <= 1)) {
    return BadCue("similarity_threshold is not a cosine.", "a number from -1 to 1",
                  "cue.embedding.similarity_threshold");
  }
  CueMeaning meaning;
  *meaning.query.mutable_embedding() = cue.vector();
  meaning.query.set_embedding_model(cue.embedding_model());
  if (cue.similarity_threshold() != 0) meaning.least_cosine = cue.similarity_threshold();
  return meaning;
}

Result<CueMeaning> Context(const v1::ContextCue& cue) {
  if (!cue.has_time_start() && !cue.has_time_end() && cue.location().empty() &&
      cue.participants().empty()) {
    return BadCue("The context cue asks for nothing.", "a time, a location or participants",
                  "cue.context");
  }
  CueMeaning meaning;
  v1::TimeRange* range =
      cue.has_time_start() || cue.has_time_end() ? meaning.filter.mutable_event_time() : nullptr;
  if (cue.has_time_start()) *range->mutable_start() = cue.time_start();
  if (cue.has_time_end()) *range->mutable_end() = cue.time_end();
  if (!cue.location().empty()) meaning.filter.add_where_location(cue.location());
  *meaning.filter.mutable_who()->mutable_all_of() = cue.participants();
  return meaning;
}

model::UtcTime Bounded(int64_t seconds, int32_t nanos) {
  const model::UtcTime time{seconds, nanos};
  return std::clamp(time, model::kMinTime, model::kMaxTime);
}

// The same day and time so many months away; the last day of a shorter month.
model::UtcTime AddMonths(model::UtcTime time, int64_t months) {
  using namespace std::chrono;  // NOLINT
  const sys_seconds point{seconds{time.seconds}};
  const sys_days day = floor<days>(point);
  const year_month_day date{day};
  const int64_t index = int64_t{static_cast<int>(date.year())} * 12 +
                        (static_cast<unsigned>(date.month()) - 1) + months;
  if (index < 12 || index >= 120000) return months < 0 ? model::kMinTime : model::kMaxTime;
  const year_month target{year{static_cast<int>(index / 12)},
                          month{static_cast<unsigned>(index % 12) + 1}};
  const auto last = (target / std::chrono::last).day();
  const sys_days moved{target / std::min(date.day(), last)};
  return Bounded(moved.time_since_epoch().count() * 86400 + (point - day).count(), time.nanos);
}

model::UtcTime Add(model::UtcTime time, int64_t count, v1::TimeUnit unit) {
  int64_t seconds = 1;
  switch (unit) {
    case v1::TIME_UNIT_MONTHS:
      return AddMonths(time, count);
    case v1::TIME_UNIT_YEARS:
      return AddMonths(time, count * 12);
    case v1::TIME_UNIT_MINUTES:
      seconds = 60;
      break;
    case v1::TIME_UNIT_HOURS:
      seconds = 3600;
      break;
    case v1::TIME_UNIT_DAYS:
      seconds = 86400;
      break;
    case v1::TIME_UNIT_WEEKS:
      seconds = 7 * 86400;
      break;
    default:
      break;
  }
  return Bounded(time.seconds + count * seconds, time.nanos);
}

Status CheckRelative(const v1::RelativeTime& relative) {
  if (relative.offset() < 0) {
    return BadCue("The offset of a relative time is negative.",
                  "0 or more, and BEFORE or AFTER for the direction",
                  "cue.temporal.pattern.relative.offset");
  }
  if (relative.offset() > 0 &&
      (relative.unit() < v1::TIME_UNIT_SECONDS || relative.unit() > v1::TIME_UNIT_YEARS)) {
    return BadCue("The offset of a relative time has no unit.", "seconds to years",
                  "cue.temporal.pattern.relative.unit");
  }
  return OkStatus();
}

Result<CueMeaning> Relative(const v1::RelativeTime& relative, model::UtcTime reference) {
  RETURN_IF_ERROR(CheckRelative(relative));
  const auto early = Add(reference, -int64_t{relative.offset()}, relative.unit()).ToProto();
  const auto late = Add(reference, relative.offset(), relative.unit()).ToProto();
  const bool bounded = relative.offset() > 0;
  CueMeaning meaning;
  switch (relative.direction()) {
    case v1::RELATIVE_DIRECTION_BEFORE:
      if (bounded) *meaning.filter.mutable_event_time()->mutable_start() = early;
      *meaning.filter.mutable_event_time()->mutable_end() = reference.ToProto();
      return meaning;
    case v1::RELATIVE_DIRECTION_AFTER:
      *meaning.filter.mutable_event_time()->mutable_start() = reference.ToProto();
      if (bounded) *meaning.filter.mutable_event_time()->mutable_end() = late;
      return meaning;
    case v1::RELATIVE_DIRECTION_AROUND: {
      v1::TimeRange* around = meaning.query.mutable_around();
      *around->mutable_start() = early;
      *around->mutable_end() =
          bounded ? late : Bounded(reference.seconds + 1, reference.nanos).ToProto();
      return meaning;
    }
    default:
      return BadCue("The relative time has no direction.", "BEFORE, AFTER or AROUND",
                    "cue.temporal.pattern.relative.direction");
  }
}

Result<CueMeaning> Temporal(const v1::TemporalCue& cue, model::UtcTime now) {
  switch (cue.pattern().pattern_case()) {
    case v1::TemporalPattern::kRelative:
      return Relative(
          cue.pattern().relative(),
          cue.has_reference_time() ? model::UtcTime::FromProto(cue.reference_time()) : now);
    case v1::TemporalPattern::kCronExpression:
      return Unimplemented("cue.temporal.pattern.cron_expression",
                           "Times that repeat are not understood yet.",
                           "ask with a filter on event_time for each of them");
    case v1::TemporalPattern::kInterval:
      return Unimplemented("cue.temporal.pattern.interval",
                           "Times that repeat are not understood yet.",
                           "ask with a filter on event_time for each of them");
    default:
      return BadCue("The temporal cue has no pattern.", "a relative time", "cue.temporal.pattern");
  }
}

Result<CueMeaning> ByType(const v1::Cue& cue, model::UtcTime now) {
  switch (cue.cue_type_case()) {
    case v1::Cue::kSemantic:
      return Semantic(cue.semantic());
    case v1::Cue::kEmbedding:
      return Embedding(cue.embedding());
    case v1::Cue::kContext:
      return Context(cue.context());
    case v1::Cue::kTemporal:
      return Temporal(cue.temporal(), now);
    case v1::Cue::kPattern:
      return Unimplemented("cue.pattern", "Patterns are not completed yet.",
                           "ask with query.like_ids, or with a filter on the known fields");
    default:
      return BadCue("The cue is of no known kind.", "one of embedding, context, temporal, semantic",
                    "cue");
  }
}

}  // namespace

Result<CueMeaning> MeaningOf(const v1::Cue& cue, model::UtcTime now) {
  ASSIGN_OR_RETURN(CueMeaning meaning, ByType(cue, now));
  if (cue.has_threshold()) {
    const float least = cue.threshold().value();
    if (!(least >= 0 && least <= 1)) {
      return BadCue("The threshold is not a confidence.", "a number from 0 to 1", "cue.threshold");
    }
    meaning.filter.set_min_confidence(least);
  }
  return meaning;
}

}  // namespace engram::recall
