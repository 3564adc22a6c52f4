#include "engram/wal/quarantine.h"

#include <algorithm>
#include <charconv>

#include "engram/wal/names.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

std::string PathOf(const std::string& directory, const std::string& name) {
  return env::JoinPath(QuarantineDirectory(directory), name);
}

// "<epoch>-<first>-<last>.log"; nullopt for what repair left there, and for temporary files.
std::optional<QuarantineFile> ParseName(const std::string& name) {
  uint64_t numbers[3];
  const char* at = name.data();
  const char* const end = at + name.size();
  for (int i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc() || next == end || (i < 2 && *next != '-')) return std::nullopt;
    at = i < 2 ? next + 1 : next;
  }
  if (std::string_view(at, static_cast<size_t>(end - at)) != ".log") return std::nullopt;
  return QuarantineFile{name, Epoch(numbers[0]), Sequence(numbers[1]), Sequence(numbers[2]), 0};
}

Status Damaged(const QuarantineFile& file, const ScanEnd& end, const std::string& path) {
  return Status(Reason::CORRUPTION_DETECTED, "quarantine/" + file.name + " ends at " +
                                                 std::to_string(end.offset) + " with sequence " +
                                                 ToString(end.last.sequence) +
                                                 (end.why.ok() ? "" : ": " + end.why.message()))
      .Expected("entries up to " + ToString(file.last))
      .With("file", path)
      .With("offset", end.offset);
}

}  // namespace

Result<std::vector<QuarantineFile>> ListQuarantine(env::FileSystem& fs,
                                                   const std::string& directory) {
  std::vector<QuarantineFile> out;
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(QuarantineDirectory(directory)));
  if (!exists) return out;
  ASSIGN_OR_RETURN(const auto names, fs.List(QuarantineDirectory(directory)));
  for (const std::string& name : names) {
    auto file = ParseName(name);
    if (!file) continue;
    ASSIGN_OR_RETURN(const auto opened, fs.Open(PathOf(directory, name), env::OpenMode::kRead));
    ASSIGN_OR_RETURN(file->bytes, opened->Size());
    out.push_back(std::move(*file));
  }
  // What was cut later from the same place is of a later epoch.
  std::sort(out.begin(), out.end(), [](const QuarantineFile& a, const QuarantineFile& b) {
    return std::tie(a.epoch, a.first, a.last) < std::tie(b.epoch, b.first, b.last);
  });
  return out;
}

Status ReadQuarantine(env::FileSystem& fs, const std::string& directory, const QuarantineFile& file,
                      const std::function<Status(const record::Entry&)>& visit) {
  const std::string path = PathOf(directory, file.name);
  ASSIGN_OR_RETURN(const auto opened, fs.Open(path, env::OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, opened->Size());
  ASSIGN_OR_RETURN(const SegmentHead head, ReadSegmentHead(*opened));
  FileSource source(*opened, size);
  Status visited;
  const auto give = [&](const Record& record) {
    if (!visited.ok() || !record::IsNumbered(record.header.type)) return;
    if (record.header.sequence < file.first || record.header.sequence > file.last) return;
    visited = visit(record::Entry{record.header, std::string(record.payload)});
  };
  ASSIGN_OR_RETURN(const ScanEnd end, ScanSegment(source, head, give));
  RETURN_IF_ERROR(visited);
  return end.last.sequence < file.last ? Damaged(file, end, path) : OkStatus();
}

}  // namespace engram::wal
