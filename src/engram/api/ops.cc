// /health/*, /metrics, /cluster/health.
#include "engram/api/admin.h"
#include "engram/api/health.h"
#include "engram/api/http_router.h"
#include "engram/api/json.h"
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
  const std::string max_lag = query.Text("max_lag");
  if (Status bad = query.Finish(); !bad.ok()) return Problem(bad, request, "");
  std::optional<Duration> lag;
  if (!max_lag.empty()) {
    const Result<google::protobuf::Duration> parsed = ParseDuration(max_lag);
    if (!parsed.ok()) return Problem(parsed.status().Annotate("max_lag"), request, "");
    lag = std::chrono::seconds(parsed->seconds()) + std::chrono::nanoseconds(parsed->nanos());
  }
  if (space.empty()) return Answer(ProbeReady(*node));
  const Result<Probe> probe = ProbeSpace(*node, space, role.empty() ? "any" : role, lag);
  return probe.ok() ? Answer(*probe) : Problem(probe.status(), request, "");
}

// The cluster as this node sees it, in the words of GetCluster.
HttpResponse Cluster(runtime::Node* node) {
  if (node == nullptr) return Answer({false, "starting"});
  const v1::NodeInfo info = node->Info();
  const auto cluster = DescribeCluster(*node, node->replication(), "");
  if (!cluster.ok()) return Answer({false, cluster.status().message()});
  const std::string state = MessageToJson(*cluster);
  return Answer(ProbeCluster(*node),
                ",\"id\":" + JsonString(info.id()) + ",\"version\":" + JsonString(info.version()) +
                    ",\"spaces_known\":" + std::to_string(node->spaces().known()) +
                    ",\"spaces_open\":" + std::to_string(node->spaces().open()) + "," +
                    state.substr(1, state.size() - 2),
                "degraded");
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
