// CreateSpace, GetSpace, ListSpaces, DeleteSpace.
#include <map>

#include "engram/api/replica_state.h"
#include "engram/api/request_checks.h"
#include "engram/api/service_impl.h"
#include "engram/api/text.h"
#include "engram/model/episode.h"
#include "engram/runtime/replication.h"

namespace engram::api {
namespace {

constexpr size_t kDefaultPage = 100;

Status CheckDelete(const v1::DeleteSpaceRequest& request) {
  RETURN_IF_ERROR(model::CheckSpaceId(request.id()));
  if (request.confirm_id() == request.id()) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "Deleting a space wants its id twice.")
      .Expected("confirm_id equal to id")
      .Suggest("everything in the space is deleted for good: say its name again in confirm_id")
      .With("field", "confirm_id");
}

// A page token holds the prefix that it belongs to and the last id that was shown.
std::string PageToken(const std::string& prefix, const std::string& last) {
  return EncodeBase64("1\n" + prefix + "\n" + last);
}

Result<std::string> AfterOf(const v1::ListSpacesRequest& request) {
  if (request.page_token().empty()) return std::string();
  const std::optional<std::string> text = DecodeBase64(request.page_token());
  const std::string head = "1\n" + request.prefix() + "\n";
  if (text && text->starts_with(head)) return text->substr(head.size());
  return Status(Reason::PAGE_TOKEN_INVALID, "The page token is of another request.")
      .Expected("next_page_token of the same ListSpaces");
}

}  // namespace

v1::Space ServiceImpl::Describe(space::Space& space) const {
  v1::Space described;
  described.set_id(space.id());
  described.set_incarnation(FormatBase32(space.incarnation().bytes, false));
  *described.mutable_settings() = space.settings();
  *described.mutable_created_at() = space.created_at().ToProto();
  Result<v1::SpaceStatus> status = space.GetStatus();
  if (status.ok()) {
    *described.mutable_status() = std::move(*status);
  } else {
    described.mutable_status()->set_state("corrupt");
    described.mutable_status()->set_state_reason(status.status().message());
  }
  FillCopies(space, described.mutable_status());
  return described;
}

// Who leads, and on the primary how its replicas stand.
void ServiceImpl::FillCopies(space::Space& space, v1::SpaceStatus* status) const {
  const space::CopyState copy = space.copy_state();
  const bool alone = node_.replication() == nullptr;
  status->set_role(copy.primary ? "primary" : "replica");
  status->set_primary(alone || copy.primary ? node_.name() : copy.primary_node);
  status->set_copies_in_sync(copy.copies_in_sync);
  status->set_copies_wanted(copy.wanted_copies);
  status->set_connected(copy.primary || copy.connected);
  if (!copy.primary) {
    status->set_behind_entries(copy.behind_entries);
    if (copy.behind) *status->mutable_behind() = ToProto(*copy.behind);
  }
  if (alone) return;
  const Result<runtime::SpaceState> state = node_.replication()->StateOf(space.id());
  if (!state.ok()) return;
  status->set_copies_in_sync(state->copies_in_sync);
  status->set_copies_wanted(state->copies_wanted);
  for (const runtime::ReplicaState& replica : state->replicas) {
    *status->add_replicas() = ToProto(replica);
  }
}

// What the request leaves open is as the node says, then as the documentation says.
v1::SpaceSettings ServiceImpl::SettingsFor(const v1::SpaceSettings& asked) const {
  v1::SpaceSettings settings = node_.space_defaults();
  settings.MergeFrom(asked);
  return model::WithDefaults(std::move(settings));
}

Result<v1::Space> ServiceImpl::MakeSpace(const v1::CreateSpaceRequest& request) {
  const std::string& id = request.space().id();
  if (request.if_not_exists() && node_.spaces().Exists(id)) {
    ASSIGN_OR_RETURN(const SpacePtr space, node_.spaces().Get(id));
    return Describe(*space);
  }
  const v1::SpaceSettings settings = SettingsFor(request.space().settings());
  RETURN_IF_ERROR(model::CheckSettings(settings));
  Result<SpacePtr> made = node_.replication() == nullptr
                              ? node_.spaces().Create(id, settings)
                              : node_.replication()->CreateSpace(id, settings);
  const bool raced = !made.ok() && made.status().reason() == Reason::SPACE_EXISTS;
  if (raced && request.if_not_exists()) made = node_.spaces().Get(id);
  if (!made.ok()) return made.status();
  return Describe(**made);
}

void ServiceImpl::CreateSpace(const CallContext& context, v1::CreateSpaceRequest request,
                              Reply<v1::Space> done) {
  auto reply = Begin("CreateSpace", context, std::move(done));
  if (!reply) return;
  if (Status bad = model::CheckSpaceId(request.space().id()); !bad.ok()) return (*reply)(bad);
  OnReader(context, std::move(*reply),
           [this, request = std::move(request)](const Reply<v1::Space>& answer) {
             answer(MakeSpace(request));
           });
}

void ServiceImpl::GetSpace(const CallContext& context, v1::GetSpaceRequest request,
                           Reply<v1::Space> done) {
  auto reply = Begin("GetSpace", context, std::move(done));
  if (!reply) return;
  const Result<std::string> id = ResolveSpace(context, request.id());
  if (!id.ok()) return (*reply)(id.status());
  OnReader(context, std::move(*reply), [this, id = *id](const Reply<v1::Space>& answer) {
    Result<SpacePtr> space = node_.spaces().Get(id);
    if (!space.ok()) return answer(space.status());
    answer(Describe(**space));
  });
}

// Spaces that are not open are shown by their id alone: listing opens nothing.
void ServiceImpl::ListSpaces(const CallContext& context, v1::ListSpacesRequest request,
                             Reply<v1::ListSpacesResponse> done) {
  auto reply = Begin("ListSpaces", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckCount("page_size", request.page_size()); !bad.ok()) return (*reply)(bad);
  const Result<std::string> after = AfterOf(request);
  if (!after.ok()) return (*reply)(after.status());
  OnReader(context, std::move(*reply),
           [this, request, after = *after](const Reply<v1::ListSpacesResponse>& answer) {
             const size_t page =
                 request.page_size() > 0 ? static_cast<size_t>(request.page_size()) : kDefaultPage;
             std::map<std::string, SpacePtr> open;
             for (SpacePtr& space : node_.spaces().Opened()) open[space->id()] = space;
             v1::ListSpacesResponse response;
             std::vector<std::string> ids = node_.spaces().Ids(request.prefix(), after, page + 1);
             const bool more = ids.size() > page;
             if (more) ids.resize(page);
             for (const std::string& id : ids) {
               v1::Space* space = response.add_spaces();
               space->set_id(id);
               if (open.contains(id)) *space = Describe(*open[id]);
             }
             if (more) response.set_next_page_token(PageToken(request.prefix(), ids.back()));
             answer(std::move(response));
           });
}

void ServiceImpl::DeleteSpace(const CallContext& context, v1::DeleteSpaceRequest request,
                              Reply<v1::DeleteSpaceResponse> done) {
  auto reply = Begin("DeleteSpace", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckDelete(request); !bad.ok()) return (*reply)(bad);
  OnReader(context, std::move(*reply),
           [this, id = request.id()](const Reply<v1::DeleteSpaceResponse>& answer) {
             answer(node_.replication() == nullptr ? node_.spaces().Delete(id)
                                                   : node_.replication()->DeleteSpace(id));
           });
}

}  // namespace engram::api
