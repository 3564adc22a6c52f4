// From a handler to the service and back: headers into options, a wait with a deadline, the message
// as JSON. Private to http_*.cc.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "engram/api/http_routes.h"
#include "engram/api/json.h"
#include "engram/runtime/node.h"

namespace engram::api {

// Where a callback leaves its result; outlives whichever of the two threads is later.
template <class Response>
struct Waiting {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<Result<Response>> result;
};

// What a caller gets who could not wait any longer. `write`: it may still happen.
inline Status TimedOut(bool write) {
  if (write) {
    return Status(Reason::COMMIT_UNKNOWN, "The deadline passed before the write was acknowledged.")
        .Expected("an answer within the deadline")
        .Suggest("repeat it with the same Idempotency-Key: the answer says what became of it");
  }
  return Status(Reason::CONNECTION_TIMEOUT, "The deadline passed before there was an answer.")
      .Suggest("try again, or allow more time with Engram-Timeout");
}

template <class Request>
constexpr bool kIsWrite = requires(Request request) {
  request.mutable_options();
};

// Idempotency-Key, Engram-At-Least and Engram-Max-Staleness.
template <class Request>
Status ApplyHeaders(const HttpRequest& http, Request* request) {
  if constexpr (kIsWrite<Request>) {
    const std::string& key = http.Header("idempotency-key");
    const std::string& said = request->options().idempotency_key();
    if (!key.empty() && !said.empty() && key != said) {
      return Status(Reason::INVALID_REQUEST, "Header and body name two idempotency keys.")
          .Expected("one key")
          .With("field", "idempotency_key");
    }
    if (!key.empty()) request->mutable_options()->set_idempotency_key(key);
  }
  if constexpr (requires { request->mutable_read(); }) {
    const std::string& token = http.Header("engram-at-least");
    const std::string& staleness = http.Header("engram-max-staleness");
    if (!token.empty() && !staleness.empty()) {
      return Status(Reason::INVALID_REQUEST, "The headers ask for two kinds of freshness.")
          .Expected("Engram-At-Least or Engram-Max-Staleness")
          .With("field", "Engram-Max-Staleness");
    }
    if (!token.empty()) request->mutable_read()->set_at_least_token(token);
    if (!staleness.empty()) {
      const Result<google::protobuf::Duration> at_most = ParseDuration(staleness);
      if (!at_most.ok()) return at_most.status().Annotate("Engram-Max-Staleness");
      *request->mutable_read()->mutable_max_staleness() = *at_most;
    }
  }
  return OkStatus();
}

template <class Request, class Response>
Result<Response> CallService(Exchange& exchange,
                             void (Service::*call)(const CallContext&, Request, Reply<Response>),
                             Request request) {
  RETURN_IF_ERROR(ApplyHeaders(exchange.request, &request));
  auto waiting = std::make_shared<Waiting<Response>>();
  (exchange.router.service().*call)(exchange.context, std::move(request),
                                    [waiting](Result<Response> result) {
                                      std::lock_guard lock(waiting->mutex);
                                      waiting->result = std::move(result);
                                      waiting->arrived.notify_one();
                                    });
  const env::Duration left = *exchange.context.deadline - exchange.router.node().clock().Now();
  std::unique_lock lock(waiting->mutex);
  if (!waiting->arrived.wait_for(lock, left, [&] { return waiting->result.has_value(); })) {
    return TimedOut(kIsWrite<Request>);
  }
  return std::move(*waiting->result);
}

// The filters that recall, list and watch share, from the query.
void ReadFilter(QueryReader& query, v1::Filter* filter);

// A reply with its message as JSON; of a write, with its token.
template <class Response>
HttpResponse JsonReply(const Response& message) {
  HttpResponse response;
  response.body = MessageToJson(message);
  if constexpr (requires { message.write().token(); }) {
    if (!message.write().token().empty())
      response.headers["Engram-Token"] = message.write().token();
  }
  return response;
}

// Body to message, call, message to body: what most handlers are.
template <class Request, class Response>
Result<HttpResponse> Forward(Exchange& exchange,
                             void (Service::*call)(const CallContext&, Request, Reply<Response>)) {
  Request request;
  RETURN_IF_ERROR(QueryReader(exchange.target).Finish());
  RETURN_IF_ERROR(MessageFromJson(exchange.request.body, &request));
  ASSIGN_OR_RETURN(const Response response, CallService(exchange, call, std::move(request)));
  return JsonReply(response);
}

}  // namespace engram::api
