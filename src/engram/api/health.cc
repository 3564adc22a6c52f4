#include "engram/api/health.h"

#include "engram/api/text.h"
#include "engram/runtime/node.h"

namespace engram::api {
namespace {

// How the node's copy of a space stands; nothing when it is not open and that cannot be said.
std::optional<space::CopyState> RoleOf(runtime::Node& node, const std::string& space) {
  if (const auto open = node.spaces().FindOpen(space)) return open->copy_state();
  if (node.replication() != nullptr) return std::nullopt;
  space::CopyState alone;  // a single node is primary of all that it has
  alone.primary = true;
  return alone;
}

Probe ProbeRole(const std::optional<space::CopyState>& state, std::string_view role,
                std::optional<Duration> max_lag) {
  if (!state) return {role == "any" && !max_lag, "the space is not open here"};
  if (role == "primary" && !state->primary) {
    return {false, state->primary_node.empty() ? "the space has no primary"
                                               : state->primary_node + " is its primary"};
  }
  if (role == "replica" && state->primary) return {false, "this node is its primary"};
  if (state->primary || !max_lag) return {true, ""};
  if (!state->connected) return {false, "this replica is cut off from its primary"};
  if (state->behind.value_or(Duration::zero()) <= *max_lag) return {true, ""};
  return {false, "this replica is " + std::to_string(state->behind_entries) + " entries behind"};
}

bool AnyInRole(runtime::Node& node, std::string_view role) {
  if (node.replication() == nullptr) return role == "primary" && node.spaces().known() > 0;
  for (const auto& space : node.spaces().Opened()) {
    if (space->copy_state().primary == (role == "primary")) return true;
  }
  return false;
}

}  // namespace

Probe ProbeLive(runtime::Node& node) {
  const std::vector<std::string> stuck = node.liveness().Stuck();
  if (stuck.empty()) return {true, ""};
  std::string why = "no thread of these pools has turned for seconds:";
  for (const std::string& pool : stuck) why += " " + pool;
  return {false, why};
}

Probe ProbeReady(runtime::Node& node) {
  if (node.stopping()) return {false, "shutting down"};
  return {true, ""};
}

Result<Probe> ProbeSpace(runtime::Node& node, const std::string& space, std::string_view role,
                         std::optional<Duration> max_lag) {
  if (role != "primary" && role != "replica" && role != "any") {
    return Status(Reason::INVALID_REQUEST, "The role '" + CutText(role, 40) + "' is not known.")
        .Expected("primary, replica or any")
        .With("field", "role");
  }
  if (!node.spaces().Exists(space)) {
    return Status(Reason::SPACE_NOT_FOUND, "This node has no space '" + CutText(space, 80) + "'.")
        .With("space", CutText(space, 80));
  }
  const Probe ready = ProbeReady(node);
  if (!ready.good) return ready;
  return ProbeRole(RoleOf(node, space), role, max_lag);
}

Probe ProbeCluster(runtime::Node& node) {
  const Probe ready = ProbeReady(node);
  if (!ready.good || node.replication() == nullptr) return ready;
  std::string without;
  for (const auto& space : node.spaces().Opened()) {
    const space::CopyState state = space->copy_state();
    if (state.primary || !state.primary_node.empty()) continue;
    without += (without.empty() ? "" : ", ") + space->id();
  }
  if (without.empty()) return ready;
  return {false, "no primary: " + without};
}

std::optional<bool> Serving(runtime::Node& node, const std::string& service) {
  constexpr std::string_view kSpace = "engram.space/";
  const bool ready = ProbeReady(node).good;
  if (service.empty() || service == "engram.v1.EngramService") return ready;
  if (service == "engram.primary") return ready && AnyInRole(node, "primary");
  if (service == "engram.replica") return ready && AnyInRole(node, "replica");
  if (!service.starts_with(kSpace)) return std::nullopt;
  const std::string space = service.substr(kSpace.size());
  if (!node.spaces().Exists(space)) return std::nullopt;
  return ready && ProbeRole(RoleOf(node, space), "primary", std::nullopt).good;
}

}  // namespace engram::api
