// List: everything current that passes a filter, in a fixed order, page by page. And the ids that a
// filter or a cue names for Forget.
#include "engram/model/episode.h"
#include "engram/recall/listing.h"
#include "engram/recall/question.h"
#include "engram/recall/recall.h"

namespace engram::recall {
namespace {

constexpr size_t kDefaultPage = 100;

Status CheckOrder(const v1::ListRequest& request) {
  if (v1::ListRequest::Order_IsValid(request.order())) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "The order is not known.")
      .Expected("ORDER_STORED_ASC, ORDER_STORED_DESC, ORDER_EVENT_ASC or ORDER_EVENT_DESC")
      .With("field", "order")
      .With("actual", std::to_string(request.order()));
}

Order KindOf(v1::ListRequest::Order order) {
  return order == v1::ListRequest::ORDER_EVENT_ASC || order == v1::ListRequest::ORDER_EVENT_DESC
             ? Order::kEvent
             : Order::kStored;
}

bool IsDescending(v1::ListRequest::Order order) {
  return order == v1::ListRequest::ORDER_STORED_DESC || order == v1::ListRequest::ORDER_EVENT_DESC;
}

}  // namespace

Result<v1::ListResponse> List(space::View& view, const v1::ListRequest& request) {
  RETURN_IF_ERROR(CheckOrder(request));
  ASSIGN_OR_RETURN(const size_t size, ResolveLimit(request.page_size(), kDefaultPage, "page_size"));
  ASSIGN_OR_RETURN(model::ResolvedFilter filter,
                   model::ResolveFilter(request.filter(), view.settings().time_zone()));
  PageToken token;
  token.request = RequestOf(request, view.incarnation());
  token.pinned = view.visible_through();
  const bool later_page = !request.page_token().empty();
  if (later_page) {
    ASSIGN_OR_RETURN(token, ParsePageToken(request.page_token(), token.request));
  }
  v1::ListResponse reply;
  ASSIGN_OR_RETURN(
      std::vector<Listed> listed,
      Collect(view, {std::move(filter)}, later_page ? std::optional(token.pinned) : std::nullopt,
              reply.mutable_warnings()));
  reply.set_count(listed.size());
  if (request.count_only()) return reply;
  if (TakePage(KindOf(request.order()), IsDescending(request.order()), size, later_page, &token,
               &listed)) {
    reply.set_next_page_token(Format(token));
  }
  LoadPage(view, listed, request.include_embedding(), reply.mutable_episodes(),
           reply.mutable_warnings());
  return reply;
}

namespace {

Result<std::vector<space::RowIndex>> NamedByFilter(space::View& view, const v1::Filter& asked) {
  ASSIGN_OR_RETURN(const model::ResolvedFilter filter,
                   model::ResolveFilter(asked, view.settings().time_zone()));
  if (filter.empty()) {
    return Status(Reason::EMPTY_FILTER, "The filter asks for nothing, so it names everything.")
        .Expected("at least one condition")
        .Suggest("to empty a space, delete it");
  }
  ASSIGN_OR_RETURN(const space::RowSet rows, view.Select(filter));
  std::vector<space::RowIndex> named;
  for (space::RowIndex row = 0; row < rows.rows(); ++row) {
    if (rows.Has(row)) named.push_back(row);
  }
  return named;
}

Result<std::vector<space::RowIndex>> NamedByCue(space::View& view, const v1::Cue& cue,
                                                model::UtcTime now) {
  v1::RecallRequest request;
  *request.mutable_cue() = cue;
  request.mutable_cue()->clear_max_results();
  ASSIGN_OR_RETURN(Question question, ResolveQuestion(view.space(), view.settings(), request, now));
  question.depth = view.rows();  // all of them, not the best
  if (question.FilterOnly() && question.filters.size() < 2) {
    return Status(Reason::EMPTY_FILTER, "The cue asks for nothing, so it names everything.")
        .Expected("a cue with a condition")
        .Suggest("to empty a space, delete it");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Answer> answer, AnswerQuestion(view, question, now));
  const float bar = std::max(kWeakRelevance, question.min_relevance);
  std::vector<space::RowIndex> named;
  for (const Ranked& candidate : answer->candidates) {
    if (candidate.parts.relevance >= bar) named.push_back(candidate.row);
  }
  return named;
}

}  // namespace

Result<std::vector<std::string>> SelectForForget(space::View& view,
                                                 const v1::ForgetRequest& request,
                                                 model::UtcTime now) {
  Result<std::vector<space::RowIndex>> rows =
      request.target_case() == v1::ForgetRequest::kFilter ? NamedByFilter(view, request.filter())
      : request.target_case() == v1::ForgetRequest::kPattern
          ? NamedByCue(view, request.pattern(), now)
          : Status(Reason::INVALID_REQUEST, "Neither a filter nor a cue is given.")
                .Expected("filter or pattern")
                .With("field", "target");
  RETURN_IF_ERROR(rows.status());
  std::vector<std::string> ids;
  for (space::RowIndex row : *rows) {
    ASSIGN_OR_RETURN(model::Facets facets, view.FacetsOf(row));
    ids.push_back(std::move(facets.id));
  }
  return ids;
}

}  // namespace engram::recall
