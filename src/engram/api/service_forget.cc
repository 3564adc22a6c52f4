// Forget: by ids at once; by filter or cue in two steps, first a count, then the same count again.
#include <algorithm>
#include <set>

#include "engram/api/request_checks.h"
#include "engram/api/service_impl.h"
#include "engram/model/change.h"
#include "engram/model/episode.h"
#include "engram/recall/recall.h"

namespace engram::api {
namespace {

constexpr size_t kIdsShown = 1000;

bool ByIds(const v1::ForgetRequest& request) {
  return request.target_case() == v1::ForgetRequest::kMemoryId ||
         request.target_case() == v1::ForgetRequest::kIds;
}

std::vector<std::string> UniqueIds(const v1::ForgetRequest& request) {
  if (request.target_case() == v1::ForgetRequest::kMemoryId) return {request.memory_id()};
  std::set<std::string> seen;
  std::vector<std::string> ids;
  for (const std::string& id : request.ids().ids()) {
    if (seen.insert(id).second) ids.push_back(id);
  }
  return ids;
}

Status CheckMode(v1::ForgetMode mode) {
  switch (mode) {
    case v1::FORGET_MODE_UNSPECIFIED:
    case v1::FORGET_MODE_SUPPRESS:
    case v1::FORGET_MODE_DELETE:
      return OkStatus();
    case v1::FORGET_MODE_OVERWRITE:
      return Unimplemented("Forgetting by overwriting", "mode",
                           "Remember with the same id replaces the content");
    case v1::FORGET_MODE_PURGE:
      return Unimplemented("Erasing the bytes (purge)", "mode",
                           "mode delete hides it from every reader; its bytes stay in the log");
    default:
      return Status(Reason::INVALID_REQUEST, "This mode of forgetting is not known.")
          .Expected("suppress or delete")
          .With("field", "mode");
  }
}

Status CheckTarget(const v1::ForgetRequest& request) {
  if (request.target_case() == v1::ForgetRequest::TARGET_NOT_SET) {
    return Status(Reason::EMPTY_FILTER, "The request does not say what to forget.")
        .Expected("memory_id, ids, filter or pattern")
        .Suggest("to empty a space, delete it");
  }
  if (request.target_case() == v1::ForgetRequest::kMemoryId)
    return model::CheckId(request.memory_id());
  if (request.target_case() == v1::ForgetRequest::kIds) return CheckIds(request.ids().ids());
  if (request.dry_run() || request.has_expected_count()) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "Forgetting by filter needs expected_count.")
      .Expected("dry_run first, then its count in expected_count")
      .Example("engram forget --who Ben --dry-run")
      .With("field", "expected_count");
}

Status CheckForget(const v1::ForgetRequest& request) {
  RETURN_IF_ERROR(CheckWriteOptions(request.options()));
  RETURN_IF_ERROR(CheckMode(request.mode()));
  return CheckTarget(request);
}

void ShowIds(const std::vector<std::string>& ids, v1::ForgetResponse* response) {
  const size_t count = std::min(ids.size(), kIdsShown);
  response->mutable_ids()->Assign(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count));
}

v1::ForgetMode ModeOf(const v1::ForgetRequest& request) {
  return request.mode() == v1::FORGET_MODE_UNSPECIFIED ? v1::FORGET_MODE_SUPPRESS : request.mode();
}

v1::ForgetResponse DryRun(const v1::ForgetRequest& request, const std::vector<std::string>& ids) {
  v1::ForgetResponse response;
  response.set_memories_affected(static_cast<int32_t>(ids.size()));
  response.set_reversible(ModeOf(request) == v1::FORGET_MODE_SUPPRESS);
  response.set_dry_run(true);
  ShowIds(ids, &response);
  return response;
}

v1::ForgetResponse NothingForgotten(const v1::ForgetRequest& request) {
  v1::ForgetResponse response = DryRun(request, {});
  response.set_dry_run(false);
  response.mutable_write()->set_outcome(v1::WRITE_OUTCOME_UNCHANGED);
  return response;
}

