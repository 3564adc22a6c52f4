#include "engram/index/vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "engram/base/thread_annotations.h"
#include "engram/index/vfs_locks.h"

namespace engram::index {
namespace {

thread_local Status last_error;

// The number that SQLite gets for an error of ours, which is kept for TakeError.
int Failed(Status status, int code) {
  const bool full = status.reason() == Reason::DISK_FULL;
  last_error = std::move(status);
  return full ? SQLITE_FULL : code;
}

int CodeOf(Status status, int code) {
  return status.ok() ? SQLITE_OK : Failed(std::move(status), code);
}

// A temporary file: statement journals and sorters that grow beyond SQLite's own bounds.
class TemporaryFile : public env::File {
 public:
  Result<size_t> ReadAt(uint64_t offset, char* out, size_t size) override {
    if (offset >= bytes_.size()) return size_t{0};
    return bytes_.copy(out, size, offset);
  }
  Status WriteAt(uint64_t offset, ByteView data) override {
    if (bytes_.size() < offset + data.size()) bytes_.resize(offset + data.size());
    std::memcpy(bytes_.data() + offset, data.data(), data.size());
    return OkStatus();
  }
  Status Sync() override { return OkStatus(); }
  Status Preallocate(uint64_t) override { return OkStatus(); }
  Status Truncate(uint64_t size) override {
    bytes_.resize(size);
    return OkStatus();
  }
  Result<uint64_t> Size() override { return uint64_t{bytes_.size()}; }

 private:
  std::string bytes_;
};

// An open file: SQLite's base struct, then ours. SQLite allocates the memory.
struct OpenFile : sqlite3_file {
  std::unique_ptr<env::File> file;
  env::FileSystem* fs = nullptr;
  std::string new_name_in;             // directory to sync with the first sync; "" = none
  std::shared_ptr<SharedLocks> locks;  // main database files only
  SharedLocks::Held held;
};

OpenFile& Of(sqlite3_file* file) { return *static_cast<OpenFile*>(file); }

int Close(sqlite3_file* file) {
  OpenFile& open = Of(file);
  if (open.locks != nullptr) {
    open.locks->ShmUnmap(&open.held);
    open.locks->Unlock(&open.held, SharedLocks::kNone);
  }
  open.~OpenFile();
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  auto* bytes = static_cast<char*>(out);
  Result<size_t> got = Of(file).file->ReadAt(static_cast<uint64_t>(offset), bytes,
                                             static_cast<size_t>(size));
  if (!got.ok()) return Failed(got.status(), SQLITE_IOERR_READ);
  if (*got == static_cast<size_t>(size)) return SQLITE_OK;
  std::memset(bytes + *got, 0, static_cast<size_t>(size) - *got);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const ByteView bytes(static_cast<const char*>(data), static_cast<size_t>(size));
  return CodeOf(Of(file).file->WriteAt(static_cast<uint64_t>(offset), bytes), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return CodeOf(Of(file).file->Truncate(static_cast<uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int) {
  OpenFile& open = Of(file);
  if (Status status = open.file->Sync(); !status.ok()) return Failed(status, SQLITE_IOERR_FSYNC);
  if (open.new_name_in.empty()) return SQLITE_OK;
  Status status = open.fs->SyncDirectory(open.new_name_in);
  if (!status.ok()) return Failed(status, SQLITE_IOERR_DIR_FSYNC);
  open.new_name_in.clear();
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  Result<uint64_t> bytes = Of(file).file->Size();
  if (!bytes.ok()) return Failed(bytes.status(), SQLITE_IOERR_FSTAT);
  *size = static_cast<sqlite3_int64>(*bytes);
  return SQLITE_OK;
}

int Lock(sqlite3_file* file, int level) {
  OpenFile& open = Of(file);
  if (open.locks == nullptr) return SQLITE_OK;
  return open.locks->Lock(&open.held, level) ? SQLITE_OK : SQLITE_BUSY;
}

int Unlock(sqlite3_file* file, int level) {
  OpenFile& open = Of(file);
  if (open.locks != nullptr) open.locks->Unlock(&open.held, level);
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* reserved) {
  OpenFile& open = Of(file);
  *reserved = open.locks != nullptr && open.locks->IsReserved() ? 1 : 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
// A page that is being overwritten when power fails holds the old or the new bytes.
int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  OpenFile& open = Of(file);
  *memory = open.locks->ShmMap(&open.held, static_cast<size_t>(region), static_cast<size_t>(size),
                               extend != 0);
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int first, int count, int flags) {
  OpenFile& open = Of(file);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    open.locks->ShmUnlock(&open.held, first, count);
    return SQLITE_OK;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  return open.locks->ShmLock(&open.held, first, count, exclusive) ? SQLITE_OK : SQLITE_BUSY;
}

void ShmBarrier(sqlite3_file* file) { Of(file).locks->ShmBarrier(); }

int ShmUnmap(sqlite3_file* file, int) {
  Of(file).locks->ShmUnmap(&Of(file).held);
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    2,       Close,  Read,       Write,           Truncate, Sync,    FileSize,
    Lock,    Unlock, CheckReservedLock, FileControl, SectorSize, Characteristics, ShmMap,
    ShmLock, ShmBarrier, ShmUnmap, nullptr, nullptr};

class VfsOfFileSystem : public Vfs {
 public:
  explicit VfsOfFileSystem(env::FileSystem& fs);
  ~VfsOfFileSystem() override { sqlite3_vfs_unregister(&vfs_); }
  const char* name() const override { return name_.c_str(); }
  env::FileSystem& file_system() const override { return fs_; }

  int OpenPath(const char* path, OpenFile* open, int flags);
  std::shared_ptr<SharedLocks> LocksOf(const std::string& path);

 private:
  env::FileSystem& fs_;
  std::string name_;
  sqlite3_vfs vfs_{};
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<SharedLocks>> locks_ GUARDED_BY(mutex_);
};

VfsOfFileSystem& Of(sqlite3_vfs* vfs) { return *static_cast<VfsOfFileSystem*>(vfs->pAppData); }

std::shared_ptr<SharedLocks> VfsOfFileSystem::LocksOf(const std::string& path) {
  MutexLock lock(mutex_);
  std::erase_if(locks_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<SharedLocks>& known = locks_[path];
  std::shared_ptr<SharedLocks> locks = known.lock();
  if (locks == nullptr) known = locks = std::make_shared<SharedLocks>();
  return locks;
}

int VfsOfFileSystem::OpenPath(const char* path, OpenFile* open, int flags) {
  open->fs = &fs_;
  if (path == nullptr) {
    open->file = std::make_unique<TemporaryFile>();
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
  const auto mode = create ? env::OpenMode::kCreate
                    : (flags & SQLITE_OPEN_READWRITE) != 0 ? env::OpenMode::kReadWrite
                                                           : env::OpenMode::kRead;
  Result<std::unique_ptr<env::File>> file = fs_.Open(path, mode);
  if (!file.ok()) return Failed(file.status(), SQLITE_CANTOPEN);
  open->file = std::move(file).value();
  if ((flags & SQLITE_OPEN_MAIN_DB) != 0) open->locks = LocksOf(path);
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
  open->pMethods = &kMethods;
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

int VfsGetLastError(sqlite3_vfs*, int, char*) { return 0; }

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

Status Vfs::TakeError() { return std::exchange(last_error, OkStatus()); }

}  // namespace engram::index
