// Creating an empty log: its first segment, then space.meta, whose presence makes the directory a
// space. A crash on the way leaves something that the next creation takes for its own.
#include "engram/wal/names.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

// What an unfinished creation left has no entries; anything else is somebody's log.
Status ClearUnfinished(const LogOptions& options) {
  env::FileSystem& fs = *options.fs;
  const std::string directory = SegmentDirectory(options.directory);
  ASSIGN_OR_RETURN(const auto names, fs.List(directory));
  for (const std::string& name : names) {
    const std::string path = env::JoinPath(directory, name);
    if (name == SegmentName(Sequence(1))) {
      ASSIGN_OR_RETURN(auto file, fs.Open(path, env::OpenMode::kRead));
      ASSIGN_OR_RETURN(const uint64_t size, file->Size());
      FileSource source(*file, size);
      bool entries = false;
      RETURN_IF_ERROR(SearchRecords(source, 0, [&](const Record& record) {
        entries = !FirstSequence(record).is_zero();
        return !entries;
      }));
      if (!entries) {
        RETURN_IF_ERROR(fs.Remove(path));
        continue;
      }
    }
    if (name.ends_with(kTemporarySuffix)) {
      RETURN_IF_ERROR(fs.Remove(path));
      continue;
    }
    return Status(Reason::SPACE_EXISTS, options.directory + " holds a log without space.meta")
        .Suggest("look at it with engram wal verify; nothing was changed")
        .With("file", path);
  }
  return OkStatus();
}

Status WriteFirstSegment(const LogOptions& options, const record::SegmentHeader& header) {
  env::FileSystem& fs = *options.fs;
  const std::string path = SegmentPath(options.directory, header.first);
  const std::string temporary = path + std::string(kTemporarySuffix);
  ASSIGN_OR_RETURN(auto file, fs.Open(temporary, env::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  const auto now = static_cast<uint64_t>(options.clock->WallNs());
  RETURN_IF_ERROR(file->WriteAt(0, EncodeSegmentHead(header, now)));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(SegmentDirectory(options.directory));
}

Status WriteMeta(const LogOptions& options, Incarnation incarnation) {
  env::FileSystem& fs = *options.fs;
  const std::string path = MetaPath(options.directory);
  const std::string temporary = path + std::string(kTemporarySuffix);
  SpaceMeta meta;
  meta.incarnation = incarnation;
  ASSIGN_OR_RETURN(auto file, SpaceMetaFile::Create(fs, temporary, meta));
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(options.directory);
}

}  // namespace

Result<Recovered> MakeLog(const LogOptions& options, Incarnation incarnation) {
  env::FileSystem& fs = *options.fs;
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(MetaPath(options.directory)));
  if (exists) {
    return Status(Reason::SPACE_EXISTS, options.directory + " is there already")
        .With("path", options.directory);
  }
  RETURN_IF_ERROR(fs.CreateDirectories(SegmentDirectory(options.directory)));
  // Directories that were there may be what a process made that died before it synced them.
  std::string parent = options.directory;
  for (int level = 0; level < 3; ++level) {
    RETURN_IF_ERROR(fs.SyncDirectory(parent));
    parent = env::DirectoryOf(parent);
  }
  RETURN_IF_ERROR(ClearUnfinished(options));
  record::SegmentHeader header;
  header.cluster = options.cluster;
  header.space = options.space;
  header.incarnation = incarnation;
  header.nonce = options.entropy->Next();
  header.first = Sequence(1);
  RETURN_IF_ERROR(WriteFirstSegment(options, header));
  RETURN_IF_ERROR(WriteMeta(options, incarnation));
  return Recover(options);
}

}  // namespace engram::wal
