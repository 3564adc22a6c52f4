// EngramService over the Service: unary calls, and the refusal of those that are not built.
#include "engram/api/grpc_support.h"
#include "engram/api/request_checks.h"
#include "engram/v1/service.grpc.pb.h"

namespace engram::api {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using Calls = v1::EngramService;

// Every method goes through gRPC's callback interface. Those that are refused keep their types; of
// the others we parse the bytes ourselves.
#define TYPED(name, base) Calls::WithCallbackMethod_##name<base>
#define RAW(name, base) Calls::WithRawCallbackMethod_##name<base>
using T1 = TYPED(ObserveStream, Calls::Service);
using T2 = TYPED(StreamingRecall, T1);
using T3 = TYPED(MemoryStream, T2);
using T4 = TYPED(Dream, T3);
using T5 = TYPED(RecallStream, T4);
using T6 = TYPED(Reinforce, T5);
using T7 = TYPED(UpdateSpace, T6);
using T8 = TYPED(Recognize, T7);
using T9 = TYPED(Consolidate, T8);
using T10 = TYPED(Complete, T9);
using Typed = TYPED(Associate, T10);
using R1 = RAW(Remember, Typed);
using R2 = RAW(RememberBatch, R1);
using R3 = RAW(StreamingRemember, R2);
using R4 = RAW(Experience, R3);
using R5 = RAW(Update, R4);
using R6 = RAW(Forget, R5);
using R7 = RAW(Restore, R6);
using R8 = RAW(Recall, R7);
using R9 = RAW(Reminisce, R8);
using R10 = RAW(Get, R9);
using R11 = RAW(List, R10);
using R12 = RAW(CreateSpace, R11);
using R13 = RAW(GetSpace, R12);
using R14 = RAW(ListSpaces, R13);
using R15 = RAW(DeleteSpace, R14);
using R16 = RAW(Watch, R15);
using R17 = RAW(Stream, R16);
using RawService = RAW(Introspect, R17);
#undef TYPED
#undef RAW

// A stream that is over before it begins.
template <class Reactor>
class Refusal : public Reactor {
 public:
  explicit Refusal(const Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

class EngramServiceDoor : public RawService {
 public:
  explicit EngramServiceDoor(GrpcDoor& door) : door_(door) {}

#define UNARY(Name, Request, Response)                                                 \
  grpc::ServerUnaryReactor* Name(CallbackServerContext* context, const ByteBuffer* in, \
                                 ByteBuffer* out) override {                           \
    return Unary<v1::Request, v1::Response>(context, in, out, &api::Service::Name);    \
  }
  UNARY(Remember, RememberRequest, RememberResponse)
  UNARY(RememberBatch, RememberBatchRequest, RememberBatchResponse)
  UNARY(Experience, ExperienceRequest, ExperienceResponse)
  UNARY(Update, UpdateRequest, UpdateResponse)
  UNARY(Forget, ForgetRequest, ForgetResponse)
  UNARY(Restore, RestoreRequest, RestoreResponse)
  UNARY(Recall, RecallRequest, RecallResponse)
  UNARY(Reminisce, ReminisceRequest, ReminisceResponse)
  UNARY(Get, GetRequest, GetResponse)
  UNARY(List, ListRequest, ListResponse)
  UNARY(CreateSpace, CreateSpaceRequest, Space)
  UNARY(GetSpace, GetSpaceRequest, Space)
  UNARY(ListSpaces, ListSpacesRequest, ListSpacesResponse)
  UNARY(DeleteSpace, DeleteSpaceRequest, DeleteSpaceResponse)
  UNARY(Introspect, IntrospectRequest, IntrospectResponse)
#undef UNARY

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* StreamingRemember(
      CallbackServerContext* context) override {
    return NewRememberStream(door_, *context);
  }
  grpc::ServerWriteReactor<ByteBuffer>* Watch(CallbackServerContext* context,
                                              const ByteBuffer* in) override {
    return NewWatchStream(door_, *context, *in);
  }
  grpc::ServerWriteReactor<ByteBuffer>* Stream(CallbackServerContext* context,
                                               const ByteBuffer* in) override {
    return NewEventStream(door_, *context, *in);
  }

#define REFUSED_UNARY(Name, Request, Response, hint)                                 \
  grpc::ServerUnaryReactor* Name(CallbackServerContext* context, const v1::Request*, \
                                 v1::Response*) override {                           \
    (void)MakeCallContext(door_, *context);                                          \
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();                   \
    reactor->Finish(ToGrpc(Unimplemented(#Name, "", hint)));                         \
    return reactor;                                                                  \
  }
#define REFUSED_READER(Name, Request, Response, hint)                                              \
  grpc::ServerWriteReactor<v1::Response>* Name(CallbackServerContext* context, const v1::Request*) \
      override {                                                                                   \
    (void)MakeCallContext(door_, *context);                                                        \
    return new Refusal<grpc::ServerWriteReactor<v1::Response>>(Unimplemented(#Name, "", hint));    \
  }
#define REFUSED_BIDI(Name, Request, Response, hint)                                        \
  grpc::ServerBidiReactor<v1::Request, v1::Response>* Name(CallbackServerContext* context) \
      override {                                                                           \
    (void)MakeCallContext(door_, *context);                                                \
    return new Refusal<grpc::ServerBidiReactor<v1::Request, v1::Response>>(                \
        Unimplemented(#Name, "", hint));                                                   \
  }
  REFUSED_BIDI(ObserveStream, ObservationRequest, ObservationResponse,
               "StreamingRemember stores a stream; give keys to repeat safely")
  REFUSED_BIDI(StreamingRecall, RecallRequest, RecallResponse, "send Recall for each cue")
  REFUSED_BIDI(MemoryStream, MemoryStreamRequest, MemoryStreamResponse,
               "StreamingRemember writes, Recall reads")
  REFUSED_READER(Dream, DreamRequest, DreamResponse, "Reminisce shows what was stored")
  REFUSED_READER(RecallStream, StreamingRecallRequest, StreamingRecallResponse,
                 "Recall answers with pages")
  REFUSED_UNARY(Reinforce, ReinforceRequest, ReinforceResponse,
                "set importance with Update; uses are not counted yet")
  REFUSED_UNARY(UpdateSpace, UpdateSpaceRequest, Space,
                "settings are chosen at CreateSpace; make a new space and import into it")
  REFUSED_UNARY(Recognize, RecognizeRequest, RecognizeResponse,
                "Recall: no_match says that nothing is like the cue")
  REFUSED_UNARY(Consolidate, ConsolidateRequest, ConsolidateResponse,
                "Recall and Reminisce read what was stored, unchanged")
  REFUSED_UNARY(Complete, CompleteRequest, CompleteResponse, "Recall with the known parts as query")
  REFUSED_UNARY(Associate, AssociateRequest, AssociateResponse,
                "Remember with derived_from, or the same session, ties memories together")
#undef REFUSED_UNARY
#undef REFUSED_READER
#undef REFUSED_BIDI

 private:
  template <class Request, class Response>
  using Call = void (api::Service::*)(const CallContext&, Request, Reply<Response>);

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Unary(CallbackServerContext* context, const ByteBuffer* in,
                                  ByteBuffer* out, Call<Request, Response> call) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const CallContext about = MakeCallContext(door_, *context);
    Request request;
    if (Status bad = ParseMessage(*in, door_.options.message_bytes, &request); !bad.ok()) {
      reactor->Finish(ToGrpc(bad));
      return reactor;
    }
    door_.answers.Begin();
    (door_.service.*call)(about, std::move(request),
                          [reactor, out, &door = door_](Result<Response> result) {
                            Status status = result.status();
                            const size_t limit = door.options.message_bytes;
                            if (status.ok()) status = SerializeMessage(*result, limit, out);
                            reactor->Finish(ToGrpc(status));
                            door.answers.End();
                          });
    return reactor;
  }

  GrpcDoor& door_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeEngramService(GrpcDoor& door) {
  return std::make_unique<EngramServiceDoor>(door);
}

}  // namespace engram::api
