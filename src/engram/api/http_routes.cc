#include "engram/api/http_routes.h"

namespace engram::api {
namespace {

constexpr std::string_view kFilterAndPage =
    "space who where tags not_tags session from_time to_time min_confidence order page_size "
    "page_token count_only include_embedding";

constexpr Route kRoutes[] = {
    {"POST", "/api/v1/memories/remember", "Remember", "RememberRequest", "RememberResponse", "",
     HttpRemember},
    {"POST", "/api/v1/memories/batch", "RememberBatch", "RememberBatchRequest",
     "RememberBatchResponse", "space durability", HttpRememberBatch},
    {"POST", "/api/v1/episodes/remember", "Experience", "ExperienceRequest", "ExperienceResponse",
     "", HttpExperience},
    {"POST", "/api/v1/memories/recall", "Recall", "RecallRequest", "RecallResponse", "",
     HttpRecall},
    {"GET", "/api/v1/memories/recall", "Recall", "", "RecallResponse",
     "query space who where tags not_tags session from_time to_time min_confidence max_results "
     "no_match_below explain page_token",
     HttpRecallByQuery},
    {"GET", "/api/v1/episodes/replay", "Reminisce", "", "ReminisceResponse",
     "space around where who about session from_time to_time order page_size page_token",
     HttpReplay},
    {"GET", "/api/v1/memories/{id}", "Get", "", "Episode", "space version include_embedding",
     HttpGet},
    {"GET", "/api/v1/memories/{id}/history", "Get", "", "GetResponse", "space include_embedding",
     HttpHistory},
    {"PATCH", "/api/v1/memories/{id}", "Update", "UpdateRequest", "UpdateResponse", "", HttpUpdate},
    {"GET", "/api/v1/memories", "List", "", "ListResponse", kFilterAndPage, HttpList},
    {"DELETE", "/api/v1/memories/{id}", "Forget", "", "ForgetResponse",
     "space mode dry_run allow_missing reason", HttpForgetOne},
    {"POST", "/api/v1/memories/forget", "Forget", "ForgetRequest", "ForgetResponse", "",
     HttpForget},
    {"POST", "/api/v1/memories/restore", "Restore", "RestoreRequest", "RestoreResponse", "",
     HttpRestore},
    {"POST", "/api/v1/memories/reinforce", "Reinforce", "ReinforceRequest", "ReinforceResponse", "",
     HttpNotBuilt},
    {"GET", "/api/v1/stream/activities", "Watch", "", "WatchResponse",
     "space from include_content who where tags not_tags session from_time to_time min_confidence",
     HttpWatch},
    {"GET", "/api/v1/spaces", "ListSpaces", "", "ListSpacesResponse", "prefix page_size page_token",
     HttpListSpaces},
    {"POST", "/api/v1/spaces", "CreateSpace", "CreateSpaceRequest", "Space", "", HttpCreateSpace},
    {"GET", "/api/v1/spaces/{id}", "GetSpace", "", "Space", "", HttpGetSpace},
    {"PATCH", "/api/v1/spaces/{id}", "UpdateSpace", "UpdateSpaceRequest", "Space", "",
     HttpNotBuilt},
    {"DELETE", "/api/v1/spaces/{id}", "DeleteSpace", "", "DeleteSpaceResponse", "confirm_id",
     HttpDeleteSpace},
    {"GET", "/openapi.json", "", "", "", "", HttpOpenApi},
};

// Literal segments that fit, or -1. `id` gets what stands in the place of {id}.
int Fit(std::string_view pattern, const std::vector<std::string>& segments, std::string* id) {
  int literals = 0;
  size_t at = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the '/'
    const std::string_view want = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(want.size());
    if (at == segments.size()) return -1;
    if (want == "{id}") {
      *id = segments[at];
    } else if (want == segments[at]) {
      ++literals;
    } else {
      return -1;
    }
    ++at;
  }
  return at == segments.size() ? literals : -1;
}

}  // namespace

std::span<const Route> Routes() {
  return kRoutes;
}

const Route* FindRoute(std::string_view method, const std::vector<std::string>& segments,
                       std::string* id, std::string* allowed) {
  const Route* best = nullptr;
  int best_fit = -1, any_fit = -1;
  for (const Route& route : kRoutes) {
    std::string here;
    const int fit = Fit(route.path, segments, &here);
    if (fit < 0) continue;
    if (fit > any_fit) allowed->clear();
    any_fit = std::max(any_fit, fit);
    if (fit == any_fit) *allowed += (allowed->empty() ? "" : ", ") + std::string(route.method);
    if (route.method != method || fit <= best_fit) continue;
    best = &route;
    best_fit = fit;
    *id = here;
  }
  return best;
}

}  // namespace engram::api
