// The history of a git repository as episodes: one commit, one episode.
#pragma once

#include <string>

#include "engram/cli/import_source.h"

namespace engram::cli {

// Runs `git log` in `repository`, oldest commit first.
Result<ImportCounts> ReadGitHistory(const std::string& repository, const EpisodeSink& sink);

}  // namespace engram::cli
