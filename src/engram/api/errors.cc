#include "engram/api/errors.h"

#include <cstdlib>

#include "engram/api/json_value.h"
#include "engram/api/text.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace engram::api {
namespace {

constexpr size_t kTextBytes = 1200;  // of a whole error in a header, where a byte may take three
constexpr size_t kPartBytes = 2000;  // of one part in a body
constexpr size_t kFactBytes = 200;
constexpr std::string_view kTypePrefix = "type.googleapis.com/";

void PackDetail(const google::protobuf::Message& message, google::rpc::Status* status) {
  google::protobuf::Any* any = status->add_details();
  any->set_type_url(std::string(kTypePrefix) + message.GetDescriptor()->full_name());
  message.SerializeToString(any->mutable_value());
}

bool UnpackDetail(const google::protobuf::Any& any, google::protobuf::Message* message) {
  return any.type_url() == std::string(kTypePrefix) + message->GetDescriptor()->full_name() &&
         message->ParseFromString(any.value());
}

google::rpc::ErrorInfo InfoFor(const Status& status) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(InfoOf(status.reason()).name));
  info.set_domain("engram");
  for (const auto& [key, value] : status.metadata()) {
    (*info.mutable_metadata())[key] = CutText(value, kFactBytes);
  }
  return info;
}

// What a bare code of gRPC means here, for errors that no engram server made.
Reason ReasonOfCode(int code) {
  switch (static_cast<Code>(code)) {
    case Code::INVALID_ARGUMENT:
      return Reason::INVALID_REQUEST;
    case Code::DEADLINE_EXCEEDED:
    case Code::UNAVAILABLE:
    case Code::CANCELLED:
      return Reason::CONNECTION_TIMEOUT;
    case Code::NOT_FOUND:
      return Reason::MEMORY_NOT_FOUND;
    case Code::UNAUTHENTICATED:
      return Reason::UNAUTHENTICATED;
    case Code::PERMISSION_DENIED:
      return Reason::PERMISSION_DENIED;
    case Code::RESOURCE_EXHAUSTED:
      return Reason::TOO_LARGE;
    case Code::UNIMPLEMENTED:
      return Reason::UNIMPLEMENTED_FEATURE;
    default:
      return Reason::IO;
  }
}

void AppendPart(std::string_view name, const std::string& value, std::string* json) {
  if (value.empty()) return;
  *json += ",\"" + std::string(name) + "\":";
  AppendJsonString(CutText(value, kPartBytes), json);
}

std::string_view RetryText(Retry retry) {
  switch (retry) {
    case Retry::NO:
      return "no";
    case Retry::AFTER_READ:
      return "after a read";
    case Retry::THERE:
      return "at the node it names";
    case Retry::YES:
      return "yes";
    case Retry::WITH_KEY:
      return "with the same key";
  }
  return "";
}

std::string_view CodeName(Code code) {
  constexpr std::string_view kNames[] = {"OK",
                                         "CANCELLED",
                                         "UNKNOWN",
                                         "INVALID_ARGUMENT",
                                         "DEADLINE_EXCEEDED",
                                         "NOT_FOUND",
                                         "ALREADY_EXISTS",
                                         "PERMISSION_DENIED",
                                         "RESOURCE_EXHAUSTED",
                                         "FAILED_PRECONDITION",
                                         "ABORTED",
                                         "OUT_OF_RANGE",
                                         "UNIMPLEMENTED",
                                         "INTERNAL",
                                         "UNAVAILABLE",
                                         "DATA_LOSS",
                                         "UNAUTHENTICATED"};
  return kNames[static_cast<int>(code)];
}

}  // namespace

uint64_t RetryAfterMs(const Status& status) {
  const auto said = status.metadata().find("retry_after_ms");
  if (said != status.metadata().end()) return std::strtoull(said->second.c_str(), nullptr, 10);
  if (InfoOf(status.reason()).retry != Retry::YES) return 0;
  return status.reason() == Reason::OVERLOADED ? 100 : 1000;
}

std::string ErrorText(const Status& status) {
  return CutText(status.ToString(), kTextBytes);
}

std::string EncodeErrorDetails(const Status& status) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(ErrorText(status));
  PackDetail(InfoFor(status), &details);
  if (const uint64_t ms = RetryAfterMs(status); ms > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(static_cast<int64_t>(ms / 1000));
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
    PackDetail(retry, &details);
  }
  return details.SerializeAsString();
}

Status DecodeError(int code, const std::string& message, std::string_view bytes) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  bool found = false;
  if (!bytes.empty() && details.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    for (const auto& detail : details.details()) found = found || UnpackDetail(detail, &info);
  }
  const std::optional<Reason> known = ReasonFromName(info.reason());
  Status status(known.value_or(ReasonOfCode(code)), message);
  if (!found) return status;
  for (const auto& [key, value] : info.metadata()) status = std::move(status).With(key, value);
  return status;
}

std::string ProblemJson(const Status& status, std::string_view instance,
                        std::string_view request_id, int http_status) {
  const ReasonInfo& info = InfoOf(status.reason());
  if (http_status == 0) http_status = info.http_status;
  const std::string name(info.name);
  std::string json = "{\"type\":\"urn:engram:error:" + name +
                     "\",\"title\":" + JsonString(info.title) +
                     ",\"status\":" + std::to_string(http_status);
  AppendPart("detail", status.message(), &json);
  AppendPart("instance", CutText(instance, 300), &json);
  AppendPart("reason", name, &json);
  AppendPart("expected", status.expected(), &json);
  AppendPart("suggestion", status.suggestion(), &json);
  AppendPart("example", status.example(), &json);
  json += ",\"metadata\":{";
  bool first = true;
  for (const auto& [key, value] : status.metadata()) {
    json += (first ? "" : ",") + JsonString(key) + ":" + JsonString(CutText(value, kFactBytes));
    first = false;
  }
  return json + "},\"request_id\":" + JsonString(request_id) + "}";
}

v1::ItemError ToItemError(const Status& status) {
  v1::ItemError error;
  error.set_code(static_cast<int>(status.code()));
  error.set_reason(std::string(InfoOf(status.reason()).name));
  error.set_message(CutText(status.ToString(), kPartBytes));
  for (const auto& [key, value] : status.metadata()) {
    (*error.mutable_metadata())[key] = CutText(value, kFactBytes);
  }
  error.set_retry_after_ms(RetryAfterMs(status));
  return error;
}

std::string ErrorsReference() {
  std::string page =
      "# Errors\n\n"
      "Every error has one of these reasons. Over gRPC it is `google.rpc.ErrorInfo.reason` "
      "(domain\n"
      "`engram`) of a status with the code below; over HTTP it is `reason` of an\n"
      "`application/problem+json` body; the command ends with the exit code. The text has up to "
      "four\n"
      "parts: what happened, what was expected, a suggestion, an example. *Retry* says what a "
      "client\n"
      "may do with the same request. How errors travel: `docs/api.md`.\n\n"
      "This page is made from `src/engram/base/reasons.def` and compared with it by a test.\n\n"
      "| reason | meaning | gRPC | HTTP | exit | retry |\n|---|---|---|---|---|---|\n";
  for (int i = 0; i < kReasonCount; ++i) {
    const ReasonInfo& info = InfoOf(static_cast<Reason>(i));
    page += "| " + std::string(info.name) + " | " + std::string(info.title) + " | " +
            std::string(CodeName(info.code)) + " | " + std::to_string(info.http_status) + " | " +
            std::to_string(info.exit_code) + " | " + std::string(RetryText(info.retry)) + " |\n";
  }
  return page;
}

}  // namespace engram::api
