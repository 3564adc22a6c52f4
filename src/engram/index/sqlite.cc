#include "engram/index/sqlite.h"

#include <utility>

#include <sqlite3.h>

#include "engram/index/vfs_pages.h"

namespace engram::index {
namespace {

constexpr const char* kSetUp =
    "PRAGMA page_size=4096; PRAGMA cache_size=-256; PRAGMA temp_store=MEMORY;"
    "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;";

Reason ReasonOf(int code) {
  if (code == SQLITE_IOERR_DATA) return Reason::CORRUPTION_DETECTED;
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return Reason::CORRUPTION_DETECTED;
    case SQLITE_FULL:
      return Reason::DISK_FULL;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return Reason::IO;
    default:
      return Reason::STORAGE;
  }
}

Status MakeError(sqlite3* db, int code, const std::string& path) {
  const Reason reason = ReasonOf(code);
  Status cause = Vfs::TakeError();
  const int primary = code & 0xff;
  const bool from_file_system =
      primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CANTOPEN;
  if (!cause.ok() && from_file_system) return cause;
  const char* text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  Status status(reason, std::string("SQLite: ") + text);
  return std::move(status).With("path", path).With("sqlite_code", std::to_string(code));
}

Status ErrorOfHandle(sqlite3* db, int code) {
  const char* path = sqlite3_db_filename(db, "main");
  return MakeError(db, code, path != nullptr ? path : "");
}

}  // namespace

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_, parameter, value);
  return *this;
}

Statement& Statement::BindText(int parameter, std::string_view text) {
  sqlite3_bind_text64(statement_, parameter, text.data() != nullptr ? text.data() : "", text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(int parameter, ByteView blob) {
  sqlite3_bind_blob64(statement_, parameter, blob.data() != nullptr ? blob.data() : "", blob.size(),
                      SQLITE_STATIC);
  return *this;
}

Statement& Statement::BindNull(int parameter) {
  sqlite3_bind_null(statement_, parameter);
  return *this;
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return false;
  }
  Status error = ErrorOfHandle(sqlite3_db_handle(statement_), code);
  sqlite3_reset(statement_);
  return error;
}

Status Statement::Run() {
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return OkStatus();
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_);
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

ByteView Statement::Blob(int column) const {
  const auto* blob = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (blob == nullptr) return {};
  return {blob, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<Connection>> Connection::Open(env::FileSystem& fs, const std::string& path,
                                                     Use use) {
  std::unique_ptr<Connection> connection(new Connection(Vfs::For(fs), path));
  const int create = use == Use::kWrite ? SQLITE_OPEN_CREATE : 0;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | create;
  const int code = sqlite3_open_v2(path.c_str(), &connection->db_, flags, connection->vfs_->name());
  if (code != SQLITE_OK) return connection->ErrorOf(code);
  // Waits only for another connection of this process that recovers or closes the file.
  sqlite3_busy_timeout(connection->db_, 10'000);
  sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  int reserved = kPageReserved;
  sqlite3_file_control(connection->db_, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  RETURN_IF_ERROR(connection->Execute(kSetUp));
  if (use == Use::kWrite) RETURN_IF_ERROR(connection->Execute("PRAGMA journal_mode=WAL"));
  RETURN_IF_ERROR(connection->Execute("SELECT count(*) FROM sqlite_schema"));
  if (use == Use::kWrite) return connection;
  // The last one to close checkpoints and removes the WAL by its name: only the writer may.
  sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  RETURN_IF_ERROR(connection->Execute("PRAGMA query_only=ON"));
  return connection;
}

Connection::~Connection() {
  sqlite3_close(db_);
}

Status Connection::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? OkStatus() : ErrorOf(code);
}

Result<Statement> Connection::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  return Statement(statement);
}

Result<int64_t> Connection::QueryInt(std::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Int(0) : 0;
}

Status Connection::ErrorOf(int code) const {
  return MakeError(db_, code, path_);
}

Result<Transaction> Transaction::Begin(Connection& connection, Kind kind) {
  const bool write = kind == Kind::kWrite;
  RETURN_IF_ERROR(connection.Execute(write ? "BEGIN IMMEDIATE" : "BEGIN"));
  Transaction transaction(&connection);
  // A plain BEGIN sees nothing yet: the first read fixes the state that all the others get.
  if (!write) RETURN_IF_ERROR(connection.Execute("SELECT count(*) FROM sqlite_schema LIMIT 1"));
  return transaction;
}

Transaction::~Transaction() {
  // Some errors have rolled it back already; then there is nothing to do and nothing to report.
  if (connection_ != nullptr && sqlite3_get_autocommit(connection_->handle()) == 0) {
    sqlite3_exec(connection_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Status Transaction::Commit() {
  RETURN_IF_ERROR(connection_->Execute("COMMIT"));
  connection_ = nullptr;
  return OkStatus();
}

Status RemoveDatabase(env::FileSystem& fs, const std::string& path) {
  Vfs::For(fs)->Forget(path);
  // The database first, for good: SQLite drops a WAL that has none, whereas a database whose WAL is
  // gone may be half of a checkpoint.
  RETURN_IF_ERROR(fs.Remove(path));
  RETURN_IF_ERROR(fs.SyncDirectory(env::DirectoryOf(path)));
  for (const char* suffix : {"-wal", "-journal"}) RETURN_IF_ERROR(fs.Remove(path + suffix));
  return fs.SyncDirectory(env::DirectoryOf(path));
}

uint64_t DatabaseBytes(env::FileSystem& fs, const std::string& path) {
  uint64_t total = 0;
  for (const char* suffix : {"", "-wal"}) {
    Result<std::unique_ptr<env::File>> file = fs.Open(path + suffix, env::OpenMode::kRead);
    if (!file.ok()) continue;
    if (Result<uint64_t> size = (*file)->Size(); size.ok()) total += *size;
  }
  return total;
}

}  // namespace engram::index
