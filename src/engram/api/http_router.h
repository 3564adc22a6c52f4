// HTTP without sockets: from a request to a reply, through a table of routes (http_routes.h) that
// also makes /openapi.json. Handle blocks its thread until the service has answered or the deadline
// has passed. Thread-safe.
#pragma once

#include <memory>

#include "engram/api/http_message.h"
#include "engram/api/service.h"
#include "engram/api/under_way.h"
#include "engram/api/watch.h"

namespace engram::api {

struct HttpOptions {
  std::string address = "127.0.0.1:7432";  // port 0: any
  size_t message_bytes = 16u << 20;
  env::Duration request_timeout = std::chrono::seconds(10);  // when the client sets none
  int threads = 0;                // 0: max(8, cores - 1); event streams have theirs beside
  size_t event_streams_max = 16;  // each holds a connection and its thread
};

class HttpRouter {
 public:
  HttpRouter(runtime::Node& node, Service& service, const HttpOptions& options)
      : node_(node),
        service_(service),
        options_(options),
        watches_(std::make_shared<Watches>(node, options.event_streams_max)) {}
  ~HttpRouter() { EndWatches(); }

  HttpResponse Handle(const HttpRequest& request);
  runtime::Node& node() { return node_; }
  Service& service() { return service_; }
  const HttpOptions& options() const { return options_; }
  Watches& watches() { return *watches_; }
  UnderWay& bodies() { return bodies_; }
  // The event streams end, and no more begin: a shutdown need not wait for them. Their clients are
  // told, those at least that listen.
  void EndWatches() {
    watches_->End();
    bodies_.WaitForNone(std::chrono::seconds(1));
  }

 private:
  Result<CallContext> MakeContext(const HttpRequest& request, const std::string& request_id);
  HttpResponse Dispatch(const HttpRequest& request, const std::string& request_id);

  runtime::Node& node_;
  Service& service_;
  const HttpOptions options_;
  const std::shared_ptr<Watches> watches_;
  UnderWay bodies_;  // of event streams, until they are written
};

// What operators and probes read, with or without a node (null: it is starting): /health/live,
// /health/startup, /health/ready, /metrics, /cluster/health. nullopt for any other path.
std::optional<HttpResponse> HandleOps(runtime::Node* node, const HttpRequest& request);

}  // namespace engram::api
