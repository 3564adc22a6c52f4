// /openapi.json (OpenAPI 3.0.3): paths from the table of routes, schemas from the messages' own
// descriptions, so that neither can lag behind.
#include <set>

#include "engram/api/http_routes.h"
#include "engram/api/json_names.h"
#include "engram/api/json_value.h"
#include "engram/v1/service.pb.h"

namespace engram::api {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

class Schemas {
 public:
  std::string Reference(const pb::Descriptor* message) {
    if (seen_.insert(message).second) Define(message);
    return R"({"$ref":"#/components/schemas/)" + NameOf(message) + "\"}";
  }
  const std::string& definitions() const { return definitions_; }

 private:
  // Nested messages have the name of their message before their own.
  static std::string NameOf(const pb::Descriptor* message) {
    std::string name = message->name();
    if (message->containing_type() != nullptr) name = NameOf(message->containing_type()) + name;
    return name;
  }

  void Define(const pb::Descriptor* message) {
    std::string properties;
    Properties(message, &properties);
    definitions_ += (definitions_.empty() ? "" : ",") + JsonString(NameOf(message)) +
                    R"(:{"type":"object","properties":{)" + properties + "}}";
  }

  void Properties(const pb::Descriptor* message, std::string* out) {
    for (int i = 0; i < message->field_count(); ++i) {
      const Field* field = message->field(i);
      if (IsFlattened(field)) {
        Properties(field->message_type(), out);
        continue;
      }
      *out += (out->empty() ? "" : ",") + JsonString(ShortName(field)) + ":" + Type(field);
    }
  }

  std::string Type(const Field* field) {
    if (field->is_map()) {
      return R"({"type":"object","additionalProperties":)" +
             Single(field->message_type()->map_value()) + "}";
    }
    if (field->is_repeated()) return R"({"type":"array","items":)" + Single(field) + "}";
    return Single(field);
  }

  std::string Single(const Field* field) {
    switch (field->cpp_type()) {
      case Field::CPPTYPE_STRING:
        return R"({"type":"string"})";
      case Field::CPPTYPE_BOOL:
        return R"({"type":"boolean"})";
      case Field::CPPTYPE_FLOAT:
      case Field::CPPTYPE_DOUBLE:
        return R"({"type":"number"})";
      case Field::CPPTYPE_ENUM:
        return EnumType(field->enum_type());
      case Field::CPPTYPE_MESSAGE:
        return MessageType(field->message_type());
      default:
        return R"({"type":"integer"})";
    }
  }

  static std::string EnumType(const pb::EnumDescriptor* type) {
    std::string names;
    for (const std::string& name : EnumNames(type)) {
      names += (names.empty() ? "" : ",") + JsonString(name);
    }
    return R"({"type":"string","enum":[)" + names + "]}";
  }

  std::string MessageType(const pb::Descriptor* message) {
    const std::string& name = message->full_name();
    if (name == "google.protobuf.Timestamp") return R"({"type":"string","format":"date-time"})";
    if (name == "google.protobuf.Duration") return R"({"type":"string","example":"500ms"})";
    if (name == "google.protobuf.FieldMask") return R"({"type":"array","items":{"type":"string"}})";
    return Reference(message);
  }

  std::set<const pb::Descriptor*> seen_;
  std::string definitions_;
};

const pb::Descriptor* MessageNamed(std::string_view name) {
  return pb::DescriptorPool::generated_pool()->FindMessageTypeByName("engram.v1." +
                                                                     std::string(name));
}

std::string Parameters(const Route& route) {
  std::string list;
  const auto add = [&](std::string_view name, std::string_view in, bool required) {
    list += (list.empty() ? "" : ",") + (R"({"name":)" + JsonString(name)) + R"(,"in":")" +
            std::string(in) + R"(","required":)" + (required ? "true" : "false") +
            R"(,"schema":{"type":"string"}})";
  };
  if (route.path.find("{id}") != std::string_view::npos) add("id", "path", true);
  std::string_view rest = route.parameters;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    add(name, "query", false);
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
  }
  return list;
}

std::string Operation(const Route& route, Schemas* schemas) {
  std::string operation = R"({"summary":)" +
                          JsonString(route.call.empty() ? "This page" : route.call) +
                          R"(,"parameters":[)" + Parameters(route) + "]";
  if (!route.request.empty()) {
    operation += R"(,"requestBody":{"content":{"application/json":{"schema":)" +
                 schemas->Reference(MessageNamed(route.request)) + "}}}";
  }
  const std::string schema = route.response.empty()
                                 ? R"({"type":"object"})"
                                 : schemas->Reference(MessageNamed(route.response));
  const std::string_view type =
      route.handler == HttpWatch ? "text/event-stream" : "application/json";
  return operation + R"(,"responses":{"2XX":{"description":"done","content":{")" +
         std::string(type) + R"(":{"schema":)" + schema +
         R"(}}},"default":{"description":"an error, see reason",)" +
         R"("content":{"application/problem+json":{"schema":{"type":"object"}}}}}})";
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c | 0x20);
  return lower;
}

}  // namespace

std::string OpenApi() {
  Schemas schemas;
  std::string paths;
  std::set<std::string_view> done;
  for (const Route& first : Routes()) {
    if (!done.insert(first.path).second) continue;
    std::string operations;
    for (const Route& route : Routes()) {
      if (route.path != first.path) continue;
      operations += (operations.empty() ? "\"" : ",\"") + Lower(route.method) +
                    "\":" + Operation(route, &schemas);
    }
    paths += (paths.empty() ? "" : ",") + JsonString(first.path) + ":{" + operations + "}";
  }
  return R"({"openapi":"3.0.3","info":{"title":"engram","version":"v1"},"paths":{)" + paths +
         R"(},"components":{"schemas":{)" + schemas.definitions() + "}}}";
}

}  // namespace engram::api
