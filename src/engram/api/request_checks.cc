#include "engram/api/request_checks.h"

#include "engram/api/text.h"
#include "engram/model/episode.h"

namespace engram::api {
namespace {

Status Conflict(const std::string& one, const std::string& other) {
  return Status(Reason::SPACE_CONFLICT, "The request names two spaces: '" + CutText(one, 80) +
                                            "' and '" + CutText(other, 80) + "'.")
      .Expected("one space, in memory_space_id or in a header")
      .Suggest("leave one of the two out")
      .With("one", CutText(one, 80))
      .With("other", CutText(other, 80));
}

}  // namespace

Result<std::string> ResolveSpace(const CallContext& context, const std::string& field) {
  std::string space;
  for (const std::string* name : {&field, &context.space_header, &context.space_header_short}) {
    if (name->empty()) continue;
    if (!space.empty() && space != *name) return Conflict(space, *name);
    space = *name;
  }
  if (space.empty()) return std::string("default");
  RETURN_IF_ERROR(model::CheckSpaceId(space));
  return space;
}

Status Unimplemented(std::string_view what, std::string_view field, std::string_view hint) {
  Status status = Status(Reason::UNIMPLEMENTED_FEATURE, std::string(what) + " is not built yet.")
                      .Suggest(std::string(hint))
                      .With("hint", std::string(hint));
  if (field.empty()) return status;
  return std::move(status).With("field", std::string(field));
}

Status CheckWriteOptions(const v1::WriteOptions& options) {
  if (!options.idempotency_key().empty()) {
    RETURN_IF_ERROR(model::CheckIdempotencyKey(options.idempotency_key()));
  }
  switch (options.durability()) {
    case v1::DURABILITY_UNSPECIFIED:
    case v1::DURABILITY_LOCAL:
    case v1::DURABILITY_AUTO:
    case v1::DURABILITY_REPLICATED:
      return OkStatus();
    default:
      return Status(Reason::INVALID_REQUEST, "This durability cannot be asked for.")
          .Expected("local, replicated or auto")
          .With("field", "durability");
  }
}

Status CheckCount(std::string_view field, int64_t count) {
  if (count < 0) {
    return Status(Reason::INVALID_REQUEST,
                  std::string(field) + " is " + std::to_string(count) + ".")
        .Expected("0 (the default) to " + std::to_string(model::kMaxBatch))
        .With("field", std::string(field))
        .With("actual", std::to_string(count));
  }
  if (count <= static_cast<int64_t>(model::kMaxBatch)) return OkStatus();
  return Status(Reason::TOO_LARGE, std::string(field) + " is " + std::to_string(count) + ".")
      .Expected("at most " + std::to_string(model::kMaxBatch))
      .Suggest("read on with the page token, or send several calls")
      .With("field", std::string(field))
      .With("limit", model::kMaxBatch)
      .With("actual", std::to_string(count));
}

Status CheckIds(const google::protobuf::RepeatedPtrField<std::string>& ids) {
  if (ids.empty()) {
    return Status(Reason::INVALID_REQUEST, "The request names no id.")
        .Expected("1 to " + std::to_string(model::kMaxBatch) + " ids")
        .With("field", "ids");
  }
  RETURN_IF_ERROR(CheckCount("ids", ids.size()));
  for (const std::string& id : ids) RETURN_IF_ERROR(model::CheckId(id));
  return OkStatus();
}

Status CheckAsOf(bool given) {
  if (!given) return OkStatus();
  return Unimplemented("Reading a past state", "as_of",
                       "read the newest state; Get with include_history has older versions");
}

Result<v1::Episode> EpisodeOf(v1::RememberRequest& request) {
  if (request.auto_link() || request.link_threshold() != 0) {
    return Unimplemented("Linking by itself", request.auto_link() ? "auto_link" : "link_threshold",
                         "name what it was made from in derived_from");
  }
  if (request.has_memory()) return model::EpisodeFromMemory(request.memory());
  if (request.has_episode()) return std::move(*request.mutable_episode());
  return Status(Reason::INVALID_EPISODE, "The request holds no episode.")
      .Expected("an episode with a text or an embedding")
      .Example(R"({"what": "Anna prefers the 8:15 train"})")
      .With("field", "episode");
}

Status CheckExperience(const v1::ExperienceRequest& request) {
  if (request.immediate_consolidation()) {
    return Unimplemented("Consolidation", "immediate_consolidation", "leave it out");
  }
  const v1::Episode& episode = request.episode();
  std::string missing;
  if (!episode.has_when() && !episode.has_event_time()) missing = "when";
  if (episode.what().empty()) missing = "what";
  if (episode.who().empty() && episode.where_location().empty() && episode.session().empty()) {
    missing = "who, where_location or session";
  }
  if (!missing.empty()) {
    return Status(Reason::INVALID_EPISODE, "An experience without " + missing + ".")
        .Expected("a time, a text, and one of who, where_location, session")
        .Suggest("use Remember for a note without context")
        .With("field", missing);
  }
  return CheckCount("context_links", request.context_links_size());
}

}  // namespace engram::api
