// Why a memory stands where it stands, why another does not, and what the query became. Pure but
// for ids read through the view.
#pragma once

#include <optional>
#include <string>

#include "engram/recall/ranking.h"

namespace engram::recall {

// Parts that add up to the score, and one sentence.
v1::Explanation Explain(space::View& view, const Answer& answer, const Ranked& ranked);

v1::RecallExplanation ExplainQuery(space::View& view, const Question& question,
                                   const Answer& answer);

// Exactly one reason why an id is, or is not, in the list.
class WhyNot {
 public:
  // `ranking`: the candidates that reached min_relevance, in any order. `pinned`: of a later page.
  WhyNot(space::View& view, const Question& question, const Answer& answer,
         const std::vector<Ranked>& ranking, bool emptied, std::optional<Sequence> pinned)
      : view_(view),
        question_(question),
        answer_(answer),
        ranking_(ranking),
        emptied_(emptied),
        pinned_(pinned),
        ids_(view) {}
  Result<v1::WhyNot> Of(const std::string& id);

 private:
  Status OfRow(space::RowIndex row, v1::WhyNot* why);
  Status OfFilter(space::RowIndex row, v1::WhyNot* why);
  void OfCandidate(const Ranked& candidate, v1::WhyNot* why);

  space::View& view_;
  const Question& question_;
  const Answer& answer_;
  const std::vector<Ranked>& ranking_;
  const bool emptied_;  // no_match_below left nothing
  const std::optional<Sequence> pinned_;
  Ids ids_;
};

// How activation reached a result: its legs and lenders, strongest first.
v1::ActivationTrace TraceOf(space::View& view, const Answer& answer, const v1::Memory& memory,
                            const Ranked& ranked, model::UtcTime now);

}  // namespace engram::recall
