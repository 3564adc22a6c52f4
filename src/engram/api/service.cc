#include "engram/api/service.h"

#include <algorithm>

#include "engram/api/open_space.h"
#include "engram/api/replica_state.h"
#include "engram/api/request_checks.h"
#include "engram/api/service_impl.h"

namespace engram::api {

std::unique_ptr<Service> Service::Make(runtime::Node& node, ServiceOptions options) {
  return std::make_unique<ServiceImpl>(node, options);
}

Result<std::string> ServiceImpl::ResolveSpaceOf(const CallContext& context,
                                                const std::string& field) {
  return ResolveSpace(context, field);
}

Status ServiceImpl::Late() {
  return Status(Reason::CONNECTION_TIMEOUT, "The deadline passed before the work began.")
      .Suggest("try again, or allow more time");
}

Result<ServiceImpl::SpacePtr> ServiceImpl::OpenSpace(const std::string& id) {
  return api::OpenSpace(node_, id);
}

bool ServiceImpl::MayBecomeFresh(const v1::ReadOptions& read, const Status& status) {
  if (status.ok() || status.reason() != Reason::TOO_STALE || !read.has_max_staleness())
    return false;
  const auto connected = status.metadata().find("connected");
  return connected != status.metadata().end() && connected->second == "true";
}

env::Duration ServiceImpl::WaitOf(const CallContext& context, const v1::ReadOptions& read) const {
  env::Duration wait = std::chrono::seconds(2);
  if (read.has_wait()) {
    wait = std::chrono::seconds(std::clamp<int64_t>(read.wait().seconds(), 0, 60)) +
           std::chrono::nanoseconds(std::clamp(read.wait().nanos(), 0, 999'999'999));
  }
  if (!context.deadline) return wait;
  return std::clamp<env::Duration>(*context.deadline - node_.clock().Now(), env::Duration::zero(),
                                   wait);
}

// `primary` goes by the lease of the primary where there is one; else it asks every member, as
// `confirmed` does.
Result<std::unique_ptr<space::View>> ServiceImpl::NewView(space::Space& space,
                                                          const CallContext& context,
                                                          const v1::ReadOptions& read) {
  switch (read.consistency_case()) {
    case v1::ReadOptions::kAtLeastToken:
      if (read.at_least_token().empty()) break;
      return space.NewViewAtLeast(read.at_least_token(), WaitOf(context, read));
    case v1::ReadOptions::kPrimary:
      if (!read.primary()) break;
      return space.NewViewPrimary(WaitOf(context, read));
    case v1::ReadOptions::kConfirmed:
      if (!read.confirmed()) break;
      return space.NewViewConfirmed(WaitOf(context, read));
    case v1::ReadOptions::kMaxStaleness:
      RETURN_IF_ERROR(CheckFresh(node_, space, read.max_staleness()));
      break;
    default:
      break;
  }
  return space.NewView();
}

v1::ServedBy ServiceImpl::ServedByOf(space::Space& space, const space::View& view) const {
  v1::ServedBy served;
  served.set_node(node_.name());
  served.set_epoch(view.epoch().value());
  served.set_visible_through(view.visible_through().value());
  served.set_token(space.TokenOf({view.epoch(), view.visible_through()}));
  const space::CopyState state = space.copy_state();
  served.set_role(state.primary ? "primary" : "replica");
  served.set_connected(state.primary || state.connected);
  if (state.primary) return served;
  served.set_behind_entries(state.behind_entries);
  if (state.behind) *served.mutable_behind() = ToProto(*state.behind);
  return served;
}

}  // namespace engram::api
