// JSON to messages.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "engram/api/json.h"
#include "engram/api/json_names.h"
#include "engram/api/json_value.h"
#include "engram/api/text.h"
#include "engram/base/bytes.h"
#include "engram/model/time.h"

namespace engram::api {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;
using Kind = JsonValue::Kind;

Status WrongType(const std::string& path, std::string_view expected, const JsonValue& value,
                 Reason reason = Reason::INVALID_REQUEST) {
  return Status(reason, "Field '" + CutText(path, 100) + "' takes " + std::string(expected) +
                            ", not " + std::string(value.KindName()) + ".")
      .Expected(std::string(expected))
      .With("field", CutText(path, 100))
      .With("expected", std::string(expected))
      .With("actual", std::string(value.KindName()));
}

Status Invalid(Reason reason, const std::string& path, const std::string& what,
               const std::string& expected) {
  return Status(reason, "Field '" + CutText(path, 100) + "': " + what + ".")
      .Expected(expected)
      .With("field", CutText(path, 100))
      .With("expected", expected);
}

Status UnknownField(const std::string& path, const std::string& key,
                    const pb::Descriptor* message) {
  const std::vector<std::string> known = KnownKeys(message);
  const std::string nearest = NearestName(key, known);
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  Status status = Status(Reason::UNKNOWN_FIELD, "Field '" + CutText(path, 100) + "' is not known.")
                      .Expected("one of " + CutText(list, 600))
                      .With("field", CutText(path, 100));
  if (nearest.empty()) return status;
  return std::move(status).Suggest("did you mean '" + nearest + "'?").With("nearest", nearest);
}

class Reader {
 public:
  Status Object(const JsonValue& json, const std::string& path, pb::Message* message) {
    if (!json.is(Kind::kObject)) {
      return WrongType(path.empty() ? "(the whole)" : path, "an object", json);
    }
    for (const JsonMember& member : json.members()) {
      RETURN_IF_ERROR(Member(member, path, message));
    }
    return OkStatus();
  }

