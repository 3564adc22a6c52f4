#include "engram/api/http_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/api/http_routes.h"
#include "engram/api/json_value.h"
#include "engram/api/test_kit.h"

namespace engram::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HttpRouterTest : public testing::Test {
 protected:
  HttpResponse Send(const std::string& method, const std::string& target,
                    const std::string& body = "", std::map<std::string, std::string> headers = {}) {
    headers.emplace("content-type", "application/json");
    HttpRequest request{method, target, std::move(headers), body, true};
    return router_.Handle(request);
  }
  // The reason of an error, "" when it is none; every error is a whole problem.
  std::string ReasonOf(const HttpResponse& response) {
    if (response.status < 400) return "";
    EXPECT_EQ(response.content_type, "application/problem+json");
    const Result<JsonValue> value = ParseJson(response.body);
    EXPECT_TRUE(value.ok()) << response.body;
    if (!value.ok()) return "?";
    EXPECT_EQ(value->Find("status")->AsInt64(), response.status);
    EXPECT_NE(value->Find("request_id"), nullptr);
    return value->Find("reason")->AsString();
  }
  std::string Remember(const std::string& body) {
    const HttpResponse response = Send("POST", "/api/v1/memories/remember", body);
    return response.status < 400 ? "" : ReasonOf(response);
  }

  TestNode node_;
  HttpRouter router_{node_.node(), node_.service(), HttpOptions{}};
};

TEST_F(HttpRouterTest, RemembersAsTheDocumentationShows) {
  const HttpResponse response = Send(
      "POST", "/api/v1/memories/remember",
      R"({"id":"a b","what":"Anna prefers the 8:15 train","who":["Anna"],"where":"Berlin",)"
      R"("when":"2026-03-14","confidence":0.9,"tags":["travel"],"session":"chat-118","turn":7})",
      {{"idempotency-key", "chat-118-7"}});
  EXPECT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(response.headers.at("Location"), "/api/v1/memories/a%20b");
  EXPECT_THAT(response.headers.at("Engram-Token"), StartsWith("1."));
  EXPECT_EQ(response.headers.at("Engram-Request-Id").size(), 26u);
  EXPECT_THAT(response.body, HasSubstr(R"("outcome":"created")"));
  EXPECT_THAT(response.body, HasSubstr(R"("precision":"day")"));
  const HttpResponse again = Send(
      "POST", "/api/v1/memories/remember",
      R"({"id":"a b","what":"Anna prefers the 8:15 train","who":["Anna"],"where":"Berlin",)"
      R"("when":"2026-03-14","confidence":0.9,"tags":["travel"],"session":"chat-118","turn":7})",
      {{"idempotency-key", "chat-118-7"}});
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_THAT(again.body, HasSubstr(R"("outcome":"repeated")"));
  const HttpResponse found = Send("POST", "/api/v1/memories/recall",
                                  R"({"query":{"text":"which train"},"filter":{"who":"anna"}})",
                                  {{"engram-at-least", response.headers.at("Engram-Token")}});
  EXPECT_EQ(found.status, 200);
  EXPECT_THAT(found.body, HasSubstr(R"("id":"a b")"));
  EXPECT_THAT(found.body, HasSubstr(R"("where":"Berlin")"));
  EXPECT_THAT(Send("GET", "/api/v1/memories/recall?query=train&who=Anna,Ben&explain=true").body,
              HasSubstr("\"explanation\""));
  EXPECT_THAT(Send("GET", "/api/v1/memories/a%20b").body, HasSubstr("\"version\":1"));
  EXPECT_THAT(Send("GET", "/api/v1/memories?who=Anna&count_only=true").body,
              HasSubstr("\"count\":1"));
  EXPECT_THAT(Send("GET", "/api/v1/episodes/replay?session=chat-118").body, HasSubstr("8:15"));
}

TEST_F(HttpRouterTest, BadBodiesHaveAReasonEach) {
  EXPECT_EQ(Remember("{"), "INVALID_REQUEST");
  EXPECT_EQ(Remember(""), "INVALID_REQUEST");
  EXPECT_EQ(Remember("[]"), "INVALID_REQUEST");
  EXPECT_EQ(Remember(R"({"whta":"x"})"), "UNKNOWN_FIELD");
  EXPECT_EQ(Remember(R"({"what":"x","embedding":[1,NaN,1,1]})"), "INVALID_REQUEST");
  EXPECT_EQ(Remember(R"({"what":"x","embedding":[1,1]})"), "DIMENSION_MISMATCH");
  EXPECT_EQ(Remember(R"({"what":"x","embedding":[0,0,0,0]})"), "INVALID_EMBEDDING");
  EXPECT_EQ(Remember(R"({"what":""})"), "INVALID_EPISODE");
  EXPECT_EQ(Remember(R"({"what":"x","when":"99999-01-01"})"), "INVALID_TIME");
  EXPECT_EQ(Remember(R"({"what":"x","when":"last Tuesday"})"), "INVALID_TIME");
  EXPECT_EQ(Remember(R"({"what":"x","space":"NO"})"), "INVALID_SPACE_ID");
  EXPECT_EQ(Remember(R"({"what":"x","space":"nothere"})"), "SPACE_NOT_FOUND");
  EXPECT_EQ(Remember(R"({"what":"x","id":")" + std::string(10'000, 'i') + "\"}"), "TOO_LARGE");
  EXPECT_EQ(Remember(R"({"what":"x","durability":"replicated"})"), "NOT_ENOUGH_IN_SYNC");
  EXPECT_EQ(Remember(R"({"what":"x"})"), "");
}

