#include "engram/rpc/errors.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace engram::rpc {
namespace {

constexpr size_t kTextBytes = 1200;
constexpr size_t kFactBytes = 200;
constexpr size_t kFactsMax = 8;
constexpr char kInfoType[] = "type.googleapis.com/google.rpc.ErrorInfo";

std::string Details(const Status& status, const std::string& text) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(InfoOf(status.reason()).name));
  info.set_domain("engram");
  for (const auto& [key, value] : status.metadata()) {
    if (info.metadata().size() == kFactsMax) break;
    (*info.mutable_metadata())[key] = value.substr(0, kFactBytes);
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(text);
  details.add_details()->set_type_url(kInfoType);
  info.SerializeToString(details.mutable_details(0)->mutable_value());
  return details.SerializeAsString();
}

bool TakeInfo(const std::string& bytes, google::rpc::ErrorInfo* info) {
  google::rpc::Status details;
  if (bytes.empty() || !details.ParseFromString(bytes)) return false;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.type_url() == kInfoType && info->ParseFromString(detail.value())) return true;
  }
  return false;
}

Reason ReasonOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return Reason::SHUTTING_DOWN;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Reason::UNIMPLEMENTED_FEATURE;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Reason::TOO_LARGE;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return Reason::INVALID_REQUEST;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
      return Reason::CONNECTION_TIMEOUT;
    default:
      return Reason::IO;
  }
}

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string text = status.ToString().substr(0, kTextBytes);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), text, Details(status, text));
}

Status FromGrpc(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  const bool told = TakeInfo(status.error_details(), &info);
  std::string text = status.error_message();
  if (text.empty()) text = "The other node closed the connection.";
  Status out(ReasonFromName(info.reason()).value_or(ReasonOf(status.error_code())), text);
  if (!told) return out;
  for (const auto& [key, value] : info.metadata()) out = std::move(out).With(key, value);
  return out;
}

}  // namespace engram::rpc
