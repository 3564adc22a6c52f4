#include "engram/cli/client.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "engram/admin/v1/admin.grpc.pb.h"
#include "engram/api/errors.h"
#include "engram/v1/service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::cli {
namespace {

constexpr int kMessageBytes = 20 << 20;
constexpr env::Duration kBriefly = std::chrono::seconds(2);
constexpr env::Duration kPause = std::chrono::milliseconds(100);
// Of a watch: two heartbeats did not come.
constexpr env::Duration kSilence = std::chrono::seconds(35);

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

// How long a refused call is asked again, in all.
env::Duration Patience(const Status& status, env::Duration timeout) {
  switch (status.reason()) {
    case Reason::RECOVERING:
      return timeout;
    case Reason::NO_PRIMARY:
    case Reason::NOT_ENOUGH_IN_SYNC:
    case Reason::SHUTTING_DOWN:
      return std::min(kBriefly, timeout);
    default:
      return env::Duration::zero();
  }
}

// Another server may know better.
bool AsksElsewhere(const Status& status) {
  return status.reason() == Reason::NO_PRIMARY || status.reason() == Reason::SHUTTING_DOWN;
}

// A watch may go on at another server, or at the same one later.
bool GoesOn(const Status& status) {
  return status.reason() == Reason::CONNECTION_TIMEOUT || status.reason() == Reason::RECOVERING ||
         status.reason() == Reason::OVERLOADED || AsksElsewhere(status);
}

std::chrono::system_clock::time_point After(env::Duration time) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time);
}

// The stream of one Watch. Every operation is waited for before the next; when one takes too long
// the stream is cancelled.
class Watching {
 public:
  Watching(const std::shared_ptr<grpc::Channel>& channel, const v1::WatchRequest& request,
           env::Duration at_most)
      : stub_(v1::EngramService::NewStub(channel)),
        reader_(stub_->AsyncWatch(&context_, request, &queue_, nullptr)) {
    open_ = Done(at_most);
  }
  ~Watching() {
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }

  bool Read(v1::WatchResponse* response) {
    if (!open_) return false;
    reader_->Read(response, nullptr);
    open_ = Done(kSilence);
    return open_;
  }
  grpc::Status Finish() {
    if (open_) context_.TryCancel();
    grpc::Status status;
    reader_->Finish(&status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    return status;
  }
  bool silent() const { return silent_; }

 private:
  bool Done(env::Duration at_most) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, After(at_most)) == grpc::CompletionQueue::TIMEOUT) {
      silent_ = true;
      context_.TryCancel();
      queue_.Next(&tag, &ok);
      return false;
    }
    return ok;
  }

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<v1::EngramService::Stub> stub_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::WatchResponse>> reader_;
  bool open_ = false;
  bool silent_ = false;
};

