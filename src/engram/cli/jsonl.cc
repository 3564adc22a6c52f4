#include "engram/cli/jsonl.h"

#include <string_view>

#include "engram/api/json.h"

namespace engram::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view Trim(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  size_t start = line.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return {};
  return line.substr(start, line.find_last_not_of(kSpace) - start + 1);
}

}  // namespace

Result<ImportCounts> ReadJsonLines(std::istream& lines, const EpisodeSink& sink) {
  ImportCounts counts;
  counts.files = 1;
  std::string line;
  for (uint64_t number = 1; std::getline(lines, line); ++number) {
    std::string_view text = line;
    if (number == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    text = Trim(text);
    if (text.empty()) continue;
    Result<v1::Episode> episode = api::EpisodeFromJson(text);
    if (episode.ok()) {
      ++counts.read;
      RETURN_IF_ERROR(sink(std::move(episode).value()));
      continue;
    }
    if (++counts.skipped == 1) {
      counts.first_skipped = episode.status().Annotate("line " + std::to_string(number));
    }
  }
  if (lines.bad()) return Status(Reason::IO, "The lines cannot be read to their end.");
  return counts;
}

std::string ToJsonLine(const v1::Episode& episode) {
  return api::EpisodeToJson(episode);
}

}  // namespace engram::cli
