// One reason for each id asked about.
#include <algorithm>

#include "engram/recall/explain.h"
#include "engram/recall/reply.h"

namespace engram::recall {
namespace {

using space::RowIndex;

void Say(v1::WhyNot* why, std::string reason, std::string message) {
  why->set_reason(std::move(reason));
  why->set_message(std::move(message));
}

const Ranked* FindRow(const std::vector<Ranked>& ranked, RowIndex row) {
  const auto found =
      std::find_if(ranked.begin(), ranked.end(), [&](const Ranked& one) { return one.row == row; });
  return found != ranked.end() ? &*found : nullptr;
}

bool Contains(const std::vector<RowIndex>& rows, RowIndex row) {
  return std::find(rows.begin(), rows.end(), row) != rows.end();
}

}  // namespace

Result<v1::WhyNot> WhyNot::Of(const std::string& id) {
  v1::WhyNot why;
  why.set_memory_id(id);
  ASSIGN_OR_RETURN(const std::optional<space::IdLookup> found, view_.FindId(id));
  if (!found) {
    Say(&why, "NOT_FOUND", "There is no memory of this id in what this reply could see.");
  } else if (found->deleted || !found->row) {
    Say(&why, "DELETED",
        "It was deleted; version " + std::to_string(found->version) + " was its last.");
  } else {
    RETURN_IF_ERROR(OfRow(*found->row, &why));
  }
  return why;
}

Status WhyNot::OfRow(RowIndex row, v1::WhyNot* why) {
  if (pinned_ && view_.row(row).content > *pinned_) {
    Say(why, "NOT_VISIBLE_YET",
        "It was stored at sequence " + ToString(view_.row(row).content) +
            ", after the first page of this list.");
    return OkStatus();
  }
  if (Contains(answer_.legs->liked(), row)) {
    Say(why, "FILTERED", "It is one of like_ids: it does not answer itself.");
    return OkStatus();
  }
  if (view_.Suppressed(row) && !question_.filters.front().include_suppressed) {
    Say(why, "SUPPRESSED", "It was forgotten by suppression; Restore brings it back.");
    return OkStatus();
  }
  if (!answer_.passed.Has(row)) return OfFilter(row, why);
  if (const Ranked* candidate = FindRow(answer_.candidates, row)) {
    OfCandidate(*candidate, why);
  } else if (question_.least_cosine) {
    Say(why, "FILTERED",
        "Its cosine is below the cue's similarity_threshold, or it has no vector.");
  } else {
    Say(why, "NO_MATCH", "Neither it nor a neighbour in its session matches.");
  }
  return OkStatus();
}

Status WhyNot::OfFilter(RowIndex row, v1::WhyNot* why) {
  ASSIGN_OR_RETURN(const model::Facets facets, view_.FacetsOf(row));
  for (const model::ResolvedFilter& filter : question_.filters) {
    std::string failed;
    if (model::Matches(filter, facets, &failed)) continue;
    Say(why, "FILTERED", "It does not pass the filter on " + failed + ".");
    return OkStatus();
  }
  Say(why, "FILTERED", "It does not pass the filter.");
  return OkStatus();
}

void WhyNot::OfCandidate(const Ranked& candidate, v1::WhyNot* why) {
  *why->mutable_explanation() = Explain(view_, answer_, candidate);
  const std::string relevance = Digits2(candidate.parts.relevance);
  if (candidate.parts.relevance < question_.min_relevance) {
    Say(why, "BELOW_MIN_RELEVANCE",
        "Its relevance is " + relevance + ", min_relevance is " + Digits2(question_.min_relevance) +
            ".");
  } else if (emptied_) {
    Say(why, "NO_MATCH_BELOW",
        "Its relevance is " + relevance + "; the best of the reply is " +
            Digits2(answer_.best_relevance) + ", no_match_below is " +
            Digits2(question_.no_match_below) + ".");
  } else {
    const size_t rank = RankOf(view_, &ids_, ranking_, candidate);
    why->set_rank(static_cast<uint32_t>(rank));
    Say(why, "RANKED",
        "It is number " + std::to_string(rank) + " of " + std::to_string(ranking_.size()) +
            ", with relevance " + relevance + ".");
  }
}

}  // namespace engram::recall
