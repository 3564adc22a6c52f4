#include "engram/etcd/endpoints.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace engram::etcd {
namespace {

// How soon a connection that is lost is noticed and made again. Connections on which nothing is
// under way are left alone: etcd closes those that ping it more often than every 5 s.
constexpr int kPingAfterMs = 10'000;
constexpr int kPingAnswerMs = 2'000;
constexpr int kConnectMs = 1'000;
constexpr int kConnectAgainMinMs = 50;
constexpr int kConnectAgainMaxMs = 500;

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kTls = "https://";

Status NoEndpoint(const std::string& text, const std::string& why) {
  return Status(Reason::CONFIGURATION, "\"" + text + "\" is not an address of etcd: " + why + ".")
      .Expected("host:port, http://host:port or https://host:port")
      .Suggest("give the client addresses of etcd, as its --advertise-client-urls says them")
      .Example("etcd_endpoints = [\"http://10.0.0.1:2379\", \"http://10.0.0.2:2379\"]")
      .With("endpoint", text);
}

bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  int port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    port = 10 * port + (c - '0');
  }
  return port >= 1 && port <= 65535;
}

std::shared_ptr<grpc::Channel> OpenChannel(const Endpoint& endpoint, const std::string& ca) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // what was sent is sent once
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingAfterMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectAgainMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kConnectAgainMaxMs);
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ca;
  return grpc::CreateCustomChannel(
      endpoint.address,
      endpoint.tls ? grpc::SslCredentials(tls) : grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

Result<Endpoint> ParseEndpoint(const std::string& text, bool with_ca) {
  std::string_view rest = text;
  bool tls = with_ca;
  if (rest.substr(0, kPlain.size()) == kPlain) {
    rest.remove_prefix(kPlain.size());
    tls = false;
    if (with_ca) return NoEndpoint(text, "with etcd_ca_file every address is https");
  } else if (rest.substr(0, kTls.size()) == kTls) {
    rest.remove_prefix(kTls.size());
    tls = true;
  }
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.find('/') != std::string_view::npos) return NoEndpoint(text, "it has a path");
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || !IsPort(rest.substr(colon + 1)))
    return NoEndpoint(text, "it does not end in a port");
  if (colon == 0) return NoEndpoint(text, "it has no host");
  const std::string address(rest);
  return Endpoint{std::string(tls ? kTls : kPlain) + address, address, tls};
}

Endpoints::Endpoints(std::vector<Endpoint> endpoints, const std::string& ca) {
  for (Endpoint& endpoint : endpoints) {
    std::shared_ptr<grpc::Channel> channel = OpenChannel(endpoint, ca);
    all_.push_back({std::move(endpoint), std::move(channel)});
  }
}

size_t Endpoints::current() const {
  MutexLock lock(mutex_);
  return current_;
}

bool Endpoints::Proved(size_t place) const {
  {
    MutexLock lock(mutex_);
    if (!all_[place].answered) return false;
  }
  return all_[place].channel->GetState(false) == GRPC_CHANNEL_READY;
}

void Endpoints::Answered(size_t place) {
  MutexLock lock(mutex_);
  all_[place].answered = true;
  if (!all_[current_].answered) current_ = place;
}

void Endpoints::Failed(size_t place) {
  MutexLock lock(mutex_);
  all_[place].answered = false;
  if (current_ == place) current_ = (place + 1) % all_.size();
}

std::string Endpoints::Describe() const {
  MutexLock lock(mutex_);
  std::string text = "etcd at ";
  for (size_t place = 0; place < all_.size(); ++place) {
    if (place > 0) text += ", ";
    text += all_[place].endpoint.url;
    if (all_[place].answered && place == current_) text += " (answered last)";
  }
  return text;
}

std::string Endpoints::List() const {
  std::string text;
  for (const One& one : all_) text += (text.empty() ? "" : ", ") + one.endpoint.url;
  return text;
}

}  // namespace engram::etcd
