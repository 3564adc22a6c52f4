#include "engram/api/http_router.h"

#include "engram/api/http_routes.h"
#include "engram/api/json.h"
#include "engram/api/text.h"
#include "engram/runtime/node.h"

namespace engram::api {
namespace {

// A page of another site that a browser on this machine shows must not reach a server without keys.
bool ForeignOrigin(const std::string& origin) {
  if (origin.empty()) return false;
  std::string_view host = origin;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!host.starts_with(scheme)) continue;
    host.remove_prefix(scheme.size());
    if (host.starts_with("[::1]")) return false;
    host = host.substr(0, host.find(':'));
    return host != "localhost" && host != "127.0.0.1";
  }
  return true;
}

bool IsJson(const std::string& content_type) {
  return content_type.starts_with("application/json") ||
         content_type.starts_with("application/x-ndjson");
}

Status NoSuchPath(const std::string& path) {
  std::vector<std::string> known;
  for (const Route& route : Routes()) known.emplace_back(route.path);
  const std::string nearest = NearestName(path, known);
  Status status =
      Status(Reason::INVALID_REQUEST, "There is nothing at '" + CutText(path, 120) + "'.")
          .Expected("a path of /openapi.json");
  return nearest.empty() ? status : std::move(status).Suggest("did you mean " + nearest + "?");
}

}  // namespace

HttpResponse HttpRouter::Handle(const HttpRequest& request) {
  const auto wall_ms = static_cast<uint64_t>(node_.clock().WallNs() / 1'000'000);
  const std::string request_id =
      MakeUlid(wall_ms, node_.entropy().Next() >> 48, node_.entropy().Next());
  HttpResponse response = Dispatch(request, request_id);
  response.headers["Engram-Request-Id"] = request_id;
  return response;
}

Result<CallContext> HttpRouter::MakeContext(const HttpRequest& request,
                                            const std::string& request_id) {
  CallContext context;
  context.request_id = request_id;
  context.principal.loopback = request.loopback;
  context.space_header = request.Header("x-engram-memory-space");
  context.space_header_short = request.Header("x-memory-space");
  env::Duration timeout = options_.request_timeout;
  if (const std::string& said = request.Header("engram-timeout"); !said.empty()) {
    const Result<google::protobuf::Duration> parsed = ParseDuration(said);
    if (!parsed.ok()) return parsed.status().Annotate("Engram-Timeout");
    timeout = std::chrono::seconds(std::min<int64_t>(parsed->seconds(), 86400)) +
              std::chrono::nanoseconds(parsed->nanos());
  }
  context.deadline = node_.clock().Now() + timeout;
  return context;
}

HttpResponse HttpRouter::Dispatch(const HttpRequest& request, const std::string& request_id) {
  const auto problem = [&](const Status& status, int http_status = 0) {
    return Problem(status, request, request_id, http_status);
  };
  if (ForeignOrigin(request.Header("origin"))) {
    return problem(
        Status(Reason::PERMISSION_DENIED, "Pages of other sites may not use this server.")
            .Expected("no Origin header, or one of this machine"));
  }
  if (std::optional<HttpResponse> ops = HandleOps(&node_, request)) return std::move(*ops);
  const Result<HttpTarget> target = ParseTarget(request.target);
  if (!target.ok()) return problem(target.status());
  std::string id, allowed;
  const std::string_view method =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  const Route* route = FindRoute(method, target->segments, &id, &allowed);
  if (route == nullptr && allowed.empty()) return problem(NoSuchPath(target->path), 404);
  if (route == nullptr) {
    HttpResponse response = problem(
        Status(Reason::INVALID_REQUEST, "This path does not take " + CutText(method, 20) + ".")
            .Expected(allowed),
        405);
    response.headers["Allow"] = allowed;
    return response;
  }
  if (!route->request.empty() && !IsJson(request.Header("content-type"))) {
    return problem(Status(Reason::INVALID_REQUEST, "The body is not said to be JSON.")
                       .Expected("content-type: application/json")
                       .Example("curl -H 'content-type: application/json' …"),
                   415);
  }
  const Result<CallContext> context = MakeContext(request, request_id);
  if (!context.ok()) return problem(context.status());
  Exchange exchange{*this, request, *target, *context, id};
  Result<HttpResponse> response = route->handler(exchange);
  return response.ok() ? std::move(*response) : problem(response.status());
}

}  // namespace engram::api
