// The routes: one row makes a path's handler, its place in /openapi.json and the methods that a 405
// names. Private to http_*.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engram/api/http_router.h"

namespace engram::api {

// One request on its way through its handler.
struct Exchange {
  HttpRouter& router;
  const HttpRequest& request;
  const HttpTarget& target;
  CallContext context;
  std::string id;  // the {id} of the path
};

using Handler = Result<HttpResponse> (*)(Exchange&);

struct Route {
  std::string_view method;
  std::string_view path;        // "/api/v1/memories/{id}"
  std::string_view call;        // of EngramService
  std::string_view request;     // message of the body; "" without one
  std::string_view response;    // message of the reply
  std::string_view parameters;  // of the query, separated by spaces
  Handler handler;
};

std::span<const Route> Routes();
// The row for this method and path, literal segments before {id}. `allowed` gets the methods of the
// rows that fit but for the method.
const Route* FindRoute(std::string_view method, const std::vector<std::string>& segments,
                       std::string* id, std::string* allowed);
std::string OpenApi();

// Handlers; each is a row of the table.
Result<HttpResponse> HttpRemember(Exchange& exchange);
Result<HttpResponse> HttpRememberBatch(Exchange& exchange);
Result<HttpResponse> HttpExperience(Exchange& exchange);
Result<HttpResponse> HttpUpdate(Exchange& exchange);
Result<HttpResponse> HttpForgetOne(Exchange& exchange);
Result<HttpResponse> HttpForget(Exchange& exchange);
Result<HttpResponse> HttpRestore(Exchange& exchange);
Result<HttpResponse> HttpRecall(Exchange& exchange);
Result<HttpResponse> HttpRecallByQuery(Exchange& exchange);
Result<HttpResponse> HttpReplay(Exchange& exchange);
Result<HttpResponse> HttpGet(Exchange& exchange);
Result<HttpResponse> HttpHistory(Exchange& exchange);
Result<HttpResponse> HttpList(Exchange& exchange);
Result<HttpResponse> HttpCreateSpace(Exchange& exchange);
Result<HttpResponse> HttpGetSpace(Exchange& exchange);
Result<HttpResponse> HttpListSpaces(Exchange& exchange);
Result<HttpResponse> HttpDeleteSpace(Exchange& exchange);
Result<HttpResponse> HttpWatch(Exchange& exchange);
Result<HttpResponse> HttpNotBuilt(Exchange& exchange);
Result<HttpResponse> HttpOpenApi(Exchange& exchange);

}  // namespace engram::api
