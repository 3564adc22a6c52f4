#include "engram/index/vfs_file.h"

#include <cstring>

#include "engram/index/vfs_pages.h"

namespace engram::index {
namespace {

thread_local Status last_error;

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

OpenFile& Of(sqlite3_file* file) {
  return *static_cast<OpenFile*>(file);
}

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

int FileControl(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int SectorSize(sqlite3_file*) {
  return 4096;
}
// A page that is being overwritten when power fails holds the old or the new bytes.
int Characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  OpenFile& open = Of(file);
  *memory = open.database->locks.ShmMap(&open.held, static_cast<size_t>(region),
                                        static_cast<size_t>(size), extend != 0);
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int first, int count, int flags) {
  OpenFile& open = Of(file);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    open.database->locks.ShmUnlock(&open.held, first, count);
    return SQLITE_OK;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  return open.database->locks.ShmLock(&open.held, first, count, exclusive) ? SQLITE_OK
                                                                           : SQLITE_BUSY;
}

void ShmBarrier(sqlite3_file* file) {
  Of(file).database->locks.ShmBarrier();
}

int ShmUnmap(sqlite3_file* file, int) {
  Of(file).database->locks.ShmUnmap(&Of(file).held);
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {2,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     Characteristics,
                                     ShmMap,
                                     ShmLock,
                                     ShmBarrier,
                                     ShmUnmap,
                                     nullptr,
                                     nullptr};

}  // namespace

const sqlite3_io_methods* FileMethods() {
  return &kMethods;
}

std::unique_ptr<env::File> MakeTemporaryFile() {
  return std::make_unique<TemporaryFile>();
}

int Failed(Status status, int code) {
  const bool full = status.reason() == Reason::DISK_FULL;
  last_error = std::move(status);
  return full ? SQLITE_FULL : code;
}

int CodeOf(Status status, int code) {
  return status.ok() ? SQLITE_OK : Failed(std::move(status), code);
}

Status Vfs::TakeError() {
  return std::exchange(last_error, OkStatus());
}

}  // namespace engram::index
