// The catalog of one space: ids, versions, keys, people, tags, places and metadata in catalog.db
// (SQLite on our VFS). Derived from the log, safe to delete; entries are referred to by sequence.
//
// One writer (the space's indexer) and any number of snapshots, each used by one thread. Only
// committed changes are applied, in log order, last writer wins per id and family.
//
// Names in queries are folded already (model::Fold). All sequences that are returned name content
// entries (EpisodeStore, or the MemoryUpdate of the content family) and are sorted, unique.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/file_system.h"
#include "engram/index/identity.h"
#include "engram/model/change.h"
#include "engram/model/filter.h"

namespace engram::index {

// What is known of one id. A deleted id keeps its last version number, so that none is used twice.
struct IdState {
  Sequence content;      // entry of the newest version; 0 when deleted
  uint64_t version = 0;  // newest ever
  bool deleted = false;
  bool suppressed = false;
  Sequence changed;  // newest change of any family (suppression, deletion, content)
  model::UtcTime stored_at;
  model::UtcTime first_stored_at;
};

struct KeyState {
  Sequence sequence;  // of the entry that carried the key
  uint64_t request_digest = 0;
  uint32_t item = 0;
  uint32_t items = 1;
};

// One live (not deleted) memory as the row table in memory wants it back at opening.
struct LiveRow {
  Sequence content;
  uint64_t version = 0;
  uint64_t id_hash = 0;       // base::Hash64 of the id
  uint64_t session_hash = 0;  // Hash64 of the session; 0 = none
  uint64_t turn = 0;
  bool has_turn = false;
  bool suppressed = false;
  Sequence changed;
  bool has_vector = false;
  bool has_event_time = false;
  model::TimeInterval event_time;
  model::UtcTime stored_at, first_stored_at;
  float confidence = 1, importance = 0.5f, decay_rate = 1;
  uint8_t memory_type = 0;
};

struct VersionState {
  uint64_t version = 0;
  Sequence content;
  model::UtcTime stored_at;
};

// Suppressed memories are among the live ones; versions are all that History can name; vectors are
// of live memories.
struct CatalogCounts {
  uint64_t live = 0, suppressed = 0, deleted = 0, versions = 0, vectors = 0;
};

// A read transaction: one consistent state. Not thread-safe; many may be open at once.
class CatalogSnapshot {
 public:
  virtual ~CatalogSnapshot() = default;
  virtual const IndexIdentity& identity() const = 0;
  virtual Result<std::optional<IdState>> FindId(std::string_view id) = 0;
  // All items of the key's batch, in item order; empty when the key is unknown.
  virtual Result<std::vector<KeyState>> FindKey(std::string_view key) = 0;
  // Versions that the log still has, newest first.
  virtual Result<std::vector<VersionState>> History(std::string_view id) = 0;
  virtual Result<CatalogCounts> Counts() = 0;
  // In content order. Stops at the first error that `row` returns.
  virtual Status ForEachLive(const std::function<Status(const LiveRow&)>& row) = 0;

  // Live contents with any of the folded names.
  virtual Result<std::vector<Sequence>> WithPeople(std::span<const std::string> any_of) = 0;
  virtual Result<std::vector<Sequence>> WithTags(std::span<const std::string> any_of) = 0;
  virtual Result<std::vector<Sequence>> InPlaces(std::span<const std::string> any_of) = 0;
  virtual Result<std::vector<Sequence>> InSessions(std::span<const std::string> any_of) = 0;
  virtual Result<std::vector<Sequence>> WithMetadata(std::string_view key,
                                                     std::string_view value) = 0;
  virtual Result<std::vector<Sequence>> FromSources(std::span<const std::string> any_of) = 0;
  virtual Result<std::vector<Sequence>> WithIds(std::span<const std::string> ids) = 0;
  // (people, tags, place) of one live content, folded: for soft legs. MEMORY_NOT_FOUND when no live
  // memory has its content there.
  struct Names {
    std::vector<std::string> who, tags;
    std::string place;
  };
  virtual Result<Names> NamesOf(Sequence content) = 0;
  // Ids similar to `id` (same prefix or one edit away), at most `limit`: for error messages.
  virtual Result<std::vector<std::string>> SimilarIds(std::string_view id, size_t limit) = 0;
};

class Catalog {
 public:
  // Opens or makes the file; a damaged or newer file, or one of another incarnation, is an error,
  // after which the caller may Destroy it and open again. identity() of a new file has sequence 0.
  static Result<std::unique_ptr<Catalog>> Open(env::FileSystem& fs, const std::string& path,
                                               Incarnation incarnation);
  // No Catalog may have it open. Snapshots that are left go on with what they see.
  static Status Destroy(env::FileSystem& fs, const std::string& path);
  virtual ~Catalog() = default;

  virtual IndexIdentity identity() const = 0;
  // One transaction: all changes and the new identity, or nothing. Not synced by itself: after a
  // crash the file stands at some earlier identity, whole (SQLite's WAL, synchronous=NORMAL).
  // After an error it stands where it stood, and the same changes may be tried again; but when a
  // sync of the file has failed, every further Apply is refused with IO: Destroy it and rebuild.
  virtual Status Apply(std::span<const model::Change> changes, const IndexIdentity& through) = 0;
  // From a pool of readers; returned by its destructor. May outlive the catalog.
  virtual Result<std::unique_ptr<CatalogSnapshot>> NewSnapshot() = 0;
  virtual uint64_t bytes() const = 0;
};

}  // namespace engram::index
