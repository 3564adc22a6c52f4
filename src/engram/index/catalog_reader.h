// Readers of catalog.db: a connection with its prepared statements, and the pool that keeps a few
// of them warm. A snapshot is a reader with an open read transaction. The pool is thread-safe and
// lives as long as the catalog or the last snapshot; a reader is used by one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/index/catalog.h"
#include "engram/index/sqlite.h"

namespace engram::index {

struct CatalogReader {
  std::unique_ptr<Connection> connection;
  Statement begin, commit, state, find_id, find_key, history, live, posting, postings_within, names,
      ids_from;

  static Result<std::unique_ptr<CatalogReader>> Open(env::FileSystem& fs, const std::string& path);
};

class CatalogReaderPool {
 public:
  static constexpr size_t kIdleMax = 4;    // kept open when nobody reads
  static constexpr size_t kOpenMax = 256;  // OVERLOADED beyond

  CatalogReaderPool(env::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  Result<std::unique_ptr<CatalogReader>> Take();
  // Null when the reader failed and is not to be used again.
  void Give(std::unique_ptr<CatalogReader> reader);
  // Closes those that are idle, and the others when they come back.
  void Close();

 private:
  env::FileSystem& fs_;
  const std::string path_;
  Mutex mutex_;
  bool closed_ GUARDED_BY(mutex_) = false;
  size_t open_ GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<CatalogReader>> idle_ GUARDED_BY(mutex_);
};

Result<std::unique_ptr<CatalogSnapshot>> MakeCatalogSnapshot(
    std::shared_ptr<CatalogReaderPool> pool);

}  // namespace engram::index
