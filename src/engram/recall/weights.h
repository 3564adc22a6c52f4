// The numbers of the formula: request over space over defaults, checked (docs/recall.md, "The
// formula"). Pure.
#pragma once

#include <array>
#include <string_view>

#include "engram/base/status.h"
#include "engram/v1/service.pb.h"

namespace engram::recall {

// The ways in which an episode can match a question.
enum class Leg { kText, kVector, kTime, kPeople, kPlace };
inline constexpr int kLegCount = 5;
inline constexpr std::array<Leg, kLegCount> kLegs = {Leg::kText, Leg::kVector, Leg::kTime,
                                                     Leg::kPeople, Leg::kPlace};
std::string_view NameOf(Leg leg);

// Results below are weak; a reply whose best is below has no match.
inline constexpr float kWeakRelevance = 0.3f;
// An episode that matches so much by itself is vivid.
inline constexpr float kVividDirect = 0.5f;

struct Weights {
  std::array<double, kLegCount> legs = {1.0, 1.0, 0.3, 0.3, 0.3};
  double step = 0.5;     // c: what a neighbour lends; squared at two steps
  double session = 0.3;  // m: what the best of the session lends
  double prior = 0.3;    // b: how much the prior may take away
  double activation = 0.5, importance = 0.25, confidence = 0.25;

  double of(Leg leg) const { return legs[static_cast<size_t>(leg)]; }
};

// INVALID_REQUEST names the field: not finite, negative, or above 1 where a share is meant.
Result<Weights> ResolveWeights(const v1::SpaceSettings& settings, const v1::RecallRequest& request);

}  // namespace engram::recall
