// Names of the files in a space's directory (docs/wal-format.md). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engram/base/types.h"

namespace engram::wal {

inline constexpr std::string_view kMetaName = "space.meta";
inline constexpr std::string_view kSegmentDirectory = "wal";
inline constexpr std::string_view kQuarantineDirectory = "quarantine";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

std::string MetaPath(const std::string& directory);
std::string SegmentDirectory(const std::string& directory);
std::string QuarantineDirectory(const std::string& directory);

// "<first sequence, 16 hex>.log" and ".idx".
std::string SegmentName(Sequence first);
std::string IndexName(Sequence first);
std::string SegmentPath(const std::string& directory, Sequence first);
std::string IndexPath(const std::string& directory, Sequence first);
// The first sequence of a segment's file name; nullopt for other names.
std::optional<Sequence> ParseSegmentName(std::string_view name);

// "<epoch>-<first>-<last>.log" in quarantine.
std::string QuarantinePath(const std::string& directory, Epoch epoch, Sequence first,
                           Sequence last);

}  // namespace engram::wal
