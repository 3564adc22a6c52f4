#include "engram/api/health.h"

#include "engram/api/text.h"
#include "engram/runtime/node.h"

namespace engram::api {

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

Result<Probe> ProbeSpace(runtime::Node& node, const std::string& space, std::string_view role) {
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
  // A single node is primary of all that it has.
  if (role == "replica") return Probe{false, "this node is its primary"};
  return Probe{true, ""};
}

std::optional<bool> Serving(runtime::Node& node, const std::string& service) {
  constexpr std::string_view kSpace = "engram.space/";
  const bool ready = ProbeReady(node).good;
  if (service.empty() || service == "engram.v1.EngramService") return ready;
  if (service == "engram.primary") return ready && node.spaces().known() > 0;
  if (service == "engram.replica") return false;
  if (!service.starts_with(kSpace)) return std::nullopt;
  const std::string space = service.substr(kSpace.size());
  if (!node.spaces().Exists(space)) return std::nullopt;
  return ready;
}

}  // namespace engram::api
