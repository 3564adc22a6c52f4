// An error in the forms that clients see: google.rpc.Status with ErrorInfo and RetryInfo (gRPC),
// application/problem+json (RFC 9457, HTTP), an item of a stream, and the page docs/errors.md. Each
// is bounded in size, whatever the error holds: gRPC carries it in headers of 8 KiB. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engram/base/status.h"
#include "engram/v1/write.pb.h"

namespace engram::api {

// When a repeat makes sense: what the error says (metadata retry_after_ms), else a default of its
// reason; 0 when it makes none.
uint64_t RetryAfterMs(const Status& status);

// The text of four parts, cut to what a gRPC header carries.
std::string ErrorText(const Status& status);
// google.rpc.Status, serialised: the value of grpc-status-details-bin.
std::string EncodeErrorDetails(const Status& status);
// The error that a server sent. Without details it has the reason that fits the code best.
Status DecodeError(int code, const std::string& message, std::string_view details);

// `http_status` overrides that of the reason (404 for a path, 405, 415).
std::string ProblemJson(const Status& status, std::string_view instance,
                        std::string_view request_id, int http_status = 0);
v1::ItemError ToItemError(const Status& status);

// docs/errors.md, made from reasons.def.
std::string ErrorsReference();

}  // namespace engram::api
