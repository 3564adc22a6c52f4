// Checks that need nothing but the request: which space is meant, options that this server does not
// act on (UNIMPLEMENTED_FEATURE with a hint, never ignored), limits of lists and pages. Pure.
#pragma once

#include <string>
#include <string_view>

#include "engram/api/service.h"

namespace engram::api {

// Field, then headers, else "default". SPACE_CONFLICT when two differ, INVALID_SPACE_ID.
Result<std::string> ResolveSpace(const CallContext& context, const std::string& field);

Status Unimplemented(std::string_view what, std::string_view field, std::string_view hint);

// A durability that can be asked for, a well-formed key.
Status CheckWriteOptions(const v1::WriteOptions& options);
// INVALID_REQUEST for a negative number, TOO_LARGE above 1,000.
Status CheckCount(std::string_view field, int64_t count);
// EMPTY_BATCH-like mistakes of a list of ids: none, too many.
Status CheckIds(const google::protobuf::RepeatedPtrField<std::string>& ids);
Status CheckAsOf(bool given);

// The episode of a Remember; UNIMPLEMENTED_FEATURE for auto_link.
Result<v1::Episode> EpisodeOf(v1::RememberRequest& request);
// What makes an experience more than a note: a time, a text, and who, where or a session.
Status CheckExperience(const v1::ExperienceRequest& request);

}  // namespace engram::api
