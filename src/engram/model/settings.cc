// Spaces: their names and settings.
#include <algorithm>

#include "engram/model/checks.h"
#include "engram/model/episode.h"
#include "engram/model/text.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;

constexpr uint32_t kDefaultDimension = 768;
constexpr int64_t kDefaultCommitSeconds = 5;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxLabelBytes = 256;

constexpr std::string_view kMetrics[] = {"cosine", "dot"};
constexpr std::string_view kEmbedders[] = {"none", "hashed"};
constexpr std::string_view kDecays[] = {"power", "exponential", "none"};
// English with stop words, nothing at all, or stemming in a language that Snowball knows.
constexpr std::string_view kAnalyzers[] = {
    "english", "simple",    "arabic",     "armenian",   "basque",   "catalan",
    "danish",  "dutch",     "finnish",    "french",     "german",   "greek",
    "hindi",   "hungarian", "indonesian", "irish",      "italian",  "lithuanian",
    "nepali",  "norwegian", "porter",     "portuguese", "romanian", "russian",
    "serbian", "spanish",   "swedish",    "tamil",      "turkish",  "yiddish"};

Status CheckChoice(std::string_view field, std::string_view value,
                   std::span<const std::string_view> known) {
  if (value.empty() || std::find(known.begin(), known.end(), value) != known.end()) {
    return OkStatus();
  }
  std::string expected;
  for (std::string_view name : known)
    expected += (expected.empty() ? "" : ", ") + std::string(name);
  Status status =
      Invalid(Reason::INVALID_REQUEST, field,
              std::string(field) + " '" + Shorten(value) + "' is not known.", expected, value);
  std::string_view nearest = Nearest(value, known);
  if (nearest.empty()) return status;
  return std::move(status).Suggest("did you mean " + std::string(nearest) + "?");
}

Status CheckWeight(std::string_view field, const std::optional<float>& value, float high) {
  if (!value) return OkStatus();
  return CheckRange(field, *value, 0, high, Reason::INVALID_REQUEST);
}

Status CheckRanking(const v1::Ranking& ranking) {
  auto get = [](bool has, float value) { return has ? std::optional(value) : std::nullopt; };
  struct Weight {
    std::string_view field;
    std::optional<float> value;
    float high;
  };
  constexpr float kMaxWeight = 1000;
  const Weight weights[] = {
      {"ranking.text_weight", get(ranking.has_text_weight(), ranking.text_weight()), kMaxWeight},
      {"ranking.vector_weight", get(ranking.has_vector_weight(), ranking.vector_weight()),
       kMaxWeight},
      {"ranking.time_weight", get(ranking.has_time_weight(), ranking.time_weight()), kMaxWeight},
      {"ranking.people_weight", get(ranking.has_people_weight(), ranking.people_weight()),
       kMaxWeight},
      {"ranking.place_weight", get(ranking.has_place_weight(), ranking.place_weight()), kMaxWeight},
      {"ranking.context_step", get(ranking.has_context_step(), ranking.context_step()), 1},
      {"ranking.session_weight", get(ranking.has_session_weight(), ranking.session_weight()), 1},
      {"ranking.prior_strength", get(ranking.has_prior_strength(), ranking.prior_strength()), 1},
      {"ranking.activation_weight",
       get(ranking.has_activation_weight(), ranking.activation_weight()), kMaxWeight},
      {"ranking.importance_weight",
       get(ranking.has_importance_weight(), ranking.importance_weight()), kMaxWeight},
      {"ranking.confidence_weight",
       get(ranking.has_confidence_weight(), ranking.confidence_weight()), kMaxWeight},
  };
  for (const Weight& weight : weights) {
    RETURN_IF_ERROR(CheckWeight(weight.field, weight.value, weight.high));
  }
  return OkStatus();
}