TEST_F(HttpRouterTest, BadRequestsHaveAReasonEach) {
  const auto reason = [&](const HttpResponse& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    return ReasonOf(response);
  };
  EXPECT_EQ(reason(Send("GET", "/nothing"), 404), "INVALID_REQUEST");
  const HttpResponse method = Send("PUT", "/api/v1/memories/recall");
  EXPECT_EQ(reason(method, 405), "INVALID_REQUEST");
  EXPECT_EQ(method.headers.at("Allow"), "POST, GET");
  EXPECT_EQ(reason(Send("POST", "/api/v1/memories/remember", R"({"what":"x"})",
                        {{"content-type", "text/plain"}}),
                   415),
            "INVALID_REQUEST");
  EXPECT_EQ(reason(Send("POST", "/api/v1/memories/remember", R"({"what":"x"})",
                        {{"origin", "https://evil.example"}}),
                   403),
            "PERMISSION_DENIED");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories/nothere"), 404), "MEMORY_NOT_FOUND");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?pagesize=1"), 400), "UNKNOWN_FIELD");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?page_size=-1"), 400), "INVALID_REQUEST");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?page_size=ten"), 400), "INVALID_REQUEST");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?order=up"), 400), "INVALID_REQUEST");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?who=%GG"), 400), "INVALID_REQUEST");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?from_time=whenever"), 400), "INVALID_TIME");
  EXPECT_EQ(reason(Send("GET", "/api/v1/episodes/replay?who=a&where=b"), 400), "INVALID_CUE");
  EXPECT_EQ(reason(Send("POST", "/api/v1/memories/forget", "{}"), 400), "EMPTY_FILTER");
  EXPECT_EQ(reason(Send("POST", "/api/v1/memories/reinforce", "{}"), 501), "UNIMPLEMENTED_FEATURE");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories", "", {{"engram-timeout", "soon"}}), 400),
            "INVALID_REQUEST");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories?space=one", "", {{"x-memory-space", "two"}}), 400),
            "SPACE_CONFLICT");
  EXPECT_EQ(reason(Send("GET", "/api/v1/memories", "", {{"engram-at-least", "nonsense"}}), 400),
            "INVALID_REQUEST");
}

TEST_F(HttpRouterTest, TakesAStalenessInAHeader) {
  const auto list = [&](std::map<std::string, std::string> headers) {
    return ReasonOf(Send("GET", "/api/v1/memories", "", std::move(headers)));
  };
  EXPECT_EQ(list({{"engram-max-staleness", "500ms"}}), "");
  EXPECT_EQ(list({{"engram-max-staleness", "soon"}}), "INVALID_REQUEST");
  EXPECT_EQ(list({{"engram-max-staleness", "5s"}, {"engram-at-least", "x"}}), "INVALID_REQUEST");
}

TEST_F(HttpRouterTest, WatchesAsAStreamOfEvents) {
  const HttpResponse response = Send("GET", "/api/v1/stream/activities?include_content=true");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "text/event-stream");
  ASSERT_NE(response.stream, nullptr);
  EXPECT_EQ(Remember(R"({"id":"a","what":"over the stream"})"), "");
  std::string all;
  while (all.find("over the stream") == std::string::npos) {
    const std::optional<std::string> bytes = response.stream->Next();
    ASSERT_TRUE(bytes.has_value()) << all;
    all += *bytes;
  }
  EXPECT_THAT(all, StartsWith(": heartbeat\nid: 1."));
  EXPECT_THAT(all, HasSubstr("\nevent: stored\ndata: {"));
  router_.EndWatches();
  EXPECT_THAT(response.stream->Next().value_or(""), StartsWith("event: error\ndata: {"));
  EXPECT_EQ(response.stream->Next(), std::nullopt);
  EXPECT_EQ(Send("HEAD", "/api/v1/stream/activities").stream, nullptr);
}

TEST_F(HttpRouterTest, TakesLinesInAndGivesLinesOut) {
  const HttpResponse response = Send("POST", "/api/v1/memories/batch",
                                     "{\"what\":\"one\"}\n{\"oops\":1}\n\n{\"what\":\"three\"}\n",
                                     {{"content-type", "application/x-ndjson"}});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/x-ndjson");
  std::vector<std::string> lines;
  std::stringstream text(response.body);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("\"created\""));
  EXPECT_THAT(lines[1], HasSubstr("\"UNKNOWN_FIELD\""));
  EXPECT_THAT(lines[1], HasSubstr("\"line\":\"2\""));
  EXPECT_THAT(lines[2], HasSubstr("\"created\""));
}

