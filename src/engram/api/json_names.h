// Names of the JSON form: which fields are flattened, which have a shorter name, how enums are
// spelled. Shared by reader and writer. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace engram::api {

using FieldPath = std::vector<const google::protobuf::FieldDescriptor*>;

// Fields of this field's message stand in the object around it.
bool IsFlattened(const google::protobuf::FieldDescriptor* field);
std::string ShortName(const google::protobuf::FieldDescriptor* field);
// A list of float32 that may come as `<name>_base64`.
bool IsEmbedding(const google::protobuf::FieldDescriptor* field);

// The field that a key names in this message or in what is flattened into it; empty when unknown.
FieldPath FindField(const google::protobuf::Descriptor* message, std::string_view key);
// Every key that FindField knows, short names first.
std::vector<std::string> KnownKeys(const google::protobuf::Descriptor* message);

// "MEMORY_TYPE_EPISODIC" of MemoryType: "episodic".
std::string EnumName(const google::protobuf::EnumValueDescriptor* value);
// In either spelling; null when unknown.
const google::protobuf::EnumValueDescriptor* FindEnum(const google::protobuf::EnumDescriptor* type,
                                                      std::string_view name);
std::vector<std::string> EnumNames(const google::protobuf::EnumDescriptor* type);

}  // namespace engram::api
