#include "engram/etcd/errors.h"

#include <array>
#include <chrono>

namespace engram::etcd {
namespace {

constexpr std::array<const char*, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

std::string CodeName(const grpc::Status& status) {
  const auto code = static_cast<size_t>(status.error_code());
  return code < kCodes.size() ? kCodes[code] : std::to_string(code);
}

bool Says(const grpc::Status& status, const char* words) {
  return status.error_message().find(words) != std::string::npos;
}

Reason ReasonOf(const grpc::Status& status) {
  if (IsUnknown(status)) return Reason::STORE_UNAVAILABLE;
  if (Says(status, "authentication failed") || Says(status, "user name is empty") ||
      Says(status, "authentication is not enabled"))
    return Reason::UNAUTHENTICATED;
  switch (status.error_code()) {
    case grpc::StatusCode::RESOURCE_EXHAUSTED:  // too much at a time, or its disk quota
    case grpc::StatusCode::UNIMPLEMENTED:       // it is not etcd
      return Reason::STORE_UNAVAILABLE;
    case grpc::StatusCode::UNAUTHENTICATED:
      return Reason::UNAUTHENTICATED;
    case grpc::StatusCode::PERMISSION_DENIED:
      return Reason::PERMISSION_DENIED;
    default:
      return Reason::INVALID_REQUEST;
  }
}

// http://127.0.0.1:2379 said UNAVAILABLE "connection refused"; …
std::string WhoSaidWhat(const Outcome& outcome) {
  std::string text;
  for (const auto& [url, status] : outcome.failures) {
    if (!text.empty()) text += "; ";
    text += url + " gave " + CodeName(status);
    if (!status.error_message().empty()) text += " \"" + status.error_message() + "\"";
  }
  return text;
}

Status Unavailable(const Outcome& outcome, const std::string& endpoints, const std::string& url) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(outcome.timeout).count();
  return Status(Reason::STORE_UNAVAILABLE,
                "The configuration store does not answer: " + WhoSaidWhat(outcome) + ".")
      .Expected("an answer of etcd within " + std::to_string(ms) + " ms, from one of " + endpoints)
      .Suggest(
          "see whether etcd runs, has a leader, and can be reached from this node; what is "
          "acknowledged does "
          "not depend on it")
      .Example("curl " + url + "/health");
}

Status Refused(Reason reason, const Outcome& outcome) {
  Status refused(reason,
                 "The configuration store refused a request: " + WhoSaidWhat(outcome) + ".");
  if (reason == Reason::INVALID_REQUEST) {
    return std::move(refused)
        .Expected("a request that etcd can carry out")
        .Suggest(
            "compare etcd's limits (--max-txn-ops, --max-request-bytes) and version, 3.4 or newer");
  }
  return std::move(refused)
      .Expected(reason == Reason::UNAUTHENTICATED
                    ? "a user and a password that etcd knows, if and only if it asks for them"
                    : "a user who may read and write all keys of the cluster")
      .Suggest(
          reason == Reason::UNAUTHENTICATED
              ? "compare cluster.etcd_user and cluster.etcd_password_file with etcd's users"
              : "grant the user of cluster.etcd_user a role for the prefix of the cluster's keys")
      .Example(reason == Reason::UNAUTHENTICATED
                   ? "etcdctl user add engram && etcdctl user grant-role engram engram"
                   : "etcdctl role grant-permission engram --prefix=true readwrite /engram/");
}

}  // namespace

Status ToStatus(const Outcome& outcome, const std::string& endpoints) {
  const Reason reason = ReasonOf(outcome.status);
  const std::string url = outcome.failures.empty() ? "" : outcome.failures.back().first;
  Status status = reason == Reason::STORE_UNAVAILABLE ? Unavailable(outcome, endpoints, url)
                                                      : Refused(reason, outcome);
  return std::move(status).With("endpoint", url).With("grpc_code", CodeName(outcome.status));
}

}  // namespace engram::etcd
