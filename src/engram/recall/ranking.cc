#include "engram/recall/ranking.h"

#include <algorithm>

namespace engram::recall {
namespace {

using space::RowIndex;

constexpr size_t kLeastCompleted = 200;
constexpr size_t kCompletedPerResult = 20;
constexpr int kSteps = 2;
constexpr size_t kMostNamed = 10000;  // equals whose ids are read; beyond, the order of storing

bool CosinePasses(const Question& question, const Legs& legs, RowIndex row) {
  if (!question.least_cosine) return true;
  const std::optional<float> cosine =
      legs.vector() != nullptr ? legs.vector()->CosineOf(row) : std::nullopt;
  return cosine && *cosine >= *question.least_cosine;
}

void Collect(const Question& question, Answer* answer) {
  answer->candidates.clear();
  answer->best_relevance = 0;
  for (RowIndex row = 0; row < answer->passed.rows(); ++row) {
    if (!answer->passed.Has(row) || !CosinePasses(question, *answer->legs, row)) continue;
    const Parts parts = answer->scores->Of(row);
    if (!parts.matches()) continue;
    answer->best_relevance = std::max(answer->best_relevance, parts.relevance);
    answer->candidates.push_back({row, parts});
  }
}

// The best rows by what is known so far, and those that lend to them.
std::vector<RowIndex> WorthKnowing(const space::View& view, const Question& question,
                                   std::vector<Ranked> candidates) {
  const size_t count = std::max(kLeastCompleted, kCompletedPerResult * question.depth);
  if (candidates.size() > count) {
    const auto before = [&](const Ranked& a, const Ranked& b) {
      return Before(view, a, b) || (!Before(view, b, a) && a.row < b.row);
    };
    std::nth_element(candidates.begin(), candidates.begin() + count, candidates.end(), before);
    candidates.resize(count);
  }
  std::vector<RowIndex> rows;
  for (const Ranked& candidate : candidates) {
    rows.push_back(candidate.row);
    view.Neighbours(candidate.row, kSteps, &rows, &rows);
  }
  return rows;
}

// In a large space not every cosine is known at first: takes those that can matter for the order
// until none is missing.
Status Refine(space::View& view, const Question& question, Answer* answer) {
  size_t nearest = std::max(kLeastCompleted, kCompletedPerResult * question.depth);
  for (;;) {
    answer->scores->Spread();
    Collect(question, answer);
    VectorLeg* vector = answer->legs->vector();
    if (vector == nullptr || !vector->partial()) return OkStatus();
    if (vector->Complete(WorthKnowing(view, question, answer->candidates))) continue;
    if (answer->candidates.size() >= question.depth) return OkStatus();
    nearest *= 4;  // never short: more may match
    RETURN_IF_ERROR(vector->Search(answer->passed, nearest));
  }
}

}  // namespace

Result<space::RowSet> SelectAll(space::View& view,
                                const std::vector<model::ResolvedFilter>& filters) {
  ENGRAM_CHECK(!filters.empty());
  ASSIGN_OR_RETURN(space::RowSet rows, view.Select(filters.front()));
  for (size_t i = 1; i < filters.size(); ++i) {
    ASSIGN_OR_RETURN(const space::RowSet more, view.Select(filters[i]));
    rows.Intersect(more);
  }
  return rows;
}

Result<std::unique_ptr<Answer>> AnswerQuestion(space::View& view, const Question& question,
                                               model::UtcTime now) {
  auto answer = std::make_unique<Answer>(view.rows());
  ASSIGN_OR_RETURN(answer->passed, SelectAll(view, question.filters));
  ASSIGN_OR_RETURN(answer->legs, Legs::Make(view, question, answer->passed));
  for (RowIndex row : answer->legs->liked()) answer->passed.Remove(row);
  answer->scores = std::make_unique<Scores>(view, question, *answer->legs, now);
  RETURN_IF_ERROR(Refine(view, question, answer.get()));
  return answer;
}

bool Before(const space::View& view, const Ranked& a, const Ranked& b) {
  if (a.parts.score != b.parts.score) return a.parts.score > b.parts.score;
  if (a.parts.direct != b.parts.direct) return a.parts.direct > b.parts.direct;
  const space::Row& first = view.row(a.row);
  const space::Row& second = view.row(b.row);
  if (first.has_event_time != second.has_event_time) return first.has_event_time;
  if (!first.has_event_time) return false;
  if (first.event_time.start != second.event_time.start) {
    return first.event_time.start > second.event_time.start;
  }
  return first.event_time.end > second.event_time.end;
}

std::string IdOf(space::View& view, RowIndex row) {
  Result<model::Facets> facets = view.FacetsOf(row);
  return facets.ok() ? std::move(facets->id) : std::string();
}

const std::string& Ids::Of(RowIndex row) {
  const auto [place, is_new] = known_.try_emplace(row);
  if (is_new) place->second = IdOf(view_, row);
  return place->second;
}

namespace {

// Orders equals by their ids, which have to be read; too many of them by their storing.
void SortEquals(space::View& view, std::vector<Ranked>::iterator first,
                std::vector<Ranked>::iterator end) {
  if (static_cast<size_t>(end - first) > kMostNamed) {
    std::sort(first, end, [](const Ranked& a, const Ranked& b) { return a.row < b.row; });
    return;
  }
  std::vector<std::pair<std::string, Ranked>> named;
  for (auto one = first; one != end; ++one) named.emplace_back(IdOf(view, one->row), *one);
  std::sort(named.begin(), named.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [id, one] : named) *first++ = one;
}

void SortTies(space::View& view, std::vector<Ranked>* sorted) {
  for (auto first = sorted->begin(); first != sorted->end();) {
    auto end = first + 1;
    while (end != sorted->end() && !Before(view, *first, *end)) ++end;
    if (end - first > 1) SortEquals(view, first, end);
    first = end;
  }
}

}  // namespace

std::vector<Ranked> Best(space::View& view, std::vector<Ranked> candidates, size_t count) {
  const auto before = [&](const Ranked& a, const Ranked& b) { return Before(view, a, b); };
  if (candidates.size() > count && count > 0) {
    std::nth_element(candidates.begin(), candidates.begin() + (count - 1), candidates.end(),
                     before);
    const Ranked last = candidates[count - 1];
    // Equals of the last one may be on either side: the id decides which of them stay.
    const auto end = std::partition(candidates.begin() + count, candidates.end(),
                                    [&](const Ranked& other) { return !before(last, other); });
    candidates.erase(end, candidates.end());
  }
  std::sort(candidates.begin(), candidates.end(), before);
  SortTies(view, &candidates);
  if (candidates.size() > count) candidates.resize(count);
  return candidates;
}

size_t RankOf(const space::View& view, Ids* ids, const std::vector<Ranked>& candidates,
              const Ranked& ranked) {
  size_t rank = 1;
  std::vector<RowIndex> equals;
  for (const Ranked& other : candidates) {
    if (other.row == ranked.row || Before(view, ranked, other)) continue;
    if (Before(view, other, ranked)) {
      ++rank;
    } else {
      equals.push_back(other.row);
    }
  }
  const bool by_storing = equals.size() + 1 > kMostNamed;
  for (const RowIndex other : equals) {
    if (by_storing ? other < ranked.row : ids->Of(other) < ids->Of(ranked.row)) ++rank;
  }
  return rank;
}

}  // namespace engram::recall
