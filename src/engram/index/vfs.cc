#include "engram/index/vfs.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include <sqlite3.h>

#include "engram/base/thread_annotations.h"
#include "engram/index/vfs_file.h"

namespace engram::index {
namespace {

class VfsOfFileSystem : public Vfs {
 public:
  explicit VfsOfFileSystem(env::FileSystem& fs);
  ~VfsOfFileSystem() override { sqlite3_vfs_unregister(&vfs_); }
  const char* name() const override { return name_.c_str(); }
  env::FileSystem& file_system() const override { return fs_; }
  void Forget(const std::string& path) override;

  int OpenPath(const char* path, OpenFile* open, int flags);
  // Of a main file, a WAL or a journal.
  std::shared_ptr<Database> DatabaseOf(std::string path);

 private:
  env::FileSystem& fs_;
  std::string name_;
  sqlite3_vfs vfs_{};
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<Database>> databases_ GUARDED_BY(mutex_);  // by main path
};

VfsOfFileSystem& Of(sqlite3_vfs* vfs) {
  return *static_cast<VfsOfFileSystem*>(vfs->pAppData);
}

std::shared_ptr<Database> VfsOfFileSystem::DatabaseOf(std::string path) {
  for (const std::string_view suffix : {"-wal", "-journal"}) {
    if (path.ends_with(suffix)) path.resize(path.size() - suffix.size());
  }
  MutexLock lock(mutex_);
  std::erase_if(databases_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Database>& known = databases_[path];
  std::shared_ptr<Database> database = known.lock();
  if (database == nullptr) known = database = std::make_shared<Database>(path);
  return database;
}

void VfsOfFileSystem::Forget(const std::string& path) {
  MutexLock lock(mutex_);
  const auto known = databases_.find(path);
  if (known == databases_.end()) return;
  if (const std::shared_ptr<Database> database = known->second.lock()) database->given_up = true;
  databases_.erase(known);
}

int VfsOfFileSystem::OpenPath(const char* path, OpenFile* open, int flags) {
  open->vfs = this;
  if (path == nullptr) {
    open->file = MakeTemporaryFile();
    return SQLITE_OK;
  }
  const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
  if (create) {
    Result<bool> exists = fs_.Exists(path);
    if (!exists.ok()) return Failed(exists.status(), SQLITE_CANTOPEN);
    // A WAL's name must be durable before a checkpoint relies on it, whoever made the file.
    const bool wal = (flags & SQLITE_OPEN_WAL) != 0;
    if (!*exists || wal) open->new_name_in = env::DirectoryOf(path);
  }
  const auto mode = create                                 ? env::OpenMode::kCreate
                    : (flags & SQLITE_OPEN_READWRITE) != 0 ? env::OpenMode::kReadWrite
                                                           : env::OpenMode::kRead;
  Result<std::unique_ptr<env::File>> file = fs_.Open(path, mode);
  if (!file.ok()) return Failed(file.status(), SQLITE_CANTOPEN);
  open->file = std::move(file).value();
  open->main = (flags & SQLITE_OPEN_MAIN_DB) != 0;
  open->database = DatabaseOf(path);
  return SQLITE_OK;
}

int VfsOpen(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  auto* open = new (file) OpenFile();
  open->pMethods = nullptr;
  const int code = Of(vfs).OpenPath(path, open, flags);
  if (code != SQLITE_OK) {
    open->~OpenFile();
    return code;
  }
  open->pMethods = FileMethods();
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int VfsDelete(sqlite3_vfs* vfs, const char* path, int sync_directory) {
  env::FileSystem& fs = Of(vfs).file_system();
  if (Status status = fs.Remove(path); !status.ok()) return Failed(status, SQLITE_IOERR_DELETE);
  if (sync_directory == 0) return SQLITE_OK;
  return CodeOf(fs.SyncDirectory(env::DirectoryOf(path)), SQLITE_IOERR_DIR_FSYNC);
}

int VfsAccess(sqlite3_vfs* vfs, const char* path, int, int* answer) {
  Result<bool> exists = Of(vfs).file_system().Exists(path);
  if (!exists.ok()) return Failed(exists.status(), SQLITE_IOERR_ACCESS);
  *answer = *exists ? 1 : 0;
  return SQLITE_OK;
}

int VfsFullPathname(sqlite3_vfs*, const char* path, int size, char* out) {
  const size_t length = std::strlen(path);
  if (length + 1 > static_cast<size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(out, path, length + 1);
  return SQLITE_OK;
}

int VfsGetLastError(sqlite3_vfs*, int, char*) {
  return 0;
}

VfsOfFileSystem::VfsOfFileSystem(env::FileSystem& fs) : fs_(fs) {
  static std::atomic<uint64_t> number{0};
  name_ = "engram-" + std::to_string(++number);
  vfs_ = *sqlite3_vfs_find(nullptr);  // time, sleep, randomness and libraries are the machine's
  vfs_.iVersion = 2;
  vfs_.szOsFile = sizeof(OpenFile);
  vfs_.mxPathname = 1024;
  vfs_.pNext = nullptr;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = VfsOpen;
  vfs_.xDelete = VfsDelete;
  vfs_.xAccess = VfsAccess;
  vfs_.xFullPathname = VfsFullPathname;
  vfs_.xGetLastError = VfsGetLastError;
  sqlite3_vfs_register(&vfs_, 0);
}

void InitialiseSqlite() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Its statistics of memory would cost every allocation a process-wide lock.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
  });
}

}  // namespace

std::shared_ptr<Vfs> Vfs::For(env::FileSystem& fs) {
  InitialiseSqlite();
  static Mutex mutex;
  static std::map<env::FileSystem*, std::weak_ptr<Vfs>> all;
  MutexLock lock(mutex);
  std::erase_if(all, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<Vfs> vfs = all[&fs].lock();
  if (vfs == nullptr) all[&fs] = vfs = std::make_shared<VfsOfFileSystem>(fs);
  return vfs;
}

}  // namespace engram::index
