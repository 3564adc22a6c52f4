#include "engram/recall/explain.h"

#include <algorithm>
#include <cmath>

#include "engram/recall/reply.h"

namespace engram::recall {
namespace {

using space::RowIndex;

void AddLegs(const Legs& legs, RowIndex row, v1::Explanation* explanation) {
  const double weights = legs.WeightsOf(row);
  for (Leg leg : kLegs) {
    if (!legs.CanHave(leg, row)) continue;
    const float share = legs.Share(leg, row);
    v1::LegScore* score = explanation->add_legs();
    score->set_leg(std::string(NameOf(leg)));
    score->set_raw(legs.Raw(leg, row));
    score->set_normalised(share);
    score->set_weight(static_cast<float>(legs.weight(leg)));
    score->set_contribution(weights > 0 ? static_cast<float>(legs.weight(leg) * share / weights)
                                        : 0.0f);
    score->set_rank(legs.RankOf(leg, row));
  }
}

void AddTerms(const TextLeg& text, RowIndex row, v1::Explanation* explanation) {
  const auto* hit = text.Find(row);
  for (const TextLeg::Term& term : text.terms()) {
    v1::TermMatch* match = explanation->add_terms();
    match->set_term(term.text);
    match->set_idf(static_cast<float>(term.idf));
    match->set_count(hit != nullptr ? text.Count(*hit, term) : 0);
    match->set_contribution(hit != nullptr ? static_cast<float>(text.Part(*hit, term)) : 0.0f);
  }
}

std::string TermsInWords(const v1::Explanation& explanation) {
  constexpr int kMost = 5;
  std::string held, missing;
  int shown = 0;
  for (const v1::TermMatch& term : explanation.terms()) {
    std::string& list = term.count() > 0 ? held : missing;
    if (++shown <= kMost) list += (list.empty() ? "" : ", ") + term.term();
  }
  if (missing.empty()) return held.empty() ? "" : " (" + held + ")";
  return " (" + held + (held.empty() ? "not " : "; not ") + missing + ")";
}

std::string DirectInWords(const Legs& legs, RowIndex row, const v1::Explanation& explanation) {
  if (explanation.legs_size() == 0) {
    return legs.vector() != nullptr ? "It has no vector to compare" : "It passes the filter";
  }
  if (explanation.direct() == 0) return "It does not match by itself";
  std::string words;
  for (Leg leg : kLegs) {
    if (!legs.CanHave(leg, row)) continue;
    words += (words.empty() ? "" : ", ") + std::string(NameOf(leg)) + " " +
             Digits2(legs.Share(leg, row));
    if (leg == Leg::kText) words += TermsInWords(explanation);
  }
  return "It matches " + Percent(explanation.direct()) + " by itself: " + words;
}

std::string Summary(const Legs& legs, RowIndex row, const v1::Explanation& explanation) {
  std::string words = DirectInWords(legs, row, explanation);
  const v1::ContextShare* lender = nullptr;
  for (const v1::ContextShare& share : explanation.context_from()) {
    if (share.offset() == 0) continue;
    if (lender == nullptr || share.contribution() > lender->contribution()) lender = &share;
  }
  if (lender != nullptr) {
    words += "; its neighbour " + lender->memory_id() + " lends " + Digits2(lender->contribution());
  }
  if (explanation.context() > 0) {
    words += "; context adds " + Digits2(explanation.context()) + " in all";
  }
  return words + "; the prior leaves " + Percent(explanation.prior_factor()) + " of it.";
}

std::map<std::string, float> WeightsInUse(const Question& question, const Legs& legs) {
  std::map<std::string, float> weights;
  const auto set = [&](std::string_view name, double value) {
    weights.emplace(name, static_cast<float>(value));
  };
  for (Leg leg : kLegs) {
    if (legs.asked(leg)) set(NameOf(leg), legs.weight(leg));
  }
  set("context_step", question.weights.step);
  set("session", question.weights.session);
  set("prior_strength", question.weights.prior);
  set("activation", question.weights.activation);
  set("importance", question.weights.importance);
  set("confidence", question.weights.confidence);
  return weights;
}

}  // namespace

v1::Explanation Explain(space::View& view, const Answer& answer, const Ranked& ranked) {
  const Legs& legs = *answer.legs;
  v1::Explanation explanation;
  explanation.set_direct(ranked.parts.direct);
  explanation.set_context(ranked.parts.context());
  explanation.set_prior_factor(ranked.parts.prior_factor);
  AddLegs(legs, ranked.row, &explanation);
  if (legs.text() != nullptr) AddTerms(*legs.text(), ranked.row, &explanation);
  for (const Scores::Share& share : answer.scores->SharesOf(ranked.row)) {
    v1::ContextShare* from = explanation.add_context_from();
    from->set_memory_id(IdOf(view, share.row));
    from->set_offset(share.offset);
    from->set_contribution(share.contribution);
  }
  for (const Scores::PriorPart& part : answer.scores->PriorOf(ranked.row)) {
    v1::PriorPart* prior = explanation.add_prior();
    prior->set_name(part.name);
    prior->set_value(part.value);
    prior->set_weight(part.weight);
  }
  explanation.set_summary(Summary(legs, ranked.row, explanation));
  return explanation;
}

v1::RecallExplanation ExplainQuery(space::View& view, const Question& question,
                                   const Answer& answer) {
  const Legs& legs = *answer.legs;
  v1::RecallExplanation explanation;
  if (const TextLeg* text = legs.text()) {
    for (const TextLeg::Term& term : text->terms()) {
      explanation.add_terms_used(term.text);
      if (term.documents == 0) explanation.add_terms_unknown(term.text);
    }
    for (const std::string& word : text->dropped()) explanation.add_terms_dropped(word);
    explanation.set_text_ideal(static_cast<float>(text->ideal()));
  }
  if (legs.vector() != nullptr) explanation.set_vector_background(legs.vector()->background());
  for (const auto& [name, value] : WeightsInUse(question, legs)) {
    (*explanation.mutable_weights())[name] = value;
  }
  explanation.set_passed_filter(answer.passed.Count());
  for (Leg leg : kLegs) {
    if (!legs.asked(leg)) continue;
    (*explanation.mutable_candidates())[std::string(NameOf(leg))] = legs.CountMatching(leg);
    (*explanation.mutable_path())[std::string(NameOf(leg))] = "exact";
  }
  for (const auto& [index, sequence] : view.IndexedThrough()) {
    (*explanation.mutable_indexed_through())[index] = sequence;
  }
  return explanation;
}

v1::ActivationTrace TraceOf(space::View& view, const Answer& answer, const v1::Memory& memory,
                            const Ranked& ranked, model::UtcTime now) {
  v1::ActivationTrace trace;
  trace.set_memory_id(memory.id());
  trace.set_activation_level(memory.activation());
  *trace.mutable_timestamp() = now.ToProto();
  std::vector<std::pair<float, std::string>> steps;
  for (Leg leg : kLegs) {
    if (!answer.legs->CanHave(leg, ranked.row)) continue;
    const float share = answer.legs->Share(leg, ranked.row);
    if (share > 0) steps.emplace_back(share, std::string(NameOf(leg)) + " " + Digits2(share));
  }
  for (const Scores::Share& share : answer.scores->SharesOf(ranked.row)) {
    const std::string how = share.offset == 0 ? "session " : "neighbour ";
    steps.emplace_back(share.contribution,
                       how + IdOf(view, share.row) + " " + Digits2(share.contribution));
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& [value, words] : steps) trace.add_activation_path(std::move(words));
  return trace;
}

}  // namespace engram::recall
