// What probes ask: is the process alive, are its doors open, may traffic come, who serves a space.
// One answer for gRPC's health service and for HTTP. Cheap, never blocks, and depends on no single
// space but the one that is named. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engram/base/instant.h"
#include "engram/base/status.h"

namespace engram::runtime {
class Node;
}

namespace engram::api {

struct Probe {
  bool good = false;
  std::string why;  // of a no
};

// Every pool of the node has turned in the last seconds.
Probe ProbeLive(runtime::Node& node);
Probe ProbeReady(runtime::Node& node);
// The role is primary, replica or any. With `max_lag` a replica that is cut off or shows a state
// older than that is a no. SPACE_NOT_FOUND, INVALID_REQUEST for another role.
Result<Probe> ProbeSpace(runtime::Node& node, const std::string& space, std::string_view role,
                         std::optional<Duration> max_lag = std::nullopt);
// Every space with other copies that is open here has a primary.
Probe ProbeCluster(runtime::Node& node);
// gRPC's names: "", engram.primary, engram.replica, engram.space/<id>; nullopt for any other.
std::optional<bool> Serving(runtime::Node& node, const std::string& service);

}  // namespace engram::api
