#include "engram/api/service.h"

#include <algorithm>

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

// On a single node every read is one of the primary, and confirmed.
Result<std::unique_ptr<space::View>> ServiceImpl::NewView(space::Space& space,
                                                          const CallContext& context,
                                                          const v1::ReadOptions& read) {
  if (read.at_least_token().empty()) return space.NewView();
  env::Duration wait = std::chrono::seconds(2);
  if (read.has_wait()) {
    wait = std::chrono::seconds(std::clamp<int64_t>(read.wait().seconds(), 0, 60)) +
           std::chrono::nanoseconds(std::clamp(read.wait().nanos(), 0, 999'999'999));
  }
  if (context.deadline) {
    wait = std::clamp<env::Duration>(*context.deadline - node_.clock().Now(), env::Duration::zero(),
                                     wait);
  }
  return space.NewViewAtLeast(read.at_least_token(), wait);
}

v1::ServedBy ServiceImpl::ServedByOf(space::Space& space, const space::View& view) const {
  v1::ServedBy served;
  served.set_node(node_.name());
  served.set_role("primary");
  served.set_epoch(view.epoch().value());
  served.set_visible_through(view.visible_through().value());
  served.set_token(space.TokenOf({view.epoch(), view.visible_through()}));
  served.set_connected(true);
  return served;
}

}  // namespace engram::api