 private:
  static std::string Join(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  Status Member(const JsonMember& member, const std::string& path, pb::Message* message) {
    const std::string here = Join(path, member.key);
    const FieldPath found = FindField(message->GetDescriptor(), member.key);
    if (found.empty()) return UnknownField(here, member.key, message->GetDescriptor());
    if (member.value.is(Kind::kNull)) return OkStatus();
    pb::Message* owner = message;
    for (size_t i = 0; i + 1 < found.size(); ++i) {
      RETURN_IF_ERROR(CheckOneof(*owner, found[i], here));
      owner = owner->GetReflection()->MutableMessage(owner, found[i]);
    }
    const Field* field = found.back();
    if (auto* episode = dynamic_cast<v1::Episode*>(owner); episode && field->name() == "when") {
      return When(member.value, here, episode);
    }
    RETURN_IF_ERROR(CheckOneof(*owner, field, here));
    if (IsEmbedding(field)) return Embedding(member, here, owner, field);
    if (field->is_map()) return Map(member.value, here, owner, field);
    if (field->is_repeated()) return List(member.value, here, owner, field);
    return Single(member.value, here, owner, field);
  }

  Status CheckOneof(const pb::Message& owner, const Field* field, const std::string& path) {
    const pb::OneofDescriptor* oneof = field->real_containing_oneof();
    if (oneof == nullptr) return OkStatus();
    const Field* set = owner.GetReflection()->GetOneofFieldDescriptor(owner, oneof);
    if (set == nullptr || set == field) return OkStatus();
    return Invalid(Reason::INVALID_REQUEST, path, "it excludes '" + ShortName(set) + "'",
                   "one of the two");
  }

  // "when" may be partial ("2026-03"), so it is read as the text of the event time.
  Status When(const JsonValue& value, const std::string& path, v1::Episode* episode) {
    if (!value.is(Kind::kString)) {
      return WrongType(path, "a time as text", value, Reason::INVALID_TIME);
    }
    if (episode->has_event_time()) return TwoTimes(path);
    episode->mutable_event_time()->set_text(value.AsString());
    return OkStatus();
  }

  Status TwoTimes(const std::string& path) {
    return Invalid(Reason::INVALID_TIME, path, "`when` and `event_time` are both there",
                   "one of the two");
  }

  Status Embedding(const JsonMember& member, const std::string& path, pb::Message* owner,
                   const Field* field) {
    const pb::Reflection* reflection = owner->GetReflection();
    if (reflection->FieldSize(*owner, field) > 0) {
      return Invalid(Reason::INVALID_EMBEDDING, path, "the vector is there twice", "one vector");
    }
    const bool base64 = member.key.ends_with("_base64");
    if (base64) return Base64(member.value, path, owner, field);
    if (!member.value.is(Kind::kArray)) {
      return WrongType(path, "a list of numbers", member.value, Reason::INVALID_EMBEDDING);
    }
    for (const JsonValue& item : member.value.items()) {
      if (!item.is(Kind::kNumber)) {
        return WrongType(path, "a list of numbers", item, Reason::INVALID_EMBEDDING);
      }
      ASSIGN_OR_RETURN(float number, Float(item, path, Reason::INVALID_EMBEDDING));
      reflection->AddFloat(owner, field, number);
    }
    return OkStatus();
  }

  Status Base64(const JsonValue& value, const std::string& path, pb::Message* owner,
                const Field* field) {
    if (!value.is(Kind::kString)) {
      return WrongType(path, "base64 of little-endian float32", value, Reason::INVALID_EMBEDDING);
    }
    const auto bytes = DecodeBase64(value.AsString());
    if (!bytes || bytes->size() % 4 != 0) {
      return Invalid(Reason::INVALID_EMBEDDING, path, "it is not base64 of whole float32 numbers",
                     "base64 (RFC 4648) of 4 bytes a number, little-endian");
    }
    for (size_t i = 0; i < bytes->size(); i += 4) {
      owner->GetReflection()->AddFloat(owner, field,
                                       std::bit_cast<float>(LoadLe<uint32_t>(bytes->data() + i)));
    }
    return OkStatus();
  }

  Status Map(const JsonValue& json, const std::string& path, pb::Message* owner,
             const Field* field) {
    if (!json.is(Kind::kObject)) return WrongType(path, "an object", json);
    for (const JsonMember& member : json.members()) {
      if (member.value.is(Kind::kNull)) continue;  // a PATCH that takes it out
      pb::Message* entry = owner->GetReflection()->AddMessage(owner, field);
      entry->GetReflection()->SetString(entry, field->message_type()->map_key(), member.key);
      const std::string here = Join(path, member.key);
      RETURN_IF_ERROR(Single(member.value, here, entry, field->message_type()->map_value()));
    }
    return OkStatus();
  }

  Status List(const JsonValue& json, const std::string& path, pb::Message* owner,
              const Field* field) {
    const bool names = field->cpp_type() != Field::CPPTYPE_MESSAGE;
    if (json.is(Kind::kString) && names) return Item(json, path, owner, field);
    if (!json.is(Kind::kArray)) return WrongType(path, "a list", json);
    for (const JsonValue& item : json.items()) {
      const int index = owner->GetReflection()->FieldSize(*owner, field);
      RETURN_IF_ERROR(Item(item, path + "[" + std::to_string(index) + "]", owner, field));
    }
    return OkStatus();
  }

  // Lists in our messages hold strings, enums and messages; floats are embeddings.
  Status Item(const JsonValue& json, const std::string& path, pb::Message* owner,
              const Field* field) {
    const pb::Reflection* reflection = owner->GetReflection();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_STRING:
        if (!json.is(Kind::kString)) return WrongType(path, "a string", json);
        reflection->AddString(owner, field, json.AsString());
        return OkStatus();
      case Field::CPPTYPE_ENUM: {
        ASSIGN_OR_RETURN(const pb::EnumValueDescriptor* value, Enum(json, path, field));
        reflection->AddEnum(owner, field, value);
        return OkStatus();
      }
      case Field::CPPTYPE_MESSAGE:
        return Sub(json, path, reflection->AddMessage(owner, field));
      default:
        return Invalid(Reason::INVALID_REQUEST, path, "it cannot be given as JSON", "gRPC");
    }
  }

  Status Single(const JsonValue& json, const std::string& path, pb::Message* owner,
                const Field* field) {
    const pb::Reflection* reflection = owner->GetReflection();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_STRING:
        if (!json.is(Kind::kString)) return WrongType(path, "a string", json);
        reflection->SetString(owner, field, json.AsString());
        return OkStatus();
      case Field::CPPTYPE_BOOL:
        if (!json.is(Kind::kBool)) return WrongType(path, "true or false", json);
        reflection->SetBool(owner, field, json.AsBool());
        return OkStatus();
      case Field::CPPTYPE_ENUM: {
        ASSIGN_OR_RETURN(const pb::EnumValueDescriptor* value, Enum(json, path, field));
        reflection->SetEnum(owner, field, value);
        return OkStatus();
      }
      case Field::CPPTYPE_MESSAGE:
        if (field->name() == "event_time" && reflection->HasField(*owner, field)) {
          return TwoTimes(path);
        }
        return Sub(json, path, reflection->MutableMessage(owner, field));
      default:
        return Number(json, path, owner, field);
    }
  }

