#include "engram/model/episode.h"

#include <bit>
#include <cmath>

#include "engram/model/checks.h"
#include "engram/model/text.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;

constexpr int kMaxNames = 64;
constexpr size_t kMaxWhoBytes = 256;
constexpr size_t kMaxTagBytes = 128;
constexpr size_t kMaxKeyBytes = 128;
constexpr size_t kMaxValueBytes = 8 << 10;
constexpr size_t kMaxMetadataBytes = 64 << 10;
constexpr size_t kMaxModelBytes = 256;

using Names = google::protobuf::RepeatedPtrField<std::string>;
using Floats = google::protobuf::RepeatedField<float>;

Status CheckNames(std::string_view field, const Names& names, size_t limit) {
  if (names.size() > kMaxNames) {
    return TooLarge(field, "elements", kMaxNames, static_cast<uint64_t>(names.size()));
  }
  for (const std::string& name : names) RETURN_IF_ERROR(CheckName(field, name, limit));
  return OkStatus();
}

Status CheckIds(std::string_view field, const Names& ids) {
  if (ids.size() > kMaxNames) {
    return TooLarge(field, "elements", kMaxNames, static_cast<uint64_t>(ids.size()));
  }
  for (const std::string& id : ids) {
    if (Status status = CheckId(id); !status.ok()) {
      return std::move(status).With("field", std::string(field));
    }
  }
  return OkStatus();
}

Status CheckTexts(const v1::Episode& episode) {
  RETURN_IF_ERROR(CheckText("what", episode.what(), kMaxWhatBytes));
  RETURN_IF_ERROR(CheckText("why", episode.why(), kMaxReasonBytes));
  RETURN_IF_ERROR(CheckText("how", episode.how(), kMaxReasonBytes));
  RETURN_IF_ERROR(CheckText("where_location", episode.where_location(), kMaxNameBytes));
  RETURN_IF_ERROR(CheckText("session", episode.session(), kMaxNameBytes));
  RETURN_IF_ERROR(CheckText("source", episode.source(), kMaxNameBytes));
  RETURN_IF_ERROR(CheckText("embedding_model", episode.embedding_model(), kMaxModelBytes));
  RETURN_IF_ERROR(CheckNames("who", episode.who(), kMaxWhoBytes));
  RETURN_IF_ERROR(CheckNames("tags", episode.tags(), kMaxTagBytes));
  return CheckIds("derived_from", episode.derived_from());
}

Status CheckMap(std::string_view field,
                const google::protobuf::Map<std::string, std::string>& map) {
  if (map.size() > kMaxNames) return TooLarge(field, "keys", kMaxNames, map.size());
  size_t bytes = 0;
  std::string name(field);
  for (const auto& [key, value] : map) {
    RETURN_IF_ERROR(CheckName(name, key, kMaxKeyBytes));
    RETURN_IF_ERROR(CheckText(name + "." + Shorten(key), value, kMaxValueBytes));
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxMetadataBytes) return TooLarge(field, "bytes", kMaxMetadataBytes, bytes);
  return OkStatus();
}

Status CheckNumbers(const v1::Episode& episode) {
  if (episode.has_importance()) {
    RETURN_IF_ERROR(CheckRange("importance", episode.importance(), 0, 1));
  }
  if (episode.has_emotional_valence()) {
    RETURN_IF_ERROR(CheckRange("emotional_valence", episode.emotional_valence(), -1, 1));
  }
  if (episode.has_decay_rate()) {
    RETURN_IF_ERROR(CheckRange("decay_rate", episode.decay_rate(), 0, HUGE_VALF));
    if (std::isinf(episode.decay_rate())) {
      return Invalid(Reason::INVALID_EPISODE, "decay_rate", "decay_rate is infinite.",
                     "a finite number, 0 or more", "inf");
    }
  }
  if (v1::MemoryType_IsValid(episode.memory_type())) return OkStatus();
  return Invalid(Reason::INVALID_EPISODE, "memory_type", "memory_type is not known.",
                 "a value of MemoryType", std::to_string(episode.memory_type()));
}

