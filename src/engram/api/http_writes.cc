// Handlers of calls that change something.
#include "engram/api/errors.h"
#include "engram/api/http_call.h"
#include "engram/api/json_names.h"
#include "engram/api/request_checks.h"
#include "engram/api/text.h"

namespace engram::api {
namespace {

constexpr size_t kBatch = 1000;

void MarkCreated(const v1::WriteResult& write, const std::string& id, HttpResponse* response) {
  response->headers["Location"] = "/api/v1/memories/" + EncodePercent(id);
  if (write.outcome() == v1::WRITE_OUTCOME_CREATED) response->status = 201;
}

bool IsLines(const HttpRequest& request) {
  return request.Header("content-type").starts_with("application/x-ndjson");
}

std::vector<std::string_view> Lines(std::string_view body) {
  std::vector<std::string_view> lines;
  while (!body.empty()) {
    const size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back(line);
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return lines;
}

// JSON lines in batches: each line gets its own line in the reply, an error where it is one.
class LineBatches {
 public:
  LineBatches(Exchange& exchange, v1::RememberBatchRequest options)
      : exchange_(exchange), options_(std::move(options)) {}

  Result<HttpResponse> Run() {
    const std::vector<std::string_view> lines = Lines(exchange_.request.body);
    if (lines.empty())
      return Status(Reason::EMPTY_BATCH, "There is no line.").Expected("JSON lines");
    for (size_t first = 0; first < lines.size(); first += kBatch) {
      const size_t count = std::min(kBatch, lines.size() - first);
      RETURN_IF_ERROR(
          RunBatch(std::span(lines).subspan(first, count), first, lines.size() > kBatch));
    }
    HttpResponse response;
    response.content_type = "application/x-ndjson";
    response.body = std::move(out_);
    if (!token_.empty()) response.headers["Engram-Token"] = token_;
    return response;
  }

 private:
  Status RunBatch(std::span<const std::string_view> lines, size_t first, bool one_of_many) {
    v1::RememberBatchRequest request = options_;
    std::vector<std::optional<v1::RememberResponse>> answers(lines.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      Status bad = MessageFromJson(lines[i], request.add_episodes());
      if (bad.ok()) continue;
      request.mutable_episodes()->RemoveLast();
      bad = std::move(bad).With("line", static_cast<uint64_t>(first + i + 1));
      *answers[i].emplace().mutable_error() = ToItemError(bad);
    }
    const std::string& key = exchange_.request.Header("idempotency-key");
    if (!key.empty()) {
      const std::string part = one_of_many ? "/" + std::to_string(first / kBatch) : "";
      request.mutable_options()->set_idempotency_key(key + part);
    }
    v1::RememberBatchResponse stored;
    if (!request.episodes().empty()) {
      ASSIGN_OR_RETURN(stored, Store(std::move(request)));
    }
    int next = 0;
    for (const auto& answer : answers) {
      if (!answer && next >= stored.results_size()) break;
      out_ += MessageToJson(answer ? *answer : stored.results(next++)) + "\n";
    }
    if (!stored.write().token().empty()) token_ = stored.write().token();
    return OkStatus();
  }

  Result<v1::RememberBatchResponse> Store(v1::RememberBatchRequest request) {
    HttpRequest bare;  // the key is in the options already
    Exchange exchange{exchange_.router, bare, exchange_.target, exchange_.context, ""};
    return CallService(exchange, &Service::RememberBatch, std::move(request));
  }

  Exchange& exchange_;
  const v1::RememberBatchRequest options_;
  std::string out_;
  std::string token_;
};

}  // namespace

Result<HttpResponse> HttpRemember(Exchange& exchange) {
  v1::RememberRequest request;
  RETURN_IF_ERROR(QueryReader(exchange.target).Finish());
  RETURN_IF_ERROR(MessageFromJson(exchange.request.body, &request));
  if (!request.has_memory()) request.mutable_episode();
  ASSIGN_OR_RETURN(const v1::RememberResponse stored,
                   CallService(exchange, &Service::Remember, std::move(request)));
  HttpResponse response = JsonReply(stored);
  MarkCreated(stored.write(), stored.memory_id(), &response);
  return response;
}

Result<HttpResponse> HttpRememberBatch(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::RememberBatchRequest request;
  request.set_memory_space_id(query.Text("space"));
  const std::string durability = query.Text("durability");
  RETURN_IF_ERROR(query.Finish());
  if (!durability.empty()) {
    const auto* level = FindEnum(v1::Durability_descriptor(), durability);
    if (level == nullptr) {
      return Status(Reason::INVALID_REQUEST, "This durability is not known.")
          .Expected("local, replicated or auto")
          .With("field", "durability");
    }
    request.mutable_options()->set_durability(static_cast<v1::Durability>(level->number()));
  }
  if (IsLines(exchange.request)) return LineBatches(exchange, std::move(request)).Run();
  RETURN_IF_ERROR(MessageFromJson(exchange.request.body, &request));
  ASSIGN_OR_RETURN(const v1::RememberBatchResponse stored,
                   CallService(exchange, &Service::RememberBatch, std::move(request)));
  return JsonReply(stored);
}

Result<HttpResponse> HttpExperience(Exchange& exchange) {
  v1::ExperienceRequest request;
  RETURN_IF_ERROR(QueryReader(exchange.target).Finish());
  RETURN_IF_ERROR(MessageFromJson(exchange.request.body, &request));
  ASSIGN_OR_RETURN(const v1::ExperienceResponse stored,
                   CallService(exchange, &Service::Experience, std::move(request)));
  HttpResponse response = JsonReply(stored);
  MarkCreated(stored.write(), stored.episode_id(), &response);
  return response;
}

Result<HttpResponse> HttpUpdate(Exchange& exchange) {
  RETURN_IF_ERROR(QueryReader(exchange.target).Finish());
  ASSIGN_OR_RETURN(v1::UpdateRequest request, UpdateFromJson(exchange.request.body));
  const std::string& said = request.episode().id();
  if (!said.empty() && said != exchange.id) {
    return Status(Reason::INVALID_REQUEST, "Path and body name two ids.")
        .Expected("the id in the path alone")
        .With("field", "id");
  }
  request.mutable_episode()->set_id(exchange.id);
  ASSIGN_OR_RETURN(const v1::UpdateResponse updated,
                   CallService(exchange, &Service::Update, std::move(request)));
  return JsonReply(updated);
}

Result<HttpResponse> HttpForgetOne(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::ForgetRequest request;
  request.set_memory_space_id(query.Text("space"));
  request.set_memory_id(exchange.id);
  request.set_dry_run(query.Flag("dry_run"));
  request.set_allow_missing(query.Flag("allow_missing"));
  request.set_reason(query.Text("reason"));
  const std::string mode = query.Text("mode");
  RETURN_IF_ERROR(query.Finish());
  if (!mode.empty()) {
    const auto* value = FindEnum(v1::ForgetMode_descriptor(), mode);
    if (value == nullptr) {
      return Status(Reason::INVALID_REQUEST, "The mode '" + CutText(mode, 40) + "' is not known.")
          .Expected("suppress or delete")
          .With("field", "mode");
    }
    request.set_mode(static_cast<v1::ForgetMode>(value->number()));
  }
  ASSIGN_OR_RETURN(const v1::ForgetResponse forgotten,
                   CallService(exchange, &Service::Forget, std::move(request)));
  return JsonReply(forgotten);
}

Result<HttpResponse> HttpForget(Exchange& exchange) {
  return Forward(exchange, &Service::Forget);
}

Result<HttpResponse> HttpRestore(Exchange& exchange) {
  return Forward(exchange, &Service::Restore);
}

Result<HttpResponse> HttpCreateSpace(Exchange& exchange) {
  ASSIGN_OR_RETURN(HttpResponse response, Forward(exchange, &Service::CreateSpace));
  response.status = 201;
  return response;
}

Result<HttpResponse> HttpDeleteSpace(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::DeleteSpaceRequest request;
  request.set_id(exchange.id);
  request.set_confirm_id(query.Text("confirm_id"));
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const v1::DeleteSpaceResponse deleted,
                   CallService(exchange, &Service::DeleteSpace, std::move(request)));
  return JsonReply(deleted);
}

Result<HttpResponse> HttpNotBuilt(Exchange& exchange) {
  const std::string_view path = exchange.target.path;
  if (path.ends_with("/reinforce")) {
    return Unimplemented("Reinforce", "", "set importance with PATCH; uses are not counted yet");
  }
  return Unimplemented("A change of settings", "",
                       "settings are chosen when a space is created; make a new one and import");
}

}  // namespace engram::api
