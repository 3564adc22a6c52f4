#include "engram/recall/scores.h"

#include <algorithm>
#include <cmath>

namespace engram::recall {

using space::RowIndex;

namespace {
constexpr int kSteps = 2;  // neighbours each way
}

model::Decay DecayOf(const v1::SpaceSettings& settings) {
  if (settings.decay() == "exponential") return model::Decay::kExponential;
  return settings.decay() == "none" ? model::Decay::kNone : model::Decay::kPower;
}

Scores::Scores(space::View& view, const Question& question, const Legs& legs, model::UtcTime now)
    : view_(view),
      question_(question),
      legs_(legs),
      now_(now),
      filter_only_(question.FilterOnly()),
      decay_(DecayOf(view.settings())) {}

void Scores::Spread() {
  const size_t rows = view_.rows();
  direct_.assign(rows, 0);
  neighbours_.assign(rows, 0);
  strongest_.assign(rows, 0);
  sessions_.clear();
  if (legs_.text_only()) {  // the usual case: most rows of a large space need no look
    for (const auto& hit : legs_.text()->hits()) Match(hit.row);
    return;
  }
  for (RowIndex row = 0; row < rows; ++row) Match(row);
}

void Scores::Match(RowIndex row) {
  if (!view_.Live(row)) return;
  direct_[row] = filter_only_ ? 1 : legs_.Direct(row);
  if (!filter_only_ && direct_[row] > 0 && !view_.Suppressed(row)) Lend(row);
}

// A row lends to its neighbours what they would take from it: being two steps apart is mutual.
void Scores::Lend(RowIndex row) {
  const uint64_t session = view_.row(row).session_hash;
  if (session == 0) return;
  Best& best = sessions_[session];
  if (direct_[row] > best.direct) best = {direct_[row], row};
  if (question_.weights.step == 0) return;
  before_.clear();
  after_.clear();
  view_.Neighbours(row, kSteps, &before_, &after_);
  for (const std::vector<RowIndex>* side : {&before_, &after_}) {
    double step = 1;
    for (RowIndex neighbour : *side) {
      step *= question_.weights.step;
      const float lent = static_cast<float>(step * direct_[row]);
      neighbours_[neighbour] += lent;
      strongest_[neighbour] = std::max(strongest_[neighbour], lent);
    }
  }
}

Scores::Best Scores::BestOfSession(RowIndex row) const {
  Best best{direct_[row], row};
  const uint64_t session = view_.row(row).session_hash;
  if (session == 0 || sessions_.empty()) return best;
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second.direct > best.direct ? found->second : best;
}

// A suppressed row is nobody's neighbour, so nobody lent to it: it asks its own neighbours.
std::vector<Scores::Share> Scores::SharesOf(RowIndex row) const {
  std::vector<Share> shares;
  if (filter_only_) return shares;
  std::vector<RowIndex> sides[2];
  if (question_.weights.step > 0) view_.Neighbours(row, kSteps, &sides[0], &sides[1]);
  for (int side = 0; side < 2; ++side) {
    double step = 1;
    for (size_t h = 0; h < sides[side].size(); ++h) {
      step *= question_.weights.step;
      const float lent = static_cast<float>(step * direct_[sides[side][h]]);
      const int distance = static_cast<int>(h) + 1;
      if (lent > 0) shares.push_back({sides[side][h], side == 0 ? -distance : distance, lent});
    }
  }
  const Best best = BestOfSession(row);
  const float session = static_cast<float>(question_.weights.session * best.direct);
  if (session > 0) shares.push_back({best.row, 0, session});
  return shares;
}

Parts Scores::Of(RowIndex row) const {
  Parts parts;
  parts.direct = direct_[row];
  float strongest = strongest_[row];
  if (filter_only_) {
    parts.relevance = 1;
  } else {
    parts.neighbours = neighbours_[row];
    if (view_.Suppressed(row)) {
      for (const Share& share : SharesOf(row)) {
        if (share.offset == 0) continue;
        parts.neighbours += share.contribution;
        strongest = std::max(strongest, share.contribution);
      }
    }
    parts.session = static_cast<float>(question_.weights.session * BestOfSession(row).direct);
    parts.relevance = std::min(1.0f, std::max({parts.direct, strongest, parts.session}));
  }
  if (parts.matches()) AddPrior(row, &parts);
  return parts;
}

float Scores::ActivationOf(RowIndex row) const {
  const space::Row& facts = view_.row(row);
  model::UseHistory history{facts.first_stored_at, facts.first_stored_at, 1};
  if (facts.has_event_time) {
    const model::UtcTime event = facts.event_time.start;
    history.first_use = event > now_ ? now_ : std::min(event, facts.first_stored_at);
    history.last_use = history.first_use;
  }
  return model::Activation(decay_, history, facts.decay_rate, now_);
}

std::vector<Scores::PriorPart> Scores::PriorOf(RowIndex row) const {
  const Weights& weights = question_.weights;
  const double sum = weights.activation + weights.importance + weights.confidence;
  if (sum <= 0) return {};
  const space::Row& facts = view_.row(row);
  return {{"activation", ActivationOf(row), static_cast<float>(weights.activation / sum)},
          {"importance", facts.importance, static_cast<float>(weights.importance / sum)},
          {"confidence", facts.confidence, static_cast<float>(weights.confidence / sum)}};
}

void Scores::AddPrior(RowIndex row, Parts* parts) const {
  const Weights& weights = question_.weights;
  const double sum = weights.activation + weights.importance + weights.confidence;
  const space::Row& facts = view_.row(row);
  parts->activation = ActivationOf(row);
  double prior = 1;  // all weights 0: nothing is taken away
  if (sum > 0) {
    prior = (weights.activation * parts->activation + weights.importance * facts.importance +
             weights.confidence * facts.confidence) /
            sum;
  }
  const double factor = 1 - weights.prior + weights.prior * prior;
  const double strength = double{parts->direct} + parts->neighbours + parts->session;
  parts->prior_factor = static_cast<float>(factor);
  parts->score = static_cast<float>(strength * factor);
}

}  // namespace engram::recall
