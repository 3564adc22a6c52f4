// From one version of an episode to the next: masks, equality, and a memory taken as an episode.

#include <algorithm>

#include "engram/model/change.h"
#include "engram/model/checks.h"
#include "engram/model/episode.h"
#include "engram/model/text.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using google::protobuf::FieldDescriptor;

constexpr std::string_view kMetadataPrefix = "metadata.";
// Not for a mask: an id names another memory, the others are the store's.
constexpr std::string_view kFixed[] = {"id", "consolidation_state", "last_replay", "stored"};

std::vector<std::string_view> MaskableNames() {
  std::vector<std::string_view> names;
  const auto* descriptor = v1::Episode::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    std::string_view name = descriptor->field(i)->name();
    if (std::find(std::begin(kFixed), std::end(kFixed), name) == std::end(kFixed)) {
      names.push_back(name);
    }
  }
  return names;
}

Status BadPath(std::string_view path) {
  std::vector<std::string_view> names = MaskableNames();
  std::string_view top = path.substr(0, path.find('.'));
  std::string_view nearest = Nearest(top, names);
  std::string suggestion = path == "*"       ? "name the fields that change"
                           : nearest.empty() ? "name a field of Episode"
                                             : "did you mean " + std::string(nearest) + "?";
  return Invalid(Reason::INVALID_REQUEST, "update_mask",
                 "update_mask cannot name '" + Shorten(path) + "'.",
                 "fields of Episode that a writer sets, and metadata.<key>", path)
      .Suggest(suggestion)
      .Example("importance, tags, metadata.reviewed");
}

Result<const FieldDescriptor*> FieldOf(const std::string& path) {
  const FieldDescriptor* field = v1::Episode::descriptor()->FindFieldByName(path);
  if (field == nullptr ||
      std::find(std::begin(kFixed), std::end(kFixed), path) != std::end(kFixed)) {
    return BadPath(path);
  }
  return field;
}

void CopyKey(const std::string& key, const v1::Episode& from, v1::Episode* to) {
  auto found = from.metadata().find(key);
  if (found == from.metadata().end()) {
    to->mutable_metadata()->erase(key);
  } else {
    (*to->mutable_metadata())[key] = found->second;
  }
}

bool Names(const google::protobuf::FieldMask& mask, std::string_view path) {
  return std::find(mask.paths().begin(), mask.paths().end(), path) != mask.paths().end();
}

// A vector belongs to the text that it was made from.
void DropStaleEmbedding(const std::string& what_before, const google::protobuf::FieldMask& mask,
                        v1::Episode* to, std::vector<v1::Warning>* warnings) {
  if (to->embedding().empty() || Names(mask, "embedding") || to->what() == what_before) return;
  to->clear_embedding();
  to->clear_embedding_model();
  if (warnings == nullptr) return;
  v1::Warning& warning = warnings->emplace_back();
  warning.set_reason("EMBEDDING_REMOVED");
  warning.set_message(
      "The text changed and no embedding came with it: the old one, which was made "
      "from the old text, is gone.");
}

// What of an episode counts as content.
v1::Episode Content(const v1::Episode& episode, bool with_time) {
  v1::Episode out = episode;
  out.clear_consolidation_state();
  out.clear_last_replay();
  out.clear_stored();
  if (out.has_event_time()) out.mutable_event_time()->clear_is_storing_time();
  if (!with_time) out.clear_event_time();
  return out;
}

void CopyTime(const v1::Memory& memory, v1::Episode* out) {
  if (memory.has_event_time()) {
    *out->mutable_event_time() = memory.event_time();
  } else if (memory.has_created_at()) {
    *out->mutable_when() = memory.created_at();
  }
}

}  // namespace

v1::Episode EpisodeFromMemory(const v1::Memory& memory) {
  v1::Episode out;
  out.set_id(memory.id());
  out.set_what(memory.content());
  *out.mutable_embedding() = memory.embedding();
  if (memory.has_confidence()) *out.mutable_encoding_confidence() = memory.confidence();
  CopyTime(memory, &out);
  out.set_where_location(memory.where_location());
  *out.mutable_who() = memory.who();
  out.set_why(memory.why());
  out.set_how(memory.how());
  out.set_session(memory.session());
  if (memory.turn() != 0) out.set_turn(memory.turn());
  if (memory.decay_rate() != 0) out.set_decay_rate(memory.decay_rate());
  if (memory.has_importance()) out.set_importance(memory.importance());
  *out.mutable_tags() = memory.tags();
  *out.mutable_metadata() = memory.metadata();
  out.set_source(memory.source());
  *out.mutable_derived_from() = memory.derived_from();
  out.set_memory_type(memory.memory_type());
  return out;
}

bool SameContent(const v1::Episode& a, const v1::Episode& b) {
  if (a.what() != b.what() || a.embedding_size() != b.embedding_size()) return false;
  bool with_time = !a.event_time().is_storing_time() || !b.event_time().is_storing_time();
  return Encode(Content(a, with_time)) == Encode(Content(b, with_time));
}

Status ApplyMask(const google::protobuf::FieldMask& mask, const v1::Episode& from, v1::Episode* to,
                 std::vector<v1::Warning>* warnings) {
  if (mask.paths().empty()) {
    return Invalid(Reason::INVALID_REQUEST, "update_mask", "update_mask is empty.",
                   "the names of the fields to change", "none")
        .Example("importance, tags, metadata.reviewed");
  }
  std::vector<const FieldDescriptor*> fields;
  for (const std::string& path : mask.paths()) {
    if (path.starts_with(kMetadataPrefix) && path.size() > kMetadataPrefix.size()) continue;
    ASSIGN_OR_RETURN(const FieldDescriptor* field, FieldOf(path));
    if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
  }
  const std::string what_before = to->what();
  bool timed = Names(mask, "when") || Names(mask, "event_time");
  if (timed) {  // the time is one value, however it is written
    to->clear_when();
    to->clear_event_time();
  }
  v1::Episode copy = from;
  v1::Episode::GetReflection()->SwapFields(to, &copy, fields);
  for (const std::string& path : mask.paths()) {
    if (path.starts_with(kMetadataPrefix)) CopyKey(path.substr(kMetadataPrefix.size()), from, to);
  }
  DropStaleEmbedding(what_before, mask, to, warnings);
  return OkStatus();
}

}  // namespace engram::model
