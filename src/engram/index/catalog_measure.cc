#include "engram/index/catalog_measure.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include <sqlite3.h>

#include "engram/base/bytes.h"
#include "engram/base/prng.h"
#include "engram/index/catalog.h"
#include "engram/index/catalog_row.h"

namespace engram::index {
namespace {

using Seconds = std::chrono::duration<double>;

// Ids that rise, as ULIDs do.
std::string IdOf(uint64_t sequence) {
  return "01JPAB7Q2M" + Hex(sequence, 16);
}

model::Change ChangeOf(uint64_t sequence, bool with_names) {
  model::pb::StoreRecord record;
  engram::v1::Episode* episode = record.mutable_episode();
  episode->set_id(IdOf(sequence));
  record.set_version(1);
  record.mutable_stored_at()->set_seconds(1'700'000'000 + static_cast<int64_t>(sequence));
  if (with_names) {
    episode->add_who("Person " + std::to_string(sequence * 7919 % 1000));
    episode->add_tags("tag " + std::to_string(sequence % 50));
    episode->set_session("chat-" + std::to_string(sequence / 50));
    episode->set_where_location("Berlin/Office");
    record.mutable_key()->set_key("key-" + Hex(sequence, 16));
  }
  return {Sequence(sequence), Epoch(1), 1, record};
}

// Seconds in Apply alone.
Result<double> Fill(Catalog& catalog, env::Clock& clock, const CatalogMeasureOptions& options,
                    bool with_names) {
  Seconds spent{0};
  uint64_t sequence = 0;
  while (sequence < options.rows) {
    std::vector<model::Change> changes;
    const uint64_t end = std::min(options.rows, sequence + options.rows_per_transaction);
    while (sequence < end) changes.push_back(ChangeOf(++sequence, with_names));
    IndexIdentity through = catalog.identity();
    through.sequence = Sequence(sequence);
    const env::Instant start = clock.Now();
    RETURN_IF_ERROR(catalog.Apply(changes, through));
    spent += clock.Now() - start;
  }
  return std::max(spent.count(), 1e-9);
}

// The peer: an id and a blob of a row's size in two tables, by SQLite's own file access.
class BareSqlite {
 public:
  ~BareSqlite() {
    sqlite3_finalize(row_);
    sqlite3_finalize(id_);
    sqlite3_close(db_);
  }

  Status Open(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) return Failed();
    RETURN_IF_ERROR(
        Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-256;"
                "CREATE TABLE ids(id TEXT PRIMARY KEY, content INTEGER) WITHOUT ROWID;"
                "CREATE TABLE rows(content INTEGER PRIMARY KEY, row BLOB)"));
    RETURN_IF_ERROR(Prepare("INSERT INTO ids VALUES(?1, ?2)", &id_));
    return Prepare("INSERT INTO rows VALUES(?1, ?2)", &row_);
  }

  Status Insert(uint64_t first, uint64_t last) {
    RETURN_IF_ERROR(Execute("BEGIN"));
    const std::string blob(kRowBytes, 'x');
    for (uint64_t i = first; i <= last; ++i) {
      const std::string id = IdOf(i);
      const auto content = static_cast<int64_t>(i);
      sqlite3_bind_text(id_, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
      sqlite3_bind_int64(id_, 2, content);
      sqlite3_bind_int64(row_, 1, content);
      sqlite3_bind_blob(row_, 2, blob.data(), static_cast<int>(blob.size()), SQLITE_STATIC);
      for (sqlite3_stmt* statement : {id_, row_}) {
        if (sqlite3_step(statement) != SQLITE_DONE) return Failed();
        sqlite3_reset(statement);
      }
    }
    return Execute("COMMIT");
  }

 private:
  Status Execute(const char* sql) {
    return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? OkStatus() : Failed();
  }
  Status Prepare(const char* sql, sqlite3_stmt** out) {
    return sqlite3_prepare_v2(db_, sql, -1, out, nullptr) == SQLITE_OK ? OkStatus() : Failed();
  }
  Status Failed() { return Status(Reason::STORAGE, sqlite3_errmsg(db_)); }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* id_ = nullptr;
  sqlite3_stmt* row_ = nullptr;
};

Result<double> MeasureBare(env::Clock& clock, const std::string& path,
                           const CatalogMeasureOptions& options) {
  BareSqlite bare;
  RETURN_IF_ERROR(bare.Open(path));
  const env::Instant start = clock.Now();
  for (uint64_t done = 0; done < options.rows;) {
    const uint64_t last = std::min(options.rows, done + options.rows_per_transaction);
    RETURN_IF_ERROR(bare.Insert(done + 1, last));
    done = last;
  }
  return std::max(Seconds(clock.Now() - start).count(), 1e-9);
}

// Microseconds of one FindId, and rows a second of ForEachLive.
Status MeasureReads(Catalog& catalog, env::Clock& clock, uint64_t rows,
                    std::vector<Measurement>* out) {
  ASSIGN_OR_RETURN(const auto snapshot, catalog.NewSnapshot());
  constexpr int kReads = 20'000;
  Prng prng(1);
  env::Instant start = clock.Now();
  for (int i = 0; i < kReads; ++i) {
    ASSIGN_OR_RETURN(const auto found, snapshot->FindId(IdOf(1 + prng.Below(rows))));
    if (!found.has_value()) return Status(Reason::STORAGE, "an id that was stored is missing");
  }
  const double find = Seconds(clock.Now() - start).count() / kReads * 1e6;
  out->push_back({"catalog, find a random id", find, "us", 0, ""});
  uint64_t seen = 0;
  start = clock.Now();
  RETURN_IF_ERROR(snapshot->ForEachLive([&seen](const LiveRow&) {
    ++seen;
    return OkStatus();
  }));
  const double restore = std::max(Seconds(clock.Now() - start).count(), 1e-9);
  out->push_back(
      {"catalog, rows read at opening", static_cast<double>(seen) / restore, "rows/s", 0, ""});
  return OkStatus();
}

}  // namespace

Result<std::vector<Measurement>> MeasureCatalog(env::Clock& clock, const std::string& directory,
                                                const CatalogMeasureOptions& options) {
  env::FileSystem& fs = env::PosixFileSystem();
  const std::string path = env::JoinPath(directory, "catalog.db");
  const std::string bare_path = env::JoinPath(directory, "bare.db");
  RETURN_IF_ERROR(Catalog::Destroy(fs, bare_path));
  const auto rows = static_cast<double>(options.rows);
  ASSIGN_OR_RETURN(const double bare, MeasureBare(clock, bare_path, options));
  const std::string against = "the same rows in bare SQLite, " +
                              std::to_string(static_cast<uint64_t>(rows / bare)) + " rows/s";
  std::vector<Measurement> measured;
  for (const bool with_names : {false, true}) {
    RETURN_IF_ERROR(Catalog::Destroy(fs, path));
    ASSIGN_OR_RETURN(const auto catalog, Catalog::Open(fs, path, Incarnation()));
    ASSIGN_OR_RETURN(const double ours, Fill(*catalog, clock, options, with_names));
    measured.push_back({with_names ? "catalog, rows with four names and a key" : "catalog, rows",
                        rows / ours, "rows/s", bare / ours, against});
    if (!with_names) RETURN_IF_ERROR(MeasureReads(*catalog, clock, options.rows, &measured));
  }
  for (const std::string& old : {path, bare_path}) RETURN_IF_ERROR(Catalog::Destroy(fs, old));
  return measured;
}

}  // namespace engram::index
