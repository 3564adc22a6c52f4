// One file as SQLite sees it: its reads, writes, syncs and locks, over env::File. Part of the VFS
// (vfs.h); each OpenFile is used by one thread at a time, its Database by all.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <sqlite3.h>

#include "engram/base/status.h"
#include "engram/env/file_system.h"
#include "engram/index/vfs.h"
#include "engram/index/vfs_locks.h"

namespace engram::index {

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

// What SQLite calls on an OpenFile.
const sqlite3_io_methods* FileMethods();
// A temporary file, in memory: statement journals and sorters that outgrow SQLite's own bounds.
std::unique_ptr<env::File> MakeTemporaryFile();

// The number that SQLite gets for an error of ours, which is kept for Vfs::TakeError.
int Failed(Status status, int code);
int CodeOf(Status status, int code);

}  // namespace engram::index
