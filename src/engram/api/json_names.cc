#include "engram/api/json_names.h"

#include <cctype>

namespace engram::api {
namespace {

namespace pb = google::protobuf;

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// "MemoryType" gives "MEMORY_TYPE_".
std::string EnumPrefix(const pb::EnumDescriptor* type) {
  std::string prefix;
  for (const char c : type->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += c;
  }
  return Upper(prefix) + "_";
}

bool IsEpisode(const pb::Descriptor* message) {
  return message->full_name() == "engram.v1.Episode";
}

}  // namespace

bool IsFlattened(const pb::FieldDescriptor* field) {
  if (field->is_repeated() || field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE)
    return false;
  const std::string& type = field->message_type()->full_name();
  return (field->name() == "episode" && type == "engram.v1.Episode") ||
         (field->name() == "options" && type == "engram.v1.WriteOptions") ||
         (field->name() == "write" && type == "engram.v1.WriteResult") ||
         (field->name() == "space" && type == "engram.v1.Space");
}

std::string ShortName(const pb::FieldDescriptor* field) {
  if (field->name() == "memory_space_id") return "space";
  if (field->name() == "where_location") return "where";
  if (field->name() == "encoding_confidence" && IsEpisode(field->containing_type())) {
    return "confidence";
  }
  return field->name();
}

bool IsEmbedding(const pb::FieldDescriptor* field) {
  return field->is_repeated() && field->cpp_type() == pb::FieldDescriptor::CPPTYPE_FLOAT;
}

FieldPath FindField(const pb::Descriptor* message, std::string_view key) {
  constexpr std::string_view kBase64 = "_base64";
  const bool base64 = key.ends_with(kBase64);
  for (int i = 0; i < message->field_count(); ++i) {
    const pb::FieldDescriptor* field = message->field(i);
    if (key == field->name() || key == ShortName(field)) return {field};
    if (base64 && IsEmbedding(field) &&
        key.substr(0, key.size() - kBase64.size()) == field->name()) {
      return {field};
    }
  }
  for (int i = 0; i < message->field_count(); ++i) {
    if (!IsFlattened(message->field(i))) continue;
    FieldPath path = FindField(message->field(i)->message_type(), key);
    if (path.empty()) continue;
    path.insert(path.begin(), message->field(i));
    return path;
  }
  return {};
}

std::vector<std::string> KnownKeys(const pb::Descriptor* message) {
  std::vector<std::string> keys;
  for (int i = 0; i < message->field_count(); ++i) {
    const pb::FieldDescriptor* field = message->field(i);
    if (IsFlattened(field)) {
      for (std::string& key : KnownKeys(field->message_type())) keys.push_back(std::move(key));
      continue;
    }
    keys.push_back(ShortName(field));
    if (IsEmbedding(field)) keys.push_back(field->name() + "_base64");
  }
  return keys;
}

std::string EnumName(const pb::EnumValueDescriptor* value) {
  const std::string prefix = EnumPrefix(value->type());
  std::string_view name = value->name();
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  return Lower(name);
}

const pb::EnumValueDescriptor* FindEnum(const pb::EnumDescriptor* type, std::string_view name) {
  const std::string upper = Upper(name);
  const pb::EnumValueDescriptor* value = type->FindValueByName(upper);
  return value != nullptr ? value : type->FindValueByName(EnumPrefix(type) + upper);
}

std::vector<std::string> EnumNames(const pb::EnumDescriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i) {
    std::string name = EnumName(type->value(i));
    if (name != "unspecified") names.push_back(std::move(name));
  }
  return names;
}

}  // namespace engram::api
