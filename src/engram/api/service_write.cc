// Remember, RememberBatch, Experience, Update, Restore.
#include "engram/api/errors.h"
#include "engram/api/request_checks.h"
#include "engram/api/service_impl.h"
#include "engram/api/text.h"
#include "engram/model/episode.h"

namespace engram::api {
namespace {

Status CheckBatch(const v1::RememberBatchRequest& request) {
  RETURN_IF_ERROR(CheckWriteOptions(request.options()));
  if (request.episodes().empty()) {
    return Status(Reason::EMPTY_BATCH, "The batch holds no episode.")
        .Expected("1 to 1,000 episodes");
  }
  RETURN_IF_ERROR(CheckCount("episodes", request.episodes_size()));
  if (request.options().condition_case() == v1::WriteOptions::CONDITION_NOT_SET) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "A batch takes no condition.")
      .Expected("no create_only and no if_version")
      .Suggest("send the conditional episodes one by one")
      .With("field", "options.condition");
}

Status CheckUpdate(const v1::UpdateRequest& request) {
  RETURN_IF_ERROR(CheckWriteOptions(request.options()));
  RETURN_IF_ERROR(model::CheckId(request.episode().id()));
  if (request.update_mask().paths_size() > 0) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "The update names no field.")
      .Expected("update_mask with the fields that change")
      .Example("importance, tags, metadata.reviewed")
      .With("field", "update_mask");
}

v1::ExperienceResponse ExperienceOf(const v1::RememberResponse& stored, int links) {
  v1::ExperienceResponse response;
  response.set_episode_id(stored.memory_id());
  *response.mutable_encoding_quality() = stored.storage_confidence();
  response.set_state(stored.initial_state());
  response.set_context_links_created(links);
  *response.mutable_write() = stored.write();
  return response;
}

Status CheckLinks(space::View& view, const v1::ExperienceRequest& request) {
  for (const std::string& id : request.context_links()) {
    RETURN_IF_ERROR(model::CheckId(id));
    ASSIGN_OR_RETURN(const std::optional<space::IdLookup> found, view.FindId(id));
    if (found && !found->deleted) continue;
    return Status(Reason::MEMORY_NOT_FOUND,
                  "context_links names '" + CutText(id, 80) + "', which does not exist.")
        .Expected("ids of memories in this space")
        .With("id", CutText(id, 80))
        .With("field", "context_links");
  }
  return OkStatus();
}

}  // namespace

void ServiceImpl::Remember(const CallContext& context, v1::RememberRequest request,
                           Reply<v1::RememberResponse> done) {
  auto reply = Begin("Remember", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckWriteOptions(request.options()); !bad.ok()) return (*reply)(bad);
  Result<v1::Episode> episode = EpisodeOf(request);
  if (!episode.ok()) return (*reply)(episode.status());
  OnSpace(context, request.memory_space_id(), std::move(*reply),
          [episode = std::move(*episode), options = std::move(*request.mutable_options())](
              const SpacePtr& space, Reply<v1::RememberResponse> answer) mutable {
            space->Remember(std::move(episode), std::move(options), std::move(answer));
          });
}

void ServiceImpl::RememberBatch(const CallContext& context, v1::RememberBatchRequest request,
                                Reply<v1::RememberBatchResponse> done) {
  auto reply = Begin("RememberBatch", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckBatch(request); !bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  OnSpace(context, field, std::move(*reply),
          [request = std::move(request)](const SpacePtr& space,
                                         Reply<v1::RememberBatchResponse> answer) mutable {
            space->RememberBatch(std::move(request), std::move(answer));
          });
}

void ServiceImpl::Experience(const CallContext& context, v1::ExperienceRequest request,
                             Reply<v1::ExperienceResponse> done) {
  auto reply = Begin("Experience", context, std::move(done));
  if (!reply) return;
  Status bad = CheckWriteOptions(request.options());
  if (bad.ok()) bad = CheckExperience(request);
  if (!bad.ok()) return (*reply)(bad);
  const Result<std::string> id = ResolveSpace(context, request.memory_space_id());
  if (!id.ok()) return (*reply)(id.status());
  OnReader(
      context, std::move(*reply),
      [this, id = *id, request = std::move(request)](Reply<v1::ExperienceResponse> answer) mutable {
        Result<SpacePtr> space = node_.spaces().Get(id);
        if (!space.ok()) return answer(space.status());
        Result<std::unique_ptr<space::View>> view = (*space)->NewView();
        if (!view.ok()) return answer(view.status());
        if (Status missing = CheckLinks(**view, request); !missing.ok()) return answer(missing);
        v1::Episode& episode = *request.mutable_episode();
        episode.mutable_derived_from()->MergeFrom(request.context_links());
        (*space)->Remember(std::move(episode), request.options(),
                           [answer = std::move(answer), links = request.context_links_size()](
                               Result<v1::RememberResponse> stored) {
                             if (!stored.ok()) return answer(stored.status());
                             answer(ExperienceOf(*stored, links));
                           });
      });
}

void ServiceImpl::Update(const CallContext& context, v1::UpdateRequest request,
                         Reply<v1::UpdateResponse> done) {
  auto reply = Begin("Update", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckUpdate(request); !bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  OnSpace(context, field, std::move(*reply),
          [request = std::move(request)](const SpacePtr& space,
                                         Reply<v1::UpdateResponse> answer) mutable {
            space->Update(std::move(request), std::move(answer));
          });
}

void ServiceImpl::Restore(const CallContext& context, v1::RestoreRequest request,
                          Reply<v1::RestoreResponse> done) {
  auto reply = Begin("Restore", context, std::move(done));
  if (!reply) return;
  Status bad = CheckWriteOptions(request.options());
  if (bad.ok()) bad = CheckIds(request.ids());
  if (!bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  OnSpace(context, field, std::move(*reply),
          [request = std::move(request)](const SpacePtr& space,
                                         Reply<v1::RestoreResponse> answer) mutable {
            space->Restore(std::move(request), std::move(answer));
          });
}

}  // namespace engram::api
