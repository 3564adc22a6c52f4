// Recall, Reminisce, Get, List.
#include "engram/api/request_checks.h"
#include "engram/api/service_impl.h"
#include "engram/obs/metrics.h"
#include "engram/recall/recall.h"

namespace engram::api {

void ServiceImpl::Recall(const CallContext& context, v1::RecallRequest request,
                         Reply<v1::RecallResponse> done) {
  auto reply = Begin("Recall", context, std::move(done));
  if (!reply) return;
  Status bad = CheckAsOf(request.has_as_of());
  if (bad.ok()) bad = CheckCount("max_results", request.max_results());
  if (!bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  const v1::ReadOptions read = request.read();
  OnView(context, field, read, std::move(*reply),
         [this, request = std::move(request)](space::Space& space,
                                              space::View& view) -> Result<v1::RecallResponse> {
           const env::Instant begun = node_.clock().Now();
           const auto now = model::UtcTime::FromNs(node_.clock().WallNs());
           ASSIGN_OR_RETURN(v1::RecallResponse response, recall::Recall(view, request, now));
           const env::Duration took = node_.clock().Now() - begun;
           const auto series = node_.metrics().space(space.id());
           series->histogram(obs::Metric::kRecallSeconds)
               .Observe(std::chrono::duration<double>(took).count());
           const int64_t took_us = took.count() / 1000;
           response.mutable_metadata()->set_recall_time_us(took_us);
           response.mutable_metadata()->set_recall_time_ms(took_us / 1000);
           *response.mutable_served_by() = ServedByOf(space, view);
           return response;
         });
}

void ServiceImpl::Reminisce(const CallContext& context, v1::ReminisceRequest request,
                            Reply<v1::ReminisceResponse> done) {
  auto reply = Begin("Reminisce", context, std::move(done));
  if (!reply) return;
  Status bad = CheckAsOf(request.has_as_of());
  if (bad.ok()) bad = CheckCount("page_size", request.page_size());
  if (!bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  const v1::ReadOptions read = request.read();
  OnView(context, field, read, std::move(*reply),
         [this, request = std::move(request)](space::Space& space,
                                              space::View& view) -> Result<v1::ReminisceResponse> {
           const auto now = model::UtcTime::FromNs(node_.clock().WallNs());
           ASSIGN_OR_RETURN(v1::ReminisceResponse response, recall::Reminisce(view, request, now));
           *response.mutable_served_by() = ServedByOf(space, view);
           return response;
         });
}

void ServiceImpl::Get(const CallContext& context, v1::GetRequest request,
                      Reply<v1::GetResponse> done) {
  auto reply = Begin("Get", context, std::move(done));
  if (!reply) return;
  Status bad = CheckAsOf(request.has_as_of());
  if (bad.ok()) bad = CheckIds(request.ids());
  if (!bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  const v1::ReadOptions read = request.read();
  OnView(context, field, read, std::move(*reply),
         [this, request = std::move(request)](space::Space& space,
                                              space::View& view) -> Result<v1::GetResponse> {
           ASSIGN_OR_RETURN(v1::GetResponse response, recall::Get(view, request));
           *response.mutable_served_by() = ServedByOf(space, view);
           return response;
         });
}

void ServiceImpl::List(const CallContext& context, v1::ListRequest request,
                       Reply<v1::ListResponse> done) {
  auto reply = Begin("List", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckCount("page_size", request.page_size()); !bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  const v1::ReadOptions read = request.read();
  OnView(context, field, read, std::move(*reply),
         [this, request = std::move(request)](space::Space& space,
                                              space::View& view) -> Result<v1::ListResponse> {
           ASSIGN_OR_RETURN(v1::ListResponse response, recall::List(view, request));
           *response.mutable_served_by() = ServedByOf(space, view);
           return response;
         });
}

}  // namespace engram::api