  Status Number(const JsonValue& json, const std::string& path, pb::Message* owner,
                const Field* field) {
    if (!json.is(Kind::kNumber)) return WrongType(path, "a number", json);
    const pb::Reflection* reflection = owner->GetReflection();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_FLOAT: {
        ASSIGN_OR_RETURN(float number, Float(json, path, Reason::INVALID_REQUEST));
        reflection->SetFloat(owner, field, number);
        return OkStatus();
      }
      case Field::CPPTYPE_DOUBLE:
        reflection->SetDouble(owner, field, json.AsDouble());
        return OkStatus();
      case Field::CPPTYPE_INT32:
        return Whole<int32_t>(json.AsInt64(), path,
                              [&](int32_t value) { reflection->SetInt32(owner, field, value); });
      case Field::CPPTYPE_INT64:
        return Whole<int64_t>(json.AsInt64(), path,
                              [&](int64_t value) { reflection->SetInt64(owner, field, value); });
      case Field::CPPTYPE_UINT32:
        return Whole<uint32_t>(json.AsUint64(), path,
                               [&](uint32_t value) { reflection->SetUInt32(owner, field, value); });
      default:
        return Whole<uint64_t>(json.AsUint64(), path,
                               [&](uint64_t value) { reflection->SetUInt64(owner, field, value); });
    }
  }

  template <class T, class Wide, class Set>
  Status Whole(std::optional<Wide> value, const std::string& path, Set set) {
    using Limits = std::numeric_limits<T>;
    if (!value || *value < static_cast<Wide>(Limits::min()) ||
        *value > static_cast<Wide>(Limits::max())) {
      return Invalid(Reason::INVALID_REQUEST, path, "the number does not fit",
                     "a whole number from " + std::to_string(Limits::min()) + " to " +
                         std::to_string(Limits::max()));
    }
    set(static_cast<T>(*value));
    return OkStatus();
  }

  Result<float> Float(const JsonValue& json, const std::string& path, Reason reason) {
    const double number = json.AsDouble();
    if (std::abs(number) > std::numeric_limits<float>::max()) {
      return Invalid(reason, path, "a number is too large", "finite float32");
    }
    return static_cast<float>(number);
  }

  Result<const pb::EnumValueDescriptor*> Enum(const JsonValue& json, const std::string& path,
                                              const Field* field) {
    const std::vector<std::string> known = EnumNames(field->enum_type());
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    if (!json.is(Kind::kString)) return WrongType(path, "one of " + list, json);
    const std::string name = json.AsString();
    const pb::EnumValueDescriptor* value = FindEnum(field->enum_type(), name);
    if (value != nullptr) return value;
    Status status = Invalid(Reason::INVALID_REQUEST, path,
                            "'" + CutText(name, 60) + "' is not known", "one of " + list);
    const std::string nearest = NearestName(name, known);
    if (nearest.empty()) return status;
    return std::move(status).Suggest("did you mean '" + nearest + "'?");
  }

  // A message, or the short form of one.
  Status Sub(const JsonValue& json, const std::string& path, pb::Message* message) {
    const std::string& type = message->GetDescriptor()->full_name();
    if (type == "google.protobuf.Timestamp") return Time(json, path, message);
    if (type == "google.protobuf.Duration") return Span(json, path, message);
    if (type == "google.protobuf.FieldMask") return Mask(json, path, message);
    if (auto* confidence = dynamic_cast<v1::Confidence*>(message); confidence && !IsObject(json)) {
      if (!json.is(Kind::kNumber)) return WrongType(path, "a number or an object", json);
      ASSIGN_OR_RETURN(float value, Float(json, path, Reason::INVALID_REQUEST));
      confidence->set_value(value);
      return OkStatus();
    }
    if (json.is(Kind::kString)) {
      if (auto* time = dynamic_cast<v1::EventTime*>(message)) {
        time->set_text(json.AsString());
        return OkStatus();
      }
      if (auto* range = dynamic_cast<v1::TimeRange*>(message)) {
        range->set_text(json.AsString());
        return OkStatus();
      }
    }
    // Names alone: any of these people or tags, these ids.
    const bool names = type == "engram.v1.StringMatch" || type == "engram.v1.IdList" ||
                       type == "engram.v1.PeopleList";
    if (names && !IsObject(json))
      return List(json, path, message, message->GetDescriptor()->field(0));
    return Object(json, path, message);
  }

  static bool IsObject(const JsonValue& json) { return json.is(Kind::kObject); }

  Status Time(const JsonValue& json, const std::string& path, pb::Message* message) {
    if (!json.is(Kind::kString)) {
      return WrongType(path, "a time as text", json, Reason::INVALID_TIME);
    }
    const Result<model::UtcTime> time = model::ParseUtc(json.AsString());
    if (!time.ok()) {
      return Invalid(Reason::INVALID_TIME, path, "it is no RFC 3339 time", "2026-03-14T09:12:44Z");
    }
    message->CopyFrom(time->ToProto());
    return OkStatus();
  }

  Status Span(const JsonValue& json, const std::string& path, pb::Message* message) {
    if (!json.is(Kind::kString)) return WrongType(path, "a duration such as \"2s\"", json);
    const Result<pb::Duration> duration = ParseDuration(json.AsString());
    if (!duration.ok()) {
      return Invalid(Reason::INVALID_REQUEST, path, "it is no duration",
                     "\"500ms\", \"2s\", \"10m\"");
    }
    message->CopyFrom(*duration);
    return OkStatus();
  }

  Status Mask(const JsonValue& json, const std::string& path, pb::Message* message) {
    if (!json.is(Kind::kArray)) return WrongType(path, "a list of field names", json);
    for (const JsonValue& item : json.items()) {
      if (!item.is(Kind::kString)) return WrongType(path, "a list of field names", item);
      static_cast<pb::FieldMask*>(message)->add_paths(MaskPath(item.AsString()));
    }
    return OkStatus();
  }

  // The proto's name of an episode's field; unknown ones stay, and are refused by who applies them.
  static std::string MaskPath(const std::string& name) {
    const FieldPath found = FindField(v1::Episode::descriptor(), name);
    return found.empty() ? name : found.back()->name();
  }
};

