// What makes an episode valid, and how it becomes ready for the log. The data model is the message
// engram.v1.Episode itself: one definition for doors, log and recall. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/status.h"
#include "engram/model/time.h"
#include "engram/v1/memory.pb.h"
#include "engram/v1/service.pb.h"

namespace engram::model {

// Limits of docs; TOO_LARGE names the field, the limit and what came.
inline constexpr size_t kMaxIdBytes = 256;
inline constexpr size_t kMaxWhatBytes = 1 << 20;
inline constexpr size_t kMaxReasonBytes = 64 << 10;  // why, how
inline constexpr size_t kMaxNameBytes = 1 << 10;     // where_location, session, source
inline constexpr size_t kMaxDimension = 4096;
inline constexpr size_t kMaxBatch = 1000;  // results, page, batch, ids in a call

Status CheckId(std::string_view id);       // INVALID_EPISODE, TOO_LARGE
Status CheckSpaceId(std::string_view id);  // 3–64 of [a-z0-9_-]; INVALID_SPACE_ID
Status CheckIdempotencyKey(std::string_view key);
Status CheckSettings(const engram::v1::SpaceSettings& settings);
// Fills defaults: dimension 768, metric cosine, embedder none, analyzer english, time zone UTC,
// decay power, commit_timeout 5 s. What depends on the node's replicas stays unset.
engram::v1::SpaceSettings WithDefaults(engram::v1::SpaceSettings settings);

// The shape of an embedding for a space: length, finite, not all zero. `field` names it in errors.
Status CheckEmbedding(const google::protobuf::RepeatedField<float>& values, uint32_t dimension,
                      std::string_view space, std::string_view field);

// Checks everything and resolves the event time (leaving `when` unset, event_time filled), drops
// output-only fields; the id stays empty when none was given. With `previous_time` a replacement
// without a time keeps that; who learns of the version before only later puts its event time in
// the place of one that is_storing_time. UNIMPLEMENTED_FEATURE for fields not acted on yet
// (supersedes, expires_at), UNKNOWN_FIELD for fields of a newer version, unless they are the
// store's.
struct PrepareContext {
  std::string_view space;
  const engram::v1::SpaceSettings* settings = nullptr;
  UtcTime now;
  const engram::v1::EventTime* previous_time = nullptr;  // of the version before, if there is one
  // Made of a stored version, which a newer version may have written: fields that this one does not
  // know stay in it. What the caller gave was checked before.
  bool of_store = false;
};
Status CheckFieldsKnown(const engram::v1::Episode& episode);  // UNKNOWN_FIELD
Status PrepareEpisode(const PrepareContext& context, engram::v1::Episode* episode,
                      std::vector<engram::v1::Warning>* warnings);
// `memory` of a RememberRequest taken as an episode.
engram::v1::Episode EpisodeFromMemory(const engram::v1::Memory& memory);
// Equal content, output-only fields and storing time aside: such a write is UNCHANGED.
bool SameContent(const engram::v1::Episode& a, const engram::v1::Episode& b);
// The named fields of `from` into `to` (paths such as "importance", "tags", "metadata.reviewed"); a
// field that `from` leaves unset is cleared, and `when` and `event_time` replace each other. When
// `what` changes and no embedding is named, the old one goes: a vector belongs to its text; that is
// said in `warnings` unless it is null. The result still has to go through PrepareEpisode.
// INVALID_REQUEST for an empty mask, "*", "id", unknown and output-only paths.
Status ApplyMask(const google::protobuf::FieldMask& mask, const engram::v1::Episode& from,
                 engram::v1::Episode* to, std::vector<engram::v1::Warning>* warnings = nullptr);

// Category of a confidence: NONE < 0.05, LOW < 0.35, MEDIUM < 0.7, HIGH < 0.95, CERTAIN.
engram::v1::ConfidenceCategory CategoryOf(float confidence);
float ConfidenceOf(const engram::v1::Episode& episode);  // unset = 1
float ImportanceOf(const engram::v1::Episode& episode);  // unset = 0.5

// NFKC with case folded and white space trimmed: how names, places and tags are compared.
std::string Fold(std::string_view text);

}  // namespace engram::model
