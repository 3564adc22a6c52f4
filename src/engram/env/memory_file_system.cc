#include "engram/env/memory_file_system.h"

#include <cerrno>
#include <utility>

#include "engram/base/thread_annotations.h"
#include "engram/env/errno_status.h"
#include "engram/env/memory_tree.h"

namespace engram::env {
namespace {

constexpr uint64_t kTotalBytes = uint64_t{1} << 40;

// Why `path` has no parent directory to work in.
Status NoParent(std::string_view operation, const std::string& path, const MemoryPlace& place) {
  return ErrnoStatus(operation, path, place.through_file ? ENOTDIR : ENOENT);
}

bool IsWithin(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory == "/" ? directory : directory + "/");
}

// rename(2)'s rules for what may stand at the new name.
int RenameError(const MemoryPlace& source, const MemoryPlace& target) {
  if (!target.node || target.node == source.node) return 0;
  if (source.node->directory && !target.node->directory) return ENOTDIR;
  if (!source.node->directory && target.node->directory) return EISDIR;
  if (target.node->directory && !target.node->names.empty()) return ENOTEMPTY;
  return 0;
}

}  // namespace

struct MemoryFileSystem::Tree {
  Tree() = default;
  explicit Tree(MemoryTree tree) : names(std::move(tree)) {}
  Mutex mutex;
  MemoryTree names GUARDED_BY(mutex);
};

class MemoryFileSystem::OpenFile : public File {
 public:
  OpenFile(std::shared_ptr<Tree> tree, MemoryNodePtr node, std::string path, bool writable)
      : tree_(std::move(tree)),
        node_(std::move(node)),
        path_(std::move(path)),
        writable_(writable) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) override {
    MutexLock lock(tree_->mutex);
    return node_->pages.Read(offset, out, size);
  }
  Status WriteAt(uint64_t offset, ByteView data) override {
    if (!writable_) return ErrnoStatus("write", path_, EBADF);
    MutexLock lock(tree_->mutex);
    node_->pages.Write(offset, data);
    return OkStatus();
  }
  Status Sync() override {
    MutexLock lock(tree_->mutex);
    node_->pages.Sync();
    return OkStatus();
  }
  Status Preallocate(uint64_t size) override {
    if (!writable_) return ErrnoStatus("fallocate", path_, EBADF);
    MutexLock lock(tree_->mutex);
    if (size > node_->pages.size()) node_->pages.Resize(size);
    return OkStatus();
  }
  Status Truncate(uint64_t size) override {
    if (!writable_) return ErrnoStatus("truncate", path_, EINVAL);
    MutexLock lock(tree_->mutex);
    node_->pages.Resize(size);
    return OkStatus();
  }
  Result<uint64_t> Size() override {
    MutexLock lock(tree_->mutex);
    return node_->pages.size();
  }
  void Abandon() {
    MutexLock lock(tree_->mutex);
    node_->pages.Abandon();
  }

 private:
  const std::shared_ptr<Tree> tree_;
  const MemoryNodePtr node_;  // pages are guarded by tree_->mutex
  const std::string path_;
  const bool writable_;
};

class MemoryFileSystem::HeldLock : public FileLock {
 public:
  HeldLock(std::shared_ptr<Tree> tree, std::string path)
      : tree_(std::move(tree)), path_(std::move(path)) {}
  ~HeldLock() override {
    MutexLock lock(tree_->mutex);
    tree_->names.locked.erase(path_);
  }

 private:
  const std::shared_ptr<Tree> tree_;
  const std::string path_;
};

MemoryFileSystem::MemoryFileSystem() : tree_(std::make_shared<Tree>()) {}
MemoryFileSystem::MemoryFileSystem(std::shared_ptr<Tree> tree) : tree_(std::move(tree)) {}
MemoryFileSystem::~MemoryFileSystem() = default;

Result<std::unique_ptr<File>> MemoryFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace place = tree_->names.Find(path);
  const bool create = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  MemoryNodePtr node = place.node;
  if (node && mode == OpenMode::kCreateExclusive) return ErrnoStatus("open", path, EEXIST);
  if (node && node->directory) return ErrnoStatus("open", path, EISDIR);
  if (!node) {
    if (!place.directory) return NoParent("open", path, place);
    if (!create) return ErrnoStatus("open", path, ENOENT);
    node = std::make_shared<MemoryNode>();
    tree_->names.Change({nullptr, "", place.directory, place.name, node, NormalisedPath(path)});
  }
  return std::unique_ptr<File>(
      std::make_unique<OpenFile>(tree_, std::move(node), path, mode != OpenMode::kRead));
}

Result<bool> MemoryFileSystem::Exists(const std::string& path) {
  MutexLock lock(tree_->mutex);
  return tree_->names.Find(path).node != nullptr;
}

