#include "engram/recall/recall.h"

#include <algorithm>

#include "engram/recall/explain.h"
#include "engram/recall/page_token.h"
#include "engram/recall/reply.h"

namespace engram::recall {
namespace {

using space::RowIndex;

// A token remembers what was shown; beyond this a list is read with List.
constexpr size_t kMostPaged = 10000;

// One request on its way to a reply.
class Recaller {
 public:
  Recaller(space::View& view, const v1::RecallRequest& request, model::UtcTime now)
      : view_(view), request_(request), now_(now) {}

  Result<v1::RecallResponse> Run() {
    ASSIGN_OR_RETURN(question_, ResolveQuestion(view_.space(), view_.settings(), request_, now_));
    RETURN_IF_ERROR(TakeToken());
    question_.depth = question_.max_results + token_.shown.size();
    ASSIGN_OR_RETURN(answer_, AnswerQuestion(view_, question_, now_));
    Rank();
    FillPage();
    FillVerdict();
    AddWarnings();
    RETURN_IF_ERROR(AddExplanations());
    *reply_.mutable_now() = now_.ToProto();
    return std::move(reply_);
  }

 private:
  bool later_page() const { return !request_.page_token().empty(); }

  Status TakeToken() {
    token_.request = RequestOf(request_, view_.incarnation());
    token_.pinned = view_.visible_through();
    token_.now = now_;
    if (!later_page()) return OkStatus();
    ASSIGN_OR_RETURN(token_, ParsePageToken(request_.page_token(), token_.request));
    now_ = token_.now;
    return OkStatus();
  }

  // What may be in the list: above min_relevance, and there at the first page.
  void Rank() {
    for (const Ranked& candidate : answer_->candidates) {
      if (candidate.parts.relevance < question_.min_relevance) continue;
      if (later_page() && view_.row(candidate.row).content > token_.pinned) continue;
      best_relevance_ = std::max(best_relevance_, candidate.parts.relevance);
      ranking_.push_back(candidate);
    }
    emptied_ = best_relevance_ < question_.no_match_below;
  }

  bool Shown(RowIndex row) const {
    return std::binary_search(token_.shown.begin(), token_.shown.end(), view_.row(row).content);
  }

  void FillPage() {
    if (emptied_) return;
    std::vector<Ranked> left;
    for (const Ranked& candidate : ranking_) {
      if (!Shown(candidate.row)) left.push_back(candidate);
    }
    const size_t more = left.size();
    const std::vector<Ranked> page = Best(view_, std::move(left), question_.max_results);
    for (const Ranked& ranked : page) AddMemory(ranked);
    if (more > page.size()) FillToken(page);
  }

  void AddMemory(const Ranked& ranked) {
    const ReplyOptions options{request_.include_embedding(), request_.context_before(),
                               request_.context_after()};
    Result<v1::Memory> loaded = LoadMemory(view_, *answer_->scores, ranked, options);
    if (!loaded.ok()) {
      *reply_.add_warnings() = UnreadableWarning(view_, ranked.row, loaded.status());
      return;
    }
    v1::Memory* memory = reply_.add_memories();
    *memory = *std::move(loaded);
    if (request_.explain()) {
      *memory->mutable_explanation() = Explain(view_, *answer_, ranked);
    }
    if (request_.trace_activation()) {
      *reply_.add_traces() = TraceOf(view_, *answer_, *memory, ranked, now_);
    }
  }

  void FillToken(const std::vector<Ranked>& page) {
    for (const Ranked& ranked : page) token_.shown.push_back(view_.row(ranked.row).content);
    std::sort(token_.shown.begin(), token_.shown.end());
    if (token_.shown.size() >= kMostPaged) {
      *reply_.add_warnings() =
          MakeWarning("PAGES_END",
                      "A recall goes on for 10,000 results at the most; there are "
                      "more. List reads them all.");
      return;
    }
    reply_.set_next_page_token(Format(token_));
  }

  void FillVerdict() {
    reply_.set_no_match(emptied_ || best_relevance_ < kWeakRelevance);
    if (!ranking_.empty() && !emptied_) {
      *reply_.mutable_recall_confidence() = RecallConfidence(question_, *answer_->legs, ranking_);
    }
    v1::RecallMetadata* metadata = reply_.mutable_metadata();
    metadata->set_total_activated(static_cast<int32_t>(answer_->candidates.size()));
    metadata->set_above_threshold(static_cast<int32_t>(ranking_.size()));
    double sum = 0;
    for (const v1::Memory& memory : reply_.memories()) sum += memory.activation();
    if (reply_.memories_size() > 0) {
      metadata->set_avg_activation(static_cast<float>(sum / reply_.memories_size()));
    }
  }

  void AddWarnings() {
    const Legs& legs = *answer_->legs;
    if (legs.query_not_embedded()) {
      *reply_.add_warnings() =
          MakeWarning("QUERY_NOT_EMBEDDED",
                      "The space holds vectors and the query has none, so only its words "
                      "were looked for. Give query.embedding to use both.");
    }
    if (legs.text() != nullptr && legs.text()->cut()) {
      *reply_.add_warnings() = MakeWarning(
          "QUERY_CUT", "The query has more than 256 terms; the first 256 were looked for.");
    }
  }

  Status AddExplanations() {
    if (request_.explain() || request_.explain_ids_size() > 0) {
      *reply_.mutable_explanation() = ExplainQuery(view_, question_, *answer_);
    }
    WhyNot why(view_, question_, *answer_, ranking_, emptied_,
               later_page() ? std::optional(token_.pinned) : std::nullopt);
    for (const std::string& id : request_.explain_ids()) {
      ASSIGN_OR_RETURN(*reply_.mutable_explanation()->add_why_not(), why.Of(id));
    }
    return OkStatus();
  }

  space::View& view_;
  const v1::RecallRequest& request_;
  model::UtcTime now_;
  Question question_;
  PageToken token_;
  std::unique_ptr<Answer> answer_;
  std::vector<Ranked> ranking_;
  float best_relevance_ = 0;
  bool emptied_ = false;
  v1::RecallResponse reply_;
};

}  // namespace

Result<v1::RecallResponse> Recall(space::View& view, const v1::RecallRequest& request,
                                  model::UtcTime now) {
  return Recaller(view, request, now).Run();
}

}  // namespace engram::recall
