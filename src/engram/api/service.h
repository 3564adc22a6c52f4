// The client service without a door: requests in, responses or errors out, as messages of
// engram.v1. gRPC and HTTP are thin translations onto it, so that both behave alike. It resolves
// the space, checks rights, limits and options, times and counts every call, and hands the work to
// runtime::Node's pools. Thread-safe; lives as long as the server.
//
// Callbacks run once, on any thread. Nothing blocks the caller: doors may call from their own
// event threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/v1/service.pb.h"

namespace engram::runtime {
class Node;
}

namespace engram::api {

// Who calls. On a server without keys everybody on loopback is the operator.
struct Principal {
  std::string name = "local";
  bool loopback = true;
};

struct CallContext {
  std::string request_id;  // ULID; in every reply and in the log
  Principal principal;
  std::string space_header;        // x-engram-memory-space
  std::string space_header_short;  // x-memory-space
  std::optional<env::Instant> deadline;
};

struct ServiceOptions {
  int requests_in_flight_max = 4096;                            // beyond: OVERLOADED
  env::Duration slow_request = std::chrono::milliseconds(200);  // longer ones are logged
};

template <class Response>
using Reply = std::function<void(Result<Response>)>;

class Service {
 public:
  // `node` outlives the service; every call is answered before the service ends.
  static std::unique_ptr<Service> Make(runtime::Node& node, ServiceOptions options = {});
  virtual ~Service() = default;

  // Calls that are not answered yet.
  virtual int in_flight() const = 0;

#define ENGRAM_CALL(Name, Request, Response) \
  virtual void Name(const CallContext& context, v1::Request request, Reply<v1::Response> reply) = 0;
  ENGRAM_CALL(Remember, RememberRequest, RememberResponse)
  ENGRAM_CALL(RememberBatch, RememberBatchRequest, RememberBatchResponse)
  ENGRAM_CALL(Experience, ExperienceRequest, ExperienceResponse)
  ENGRAM_CALL(Update, UpdateRequest, UpdateResponse)
  ENGRAM_CALL(Forget, ForgetRequest, ForgetResponse)
  ENGRAM_CALL(Restore, RestoreRequest, RestoreResponse)
  ENGRAM_CALL(Recall, RecallRequest, RecallResponse)
  ENGRAM_CALL(Reminisce, ReminisceRequest, ReminisceResponse)
  ENGRAM_CALL(Get, GetRequest, GetResponse)
  ENGRAM_CALL(List, ListRequest, ListResponse)
  ENGRAM_CALL(CreateSpace, CreateSpaceRequest, Space)
  ENGRAM_CALL(GetSpace, GetSpaceRequest, Space)
  ENGRAM_CALL(ListSpaces, ListSpacesRequest, ListSpacesResponse)
  ENGRAM_CALL(DeleteSpace, DeleteSpaceRequest, DeleteSpaceResponse)
  ENGRAM_CALL(Introspect, IntrospectRequest, IntrospectResponse)
#undef ENGRAM_CALL
};

}  // namespace engram::api