std::string PrimaryOf(const Status& status) {
  if (status.reason() != Reason::NOT_PRIMARY && status.reason() != Reason::TOO_STALE) return "";
  const auto it = status.metadata().find("primary_grpc");
  return it == status.metadata().end() ? "" : it->second;
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

template <class Request>
bool HasKey(const Request& request) {
  if constexpr (requires { request.options().idempotency_key(); }) {
    return !request.options().idempotency_key().empty();
  }
  return false;
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

  std::chrono::system_clock::time_point Deadline() const { return After(options.timeout); }

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

  void Add(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMessageBytes);
    arguments.SetMaxSendMessageSize(kMessageBytes);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
    addresses.push_back(address);
    channels.push_back(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }

  // Until the stream ends; OK when `on_change` wants no more. The request moves on with what comes;
  // `*heard`: something did.
  Status WatchOnce(v1::WatchRequest* request, const OnChange& on_change, bool* heard) {
    Watching stream(channels[current], *request, options.timeout);
    bool wanted = true;
    for (v1::WatchResponse response; wanted && stream.Read(&response); *heard = true) {
      if (response.kind() != v1::WatchResponse::KIND_HEARTBEAT) wanted = on_change(response);
      request->set_from_token(response.token());
    }
    const grpc::Status end = stream.Finish();
    if (!wanted) return OkStatus();
    if (stream.silent()) return Unreachable(addresses[current], "it has fallen silent");
    if (end.ok() || end.error_code() == grpc::StatusCode::CANCELLED) {
      return Unreachable(addresses[current], "it ended the stream");
    }
    return FromGrpc(end, addresses[current]);
  }

  void TurnTo(const std::string& address) {
    const auto known = std::find(addresses.begin(), addresses.end(), address);
    current = static_cast<size_t>(known - addresses.begin());
    if (known == addresses.end()) Add(address);
  }

  // Try, and again as the answer advises. `call` takes a channel, a context and the response.
  template <class Response, class Call>
  Result<Response> Ask(bool keyed, Call call) {
    const env::Instant begun = env::SystemClock().Now();
    std::string followed;
    std::optional<Status> unknown;  // a repeat that is refused tells nothing of the first try
    while (true) {
      Response response;
      const grpc::Status answer = Try([&](const auto& channel, grpc::ClientContext* context) {
        return call(channel, context, &response);
      });
      if (answer.ok()) return response;
      const Status status = FromGrpc(answer, options.servers);
      const std::string primary = PrimaryOf(status);
      if (!primary.empty() && primary != followed) {
        followed = primary;
        TurnTo(primary);
        if (options.said) options.said(FirstLine(status.message()) + " Sent to " + primary + ".");
        continue;
      }
      if (status.reason() == Reason::COMMIT_UNKNOWN && keyed && !unknown) {
        unknown = status;
        continue;
      }
      const env::Duration waited = env::SystemClock().Now() - begun;
      if (waited + kPause > Patience(status, options.timeout)) return unknown.value_or(status);
      if (AsksElsewhere(status)) current = (current + 1) % channels.size();
      std::this_thread::sleep_for(kPause);
    }
  }
};

Client::Client(ClientOptions options) : impl_(new Impl{std::move(options), {}, {}, 0}) {
  for (const std::string& address : Split(impl_->options.servers)) impl_->Add(address);
}

Client::~Client() = default;

Status Client::Watch(v1::WatchRequest request, const OnChange& on_change) {
  Impl& impl = *impl_;
  env::Instant heard_at = env::SystemClock().Now();
  bool said = false;
  while (true) {
    bool heard = false;
    Status end = impl.WatchOnce(&request, on_change, &heard);
    if (end.ok() || !GoesOn(end)) return end;
    const env::Instant now = env::SystemClock().Now();
    if (heard) {
      heard_at = now;
      said = false;
    }
    if (now - heard_at > impl.options.timeout) return end;
    impl.current = (impl.current + 1) % impl.channels.size();
    if (impl.options.said && !std::exchange(said, true)) {
      impl.options.said(FirstLine(end.message()) + " Watching on at " +
                        impl.addresses[impl.current] + ".");
    }
    std::this_thread::sleep_for(kPause);
  }
}

#define ENGRAM_CALL(Name, Request, Response)                                               \
  Result<v1::Response> Client::Name(const v1::Request& request) {                          \
    return impl_->Ask<v1::Response>(                                                       \
        HasKey(request), [&](const auto& channel, auto* context, v1::Response* response) { \
          return v1::EngramService::NewStub(channel)->Name(context, request, response);    \
        });                                                                                \
  }
ENGRAM_CLIENT_CALLS
#undef ENGRAM_CALL

#define ENGRAM_CALL(Name, Request, Response)                                                  \
  Result<admin::v1::Response> Client::Name(const admin::v1::Request& request) {               \
    return impl_->Ask<admin::v1::Response>(                                                   \
        false, [&](const auto& channel, auto* context, admin::v1::Response* response) {       \
          return admin::v1::AdminService::NewStub(channel)->Name(context, request, response); \
        });                                                                                   \
  }
ENGRAM_ADMIN_CLIENT_CALLS
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