// The value is what counts; its category follows from it.
Status PrepareConfidence(v1::Confidence* confidence) {
  RETURN_IF_ERROR(CheckRange("encoding_confidence", confidence->value(), 0, 1));
  RETURN_IF_ERROR(
      CheckText("encoding_confidence.reasoning", confidence->reasoning(), kMaxReasonBytes));
  v1::ConfidenceCategory category = CategoryOf(confidence->value());
  if (confidence->value() == 0 && confidence->category() > category) {
    return Invalid(Reason::INVALID_EPISODE, "encoding_confidence.value",
                   "encoding_confidence has a category but no value.", "a value, 0 to 1",
                   v1::ConfidenceCategory_Name(confidence->category()))
        .Suggest("say the number; the category is made from it");
  }
  confidence->set_category(category);
  return OkStatus();
}

bool HasUnknown(const google::protobuf::Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

// Nothing that was said is ignored: what is not acted on is refused. But what the store has of a
// newer version stays as it is.
Status CheckSupported(const v1::Episode& episode, bool of_store) {
  if (!episode.supersedes().empty()) {
    return Unimplemented("supersedes", "Forget the older memory, or write its id again");
  }
  if (episode.has_expires_at()) {
    return Unimplemented("expires_at", "Forget the memory when its time has come");
  }
  return of_store ? OkStatus() : CheckFieldsKnown(episode);
}

Status PrepareTime(const PrepareContext& context, v1::Episode* episode,
                   std::vector<v1::Warning>* warnings) {
  bool dated = episode->has_when() || episode->has_event_time();
  if (!dated && context.previous_time != nullptr) {
    *episode->mutable_event_time() = *context.previous_time;
    return OkStatus();
  }
  RETURN_IF_ERROR(ResolveEventTime(episode->has_when() ? &episode->when() : nullptr,
                                   context.settings->time_zone(), context.now,
                                   episode->mutable_event_time(), warnings));
  episode->clear_when();
  return OkStatus();
}

Status PrepareEmbedding(const PrepareContext& context, const v1::Episode& episode) {
  const std::string& wanted = context.settings->embedding_model();
  const std::string& given = episode.embedding_model();
  if (!wanted.empty() && !given.empty() && wanted != given) {
    return Status(Reason::MODEL_MISMATCH, "Embedding is of model '" + Shorten(given) +
                                              "', space '" + std::string(context.space) +
                                              "' takes '" + wanted + "'.")
        .Expected("an embedding of " + wanted)
        .Suggest("make a space for this model, or change this one while it holds no vector")
        .Example("engram space create notes --embedding-model " + Shorten(given))
        .With("space", std::string(context.space))
        .With("expected", wanted)
        .With("actual", Shorten(given));
  }
  if (episode.embedding().empty()) return OkStatus();
  return CheckEmbedding(episode.embedding(), context.settings->dimension(), context.space,
                        "embedding");
}

// One pass without branches over blocks that the compiler turns into vectors.
struct FloatScan {
  bool finite;
  bool nonzero;
};

FloatScan Scan(const float* values, size_t size) {
  constexpr size_t kBlock = 16;
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad[kBlock] = {}, any[kBlock] = {};
  size_t i = 0;
  for (; i + kBlock <= size; i += kBlock) {
    for (size_t j = 0; j < kBlock; ++j) {
      uint32_t bits = std::bit_cast<uint32_t>(values[i + j]);
      bad[j] |= (bits & kExponent) == kExponent;
      any[j] |= bits << 1;
    }
  }
  for (; i < size; ++i) {
    uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    bad[0] |= (bits & kExponent) == kExponent;
    any[0] |= bits << 1;
  }
  FloatScan out{true, false};
  for (size_t j = 0; j < kBlock; ++j) {
    out.finite &= bad[j] == 0;
    out.nonzero |= any[j] != 0;
  }
  return out;
}

Status NotFinite(const Floats& values, std::string_view field) {
  int at = 0;
  while (std::isfinite(values[at])) ++at;
  std::string actual = FormatNumber(values[at]) + " at place " + std::to_string(at);
  return Invalid(Reason::INVALID_EMBEDDING, field, std::string(field) + " holds " + actual + ".",
                 "finite float32 only", actual)
      .Suggest("look at what the model returned; an empty text often makes NaN");
}

}  // namespace

Status CheckId(std::string_view id) {
  RETURN_IF_ERROR(CheckText("id", id, kMaxIdBytes));
  if (!id.empty() && !HasControlCharacter(id)) return OkStatus();
  return Invalid(Reason::INVALID_EPISODE, "id",
                 id.empty() ? "The id is empty." : "The id has a control character.",
                 "1 to 256 bytes of UTF-8 without control characters", id)
      .Suggest("leave the id out to have one made");
}

