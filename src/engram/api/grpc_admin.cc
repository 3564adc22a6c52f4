// AdminService over Admin: unary calls, each answered on whatever thread has the answer.
#include "engram/api/grpc_admin.h"

#include "engram/admin/v1/admin.grpc.pb.h"
#include "engram/api/admin.h"

namespace engram::api {
namespace {

namespace admin_v1 = engram::admin::v1;

class AdminDoor : public admin_v1::AdminService::CallbackService {
 public:
  explicit AdminDoor(GrpcDoor& door)
      : door_(door), admin_(Admin::Make(door.node, door.node.replication())) {}

#define ENGRAM_ADMIN_CALL(Name, Request, Response)                                               \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,                           \
                                 const admin_v1::Request* request, admin_v1::Response* response) \
      override {                                                                                 \
    return Unary(context, *request, response, &Admin::Name);                                     \
  }
  ENGRAM_ADMIN_CALLS
#undef ENGRAM_ADMIN_CALL

 private:
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const Request& request,
                                  Response* response,
                                  void (Admin::*call)(const CallContext&, Request,
                                                      Reply<Response>)) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const CallContext about = MakeCallContext(door_, *context);
    door_.answers.Begin();
    (admin_.get()->*call)(about, request,
                          [reactor, response, &door = door_](Result<Response> result) {
                            if (result.ok()) *response = std::move(*result);
                            reactor->Finish(ToGrpc(result.status()));
                            door.answers.End();
                          });
    return reactor;
  }

  GrpcDoor& door_;
  const std::unique_ptr<Admin> admin_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(GrpcDoor& door) {
  return std::make_unique<AdminDoor>(door);
}

}  // namespace engram::api
