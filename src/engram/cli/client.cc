#include "engram/cli/client.h"

#include <chrono>

#include <grpcpp/grpcpp.h>

#include "engram/api/errors.h"
#include "engram/v1/service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::cli {
namespace {

constexpr int kMessageBytes = 20 << 20;

Status Unreachable(const std::string& servers, const std::string& why) {
  return Status(Reason::CONNECTION_TIMEOUT, "No answer from " + servers + ": " + why + ".")
      .Expected("a running server at that address")
      .Suggest("start one, or name its address with --server or ENGRAM_SERVER")
      .Example("engram serve");
}

Status FromGrpc(const grpc::Status& status, const std::string& servers) {
  const bool answered = !status.error_details().empty();
  if (!answered && status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return Unreachable(servers, status.error_message());
  }
  if (!answered && status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return Unreachable(servers, "the time given for the call is over");
  }
  return api::DecodeError(status.error_code(), status.error_message(), status.error_details());
}

// No connection was made, so nobody has seen the request. A connection that broke later says
// something else: there the request may have been carried out.
bool NeverConnected(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         status.error_message().starts_with("failed to connect");
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= list.size();) {
    const size_t comma = std::min(list.find(',', from), list.size());
    if (comma > from) parts.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

}  // namespace

struct Client::Impl {
  ClientOptions options;
  std::vector<std::string> addresses;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  size_t current = 0;

  std::chrono::system_clock::time_point Deadline() const {
    return std::chrono::system_clock::now() +
           std::chrono::duration_cast<std::chrono::system_clock::duration>(options.timeout);
  }

  // Tries the servers in order, beginning with the one that answered last. A server that could not
  // be reached has not seen the request, so the next may be asked.
  template <class Call>
  grpc::Status Try(Call call) {
    grpc::Status status(grpc::StatusCode::UNAVAILABLE, "no server was named");
    for (size_t i = 0; i < channels.size(); ++i) {
      grpc::ClientContext context;
      context.set_deadline(Deadline());
      status = call(channels[current], &context);
      if (!NeverConnected(status)) return status;
      current = (current + 1) % channels.size();
    }
    return status;
  }
};

Client::Client(ClientOptions options) : impl_(new Impl{std::move(options), {}, {}, 0}) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytes);
  arguments.SetMaxSendMessageSize(kMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  impl_->addresses = Split(impl_->options.servers);
  for (const std::string& address : impl_->addresses) {
    impl_->channels.push_back(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }
}

Client::~Client() = default;

#define ENGRAM_CALL(Name, Request, Response)                                                  \
  Result<v1::Response> Client::Name(const v1::Request& request) {                             \
    v1::Response response;                                                                    \
    grpc::Status status = impl_->Try([&](const auto& channel, grpc::ClientContext* context) { \
      return v1::EngramService::NewStub(channel)->Name(context, request, &response);          \
    });                                                                                       \
    if (!status.ok()) return FromGrpc(status, impl_->options.servers);                        \
    return response;                                                                          \
  }
ENGRAM_CLIENT_CALLS
#undef ENGRAM_CALL

Result<bool> Client::Serving(const std::string& service) {
  namespace health = grpc::health::v1;
  health::HealthCheckRequest request;
  health::HealthCheckResponse response;
  request.set_service(service);
  grpc::Status status = impl_->Try([&](const auto& channel, grpc::ClientContext* context) {
    return health::Health::NewStub(channel)->Check(context, request, &response);
  });
  if (!status.ok()) return FromGrpc(status, impl_->options.servers);
  return response.status() == health::HealthCheckResponse::SERVING;
}

}  // namespace engram::cli
