// The space of a call, and how fresh a copy of it is to be. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engram/base/status.h"
#include "engram/space/space.h"

namespace engram::runtime {
class Node;
}

namespace engram::api {

// Opens it when needed; blocks. SPACE_NOT_FOUND; RECOVERING while `default` is not made yet,
// because other nodes have to be asked first.
Result<std::shared_ptr<space::Space>> OpenSpace(runtime::Node& node, const std::string& id);

// What there is to say about the freshness of a copy.
struct Freshness {
  space::CopyState copy;
  Sequence visible;
  std::optional<Duration> unheard;  // since the primary was heard of; nullopt: never
  std::string primary_grpc, primary_http;
  std::string led_last;  // "n1 at host:port": who led it when it was last heard of
};

// Of a read with max_staleness. A primary may always answer; a replica when it is connected, has
// heard of its primary so recently, and misses nothing that was committed longer ago. TOO_STALE
// says where to ask (primary, primary_grpc, primary_http, where there is one) and whether waiting
// may help (connected). INVALID_REQUEST for a negative duration.
Status CheckStaleness(const Freshness& freshness, const google::protobuf::Duration& at_most);
// The same of a copy as it is now.
Status CheckFresh(runtime::Node& node, space::Space& space,
                  const google::protobuf::Duration& at_most);

}  // namespace engram::api
