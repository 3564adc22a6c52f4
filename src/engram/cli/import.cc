// import git|debian-changelogs|jsonl, and export jsonl.
#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "engram/cli/command.h"
#include "engram/cli/copies_text.h"
#include "engram/cli/import_debian.h"
#include "engram/cli/import_git.h"
#include "engram/cli/importer.h"
#include "engram/cli/jsonl.h"

namespace engram::cli {
namespace {

using Read = std::function<Result<ImportCounts>(const EpisodeSink&)>;

void PrintCounts(const ImportCounts& counts, const ImportTotals& totals) {
  const nlohmann::ordered_json json = {{"read", counts.read},       {"created", totals.created},
                                       {"updated", totals.updated}, {"unchanged", totals.unchanged},
                                       {"refused", totals.refused}, {"skipped", counts.skipped}};
  std::printf("%s\n", json.dump().c_str());
}

// Reads, sends, and says what became of it. Exit 1 when something was refused, or
// when nothing could be read.
int RunImport(Context& context, const std::string& unit, const Read& read) {
  Progress progress(unit, 0);
  ImporterOptions options;
  options.progress = &progress;
  Importer importer(context.client(), context.space, options);
  Result<ImportCounts> counts =
      read([&importer](v1::Episode episode) { return importer.Add(std::move(episode)); });
  if (!counts.ok()) return PrintError(counts.status());
  if (const Status status = importer.Flush(); !status.ok()) return PrintError(status);
  const ImportTotals& totals = importer.totals();
  if (context.json) {
    PrintCounts(*counts, totals);
  }
  progress.Finish(Grouped(totals.sent) + " " + unit + " · " + Grouped(totals.created) + " new · " +
                  ReachedText(importer.last_write()) + " · " + FormatTook(progress.elapsed()));
  if (counts->skipped > 0) {
    Note(Grouped(counts->skipped) +
         " could not be read, the first: " + counts->first_skipped.ToString());
  }
  if (totals.refused > 0) {
    Note(Grouped(totals.refused) + " refused, the first: " + importer.first_refusal().ToString());
  }
  return totals.refused > 0 || (counts->skipped > 0 && totals.stored() == 0) ? 1 : 0;
}

Result<ImportCounts> ReadLines(const std::string& path, const EpisodeSink& sink) {
  if (path == "-") return ReadJsonLines(std::cin, sink);
  std::ifstream file(path);
  if (!file) {
    return Status(Reason::IO, path + " cannot be opened.")
        .Expected("a readable file of JSON lines")
        .Example("engram import jsonl memories.jsonl");
  }
  return ReadJsonLines(file, sink);
}

struct ExportFlags {
  FilterFlags filter;
  std::string path = "-";
  bool no_embedding = false;
};

int RunExport(Context& context, const ExportFlags& flags) {
  v1::ListRequest request;
  request.set_memory_space_id(context.space);
  Result<v1::Filter> filter = ToFilter(flags.filter);
  if (!filter.ok()) return PrintError(filter.status());
  *request.mutable_filter() = *filter;
  request.set_page_size(500);
  request.set_include_embedding(!flags.no_embedding);
  std::ofstream file;
  if (flags.path != "-") file.open(flags.path);
  std::ostream& out = flags.path == "-" ? std::cout : file;
  Progress progress("episodes", 0);
  uint64_t written = 0, left_out = 0;
  do {
    Result<v1::ListResponse> reply = context.client().List(request);
    if (!reply.ok()) return PrintError(reply.status());
    for (const v1::Episode& episode : reply->episodes()) out << ToJsonLine(episode) << "\n";
    NoteWarnings(reply->warnings());
    written += static_cast<uint64_t>(reply->episodes_size());
    left_out += static_cast<uint64_t>(reply->warnings_size());
    progress.Update(written);
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  out.flush();
  if (!out) return PrintError(Status(Reason::IO, flags.path + " could not be written."));
  progress.Finish(Grouped(written) + " episodes · " + FormatTook(progress.elapsed()));
  return left_out == 0 ? 0 : InfoOf(Reason::CORRUPTION_DETECTED).exit_code;
}

CLI::App* AddSource(CLI::App* group, Context* context, const char* name, const char* help,
                    const char* unit, const std::string& initial, const char* what,
                    Result<ImportCounts> (*read)(const std::string&, const EpisodeSink&)) {
  auto path = std::make_shared<std::string>(initial);
  CLI::App* command = group->add_subcommand(name, help);
  auto* option = command->add_option("path", *path, what);
  if (initial.empty())
    option->required();
  else
    option->capture_default_str();
  AddClientOptions(command, context);
  OnRun(command, context, [path, read, unit](Context& c) {
    return RunImport(c, unit, [&](const EpisodeSink& sink) { return read(*path, sink); });
  });
  return command;
}

}  // namespace

void AddImport(CLI::App* app, Context* context) {
  CLI::App* group =
      app->add_subcommand("import", "store many episodes; again and again, without doubles");
  group->require_subcommand(1);
  AddSource(group, context, "git", "the history of a git repository", "commits", ".",
            "the repository", ReadGitHistory)
      ->footer("Example:\n  engram import git . --space git");
  AddSource(group, context, "debian-changelogs", "the changelogs of installed packages",
            "changelog entries", "/usr/share/doc", "where they are", ReadDebianChangelogs)
      ->footer("Example:\n  engram import debian-changelogs --space changelogs");
  AddSource(group, context, "jsonl", "one episode a line, as export writes them", "episodes", "",
            "a file; - for stdin", ReadLines)
      ->footer("Example:\n  engram import jsonl memories.jsonl");
}

void AddExport(CLI::App* app, Context* context) {
  CLI::App* group = app->add_subcommand("export", "write every episode of a space");
  group->require_subcommand(1);
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* command = group->add_subcommand("jsonl", "one episode a line, with versions and times");
  command->footer("Example:\n  engram export jsonl memories.jsonl --space notes");
  command->add_option("path", flags->path, "a file; - for stdout")->capture_default_str();
  command->add_flag("--no-embedding", flags->no_embedding, "without the embeddings");
  AddFilterOptions(command, &flags->filter);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunExport(c, *flags); });
}

}  // namespace engram::cli
