// Debian changelogs as episodes: who changed a package, when and what (deb-changelog(5)).
#pragma once

#include <string>

#include "engram/cli/import_source.h"

namespace engram::cli {

// Reads every changelog under `root` (changelog.Debian.gz, and changelog.gz of native packages),
// each source package's once.
Result<ImportCounts> ReadDebianChangelogs(const std::string& root, const EpisodeSink& sink);

}  // namespace engram::cli