Status CheckLabels(const google::protobuf::Map<std::string, std::string>& labels) {
  if (labels.size() > kMaxLabels) return TooLarge("labels", "keys", kMaxLabels, labels.size());
  for (const auto& [key, value] : labels) {
    RETURN_IF_ERROR(CheckName("labels", key, kMaxLabelBytes, Reason::INVALID_REQUEST));
    RETURN_IF_ERROR(CheckText("labels", value, kMaxLabelBytes, Reason::INVALID_REQUEST));
  }
  return OkStatus();
}

Status CheckDurability(const v1::SpaceSettings& settings) {
  if (settings.durability() != v1::DURABILITY_WRITTEN &&
      v1::Durability_IsValid(settings.durability())) {
    return OkStatus();
  }
  return Invalid(Reason::INVALID_REQUEST, "durability", "durability cannot be asked for.",
                 "local, replicated or auto", v1::Durability_Name(settings.durability()));
}

}  // namespace

Status CheckSpaceId(std::string_view id) {
  auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (id.size() >= 3 && id.size() <= 64 && std::all_of(id.begin(), id.end(), good)) {
    return OkStatus();
  }
  return Invalid(Reason::INVALID_SPACE_ID, "memory_space_id",
                 "'" + Shorten(id) + "' cannot be the name of a space.",
                 "3 to 64 of a-z, 0-9, '_' and '-'", id)
      .Suggest("use lower case and put '-' between words")
      .Example("user-4711");
}

Status CheckSettings(const v1::SpaceSettings& settings) {
  if (settings.dimension() > kMaxDimension) {
    return TooLarge("dimension", "numbers", kMaxDimension, settings.dimension());
  }
  RETURN_IF_ERROR(CheckText("embedding_model", settings.embedding_model(), kMaxLabelBytes,
                            Reason::INVALID_REQUEST));
  RETURN_IF_ERROR(CheckChoice("metric", settings.metric(), kMetrics));
  RETURN_IF_ERROR(CheckChoice("embedder", settings.embedder(), kEmbedders));
  RETURN_IF_ERROR(CheckChoice("analyzer", settings.analyzer(), kAnalyzers));
  RETURN_IF_ERROR(CheckChoice("decay", settings.decay(), kDecays));
  if (Status zone = CheckZone(settings.time_zone()); !zone.ok()) {
    return std::move(zone).With("field", "time_zone");
  }
  RETURN_IF_ERROR(CheckDurability(settings));
  if (settings.has_commit_timeout() && settings.commit_timeout().seconds() <= 0 &&
      settings.commit_timeout().nanos() <= 0) {
    return Invalid(Reason::INVALID_REQUEST, "commit_timeout", "commit_timeout is not positive.",
                   "more than 0", "0 or less")
        .Example("5s");
  }
  if (settings.has_default_ttl()) {
    return Unimplemented("default_ttl", "Forget memories when their time has come");
  }
  RETURN_IF_ERROR(CheckRanking(settings.ranking()));
  if (settings.has_min_relevance()) {
    RETURN_IF_ERROR(CheckWeight("min_relevance", settings.min_relevance(), 1));
  }
  if (settings.has_no_match_below()) {
    RETURN_IF_ERROR(CheckWeight("no_match_below", settings.no_match_below(), 1));
  }
  return CheckLabels(settings.labels());
}

v1::SpaceSettings WithDefaults(v1::SpaceSettings settings) {
  if (settings.dimension() == 0) settings.set_dimension(kDefaultDimension);
  if (settings.metric().empty()) settings.set_metric("cosine");
  if (settings.embedder().empty()) settings.set_embedder("none");
  if (settings.analyzer().empty()) settings.set_analyzer("english");
  if (settings.time_zone().empty()) settings.set_time_zone("UTC");
  if (settings.decay().empty()) settings.set_decay("power");
  if (!settings.has_commit_timeout()) {
    settings.mutable_commit_timeout()->set_seconds(kDefaultCommitSeconds);
  }
  return settings;
}

}  // namespace engram::model
