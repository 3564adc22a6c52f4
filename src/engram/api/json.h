// The JSON form of engram's messages, for HTTP, for `--json` and for JSON lines. Built on
// protobuf's descriptions, so that every message has it without a line of its own. Field names are
// those of the proto, with these conveniences:
//
//   flattened   `episode`, `options`, `write` (and `space` in the calls on spaces): their fields
//   lie
//               in the object around them; reading takes the nested form too
//   shorter     `space` for memory_space_id, `where` for where_location, `confidence` for an
//               episode's encoding_confidence
//   values      enums in lower case without prefix; durations "500ms", "2s"; times RFC 3339; a
//               confidence may be a number, an event time or a range a string, one name a string
//               where a list is meant; `embedding_base64` holds little-endian float32
//
// An unknown name is UNKNOWN_FIELD with the nearest known one; a value of a wrong type or out of
// range names its field. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "engram/base/status.h"
#include "engram/v1/service.pb.h"

namespace engram::api {

Status MessageFromJson(std::string_view json, google::protobuf::Message* message);
std::string MessageToJson(const google::protobuf::Message& message);

Result<v1::Episode> EpisodeFromJson(std::string_view json);
std::string EpisodeToJson(const v1::Episode& episode);

// A PATCH: the fields that are named are the mask; null clears a field, metadata is changed key by
// key.
Result<v1::UpdateRequest> UpdateFromJson(std::string_view json);

// "500ms", "2s", "1.5s", "10m", "1h", "7d", also "250us" and "10ns". INVALID_REQUEST otherwise.
Result<google::protobuf::Duration> ParseDuration(std::string_view text);
std::string FormatDuration(const google::protobuf::Duration& duration);

}  // namespace engram::api
