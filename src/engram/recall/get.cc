// Get: episodes by id, in the order asked, suppressed ones too; versions and history from the log.
#include "engram/model/episode.h"
#include "engram/recall/question.h"
#include "engram/recall/recall.h"
#include "engram/recall/reply.h"

namespace engram::recall {
namespace {

Status AddVersions(space::View& view, const v1::GetRequest& request, const std::string& id,
                   const space::IdLookup& found, v1::GetResponse* reply) {
  ASSIGN_OR_RETURN(std::vector<space::View::Version> history, view.History(id));
  bool any = false;
  for (space::View::Version& version : history) {
    const uint64_t number = version.record.version();
    if (request.version() != 0 && number != request.version()) continue;
    v1::Episode* episode = reply->add_episodes();
    *episode = EpisodeOf(std::move(version), request.include_embedding());
    episode->mutable_stored()->set_suppressed(number == found.version && found.suppressed);
    any = true;
  }
  if (!any) reply->add_missing(id);
  return OkStatus();
}

Status AddId(space::View& view, const v1::GetRequest& request, const std::string& id,
             v1::GetResponse* reply) {
  RETURN_IF_ERROR(model::CheckId(id));
  ASSIGN_OR_RETURN(const std::optional<space::IdLookup> found, view.FindId(id));
  if (!found || found->deleted || !found->row) {
    reply->add_missing(id);
    return OkStatus();
  }
  const bool newest = request.version() == 0 || request.version() == found->version;
  if (!newest || request.include_history()) return AddVersions(view, request, id, *found, reply);
  ASSIGN_OR_RETURN(v1::Episode episode, view.LoadEpisode(*found->row, request.include_embedding()));
  *reply->add_episodes() = std::move(episode);
  return OkStatus();
}

}  // namespace

Result<v1::GetResponse> Get(space::View& view, const v1::GetRequest& request) {
  if (request.has_as_of()) {
    return Unimplemented("as_of", "Get cannot look into the past of a space yet.",
                         "include_history shows every version with the time of its storing");
  }
  if (request.ids().empty()) {
    return Status(Reason::INVALID_REQUEST, "No id is given.")
        .Expected("1 to 1000 ids")
        .With("field", "ids");
  }
  RETURN_IF_ERROR(CheckCount(request.ids_size(), model::kMaxBatch, "ids"));
  v1::GetResponse reply;
  for (const std::string& id : request.ids()) RETURN_IF_ERROR(AddId(view, request, id, &reply));
  return reply;
}

}  // namespace engram::recall
