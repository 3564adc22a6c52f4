// HTTP without sockets: from a request to a reply, through a table of routes (http_routes.h) that
// also makes /openapi.json. Handle blocks its thread until the service has answered or the deadline
// has passed. Thread-safe.
#pragma once

#include <memory>

#include "engram/api/http_message.h"
#include "engram/api/service.h"

namespace engram::api {

struct HttpOptions {
  std::string address = "127.0.0.1:7432";  // port 0: any
  size_t message_bytes = 16u << 20;
  env::Duration request_timeout = std::chrono::seconds(10);  // when the client sets none
  int threads = 0;                                           // 0: max(8, cores - 1)
};

class HttpRouter {
 public:
  HttpRouter(runtime::Node& node, Service& service, const HttpOptions& options)
      : node_(node), service_(service), options_(options) {}

  HttpResponse Handle(const HttpRequest& request);
  runtime::Node& node() { return node_; }
  Service& service() { return service_; }
  const HttpOptions& options() const { return options_; }

 private:
  Result<CallContext> MakeContext(const HttpRequest& request, const std::string& request_id);
  HttpResponse Dispatch(const HttpRequest& request, const std::string& request_id);

  runtime::Node& node_;
  Service& service_;
  const HttpOptions options_;
};

// What operators and probes read, with or without a node (null: it is starting): /health/live,
// /health/startup, /health/ready, /metrics, /cluster/health. nullopt for any other path.
std::optional<HttpResponse> HandleOps(runtime::Node* node, const HttpRequest& request);

}  // namespace engram::api
