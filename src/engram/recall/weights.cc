#include "engram/recall/weights.h"

#include <cmath>
#include <string>

namespace engram::recall {
namespace {

// The built-in embedder knows spelling, not meaning, and is told so.
constexpr double kHashedVectorWeight = 0.2;
// Far above any sensible weight; keeps the sums finite.
constexpr double kMaxWeight = 1e6;

void Apply(const v1::Ranking& ranking, Weights* weights) {
  const auto set = [](bool has, float value, double* target) {
    if (has) *target = value;
  };
  set(ranking.has_text_weight(), ranking.text_weight(), &weights->legs[0]);
  set(ranking.has_vector_weight(), ranking.vector_weight(), &weights->legs[1]);
  set(ranking.has_time_weight(), ranking.time_weight(), &weights->legs[2]);
  set(ranking.has_people_weight(), ranking.people_weight(), &weights->legs[3]);
  set(ranking.has_place_weight(), ranking.place_weight(), &weights->legs[4]);
  set(ranking.has_context_step(), ranking.context_step(), &weights->step);
  set(ranking.has_session_weight(), ranking.session_weight(), &weights->session);
  set(ranking.has_prior_strength(), ranking.prior_strength(), &weights->prior);
  set(ranking.has_activation_weight(), ranking.activation_weight(), &weights->activation);
  set(ranking.has_importance_weight(), ranking.importance_weight(), &weights->importance);
  set(ranking.has_confidence_weight(), ranking.confidence_weight(), &weights->confidence);
}

void Apply(const v1::Cue& cue, Weights* weights) {
  if (cue.has_activation_decay()) weights->step = cue.activation_decay();
  if (cue.has_spread_activation() && !cue.spread_activation()) {
    weights->step = 0;
    weights->session = 0;
  }
}

Status CheckNumber(const char* field, double value, double limit) {
  if (std::isfinite(value) && value >= 0 && value <= limit) return OkStatus();
  const std::string range = limit == 1 ? "a number from 0 to 1" : "a number from 0 to 1000000";
  return Status(Reason::INVALID_REQUEST, std::string(field) + " is " + std::to_string(value) + ".")
      .Expected(range)
      .Suggest("leave it out to use the space's")
      .With("field", field)
      .With("expected", range)
      .With("actual", std::to_string(value));
}

Status Check(const Weights& weights) {
  const struct {
    const char* field;
    double value, limit;
  } numbers[] = {
      {"ranking.text_weight", weights.legs[0], kMaxWeight},
      {"ranking.vector_weight", weights.legs[1], kMaxWeight},
      {"ranking.time_weight", weights.legs[2], kMaxWeight},
      {"ranking.people_weight", weights.legs[3], kMaxWeight},
      {"ranking.place_weight", weights.legs[4], kMaxWeight},
      {"ranking.context_step", weights.step, 1},
      {"ranking.session_weight", weights.session, 1},
      {"ranking.prior_strength", weights.prior, 1},
      {"ranking.activation_weight", weights.activation, kMaxWeight},
      {"ranking.importance_weight", weights.importance, kMaxWeight},
      {"ranking.confidence_weight", weights.confidence, kMaxWeight},
  };
  for (const auto& number : numbers) {
    RETURN_IF_ERROR(CheckNumber(number.field, number.value, number.limit));
  }
  return OkStatus();
}

}  // namespace

std::string_view NameOf(Leg leg) {
  switch (leg) {
    case Leg::kText:
      return "text";
    case Leg::kVector:
      return "vector";
    case Leg::kTime:
      return "time";
    case Leg::kPeople:
      return "people";
    case Leg::kPlace:
      return "place";
  }
  return "";
}

Result<Weights> ResolveWeights(const v1::SpaceSettings& settings,
                               const v1::RecallRequest& request) {
  Weights weights;
  if (settings.embedder() == "hashed") weights.legs[1] = kHashedVectorWeight;
  Apply(settings.ranking(), &weights);
  Apply(request.ranking(), &weights);
  Apply(request.cue(), &weights);
  RETURN_IF_ERROR(Check(weights));
  return weights;
}

}  // namespace engram::recall
