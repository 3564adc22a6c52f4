// The copies of a space as people read them: what a write reached, the table of replicas, a
// promotion before and after. Pure: messages in, text out.
#pragma once

#include <string>
#include <vector>

#include "engram/admin/v1/admin.pb.h"
#include "engram/v1/service.pb.h"

namespace engram::cli {

// "replicated, 2 of 2 copies", "local, 1 copy".
std::string ReachedText(const v1::WriteResult& write);
// ": n1 has not answered for 41 s"; "" when no copy is missing.
std::string MissingCopyText(const v1::SpaceStatus& status);
// "0.2 s", "41 s", "64 min".
std::string AgoText(const google::protobuf::Duration& duration);

// One state a space, as its primary says; spaces without one as any node says.
std::string ReplicasTable(const std::vector<admin::v1::SpaceState>& spaces);
// What `promote --dry-run` shows.
std::string PromotionTable(const admin::v1::PromoteResponse& report);
// What may be lost, in words; "none replicated" when nothing that was acknowledged so.
std::string LossText(const admin::v1::PromoteResponse& report);
// What a promotion that was refused says, and the command that would help.
std::string RefusedText(const admin::v1::PromoteResponse& report);
// What became of a switchover, or would: a line, or two.
std::string SwitchoverText(const admin::v1::SwitchoverResponse& report);

}  // namespace engram::cli
