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
#include "engram/index/vfs_pages.h"

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

// What the files of one database share: main file, WAL and journal of all its connections.
struct Database {
  explicit Database(std::string main_path) : path(std::move(main_path)) {}
  const std::string path;
  SharedLocks locks;
  std::atomic<bool> given_up{false};
};

// An open file: SQLite's base struct, then ours. SQLite allocates the memory.
struct OpenFile : sqlite3_file {
  std::unique_ptr<env::File> file;
  Vfs* vfs = nullptr;
  bool main = false;                   // the main file: it has locks, and checksums in its pages
  std::string new_name_in;             // directory to sync with the first sync; "" = none
  std::shared_ptr<Database> database;  // null for temporary files
  SharedLocks::Held held;
};

OpenFile& Of(sqlite3_file* file) { return *static_cast<OpenFile*>(file); }

// After a failed sync nobody knows what is on the disk, and a later sync may lie (the kernel has
// dropped the pages and calls them clean), so that a checkpoint could tear the file. What is stored
// here is derived: the name is removed, the next opening begins anew, and nothing is written any
// more by those who have it open.
void GiveUp(OpenFile& open) {
  if (open.database == nullptr || open.database->given_up) return;
  const std::string& path = open.database->path;
  open.vfs->Forget(path);
  env::FileSystem& fs = open.vfs->file_system();
  if (fs.Remove(path).ok()) (void)fs.SyncDirectory(env::DirectoryOf(path)).ok();
}

Status CheckWritable(const OpenFile& open) {
  if (open.database == nullptr || !open.database->given_up) return OkStatus();
  return Status(Reason::IO, "the database was given up after a failed sync")
      .With("path", open.database->path)
      .Suggest("destroy it and build it again");
}

int Close(sqlite3_file* file) {
  OpenFile& open = Of(file);
  if (open.main) {
    open.database->locks.ShmUnmap(&open.held);
    open.database->locks.Unlock(&open.held, SharedLocks::kNone);
  }
  open.~OpenFile();
  return SQLITE_OK;
}

int CheckPage(const OpenFile& open, const char* page, uint64_t offset) {
  if (PageIntact(page, offset)) return SQLITE_OK;
  return Failed(Status(Reason::CORRUPTION_DETECTED, "a page's checksum does not match")
                    .With("path", open.database->path)
                    .With("offset", offset)
                    .Suggest("the file is derived from the log: remove it and it is built again"),
                SQLITE_IOERR_DATA);
}

int Read(sqlite3_file* file, void* out, int bytes_wanted, sqlite3_int64 at) {
  OpenFile& open = Of(file);
  auto* bytes = static_cast<char*>(out);
  const auto size = static_cast<size_t>(bytes_wanted);
  const auto offset = static_cast<uint64_t>(at);
  Result<size_t> got = open.file->ReadAt(offset, bytes, size);
  if (!got.ok()) return Failed(got.status(), SQLITE_IOERR_READ);
  if (*got < size) {
    std::memset(bytes + *got, 0, size - *got);
    return SQLITE_IOERR_SHORT_READ;
  }
  return open.main && IsPage(offset, size) ? CheckPage(open, bytes, offset) : SQLITE_OK;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  OpenFile& open = Of(file);
  if (Status status = CheckWritable(open); !status.ok()) return Failed(status, SQLITE_IOERR_WRITE);
  ByteView bytes(static_cast<const char*>(data), static_cast<size_t>(size));
  const auto offset = static_cast<uint64_t>(at);
  char page[kPageBytes];
  if (open.main && IsPage(offset, bytes.size())) {
    std::memcpy(page, data, kPageBytes);
    SealPage(page, offset);
    bytes = {page, kPageBytes};
  }
  return CodeOf(open.file->WriteAt(offset, bytes), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& open = Of(file);
  Status status = CheckWritable(open);
  if (status.ok()) status = open.file->Truncate(static_cast<uint64_t>(size));
  return CodeOf(std::move(status), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int) {
  OpenFile& open = Of(file);
  Status status = CheckWritable(open);
  if (status.ok()) status = open.file->Sync();
  if (status.ok() && !open.new_name_in.empty()) {
    status = open.vfs->file_system().SyncDirectory(open.new_name_in);
  }
  if (!status.ok()) {
    GiveUp(open);
    return Failed(std::move(status), SQLITE_IOERR_FSYNC);
  }
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
  if (!open.main) return SQLITE_OK;
  return open.database->locks.Lock(&open.held, level) ? SQLITE_OK : SQLITE_BUSY;
}

int Unlock(sqlite3_file* file, int level) {
  OpenFile& open = Of(file);
  if (open.main) open.database->locks.Unlock(&open.held, level);
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* reserved) {
  OpenFile& open = Of(file);
  *reserved = open.main && open.database->locks.IsReserved() ? 1 : 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
// A page that is being overwritten when power fails holds the old or the new bytes.
int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  OpenFile& open = Of(file);
  *memory = open.database->locks.ShmMap(&open.held, static_cast<size_t>(region), static_cast<size_t>(size),
                               extend != 0);
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int first, int count, int flags) {
  OpenFile& open = Of(file);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    open.database->locks.ShmUnlock(&open.held, first, count);
    return SQLITE_OK;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  return open.database->locks.ShmLock(&open.held, first, count, exclusive) ? SQLITE_OK : SQLITE_BUSY;
}

void ShmBarrier(sqlite3_file* file) { Of(file).database->locks.ShmBarrier(); }

int ShmUnmap(sqlite3_file* file, int) {
  Of(file).database->locks.ShmUnmap(&Of(file).held);
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

VfsOfFileSystem& Of(sqlite3_vfs* vfs) { return *static_cast<VfsOfFileSystem*>(vfs->pAppData); }

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
