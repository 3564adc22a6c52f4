// Episodes as JSON lines: one a line, as the HTTP door writes them.
#pragma once

#include <istream>
#include <string>

#include "engram/cli/import_source.h"

namespace engram::cli {

// Line numbers stand in first_skipped. Empty lines are passed over.
Result<ImportCounts> ReadJsonLines(std::istream& lines, const EpisodeSink& sink);
// One line, without its end.
std::string ToJsonLine(const v1::Episode& episode);

}  // namespace engram::cli