Status CheckIdempotencyKey(std::string_view key) {
  constexpr size_t kMaxKey = 128;
  if (key.size() > kMaxKey) return TooLarge("idempotency_key", "bytes", kMaxKey, key.size());
  bool printable = !key.empty();
  for (char c : key) printable &= c >= 0x20 && c < 0x7f;
  if (printable) return OkStatus();
  return Invalid(Reason::INVALID_REQUEST, "idempotency_key", "The idempotency key is not valid.",
                 "1 to 128 printable ASCII characters", key.empty() ? "none" : "other characters")
      .Example("chat-118-7");
}

Status CheckEmbedding(const Floats& values, uint32_t dimension, std::string_view space,
                      std::string_view field) {
  auto size = static_cast<uint32_t>(values.size());
  if (size != dimension) {
    std::string expected = std::to_string(dimension), actual = std::to_string(size);
    return Status(Reason::DIMENSION_MISMATCH, "Embedding has " + actual + " numbers, space '" +
                                                  std::string(space) + "' takes " + expected + ".")
        .Expected(expected + " finite float32")
        .Suggest("make a space for this model, or change this one while it holds no vector")
        .Example("engram space create notes --dimension " + actual)
        .With("space", std::string(space))
        .With("expected", expected)
        .With("actual", actual)
        .With("field", std::string(field));
  }
  FloatScan scan = Scan(values.data(), size);
  if (!scan.finite) return NotFinite(values, field);
  if (scan.nonzero) return OkStatus();
  return Invalid(Reason::INVALID_EMBEDDING, field, std::string(field) + " is zero everywhere.",
                 "at least one number that is not 0", "all 0")
      .Suggest("a vector of zeros has no direction: leave the embedding out");
}

Status CheckFieldsKnown(const v1::Episode& episode) {
  if (!HasUnknown(episode) && !HasUnknown(episode.event_time()) &&
      !HasUnknown(episode.encoding_confidence())) {
    return OkStatus();
  }
  return Invalid(Reason::UNKNOWN_FIELD, "episode", "The episode has a field of a newer version.",
                 "fields of engram.v1.Episode as this server knows it", "an unknown field number")
      .Suggest("update the server, or leave the field out");
}

Status PrepareEpisode(const PrepareContext& context, v1::Episode* episode,
                      std::vector<v1::Warning>* warnings) {
  RETURN_IF_ERROR(CheckSupported(*episode, context.of_store));
  if (!episode->id().empty()) RETURN_IF_ERROR(CheckId(episode->id()));
  if (episode->what().empty() && episode->embedding().empty()) {
    return Invalid(Reason::INVALID_EPISODE, "what", "The episode has neither text nor embedding.",
                   "what or embedding", "neither")
        .Suggest("say what happened")
        .Example("engram remember \"Anna prefers the 8:15 train to Munich\"");
  }
  RETURN_IF_ERROR(CheckTexts(*episode));
  if (!episode->metadata().empty()) RETURN_IF_ERROR(CheckMap("metadata", episode->metadata()));
  RETURN_IF_ERROR(CheckNumbers(*episode));
  if (episode->has_encoding_confidence()) {
    RETURN_IF_ERROR(PrepareConfidence(episode->mutable_encoding_confidence()));
  }
  RETURN_IF_ERROR(PrepareEmbedding(context, *episode));
  RETURN_IF_ERROR(PrepareTime(context, episode, warnings));
  if (episode->memory_type() == v1::MEMORY_TYPE_UNSPECIFIED) {
    episode->set_memory_type(v1::MEMORY_TYPE_EPISODIC);
  }
  episode->clear_consolidation_state();
  episode->clear_last_replay();
  episode->clear_stored();
  return OkStatus();
}

v1::ConfidenceCategory CategoryOf(float confidence) {
  if (confidence < 0.05f) return v1::CONFIDENCE_CATEGORY_NONE;
  if (confidence < 0.35f) return v1::CONFIDENCE_CATEGORY_LOW;
  if (confidence < 0.7f) return v1::CONFIDENCE_CATEGORY_MEDIUM;
  if (confidence < 0.95f) return v1::CONFIDENCE_CATEGORY_HIGH;
  return v1::CONFIDENCE_CATEGORY_CERTAIN;
}

float ConfidenceOf(const v1::Episode& episode) {
  return episode.has_encoding_confidence() ? episode.encoding_confidence().value() : 1;
}

float ImportanceOf(const v1::Episode& episode) {
  return episode.has_importance() ? episode.importance() : 0.5f;
}

}  // namespace engram::model