// Those of the ids that exist: what a dry run by ids would touch.
Result<std::vector<std::string>> Existing(space::View& view, const v1::ForgetRequest& request) {
  std::vector<std::string> existing;
  for (const std::string& id : UniqueIds(request)) {
    ASSIGN_OR_RETURN(const std::optional<space::IdLookup> found, view.FindId(id));
    if (found && !found->deleted) {
      existing.push_back(id);
    } else if (!request.allow_missing()) {
      return Status(Reason::MEMORY_NOT_FOUND, "No memory '" + id + "' in " + view.space() + ".")
          .With("space", view.space())
          .With("id", id);
    }
  }
  return existing;
}

Status CountChanged(uint64_t expected, uint64_t actual) {
  return Status(Reason::COUNT_CHANGED, "The filter names " + std::to_string(actual) +
                                           " memories now, expected were " +
                                           std::to_string(expected) + ".")
      .Expected("the count of a dry run just before")
      .Suggest("look again with dry_run, then repeat with its count")
      .With("expected", expected)
      .With("actual", actual);
}

space::ForgetCommand CommandOf(const v1::ForgetRequest& request, std::vector<std::string> ids) {
  space::ForgetCommand command;
  command.ids = std::move(ids);
  command.mode = ModeOf(request);
  command.allow_missing = request.allow_missing();
  command.reason = request.reason();
  command.options = request.options();
  v1::ForgetRequest bare = request;
  bare.clear_options();
  bare.clear_memory_space_id();
  command.request_digest = model::RequestDigest(bare);
  return command;
}

}  // namespace

void ServiceImpl::Forget(const CallContext& context, v1::ForgetRequest request,
                         Reply<v1::ForgetResponse> done) {
  auto reply = Begin("Forget", context, std::move(done));
  if (!reply) return;
  if (Status bad = CheckForget(request); !bad.ok()) return (*reply)(bad);
  const std::string field = request.memory_space_id();
  const bool at_once = ByIds(request) && !request.dry_run();
  OnSpace(context, field, std::move(*reply),
          [this, at_once, context, request = std::move(request)](
              const SpacePtr& space, Reply<v1::ForgetResponse> answer) mutable {
            if (at_once) {
              return space->Forget(CommandOf(request, UniqueIds(request)), std::move(answer));
            }
            OnReader(context, std::move(answer),
                     [this, space, context,
                      request = std::move(request)](Reply<v1::ForgetResponse> last) {
                       ForgetSelected(space, context, request, std::move(last));
                     });
          });
}

void ServiceImpl::ForgetSelected(const SpacePtr& space, const CallContext& context,
                                 const v1::ForgetRequest& request,
                                 Reply<v1::ForgetResponse> reply) {
  Result<std::unique_ptr<space::View>> view = NewView(*space, context, {});
  if (!view.ok()) return reply(view.status());
  const auto now = model::UtcTime::FromNs(node_.clock().WallNs());
  Result<std::vector<std::string>> ids =
      ByIds(request) ? Existing(**view, request) : recall::SelectForForget(**view, request, now);
  if (!ids.ok()) return reply(ids.status());
  if (request.dry_run()) return reply(DryRun(request, *ids));
  view = Status(Reason::IO, "released");  // not held while the write is on its way
  if (ids->empty() && request.expected_count() == 0) return reply(NothingForgotten(request));
  if (ids->size() == request.expected_count()) {
    space::ForgetCommand command = CommandOf(request, std::move(*ids));
    command.allow_missing = true;  // what others deleted since then needs no forgetting
    return space->Forget(std::move(command), std::move(reply));
  }
  const Status changed = CountChanged(request.expected_count(), ids->size());
  if (request.options().idempotency_key().empty()) return reply(changed);
  // A repeat finds fewer than the first time: the key may know the first answer. The command that
  // asks names an id that is nobody's and writes nothing.
  space::ForgetCommand ask = CommandOf(request, {"-"});
  ask.options.set_validate_only(true);
  ask.allow_missing = true;
  space->Forget(std::move(ask), [reply, changed](Result<v1::ForgetResponse> first) {
    const bool repeated = first.ok() && first->write().outcome() == v1::WRITE_OUTCOME_REPEATED;
    if (repeated || (!first.ok() && first.status().reason() == Reason::IDEMPOTENCY_KEY_REUSED)) {
      return reply(std::move(first));
    }
    reply(changed);
  });
}

}  // namespace engram::api
