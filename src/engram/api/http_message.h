// A request and a reply of HTTP as plain values, so that everything but the sockets can be tested
// without them; and the replies that every route makes. Pure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/status.h"

namespace engram::api {

struct HttpRequest {
  std::string method;                          // upper case
  std::string target;                          // path and query, as sent
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool loopback = true;

  const std::string& Header(const std::string& lower_case_name) const;
};

// A body that is written as it comes. Owned by its reply; used by one thread.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // The next bytes, once those before are written. Blocks, for a second at most: "" when nothing
  // came; nullopt at the end.
  virtual std::optional<std::string> Next() = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers;
  std::string body;
  std::shared_ptr<HttpStream> stream;  // in place of a body
};

// Path and query taken apart, with escapes resolved.
struct HttpTarget {
  std::string path;  // as sent, without the query
  std::vector<std::string> segments;
  std::multimap<std::string, std::string> query;
};
Result<HttpTarget> ParseTarget(std::string_view target);

// Reads the parameters of a query. Each one that is asked for is known; what is left over at the
// end is UNKNOWN_FIELD with the nearest known name.
class QueryReader {
 public:
  explicit QueryReader(const HttpTarget& target) : target_(target) {}
  std::string Text(const std::string& name);
  // All values, each split at commas.
  std::vector<std::string> List(const std::string& name);
  std::optional<double> Number(const std::string& name);
  bool Flag(const std::string& name);
  std::optional<int64_t> Whole(const std::string& name);
  // The first mistake, or a parameter that nobody asked for.
  Status Finish() const;

 private:
  void Mistake(const std::string& name, const std::string& expected);

  const HttpTarget& target_;
  std::vector<std::string> known_;
  Status mistake_;
};

HttpResponse Problem(const Status& status, const HttpRequest& request,
                     const std::string& request_id, int http_status = 0);

}  // namespace engram::api