Result<JsonValue> ParseObject(std::string_view json) {
  ASSIGN_OR_RETURN(JsonValue value, ParseJson(json));
  if (!value.is(Kind::kObject)) {
    return Status(Reason::INVALID_REQUEST,
                  "The body is " + std::string(value.KindName()) + ", not an object.")
        .Expected("a JSON object");
  }
  return value;
}

// What a PATCH means for the mask: the key itself, or the keys inside of metadata.
void AddPaths(const JsonMember& member, pb::FieldMask* mask) {
  const FieldPath found = FindField(v1::UpdateRequest::descriptor(), member.key);
  if (found.size() != 2 || found[0]->name() != "episode" || found[1]->name() == "id") return;
  const std::string& field = found[1]->name();
  if (field == "metadata" && member.value.is(Kind::kObject)) {
    for (const JsonMember& entry : member.value.members()) mask->add_paths("metadata." + entry.key);
  } else {
    mask->add_paths(field == "when" ? "event_time" : field);
  }
}

}  // namespace

Status MessageFromJson(std::string_view json, pb::Message* message) {
  ASSIGN_OR_RETURN(const JsonValue value, ParseObject(json));
  return Reader().Object(value, "", message);
}

Result<v1::Episode> EpisodeFromJson(std::string_view json) {
  v1::Episode episode;
  RETURN_IF_ERROR(MessageFromJson(json, &episode));
  return episode;
}

Result<v1::UpdateRequest> UpdateFromJson(std::string_view json) {
  ASSIGN_OR_RETURN(const JsonValue value, ParseObject(json));
  v1::UpdateRequest request;
  RETURN_IF_ERROR(Reader().Object(value, "", &request));
  if (request.has_update_mask()) return request;
  for (const JsonMember& member : value.members()) AddPaths(member, request.mutable_update_mask());
  return request;
}

Result<pb::Duration> ParseDuration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ns;
  };
  constexpr Unit kUnits[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                             {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& known : kUnits) {
    if (error != std::errc() || unit != known.name) continue;
    const double ns = number * known.ns;
    if (!(ns >= 0 && ns <= 9.2e18)) break;
    pb::Duration duration;
    duration.set_seconds(static_cast<int64_t>(ns) / 1'000'000'000);
    duration.set_nanos(static_cast<int32_t>(static_cast<int64_t>(ns) % 1'000'000'000));
    return duration;
  }
  return Status(Reason::INVALID_REQUEST, "'" + CutText(text, 40) + "' is no duration.")
      .Expected("a number with ns, us, ms, s, m, h or d")
      .Example("500ms");
}

}  // namespace engram::api
