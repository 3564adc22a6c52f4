// Messages to JSON. What is empty is left out, but for the plain fields of replies and of the parts
// of an explanation, where a reader expects to find a 0 or an empty list.
#include <charconv>
#include <cmath>
#include <set>

#include "engram/api/json.h"
#include "engram/api/json_names.h"
#include "engram/api/json_value.h"
#include "engram/model/time.h"

namespace engram::api {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

template <class Number>
void AppendNumber(Number number, std::string* out) {
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  out->append(buffer, end);
}

void AppendFloat(double number, bool single, std::string* out) {
  if (!std::isfinite(number)) {
    *out += "null";
  } else if (single) {
    AppendNumber(static_cast<float>(number), out);
  } else {
    AppendNumber(number, out);
  }
}

// Messages whose numbers and flags are shown when they are 0 or false too.
bool ShowsZeros(const pb::Message& message) {
  static const auto* const kShown = new std::set<std::string>{
      "engram.v1.Confidence",   "engram.v1.Explanation",     "engram.v1.LegScore",
      "engram.v1.TermMatch",    "engram.v1.ContextShare",    "engram.v1.PriorPart",
      "engram.v1.ServedBy",     "engram.v1.RecallMetadata",  "engram.v1.WriteResult",
      "engram.v1.NodeInfo",     "engram.v1.SpaceStatus",     "engram.v1.HealthStatus",
      "engram.v1.WhyNot",       "engram.v1.ComponentHealth", "engram.v1.ReplicaStatus",
      "engram.v1.SpaceSettings"};
  if (const auto* memory = dynamic_cast<const v1::Memory*>(&message)) return memory->group() != 0;
  return kShown->contains(message.GetDescriptor()->full_name());
}

bool IsReply(const pb::Message& message) {
  return message.GetDescriptor()->name().ends_with("Response");
}

// Shown only when there is something in them, whatever is around.
bool HiddenWhenEmpty(const Field* field) {
  static const auto* const kHidden = new std::set<std::string>{
      "linked_memories", "traces",  "purge_id",         "activation_path",      "turn",
      "decay_rate",      "missing", "active_processes", "metrics_snapshot_json"};
  return kHidden->contains(field->name());
}

class Writer {
 public:
  std::string Write(const pb::Message& message) {
    Value(message);
    return std::move(out_);
  }

 private:
  void Value(const pb::Message& message) {
    const std::string& type = message.GetDescriptor()->full_name();
    if (type == "google.protobuf.Timestamp") {
      const auto& time = static_cast<const pb::Timestamp&>(message);
      AppendJsonString(model::FormatUtc(model::UtcTime::FromProto(time)), &out_);
    } else if (type == "google.protobuf.Duration") {
      AppendJsonString(FormatDuration(static_cast<const pb::Duration&>(message)), &out_);
    } else if (type == "google.protobuf.FieldMask") {
      Mask(static_cast<const pb::FieldMask&>(message));
    } else {
      out_ += '{';
      bool first = true;
      Members(message, IsReply(message), &first);
      out_ += '}';
    }
  }

  void Mask(const pb::FieldMask& mask) {
    out_ += '[';
    for (int i = 0; i < mask.paths_size(); ++i) {
      if (i > 0) out_ += ',';
      AppendJsonString(mask.paths(i), &out_);
    }
    out_ += ']';
  }

  void Members(const pb::Message& message, bool reply, bool* first) {
    const pb::Descriptor* descriptor = message.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const Field* field = descriptor->field(i);
      if (IsFlattened(field)) {
        if (message.GetReflection()->HasField(message, field)) {
          Members(message.GetReflection()->GetMessage(message, field), reply, first);
        }
      } else if (Shown(message, field, reply)) {
        if (!*first) out_ += ',';
        *first = false;
        AppendJsonString(ShortName(field), &out_);
        out_ += ':';
        FieldValue(message, field);
      }
    }
  }

