// The service over a node: what service.h promises. Private to this folder; its calls are spread
// over service_write.cc, service_forget.cc, service_read.cc, service_space.cc and introspect.cc.
//
// A call goes: gate (Admission), checks of the request, its space, the work, the gate again. Reads
// run on the node's readers. A write of a space that is open runs on the caller's thread up to its
// append; what has to be opened, listed or looked up first goes through the readers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engram/api/admission.h"
#include "engram/api/service.h"
#include "engram/runtime/node.h"
#include "engram/space/space.h"

namespace engram::api {

class ServiceImpl : public Service {
 public:
  ServiceImpl(runtime::Node& node, const ServiceOptions& options)
      : node_(node), admission_(node, options) {}

  int in_flight() const override { return admission_.in_flight(); }

#define ENGRAM_CALL(Name, Request, Response) \
  void Name(const CallContext& context, v1::Request request, Reply<v1::Response> reply) override;
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

 private:
  using SpacePtr = std::shared_ptr<space::Space>;

  // The reply that leaves through the gate; nullopt when the call was refused (and answered).
  template <class Response>
  std::optional<Reply<Response>> Begin(std::string_view method, const CallContext& context,
                                       Reply<Response> reply) {
    if (Status refused = admission_.Enter(method); !refused.ok()) {
      reply(refused);
      return std::nullopt;
    }
    Admission::Ticket ticket{method, context.request_id, node_.clock().Now()};
    return [this, ticket = std::move(ticket), reply = std::move(reply)](Result<Response> result) {
      admission_.Leave(ticket, result.status());
      reply(std::move(result));
    };
  }

  // Runs `work` on a reader, unless the deadline has passed by then.
  template <class Response, class Work>
  void OnReader(const CallContext& context, Reply<Response> reply, Work work) {
    node_.readers().Post([this, deadline = context.deadline, reply = std::move(reply),
                          work = std::move(work)]() mutable {
      if (deadline && node_.clock().Now() > *deadline) return reply(Late());
      work(std::move(reply));
    });
  }

  // Runs work(space, reply) on this thread when the space is open, else on a reader.
  template <class Response, class Work>
  void OnSpace(const CallContext& context, const std::string& field, Reply<Response> reply,
               Work work) {
    Result<std::string> id = ResolveSpaceOf(context, field);
    if (!id.ok()) return reply(id.status());
    if (SpacePtr open = node_.spaces().FindOpen(*id)) return work(open, std::move(reply));
    OnReader(context, std::move(reply),
             [this, id = *id, work = std::move(work)](Reply<Response> answer) mutable {
               Result<SpacePtr> space = OpenSpace(id);
               if (!space.ok()) return answer(space.status());
               work(*space, std::move(answer));
             });
  }

  // Runs work(space, view) -> Result<Response> on a reader, with a view as fresh as asked.
  template <class Response, class Work>
  void OnView(const CallContext& context, const std::string& field, const v1::ReadOptions& read,
              Reply<Response> reply, Work work) {
    Result<std::string> id = ResolveSpaceOf(context, field);
    if (!id.ok()) return reply(id.status());
    Reading<Work> reading{*id, context, read, std::move(work),
                          node_.clock().Now() + WaitOf(context, read)};
    OnReader(context, std::move(reply),
             [this, reading = std::move(reading)](Reply<Response> answer) mutable {
               ReadNow(std::move(reading), std::move(answer));
             });
  }

  template <class Work>
  struct Reading {
    std::string space;
    CallContext context;
    v1::ReadOptions read;
    Work work;
    env::Instant until;  // the copy may become fresh enough
  };

  // A replica that is not fresh enough looks again later, without holding the thread.
  template <class Response, class Work>
  void ReadNow(Reading<Work> reading, Reply<Response> answer) {
    Result<SpacePtr> space = OpenSpace(reading.space);
    if (!space.ok()) return answer(space.status());
    auto view = NewView(**space, reading.context, reading.read);
    if (!view.ok() && MayBecomeFresh(reading.read, view.status()) &&
        node_.clock().Now() < reading.until) {
      node_.readers().PostAfter(
          std::chrono::milliseconds(10),
          [this, reading = std::move(reading), answer = std::move(answer)]() mutable {
            ReadNow(std::move(reading), std::move(answer));
          });
      return;
    }
    if (!view.ok()) return answer(view.status());
    answer(reading.work(**space, **view));
  }

  static Result<std::string> ResolveSpaceOf(const CallContext& context, const std::string& field);
  static Status Late();
  Result<SpacePtr> OpenSpace(const std::string& id);
  // TOO_STALE for max_staleness, at a replica that still hears of its primary.
  static bool MayBecomeFresh(const v1::ReadOptions& read, const Status& status);
  // How long a read may wait for the state that it asks for.
  env::Duration WaitOf(const CallContext& context, const v1::ReadOptions& read) const;
  Result<std::unique_ptr<space::View>> NewView(space::Space& space, const CallContext& context,
                                               const v1::ReadOptions& read);
  v1::ServedBy ServedByOf(space::Space& space, const space::View& view) const;
  v1::Space Describe(space::Space& space) const;
  void FillCopies(space::Space& space, v1::SpaceStatus* status) const;
  v1::SpaceSettings SettingsFor(const v1::SpaceSettings& asked) const;
  Result<v1::Space> MakeSpace(const v1::CreateSpaceRequest& request);
  Result<v1::IntrospectResponse> Inspect(const std::string& only,
                                         const v1::IntrospectRequest& request);
  v1::Space DescribeById(const std::string& id);
  void ForgetSelected(const SpacePtr& space, const CallContext& context,
                      const v1::ForgetRequest& request, Reply<v1::ForgetResponse> reply);

  runtime::Node& node_;
  Admission admission_;
};

}  // namespace engram::api
