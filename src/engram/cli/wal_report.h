// How reports about a log look: a line a space, a block a damage, and JSON.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "engram/env/clock.h"
#include "engram/wal/tool.h"

namespace engram::cli {

std::string VerifyLine(const std::string& space, const wal::VerifyReport& report,
                       env::Duration took);
// Empty when there is none.
std::string DamageText(const wal::VerifyReport& report);
nlohmann::ordered_json VerifyJson(const std::string& space, const wal::VerifyReport& report);
std::string DumpLine(const wal::DumpRecord& record);
std::string DumpJson(const wal::DumpRecord& record);

}  // namespace engram::cli