  bool Shown(const pb::Message& message, const Field* field, bool reply) {
    const pb::Reflection* reflection = message.GetReflection();
    if (field->is_repeated()) {
      return reflection->FieldSize(message, field) > 0 || (reply && !HiddenWhenEmpty(field));
    }
    if (field->has_presence()) return reflection->HasField(message, field);
    if (reflection->HasField(message, field)) return true;
    if (HiddenWhenEmpty(field) || field->cpp_type() == Field::CPPTYPE_ENUM) return false;
    const bool text = field->cpp_type() == Field::CPPTYPE_STRING;
    return reply || (!text && ShowsZeros(message));
  }

  void FieldValue(const pb::Message& message, const Field* field) {
    if (field->is_map()) return Map(message, field);
    if (!field->is_repeated()) return Single(message, field);
    const int size = message.GetReflection()->FieldSize(message, field);
    out_ += '[';
    for (int i = 0; i < size; ++i) {
      if (i > 0) out_ += ',';
      Element(message, field, i);
    }
    out_ += ']';
  }

  // Keys in order, so that equal messages have equal texts.
  void Map(const pb::Message& message, const Field* field) {
    const pb::Reflection* reflection = message.GetReflection();
    std::map<std::string, const pb::Message*> entries;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const pb::Message& entry = reflection->GetRepeatedMessage(message, field, i);
      entries[entry.GetReflection()->GetString(entry, field->message_type()->map_key())] = &entry;
    }
    out_ += '{';
    bool first = true;
    for (const auto& [key, entry] : entries) {
      if (!first) out_ += ',';
      first = false;
      AppendJsonString(key, &out_);
      out_ += ':';
      Single(*entry, field->message_type()->map_value());
    }
    out_ += '}';
  }

  void Single(const pb::Message& m, const Field* field) {
    const pb::Reflection* r = m.GetReflection();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_INT32:
        return AppendNumber(r->GetInt32(m, field), &out_);
      case Field::CPPTYPE_INT64:
        return AppendNumber(r->GetInt64(m, field), &out_);
      case Field::CPPTYPE_UINT32:
        return AppendNumber(r->GetUInt32(m, field), &out_);
      case Field::CPPTYPE_UINT64:
        return AppendNumber(r->GetUInt64(m, field), &out_);
      case Field::CPPTYPE_DOUBLE:
        return AppendFloat(r->GetDouble(m, field), false, &out_);
      case Field::CPPTYPE_FLOAT:
        return AppendFloat(r->GetFloat(m, field), true, &out_);
      case Field::CPPTYPE_BOOL:
        out_ += r->GetBool(m, field) ? "true" : "false";
        return;
      case Field::CPPTYPE_ENUM:
        return AppendJsonString(EnumName(r->GetEnum(m, field)), &out_);
      case Field::CPPTYPE_STRING:
        return AppendJsonString(r->GetString(m, field), &out_);
      case Field::CPPTYPE_MESSAGE:
        return Value(r->GetMessage(m, field));
    }
  }

  // Lists in our messages hold floats, strings, enums and messages.
  void Element(const pb::Message& m, const Field* field, int i) {
    const pb::Reflection* r = m.GetReflection();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_FLOAT:
        return AppendFloat(r->GetRepeatedFloat(m, field, i), true, &out_);
      case Field::CPPTYPE_STRING:
        return AppendJsonString(r->GetRepeatedString(m, field, i), &out_);
      case Field::CPPTYPE_ENUM:
        return AppendJsonString(EnumName(r->GetRepeatedEnum(m, field, i)), &out_);
      case Field::CPPTYPE_MESSAGE:
        return Value(r->GetRepeatedMessage(m, field, i));
      default:
        ENGRAM_CHECK(false);
    }
  }

  std::string out_;
};

}  // namespace

std::string MessageToJson(const pb::Message& message) {
  return Writer().Write(message);
}

std::string EpisodeToJson(const v1::Episode& episode) {
  return MessageToJson(episode);
}

std::string FormatDuration(const pb::Duration& duration) {
  const int64_t ns = duration.seconds() * 1'000'000'000 + duration.nanos();
  struct Unit {
    int64_t ns;
    const char* name;
  };
  constexpr Unit kUnits[] = {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}, {1, "ns"}};
  for (const Unit& unit : kUnits) {
    if (ns % unit.ns == 0) return std::to_string(ns / unit.ns) + unit.name;
  }
  return "";
}

}  // namespace engram::api
