// SQLite on env::FileSystem: every byte that SQLite reads, writes, syncs or removes goes through
// our file system, so crash clones, faults and seeds reach it. Source: sqlite.org/vfs.html and
// sqlite.org/walformat.html.
//
// File locks and the wal-index ("shared memory") live in this process, keyed by path: one process
// owns a data directory (its LOCK file says so), and its connections to one file share them as long
// as they come from the Vfs of the same FileSystem. Temporary files are kept in memory. Every page
// of a main file has a checksum (vfs_pages.h). When a sync of a database fails, the database is
// given up: its name is removed and writes to it get IO, since all of it is derived.
//
// Thread-safe. A Vfs lives until the last one who holds it lets go; the FileSystem must outlive it.
#pragma once

#include <memory>
#include <string>

#include "engram/base/status.h"
#include "engram/env/file_system.h"

namespace engram::index {

class Vfs {
 public:
  // The one VFS of `fs`: made and registered at first use, shared afterwards.
  static std::shared_ptr<Vfs> For(env::FileSystem& fs);
  virtual ~Vfs() = default;  // unregisters
  // What sqlite3_open_v2 wants to hear.
  virtual const char* name() const = 0;
  virtual env::FileSystem& file_system() const = 0;
  // The main file at `path` is about to go: whoever has it open reads on but writes no more, and
  // the next opening shares nothing with them.
  virtual void Forget(const std::string& path) = 0;

  // The file system's own error of the last failed operation on this thread, once; OK when there
  // was none. SQLite itself passes on only a number.
  static Status TakeError();
};

}  // namespace engram::index
