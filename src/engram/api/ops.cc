// /health/*, /metrics, /cluster/health.
#include "engram/api/health.h"
#include "engram/api/http_router.h"
#include "engram/api/json_value.h"
#include "engram/runtime/node.h"

namespace engram::api {
namespace {

HttpResponse Answer(const Probe& probe, const std::string& more = "",
                    const char* bad = "not ready") {
  HttpResponse response;
  response.status = probe.good ? 200 : 503;
  response.body = std::string("{\"status\":\"") + (probe.good ? "ok" : bad) + "\"";
  if (!probe.why.empty()) response.body += ",\"reason\":" + JsonString(probe.why);
  response.body += more + "}";
  return response;
}

// A process that is starting or ending does so in its main thread: it has no pools to ask.
HttpResponse Live(runtime::Node* node) {
  return node == nullptr ? Answer({true, ""}) : Answer(ProbeLive(*node), "", "stuck");
}

HttpResponse Startup(runtime::Node* node) {
  HttpResponse response;
  response.status = node != nullptr ? 200 : 503;
  response.body =
      node != nullptr
          ? "{\"phase\":\"started\",\"spaces\":" + std::to_string(node->spaces().known()) + "}"
          : "{\"phase\":\"recovering\"}";
  return response;
}

HttpResponse Ready(runtime::Node* node, const HttpRequest& request) {
  if (node == nullptr) return Answer({false, "starting"});
  const Result<HttpTarget> target = ParseTarget(request.target);
  if (!target.ok()) return Problem(target.status(), request, "");
  QueryReader query(*target);
  const std::string space = query.Text("space");
  std::string role = query.Text("role");
  (void)query.Text("max_lag");  // a primary has none
  if (Status bad = query.Finish(); !bad.ok()) return Problem(bad, request, "");
  if (space.empty()) return Answer(ProbeReady(*node));
  const Result<Probe> probe = ProbeSpace(*node, space, role.empty() ? "any" : role);
  return probe.ok() ? Answer(*probe) : Problem(probe.status(), request, "");
}

HttpResponse Cluster(runtime::Node* node) {
  if (node == nullptr) return Answer({false, "starting"});
  const v1::NodeInfo info = node->Info();
  return Answer(ProbeReady(*node),
                ",\"mode\":\"single\",\"node\":" + JsonString(node->name()) + ",\"id\":" +
                    JsonString(info.id()) + ",\"version\":" + JsonString(info.version()) +
                    ",\"spaces_known\":" + std::to_string(node->spaces().known()) +
                    ",\"spaces_open\":" + std::to_string(node->spaces().open()));
}

}  // namespace

std::optional<HttpResponse> HandleOps(runtime::Node* node, const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (path == "/health/live") return Live(node);
  if (path == "/health/startup") return Startup(node);
  if (path == "/health/ready") return Ready(node, request);
  if (path == "/cluster/health") return Cluster(node);
  if (path != "/metrics") return std::nullopt;
  if (node == nullptr) return Answer({false, "starting"});
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = node->ExposeMetrics();
  return response;
}

}  // namespace engram::api
