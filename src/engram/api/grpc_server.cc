#include "engram/api/grpc_server.h"

#include <mutex>

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include "engram/api/grpc_admin.h"
#include "engram/api/grpc_support.h"
#include "google/protobuf/stubs/logging.h"

namespace engram::api {
namespace {

// Both libraries write to stderr what is an answer to a client already.
void QuietLibraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args*) {});
    google::protobuf::SetLogHandler(nullptr);
  });
}

Status CannotListen(const std::string& address) {
  return Status(Reason::CONFIGURATION, "Cannot listen on " + address + " for gRPC.")
      .Expected("an address of this machine and a port that nobody else uses")
      .Suggest("see who has the port with ss -ltnp, or choose another with --grpc")
      .Example("engram serve --grpc 127.0.0.1:50061")
      .With("address", address);
}

class GrpcServerImpl : public GrpcServer {
 public:
  GrpcServerImpl(runtime::Node& node, Service& service, const GrpcOptions& options)
      : door_{.node = node,
              .service = service,
              .options = options,
              .watches = std::make_shared<Watches>(node, static_cast<size_t>(options.streams_max))},
        calls_(MakeEngramService(door_)),
        admin_(MakeAdminService(door_)),
        health_(HealthService::Make(door_)) {}
  ~GrpcServerImpl() override { Shutdown(env::Duration::zero()); }

  Status Listen() {
    const GrpcOptions& options = door_.options;
    if (options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    // What is beyond this gRPC refuses by itself, without a reason and after seconds.
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes * 8));
    builder.SetMaxSendMessageSize(static_cast<int>(options.message_bytes * 2));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(calls_.get());
    builder.RegisterService(admin_.get());
    builder.RegisterService(&health_->service());
    server_ = builder.BuildAndStart();
    return server_ != nullptr && port_ > 0 ? OkStatus() : CannotListen(options.address);
  }

  int port() const override { return port_; }

  void Shutdown(env::Duration grace) override {
    if (server_ == nullptr) return;
    health_->EndWatches();
    door_.watches->End();
    server_->Shutdown(std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
    server_->Wait();
    door_.answers.WaitForNone();
    server_.reset();
  }

 private:
  GrpcDoor door_;
  std::unique_ptr<grpc::Service> calls_, admin_;
  std::unique_ptr<HealthService> health_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(runtime::Node& node, Service& service,
                                                      const GrpcOptions& options) {
  QuietLibraries();
  auto server = std::make_unique<GrpcServerImpl>(node, service, options);
  RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace engram::api