TEST_F(HttpRouterTest, ChangesForgetsAndRestores) {
  EXPECT_EQ(Remember(R"({"id":"a","what":"x","why":"because"})"), "");
  const HttpResponse patched =
      Send("PATCH", "/api/v1/memories/a", R"({"importance":1,"why":null,"metadata":{"k":"v"}})");
  EXPECT_EQ(patched.status, 200) << patched.body;
  EXPECT_THAT(patched.body, HasSubstr("\"version\":2"));
  EXPECT_THAT(patched.body, testing::Not(HasSubstr("because")));
  EXPECT_EQ(ReasonOf(Send("PATCH", "/api/v1/memories/a", R"({"id":"b"})")), "INVALID_REQUEST");
  EXPECT_THAT(Send("GET", "/api/v1/memories/a/history").body, HasSubstr("because"));
  EXPECT_EQ(Send("DELETE", "/api/v1/memories/a").status, 200);
  EXPECT_EQ(Send("POST", "/api/v1/memories/restore", R"({"ids":["a"]})").status, 200);
  EXPECT_EQ(ReasonOf(Send("DELETE", "/api/v1/memories/a?mode=burn")), "INVALID_REQUEST");
  EXPECT_EQ(Send("DELETE", "/api/v1/memories/a?mode=delete").status, 200);
  EXPECT_EQ(Send("GET", "/api/v1/memories/a").status, 404);
}

TEST_F(HttpRouterTest, Spaces) {
  const HttpResponse made =
      Send("POST", "/api/v1/spaces",
           R"({"id":"notes","settings":{"dimension":8},"if_not_exists":true})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_THAT(made.body, HasSubstr("\"dimension\":8"));
  EXPECT_THAT(Send("GET", "/api/v1/spaces").body, HasSubstr("\"notes\""));
  EXPECT_EQ(Send("GET", "/api/v1/spaces/notes").status, 200);
  EXPECT_EQ(ReasonOf(Send("DELETE", "/api/v1/spaces/notes")), "INVALID_REQUEST");
  EXPECT_EQ(Send("DELETE", "/api/v1/spaces/notes?confirm_id=notes").status, 200);
  EXPECT_EQ(Send("GET", "/api/v1/spaces/notes").status, 404);
}

TEST_F(HttpRouterTest, OpenApiHasEveryRoute) {
  const Result<JsonValue> page = ParseJson(Send("GET", "/openapi.json").body);
  ASSERT_TRUE(page.ok()) << page.status().ToString();
  const JsonValue* paths = page->Find("paths");
  for (const Route& route : Routes()) EXPECT_NE(paths->Find(route.path), nullptr) << route.path;
  EXPECT_NE(page->Find("components")->Find("schemas")->Find("RecallRequest"), nullptr);
}

TEST_F(HttpRouterTest, ProbesDependOnTheNodeAlone) {
  EXPECT_EQ(Send("GET", "/health/live").status, 200);
  EXPECT_EQ(Send("GET", "/health/startup").status, 200);
  EXPECT_EQ(Send("GET", "/health/ready").status, 200);
  EXPECT_EQ(Send("GET", "/health/ready?space=default&role=primary").status, 200);
  EXPECT_EQ(Send("GET", "/health/ready?space=default&role=replica").status, 503);
  EXPECT_EQ(Send("GET", "/health/ready?space=nothere").status, 404);
  EXPECT_THAT(Send("GET", "/metrics").body, HasSubstr("engram_requests_total"));
  EXPECT_THAT(Send("GET", "/cluster/health").body, HasSubstr("\"mode\":\"single\""));
  node_.node().BeginShutdown();
  EXPECT_EQ(Send("GET", "/health/live").status, 200);
  EXPECT_EQ(Send("GET", "/health/ready").status, 503);
  EXPECT_EQ(Remember(R"({"what":"x"})"), "SHUTTING_DOWN");
  const HttpRequest probe{"GET", "/health/startup", {}, "", true};
  EXPECT_EQ(HandleOps(nullptr, probe)->status, 503);
}

TEST(HttpTargetTest, TakesAddressesApart) {
  const Result<HttpTarget> target = ParseTarget("/a/b%2Fc/?x=1&x=a%20b+c&y#z");
  ASSERT_TRUE(target.ok());
  EXPECT_THAT(target->segments, testing::ElementsAre("a", "b/c"));
  EXPECT_EQ(target->query.count("x"), 2u);
  EXPECT_EQ(target->query.find("y")->second, "");
  EXPECT_FALSE(ParseTarget("/%FF").ok());
}

}  // namespace
}  // namespace engram::api
