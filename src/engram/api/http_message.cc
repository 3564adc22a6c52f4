#include "engram/api/http_message.h"

#include <algorithm>
#include <charconv>

#include "engram/api/errors.h"
#include "engram/api/text.h"

namespace engram::api {
namespace {

Status BadTarget(std::string_view what) {
  return Status(Reason::INVALID_REQUEST, "The address holds " + std::string(what) + ".")
      .Expected("UTF-8 with %XX escapes (RFC 3986)");
}

Result<std::string> Decode(std::string_view text, bool plus) {
  std::optional<std::string> decoded = DecodePercent(text, plus);
  if (!decoded) return BadTarget("a bad %XX escape");
  if (ValidUtf8Prefix(*decoded) < decoded->size()) return BadTarget("bytes that are not UTF-8");
  return std::move(*decoded);
}

Status AddParameter(std::string_view pair, HttpTarget* target) {
  if (pair.empty()) return OkStatus();
  const size_t equals = pair.find('=');
  ASSIGN_OR_RETURN(std::string name, Decode(pair.substr(0, equals), true));
  std::string value;
  if (equals != std::string_view::npos) {
    ASSIGN_OR_RETURN(value, Decode(pair.substr(equals + 1), true));
  }
  target->query.emplace(std::move(name), std::move(value));
  return OkStatus();
}

}  // namespace

const std::string& HttpRequest::Header(const std::string& lower_case_name) const {
  static const auto* const kNone = new std::string;
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? *kNone : found->second;
}

Result<HttpTarget> ParseTarget(std::string_view text) {
  HttpTarget target;
  text = text.substr(0, text.find('#'));
  const size_t question = text.find('?');
  std::string_view path = text.substr(0, question);
  target.path = path;
  while (!path.empty()) {
    const size_t slash = path.find('/', 1);
    const std::string_view segment =
        path.substr(path[0] == '/' ? 1 : 0, slash == std::string_view::npos ? slash : slash - 1);
    ASSIGN_OR_RETURN(std::string decoded, Decode(segment, false));
    if (!decoded.empty()) target.segments.push_back(std::move(decoded));
    path.remove_prefix(std::min(slash, path.size()));
  }
  std::string_view query = question == std::string_view::npos ? "" : text.substr(question + 1);
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    RETURN_IF_ERROR(AddParameter(query.substr(0, end), &target));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return target;
}

std::string QueryReader::Text(const std::string& name) {
  known_.push_back(name);
  const auto [begin, end] = target_.query.equal_range(name);
  if (begin == end) return "";
  if (std::next(begin) != end) Mistake(name, "one value");
  return begin->second;
}

std::vector<std::string> QueryReader::List(const std::string& name) {
  known_.push_back(name);
  std::vector<std::string> values;
  const auto [begin, end] = target_.query.equal_range(name);
  for (auto at = begin; at != end; ++at) {
    std::string_view rest = at->second;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      if (comma > 0) values.emplace_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return values;
}

std::optional<double> QueryReader::Number(const std::string& name) {
  const std::string text = Text(name);
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(value > -1e30 && value < 1e30)) {
    Mistake(name, "a number");
    return std::nullopt;
  }
  return value;
}

std::optional<int64_t> QueryReader::Whole(const std::string& name) {
  const std::string text = Text(name);
  if (text.empty()) return std::nullopt;
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    Mistake(name, "a whole number");
    return std::nullopt;
  }
  return value;
}

bool QueryReader::Flag(const std::string& name) {
  const std::string text = Text(name);
  if (text == "true" || text == "1") return true;
  if (!text.empty() && text != "false" && text != "0") Mistake(name, "true or false");
  return false;
}

void QueryReader::Mistake(const std::string& name, const std::string& expected) {
  if (!mistake_.ok()) return;
  mistake_ = Status(Reason::INVALID_REQUEST, "Parameter '" + name + "' takes " + expected + ".")
                 .Expected(expected)
                 .With("field", name)
                 .With("expected", expected);
}

Status QueryReader::Finish() const {
  if (!mistake_.ok()) return mistake_;
  for (const auto& [name, value] : target_.query) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string list;
    for (const std::string& known : known_) list += (list.empty() ? "" : ", ") + known;
    const std::string shown = CutText(name, 80);
    Status status = Status(Reason::UNKNOWN_FIELD, "Parameter '" + shown + "' is not known.")
                        .Expected(list.empty() ? "no parameters" : "some of " + list)
                        .With("field", shown);
    const std::string nearest = NearestName(name, known_);
    if (nearest.empty()) return status;
    return std::move(status).Suggest("did you mean '" + nearest + "'?").With("nearest", nearest);
  }
  return OkStatus();
}

HttpResponse Problem(const Status& status, const HttpRequest& request,
                     const std::string& request_id, int http_status) {
  HttpResponse response;
  response.status = http_status != 0 ? http_status : InfoOf(status.reason()).http_status;
  response.content_type = "application/problem+json";
  const std::string_view target = request.target;
  response.body = ProblemJson(status, target.substr(0, target.find('?')), request_id, http_status);
  if (const uint64_t ms = RetryAfterMs(status); ms > 0) {
    response.headers["Retry-After"] = std::to_string((ms + 999) / 1000);
  }
  return response;
}

}  // namespace engram::api
