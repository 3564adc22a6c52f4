// Handlers of calls that read.
#include "engram/api/http_call.h"
#include "engram/api/json_names.h"
#include "engram/api/text.h"
#include "engram/model/time.h"

namespace engram::api {
namespace {

void AddAll(const std::vector<std::string>& from,
            google::protobuf::RepeatedPtrField<std::string>* to) {
  for (const std::string& value : from) *to->Add() = value;
}

// "2026-01", "2026-01-05T10:00": from the start of the first to the end of the last.
void SetRange(const std::string& from, const std::string& to, v1::TimeRange* range) {
  range->set_text((from.empty() ? ".." : from) + "/" + (to.empty() ? ".." : to));
}

template <class Enum>
Status ReadEnum(QueryReader& query, const std::string& name,
                const google::protobuf::EnumDescriptor* type, Enum* value) {
  const std::string text = query.Text(name);
  if (text.empty()) return OkStatus();
  const auto* found = FindEnum(type, text);
  if (found == nullptr) {
    std::string list;
    for (const std::string& known : EnumNames(type)) list += (list.empty() ? "" : ", ") + known;
    return Status(Reason::INVALID_REQUEST, "Parameter '" + name + "' is not known.")
        .Expected("one of " + list)
        .With("field", name);
  }
  *value = static_cast<Enum>(found->number());
  return OkStatus();
}

Status ReadInstant(const std::string& text, const std::string& name,
                   google::protobuf::Timestamp* time) {
  v1::TimeRange range;
  range.set_text(text);
  const Result<model::TimeInterval> interval = model::ResolveRange(range, "UTC");
  if (!interval.ok()) return interval.status().Annotate(name);
  *time = interval->start.ToProto();
  return OkStatus();
}

Status ReadReplayCue(QueryReader& query, v1::ReminisceRequest* request) {
  const std::string around = query.Text("around"), where = query.Text("where");
  const std::string about = query.Text("about"), session = query.Text("session");
  const std::vector<std::string> who = query.List("who");
  const int cues =
      !around.empty() + !where.empty() + !about.empty() + !session.empty() + !who.empty();
  if (cues > 1) {
    return Status(Reason::INVALID_CUE, "The request holds " + std::to_string(cues) + " cues.")
        .Expected("one of around, where, who, about, session")
        .Suggest("use GET /api/v1/memories for several filters at once");
  }
  if (!around.empty()) return ReadInstant(around, "around", request->mutable_around_time());
  if (!where.empty()) request->set_at_location(where);
  if (!about.empty()) request->set_about_topic(about);
  if (!session.empty()) request->set_in_session(session);
  if (!who.empty()) AddAll(who, request->mutable_with_people()->mutable_people());
  return OkStatus();
}

Result<v1::GetResponse> GetOne(Exchange& exchange, v1::GetRequest request) {
  request.add_ids(exchange.id);
  const std::string space = request.memory_space_id();
  ASSIGN_OR_RETURN(v1::GetResponse found, CallService(exchange, &Service::Get, std::move(request)));
  if (!found.episodes().empty()) return found;
  return Status(Reason::MEMORY_NOT_FOUND, "No memory '" + CutText(exchange.id, 80) + "' is here.")
      .Expected("the id of a stored memory")
      .With("id", CutText(exchange.id, 80))
      .With("space", space);
}

}  // namespace

void ReadFilter(QueryReader& query, v1::Filter* filter) {
  AddAll(query.List("who"), filter->mutable_who()->mutable_any_of());
  AddAll(query.List("where"), filter->mutable_where_location());
  AddAll(query.List("tags"), filter->mutable_tags()->mutable_any_of());
  AddAll(query.List("not_tags"), filter->mutable_tags()->mutable_none_of());
  AddAll(query.List("session"), filter->mutable_sessions());
  const std::string from = query.Text("from_time"), to = query.Text("to_time");
  if (!from.empty() || !to.empty()) SetRange(from, to, filter->mutable_event_time());
  if (const auto least = query.Number("min_confidence")) {
    filter->set_min_confidence(static_cast<float>(*least));
  }
}

Result<HttpResponse> HttpRecall(Exchange& exchange) {
  return Forward(exchange, &Service::Recall);
}

Result<HttpResponse> HttpRecallByQuery(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::RecallRequest request;
  request.set_memory_space_id(query.Text("space"));
  if (const std::string text = query.Text("query"); !text.empty()) {
    request.mutable_query()->set_text(text);
  }
  ReadFilter(query, request.mutable_filter());
  request.set_max_results(static_cast<int32_t>(query.Whole("max_results").value_or(0)));
  if (const auto least = query.Number("no_match_below")) {
    request.set_no_match_below(static_cast<float>(*least));
  }
  request.set_explain(query.Flag("explain"));
  request.set_page_token(query.Text("page_token"));
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const v1::RecallResponse recalled,
                   CallService(exchange, &Service::Recall, std::move(request)));
  return JsonReply(recalled);
}