Result<std::vector<std::string>> MemoryFileSystem::List(const std::string& directory) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace place = tree_->names.Find(directory);
  if (!place.node) return NoParent("opendir", directory, place);
  if (!place.node->directory) return ErrnoStatus("opendir", directory, ENOTDIR);
  std::vector<std::string> names;
  for (const auto& [name, node] : place.node->names) names.push_back(name);
  return names;
}

Status MemoryFileSystem::CreateDirectory(const std::string& path) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace place = tree_->names.Find(path);
  if (place.node) {
    return place.node->directory ? OkStatus() : ErrnoStatus("mkdir", path, EEXIST);
  }
  if (!place.directory) return NoParent("mkdir", path, place);
  auto node = std::make_shared<MemoryNode>();
  node->directory = true;
  tree_->names.Change({nullptr, "", place.directory, place.name, node, NormalisedPath(path)});
  return OkStatus();
}

Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace source = tree_->names.Find(from);
  const MemoryPlace target = tree_->names.Find(to);
  if (!source.node) return NoParent("rename", from, source);
  if (!target.directory) return NoParent("rename", to, target);
  if (source.node == target.node) return OkStatus();
  if (IsWithin(NormalisedPath(to), NormalisedPath(from))) return ErrnoStatus("rename", to, EINVAL);
  if (const int error = RenameError(source, target)) return ErrnoStatus("rename", to, error);
  tree_->names.Change({source.directory, source.name, target.directory, target.name, source.node,
                       NormalisedPath(to)});
  return OkStatus();
}

Status MemoryFileSystem::HardLink(const std::string& from, const std::string& to) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace source = tree_->names.Find(from);
  const MemoryPlace target = tree_->names.Find(to);
  if (!source.node) return NoParent("link", from, source);
  if (source.node->directory) return ErrnoStatus("link", from, EPERM);
  if (!target.directory) return NoParent("link", to, target);
  if (target.node) return ErrnoStatus("link", to, EEXIST);
  tree_->names.Change(
      {nullptr, "", target.directory, target.name, source.node, NormalisedPath(to)});
  return OkStatus();
}

Status MemoryFileSystem::Remove(const std::string& path) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace place = tree_->names.Find(path);
  if (!place.node) return OkStatus();
  if (!place.directory) return ErrnoStatus("remove", path, EBUSY);
  if (!place.node->names.empty()) return ErrnoStatus("remove", path, ENOTEMPTY);
  tree_->names.Change({place.directory, place.name, nullptr, "", place.node, NormalisedPath(path)});
  return OkStatus();
}

Status MemoryFileSystem::SyncDirectory(const std::string& path) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace place = tree_->names.Find(path);
  if (!place.node) return NoParent("open", path, place);
  if (!place.node->directory) return ErrnoStatus("open", path, ENOTDIR);
  tree_->names.SyncNames(place.node);
  return OkStatus();
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::Lock(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, Open(path, OpenMode::kCreate));
  const std::string name = NormalisedPath(path);
  MutexLock lock(tree_->mutex);
  if (!tree_->names.locked.insert(name).second) return AlreadyLocked(path);
  return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(tree_, name));
}

Result<DiskSpace> MemoryFileSystem::Space(const std::string& path) {
  MutexLock lock(tree_->mutex);
  const MemoryPlace place = tree_->names.Find(path);
  if (!place.node) return NoParent("statvfs", path, place);
  return DiskSpace{kTotalBytes - tree_->names.TotalBytes(), kTotalBytes};
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::Clone() const {
  MutexLock lock(tree_->mutex);
  auto tree = std::make_shared<Tree>(tree_->names.Clone());
  return std::unique_ptr<MemoryFileSystem>(new MemoryFileSystem(std::move(tree)));
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::CrashClone(const ChooseFn& choose,
                                                               const std::string& within) const {
  MutexLock lock(tree_->mutex);
  auto tree = std::make_shared<Tree>(tree_->names.Crash(choose, NormalisedPath(within)));
  return std::unique_ptr<MemoryFileSystem>(new MemoryFileSystem(std::move(tree)));
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::CrashClone(Prng& prng) const {
  const uint64_t style = prng.Below(10);
  if (style == 0) return CrashClone(KeepAll);
  if (style == 1) return CrashClone(LoseAll);
  return CrashClone([&prng](const Unsynced& thing) {
    Survival left{prng.Below(thing.versions), 0xff};
    if (prng.OneIn(2)) left.version = prng.OneIn(2) ? 0 : thing.versions - 1;
    if (prng.OneIn(4)) left.sectors = static_cast<uint8_t>(prng.Below(256));
    return left;
  });
}

bool MemoryFileSystem::AbandonUnsynced(File& file) {
  auto* open = dynamic_cast<OpenFile*>(&file);
  if (open == nullptr) return false;
  open->Abandon();
  return true;
}

}  // namespace engram::env
