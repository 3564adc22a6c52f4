#include "engram/recall/reply.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engram/model/episode.h"

namespace engram::recall {

using space::RowIndex;

std::string Percent(double share) {
  return std::to_string(std::lround(share * 100)) + " %";
}

std::string Digits2(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

v1::Warning MakeWarning(std::string reason, std::string message) {
  v1::Warning warning;
  warning.set_reason(std::move(reason));
  warning.set_message(std::move(message));
  return warning;
}

v1::Confidence ConfidenceAs(float value, std::string reasoning) {
  v1::Confidence confidence;
  confidence.set_value(value);
  confidence.set_category(model::CategoryOf(value));
  confidence.set_reasoning(std::move(reasoning));
  return confidence;
}

v1::Memory MemoryOf(const v1::Episode& episode) {
  v1::Memory memory;
  memory.set_id(episode.id());
  *memory.mutable_embedding() = episode.embedding();
  *memory.mutable_confidence() =
      ConfidenceAs(model::ConfidenceOf(episode), episode.encoding_confidence().reasoning());
  *memory.mutable_created_at() = episode.stored().first_stored_at();
  memory.set_decay_rate(model::DecayRateOf(episode));
  memory.set_content(episode.what());
  *memory.mutable_metadata() = episode.metadata();
  *memory.mutable_tags() = episode.tags();
  memory.set_memory_type(episode.memory_type() == v1::MEMORY_TYPE_UNSPECIFIED
                             ? v1::MEMORY_TYPE_EPISODIC
                             : episode.memory_type());
  if (episode.has_event_time()) *memory.mutable_event_time() = episode.event_time();
  memory.set_where_location(episode.where_location());
  *memory.mutable_who() = episode.who();
  memory.set_why(episode.why());
  memory.set_how(episode.how());
  memory.set_session(episode.session());
  memory.set_turn(episode.turn());
  memory.set_source(episode.source());
  if (episode.has_importance()) memory.set_importance(episode.importance());
  *memory.mutable_derived_from() = episode.derived_from();
  *memory.mutable_stored() = episode.stored();
  return memory;
}

v1::Episode EpisodeOf(space::View::Version version, bool with_embedding) {
  v1::Episode episode = std::move(*version.record.mutable_episode());
  if (!with_embedding) episode.clear_embedding();
  v1::StoredInfo* stored = episode.mutable_stored();
  stored->set_version(version.record.version());
  stored->set_sequence(version.sequence.value());
  stored->set_epoch(version.epoch.value());
  *stored->mutable_stored_at() = version.record.stored_at();
  *stored->mutable_first_stored_at() = version.record.first_stored_at();
  return episode;
}

namespace {

Result<v1::Memory> LoadPlain(space::View& view, const Scores& scores, RowIndex row,
                             bool with_embedding) {
  ASSIGN_OR_RETURN(const v1::Episode episode, view.LoadEpisode(row, with_embedding));
  v1::Memory memory = MemoryOf(episode);
  if (!with_embedding) memory.clear_embedding();
  memory.set_activation(scores.ActivationOf(row));
  return memory;
}

void AddSurroundings(space::View& view, const Scores& scores, RowIndex row,
                     const ReplyOptions& options, v1::Memory* memory) {
  const size_t steps = std::max(options.context_before, options.context_after);
  if (steps == 0) return;
  std::vector<RowIndex> before, after;
  view.Neighbours(row, static_cast<int>(steps), &before, &after);
  before.resize(std::min(before.size(), options.context_before));
  after.resize(std::min(after.size(), options.context_after));
  std::reverse(before.begin(), before.end());
  for (RowIndex at : before) {
    Result<v1::Memory> loaded = LoadPlain(view, scores, at, false);
    if (loaded.ok()) *memory->add_before() = *std::move(loaded);
  }
  for (RowIndex at : after) {
    Result<v1::Memory> loaded = LoadPlain(view, scores, at, false);
    if (loaded.ok()) *memory->add_after() = *std::move(loaded);
  }
}

}  // namespace

Result<v1::Memory> LoadMemory(space::View& view, const Scores& scores, const Ranked& ranked,
                              const ReplyOptions& options) {
  ASSIGN_OR_RETURN(v1::Memory memory,
                   LoadPlain(view, scores, ranked.row, options.include_embedding));
  memory.set_score(ranked.parts.score);
  memory.set_relevance(ranked.parts.relevance);
  memory.set_weak(ranked.parts.relevance < kWeakRelevance);
  memory.set_group(ranked.parts.direct >= kVividDirect ? v1::MEMORY_GROUP_VIVID
                                                       : v1::MEMORY_GROUP_ASSOCIATED);
  AddSurroundings(view, scores, ranked.row, options, &memory);
  return memory;
}

namespace {

std::string LegInWords(Leg leg, float share) {
  switch (leg) {
    case Leg::kText:
      return "holds " + Percent(share) + " of what the query's words say";
    case Leg::kVector:
      return "has a vector " + Percent(share) + " of the way from unrelated to the same";
    case Leg::kTime:
      return "scores " + Digits2(share) + " for nearness in time";
    case Leg::kPeople:
      return "has " + Percent(share) + " of the people asked for";
    case Leg::kPlace:
      return "agrees with " + Percent(share) + " of the place asked for";
  }
  return "";
}

std::string Reasoning(const Question& question, const Legs& legs, const Ranked& best) {
  if (question.FilterOnly()) return "only a filter was asked for, and every result passes it";
  if (best.parts.direct < best.parts.relevance) {
    return "the best result was found through its session: what stands near it matches " +
           Percent(best.parts.relevance) + ", itself " + Percent(best.parts.direct);
  }
  std::string words;
  for (Leg leg : kLegs) {
    if (!legs.CanHave(leg, best.row)) continue;
    words += (words.empty() ? "" : ", ") + LegInWords(leg, legs.Share(leg, best.row));
  }
  return "the best result " + words;
}

}  // namespace

v1::Confidence RecallConfidence(const Question& question, const Legs& legs,
                                const std::vector<Ranked>& candidates) {
  const Ranked* best = nullptr;
  for (const Ranked& candidate : candidates) {
    if (best == nullptr || candidate.parts.relevance > best->parts.relevance) best = &candidate;
  }
  if (best == nullptr) return v1::Confidence();
  return ConfidenceAs(best->parts.relevance, Reasoning(question, legs, *best));
}

v1::Warning UnreadableWarning(space::View& view, RowIndex row, const Status& status) {
  std::string id = IdOf(view, row);
  const std::string name =
      id.empty() ? "at sequence " + ToString(view.row(row).content) : "'" + id + "'";
  return MakeWarning("RESULT_UNREADABLE",
                     "Memory " + name +
                         " was found but its entry cannot be read, so it is left "
                         "out: " +
                         status.message());
}

}  // namespace engram::recall
