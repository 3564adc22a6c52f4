// What replication knows of nodes and spaces, as the messages that operators and status read. Pure
// translations; times are reckoned from `now`.
#pragma once

#include "engram/admin/v1/admin.pb.h"
#include "engram/base/instant.h"
#include "engram/cluster/effects.h"
#include "engram/runtime/mending.h"
#include "engram/runtime/replication.h"
#include "engram/v1/space.pb.h"

namespace engram::api {

namespace admin_v1 = engram::admin::v1;

google::protobuf::Duration ToProto(Duration duration);
v1::ReplicaStatus ToProto(const runtime::ReplicaState& replica);
admin_v1::SpaceState ToProto(const runtime::SpaceState& state);
admin_v1::NodeState ToProto(const runtime::NodeAddress& node, const runtime::PeerState& peer,
                            bool me, Instant now);
admin_v1::DamagedRange ToProto(const runtime::DamagedRange& range);
// "entries 7 to 9 of 0000000000000001.log, found 12:40:07 UTC: not mended yet: …".
std::string InWords(const admin_v1::DamagedRange& range);
std::string_view RoleName(cluster::Role role);

using Nodes = std::vector<std::pair<runtime::NodeAddress, runtime::PeerState>>;
// A promotion's report with the names of the configured nodes.
admin_v1::PromoteResponse ToProto(const cluster::PromotionReport& report, const Nodes& nodes,
                                  size_t me, Instant now);
// Without the names.
admin_v1::SwitchoverResponse ToProto(const cluster::SwitchReport& report);

}  // namespace engram::api
