// For tests: a node over a file system in memory, its service, and calls that wait for their
// answer.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "engram/api/service.h"
#include "engram/env/memory_file_system.h"
#include "engram/runtime/node.h"

namespace engram::api {

class TestNode {
 public:
  explicit TestNode(ServiceOptions service_options = {}, env::Clock& clock = env::SystemClock()) {
    runtime::NodeOptions options;
    options.fs = &fs_;
    options.clock = &clock;
    options.entropy = &env::SystemEntropy();
    options.name = "n1";
    options.data_dir = "/data";
    options.version = "test";
    options.reader_threads = 4;
    options.log.segment_bytes = 1u << 20;
    options.space_defaults.set_dimension(4);
    Result<std::unique_ptr<runtime::Node>> node = runtime::Node::Start(options);
    if (!node.ok()) ADD_FAILURE() << node.status().ToString();
    node_ = std::move(*node);
    service_ = Service::Make(*node_, service_options);
  }

  runtime::Node& node() { return *node_; }
  Service& service() { return *service_; }

  CallContext Context() {
    CallContext context;
    context.request_id = "test";
    return context;
  }

  template <class Request, class Response>
  Result<Response> Call(void (Service::*call)(const CallContext&, Request, Reply<Response>),
                        Request request) {
    return CallAs(Context(), call, std::move(request));
  }

  template <class Request, class Response>
  Result<Response> CallAs(const CallContext& context,
                          void (Service::*call)(const CallContext&, Request, Reply<Response>),
                          Request request) {
    auto promise = std::make_shared<std::promise<Result<Response>>>();
    (service_.get()->*call)(context, std::move(request),
                            [promise](Result<Response> r) { promise->set_value(std::move(r)); });
    return promise->get_future().get();
  }

  Result<v1::RememberResponse> Remember(const std::string& id, const std::string& what) {
    v1::RememberRequest request;
    request.mutable_episode()->set_id(id);
    request.mutable_episode()->set_what(what);
    return Call(&Service::Remember, std::move(request));
  }

 private:
  env::MemoryFileSystem fs_;
  std::unique_ptr<runtime::Node> node_;
  std::unique_ptr<Service> service_;
};

}  // namespace engram::api
