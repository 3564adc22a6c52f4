#include "engram/index/catalog_schema.h"

#include <cstring>

namespace engram::index {
namespace {

constexpr int64_t kFormat = 1;

// WITHOUT ROWID keeps a table in one tree, ordered by its key; the plain one is appended to in log
// order.
constexpr const char* kTables =
    "CREATE TABLE meta(only INTEGER PRIMARY KEY CHECK(only = 0), incarnation BLOB, epoch INTEGER,"
    " sequence INTEGER, header_crc INTEGER, live INTEGER, suppressed INTEGER, deleted INTEGER,"
    " versions INTEGER, vectors INTEGER);"
    "CREATE TABLE ids(id TEXT PRIMARY KEY, content INTEGER NOT NULL, version INTEGER NOT NULL,"
    " changed INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE rows(content INTEGER PRIMARY KEY, row BLOB NOT NULL, names BLOB NOT NULL);"
    "CREATE TABLE old(id TEXT, version INTEGER, content INTEGER NOT NULL, stored INTEGER NOT NULL,"
    " stored_ns INTEGER NOT NULL, PRIMARY KEY(id, version)) WITHOUT ROWID;"
    "CREATE TABLE postings(block INTEGER, name TEXT, content INTEGER,"
    " PRIMARY KEY(block, name, content)) WITHOUT ROWID;"
    "CREATE TABLE keys(key TEXT, item INTEGER, items INTEGER NOT NULL, digest INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL, PRIMARY KEY(key, item)) WITHOUT ROWID;"
    "INSERT INTO meta VALUES(0, zeroblob(16), 0, 0, 0, 0, 0, 0, 0, 0);";

ByteView BytesOf(const Incarnation& incarnation) {
  return {reinterpret_cast<const char*>(incarnation.bytes.data()), incarnation.bytes.size()};
}

Status Foreign(std::string what) {
  return Status(Reason::CORRUPTION_DETECTED, std::move(what))
      .Suggest("the catalog is derived from the log: remove it and it is built again");
}

Status MakeTables(Connection& connection, Incarnation incarnation) {
  ASSIGN_OR_RETURN(Transaction transaction,
                   Transaction::Begin(connection, Transaction::Kind::kWrite));
  RETURN_IF_ERROR(connection.Execute(kTables));
  RETURN_IF_ERROR(connection.Execute(("PRAGMA user_version=" + std::to_string(kFormat)).c_str()));
  ASSIGN_OR_RETURN(Statement write, connection.Prepare(kWriteState));
  CatalogState state;
  state.identity.incarnation = incarnation;
  RETURN_IF_ERROR(WriteState(write, state));
  return transaction.Commit();
}

}  // namespace

Status PrepareSchema(Connection& connection, Incarnation incarnation) {
  ASSIGN_OR_RETURN(const int64_t tables, connection.QueryInt("SELECT count(*) FROM sqlite_schema"));
  ASSIGN_OR_RETURN(const int64_t format, connection.QueryInt("PRAGMA user_version"));
  if (tables == 0 && format == 0) return MakeTables(connection, incarnation);
  if (format > kFormat) {
    return Status(Reason::UNSUPPORTED_VERSION, "the catalog was written by a newer program")
        .With("format", static_cast<uint64_t>(format))
        .Suggest("remove catalog.db: this program builds its own from the log");
  }
  if (format != kFormat) return Foreign("the file is no catalog");
  ASSIGN_OR_RETURN(Statement read, connection.Prepare(kReadState));
  ASSIGN_OR_RETURN(const CatalogState state, ReadState(read));
  if (state.identity.incarnation == incarnation) return OkStatus();
  return Foreign("the catalog belongs to another incarnation of the space");
}

Result<CatalogState> ReadState(Statement& read) {
  ASSIGN_OR_RETURN(const bool found, read.Step());
  if (!found || read.Blob(0).size() != 16) {
    read.Reset();
    return Foreign("the catalog has lost its identity");
  }
  CatalogState state;
  IndexIdentity& identity = state.identity;
  std::memcpy(identity.incarnation.bytes.data(), read.Blob(0).data(), 16);
  identity.epoch = Epoch(static_cast<uint64_t>(read.Int(1)));
  identity.sequence = Sequence(static_cast<uint64_t>(read.Int(2)));
  identity.header_crc = static_cast<uint32_t>(read.Int(3));
  CatalogCounts& counts = state.counts;
  int column = 4;
  for (uint64_t* count :
       {&counts.live, &counts.suppressed, &counts.deleted, &counts.versions, &counts.vectors}) {
    *count = static_cast<uint64_t>(read.Int(column++));
  }
  read.Reset();
  return state;
}

Status WriteState(Statement& write, const CatalogState& state) {
  const IndexIdentity& identity = state.identity;
  const CatalogCounts& counts = state.counts;
  write.BindBlob(1, BytesOf(identity.incarnation));
  int parameter = 2;
  for (const uint64_t value :
       {identity.epoch.value(), identity.sequence.value(), uint64_t{identity.header_crc},
        counts.live, counts.suppressed, counts.deleted, counts.versions, counts.vectors}) {
    write.Bind(parameter++, static_cast<int64_t>(value));
  }
  return write.Run();
}

}  // namespace engram::index
