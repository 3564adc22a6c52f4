#include "engram/server/server.h"

#include "engram/api/grpc_server.h"
#include "engram/api/http_server.h"
#include "engram/api/service.h"
#include "engram/cluster/static_store.h"
#include "engram/obs/log.h"
#include "engram/server/version.h"

namespace engram::server {
namespace {

constexpr env::Duration kGrace = std::chrono::seconds(10);

std::string WithPort(const std::string& address, int port) {
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

Status ConfigureLog(const Options& options) {
  obs::LogOptions log;
  ASSIGN_OR_RETURN(log.level, obs::ParseLevel(options.log.level));
  ASSIGN_OR_RETURN(log.format, obs::ParseLogFormat(options.log.format));
  obs::ConfigureLog(log);
  return OkStatus();
}

}  // namespace

// In order of construction; ends in the reverse.
struct Server::Impl {
  Options options;
  env::Instant begun = env::SystemClock().Now();
  std::unique_ptr<api::OpsServer> ops;
  std::unique_ptr<runtime::Node> node;
  std::unique_ptr<api::Service> service;
  std::unique_ptr<api::HttpServer> http;
  std::unique_ptr<api::GrpcServer> grpc;
  env::Duration took{};
  bool stopped = false;

  Status OpenDoors();
  std::string Addresses() const;
  std::string DefaultSpace() const;
};

Status Server::Impl::OpenDoors() {
  service = api::Service::Make(
      *node, {.requests_in_flight_max = static_cast<int>(options.limits.requests_in_flight),
              .slow_request = options.log.slow_request});
  api::HttpOptions http_options;
  http_options.address = options.listen.http;
  http_options.request_timeout = options.limits.request_timeout;
  http_options.event_streams_max = options.limits.event_streams;
  ASSIGN_OR_RETURN(http, api::HttpServer::Start(*node, *service, http_options));
  api::GrpcOptions grpc_options;
  grpc_options.address = options.listen.grpc;
  grpc_options.request_timeout = options.limits.request_timeout;
  grpc_options.streams_max = static_cast<int>(options.limits.streams);
  grpc_options.reflection = options.listen.reflection;
  ASSIGN_OR_RETURN(grpc, api::GrpcServer::Start(*node, *service, grpc_options));
  return OkStatus();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  if (!impl_->stopped) (void)Shutdown();
}

Result<std::unique_ptr<Server>> Server::Start(const Options& options, const Adjust& adjust) {
  RETURN_IF_ERROR(ConfigureLog(options));
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>()));
  Impl& impl = *server->impl_;
  impl.options = options;
  ASSIGN_OR_RETURN(impl.ops, api::OpsServer::Start(options.listen.ops));
  ASSIGN_OR_RETURN(impl.node, StartNode(options, adjust));
  RETURN_IF_ERROR(impl.OpenDoors());
  impl.ops->Attach(impl.node.get());
  impl.took = env::SystemClock().Now() - impl.begun;
  return server;
}

// "grpc … · http … · ops … · replication … · static, 2 nodes · no keys: loopback only"
std::string Server::Impl::Addresses() const {
  std::string text = "grpc " + WithPort(options.listen.grpc, grpc->port()) + " · http " +
                     WithPort(options.listen.http, http->port()) + " · ops " +
                     WithPort(options.listen.ops, ops->port());
  if (options.cluster.has_nodes()) {
    const size_t nodes = options.cluster.nodes.size();
    text += " · replication " + options.listen.replication + " · " + options.cluster.mode + ", " +
            std::to_string(nodes) + (nodes == 1 ? " node" : " nodes");
  }
  return text + (options.tls.insecure ? " · no keys: open to everybody who can connect"
                                      : " · no keys: loopback only");
}

// "primary, epoch 1.1, 412 episodes", or for whom it waits.
std::string Server::Impl::DefaultSpace() const {
  if (const std::string waiting = node->WaitingFor(); !waiting.empty()) {
    return "waiting for " + waiting;
  }
  if (!node->spaces().Exists("default")) return "asking the other nodes for it";
  const Result<std::shared_ptr<space::Space>> space = node->spaces().Get("default");
  const Result<v1::SpaceStatus> status = space.ok() ? (*space)->GetStatus() : space.status();
  if (!status.ok()) return "not open: " + status.status().message();
  const space::CopyState copy = (*space)->copy_state();
  std::string text = copy.primary ? "primary" : "replica";
  if (!copy.primary) {
    text += copy.primary_node.empty() ? ", no primary yet" : " of " + copy.primary_node;
  }
  text += ", epoch " + cluster::FormatEpoch(Epoch(status->epoch())) + ", ";
  return text +
         (status->episodes() == 0 ? "empty" : std::to_string(status->episodes()) + " episodes");
}

std::string Server::Banner() const {
  const runtime::Node& node = *impl_->node;
  char ready[48];
  std::snprintf(ready, sizeof ready, " · ready in %.2f s",
                static_cast<double>(impl_->took.count()) / 1e9);
  return "engram " + std::string(kVersion) + " · node " + node.name() + " (" +
         FormatUuid(node.identity().id.bytes).substr(0, 8) + ") · data " +
         DataDirectory(impl_->options) + (node.identity().created ? " (new)" : "") + "\n" +
         impl_->Addresses() + "\nspace default: " + impl_->DefaultSpace() + ready;
}

Status Server::Shutdown() {
  impl_->stopped = true;
  if (impl_->node == nullptr) return OkStatus();
  impl_->node->BeginShutdown();
  if (impl_->grpc != nullptr) impl_->grpc->Shutdown(kGrace);
  if (impl_->http != nullptr) impl_->http->Shutdown();
  impl_->ops->Attach(nullptr);
  Status status = impl_->node->Close();
  impl_->ops->Shutdown();
  obs::Log(obs::Level::kInfo, "stopped");
  return status;
}

}  // namespace engram::server
