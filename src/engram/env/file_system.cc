#include "engram/env/file_system.h"

#include <utility>

#include "engram/env/errno_status.h"

namespace engram::env {

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  std::string path(directory);
  if (path.back() != '/') path.push_back('/');
  return path.append(name);
}

std::string DirectoryOf(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

Status FileSystem::CreateDirectories(const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, Exists(path));
  if (exists) return OkStatus();
  const std::string parent = DirectoryOf(path);
  if (parent != path && parent != ".") RETURN_IF_ERROR(CreateDirectories(parent));
  RETURN_IF_ERROR(CreateDirectory(path));
  return SyncDirectory(parent);
}

Status FileSystem::RemoveAll(const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, Exists(path));
  if (!exists) return OkStatus();
  auto names = List(path);
  if (!names.ok() && !HasErrno(names.status(), "ENOTDIR")) return names.status();
  if (names.ok()) {
    for (const std::string& name : *names) RETURN_IF_ERROR(RemoveAll(JoinPath(path, name)));
  }
  return Remove(path);
}

Result<std::string> ReadWholeFile(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(path, OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string contents(size, '\0');
  ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, contents.data(), contents.size()));
  contents.resize(got);
  return contents;
}

Status ReplaceFile(FileSystem& fs, const std::string& path, ByteView contents) {
  const std::string temporary = path + ".tmp";
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(temporary, OpenMode::kCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->WriteAt(0, contents));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(DirectoryOf(path));
}

}  // namespace engram::env