Result<HttpResponse> HttpReplay(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::ReminisceRequest request;
  request.set_memory_space_id(query.Text("space"));
  RETURN_IF_ERROR(ReadReplayCue(query, &request));
  const std::string from = query.Text("from_time"), to = query.Text("to_time");
  if (!from.empty() || !to.empty()) {
    SetRange(from, to, request.mutable_filter()->mutable_event_time());
  }
  v1::ReminisceRequest::Order order = v1::ReminisceRequest::ORDER_OLDEST_FIRST;
  RETURN_IF_ERROR(ReadEnum(query, "order", v1::ReminisceRequest::Order_descriptor(), &order));
  request.set_order(order);
  request.set_page_size(static_cast<int32_t>(query.Whole("page_size").value_or(0)));
  request.set_page_token(query.Text("page_token"));
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const v1::ReminisceResponse told,
                   CallService(exchange, &Service::Reminisce, std::move(request)));
  return JsonReply(told);
}

Result<HttpResponse> HttpGet(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::GetRequest request;
  request.set_memory_space_id(query.Text("space"));
  request.set_include_embedding(query.Flag("include_embedding"));
  const int64_t version = query.Whole("version").value_or(0);
  RETURN_IF_ERROR(query.Finish());
  if (version < 0) {
    return Status(Reason::INVALID_REQUEST, "A version is 1 or more.").With("field", "version");
  }
  request.set_version(static_cast<uint64_t>(version));
  ASSIGN_OR_RETURN(const v1::GetResponse found, GetOne(exchange, std::move(request)));
  return JsonReply(found.episodes(0));
}

Result<HttpResponse> HttpHistory(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::GetRequest request;
  request.set_memory_space_id(query.Text("space"));
  request.set_include_embedding(query.Flag("include_embedding"));
  request.set_include_history(true);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const v1::GetResponse found, GetOne(exchange, std::move(request)));
  return JsonReply(found);
}

Result<HttpResponse> HttpList(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::ListRequest request;
  request.set_memory_space_id(query.Text("space"));
  ReadFilter(query, request.mutable_filter());
  v1::ListRequest::Order order = v1::ListRequest::ORDER_STORED_ASC;
  RETURN_IF_ERROR(ReadEnum(query, "order", v1::ListRequest::Order_descriptor(), &order));
  request.set_order(order);
  request.set_page_size(static_cast<int32_t>(query.Whole("page_size").value_or(0)));
  request.set_page_token(query.Text("page_token"));
  request.set_count_only(query.Flag("count_only"));
  request.set_include_embedding(query.Flag("include_embedding"));
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const v1::ListResponse listed,
                   CallService(exchange, &Service::List, std::move(request)));
  return JsonReply(listed);
}

Result<HttpResponse> HttpGetSpace(Exchange& exchange) {
  RETURN_IF_ERROR(QueryReader(exchange.target).Finish());
  v1::GetSpaceRequest request;
  request.set_id(exchange.id);
  ASSIGN_OR_RETURN(const v1::Space space,
                   CallService(exchange, &Service::GetSpace, std::move(request)));
  return JsonReply(space);
}

Result<HttpResponse> HttpListSpaces(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::ListSpacesRequest request;
  request.set_prefix(query.Text("prefix"));
  request.set_page_size(static_cast<int32_t>(query.Whole("page_size").value_or(0)));
  request.set_page_token(query.Text("page_token"));
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const v1::ListSpacesResponse listed,
                   CallService(exchange, &Service::ListSpaces, std::move(request)));
  return JsonReply(listed);
}

Result<HttpResponse> HttpOpenApi(Exchange& exchange) {
  RETURN_IF_ERROR(QueryReader(exchange.target).Finish());
  HttpResponse response;
  response.body = OpenApi();
  return response;
}

}  // namespace engram::api
