#include "engram/cli/demo_input.h"

#include <filesystem>

#include "engram/cli/import_debian.h"
#include "engram/cli/import_git.h"
#include "engram/cli/importer.h"

namespace engram::cli {

bool DemoInput::has_changelogs() const {
  return std::filesystem::is_directory(options_.docs);
}

DemoInput::Source DemoInput::Changelogs(const std::string& id_prefix) const {
  return [this, id_prefix](const Sink& sink) {
    uint64_t left = options_.limit == 0 ? UINT64_MAX : options_.limit;
    return ReadDebianChangelogs(options_.docs,
                                [&](v1::Episode episode) {
                                  if (left == 0) return OkStatus();
                                  --left;
                                  episode.set_id(id_prefix + episode.id());
                                  return sink(std::move(episode));
                                })
        .status();
  };
}

DemoInput::Source DemoInput::Commits(const std::string& id_prefix) const {
  return [this, id_prefix](const Sink& sink) {
    return ReadGitHistory(options_.repository,
                          [&](v1::Episode episode) {
                            episode.set_id(id_prefix + episode.id());
                            return sink(std::move(episode));
                          })
        .status();
  };
}

Status DemoInput::ImportInto(Client& client, const std::string& space, const std::string& unit,
                             const Source& source, Ledger* ledger, uint64_t* stored) {
  Progress progress(unit, 0);
  ImporterOptions options;
  options.progress = &progress;
  options.acknowledged = [ledger, &space](const v1::Episode& sent, const std::string& id) {
    ledger->Add(space, id, sent);
  };
  Importer importer(client, space, options);
  RETURN_IF_ERROR(
      source([&importer](v1::Episode episode) { return importer.Add(std::move(episode)); }));
  RETURN_IF_ERROR(importer.Flush());
  *stored = importer.totals().stored();
  if (StderrIsTerminal()) std::fprintf(stderr, "\r\033[K");
  return importer.first_refusal();
}

}  // namespace engram::cli
