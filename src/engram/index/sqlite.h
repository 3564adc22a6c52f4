// A thin hand over SQLite: connections on our VFS, statements, transactions, and errors as Status.
// CORRUPTION_DETECTED: the file is damaged or no database; DISK_FULL and IO as the file system said
// them; STORAGE: the rest. `<sqlite3.h>` itself stays in the .cc files of this folder.
//
// A Connection, with all that hangs on it, is used by one thread at a time (SQLite's multi-thread
// mode); it must outlive its statements and transactions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/env/file_system.h"
#include "engram/index/vfs.h"

struct sqlite3;
struct sqlite3_stmt;

namespace engram::index {

// A prepared statement, kept for reuse. Columns count from 0, parameters from 1.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Each returns the statement, for chains. Text and blobs are not copied: they must live until
  // the statement was run or reset.
  Statement& Bind(int parameter, int64_t value);
  Statement& BindText(int parameter, std::string_view text);
  Statement& BindBlob(int parameter, ByteView blob);
  Statement& BindNull(int parameter);

  // To the next row: true when there is one. After false or an error it is reset.
  Result<bool> Step();
  // For statements without rows: all of it, and reset.
  Status Run();
  void Reset();

  // Of the current row; views hold until the next Step or Reset.
  int64_t Int(int column) const;
  std::string_view Text(int column) const;
  ByteView Blob(int column) const;
  bool IsNull(int column) const;

  sqlite3_stmt* handle() const { return statement_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

class Connection {
 public:
  enum class Use {
    kWrite,  // makes the file when absent; WAL, synchronous=NORMAL, secure_delete
    kRead,   // the file must exist; nothing can be changed through it
  };
  // Sets 256 KiB of cache and temporary tables in memory, and reads the schema, so that a file
  // that is no database is refused here.
  static Result<std::unique_ptr<Connection>> Open(env::FileSystem& fs, const std::string& path,
                                                  Use use);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One or more statements without parameters, their rows dropped.
  Status Execute(const char* sql);
  Result<Statement> Prepare(std::string_view sql);
  // The first column of the first row; 0 when there is none.
  Result<int64_t> QueryInt(std::string_view sql);
  // The error of the call that just returned `code` (not OK) on this connection.
  Status ErrorOf(int code) const;
  sqlite3* handle() const { return db_; }

 private:
  Connection(std::shared_ptr<Vfs> vfs, std::string path)
      : vfs_(std::move(vfs)), path_(std::move(path)) {}
  std::shared_ptr<Vfs> vfs_;
  std::string path_;
  sqlite3* db_ = nullptr;
};

// BEGIN to COMMIT; rolled back when destroyed before.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };  // BEGIN with a first read, BEGIN IMMEDIATE
  static Result<Transaction> Begin(Connection& connection, Kind kind);
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status Commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;
};

// Removes a database with its WAL and journal; OK when absent. No writer may have it open; readers
// that do go on with what they see.
Status RemoveDatabase(env::FileSystem& fs, const std::string& path);
// Bytes of the database file and its WAL, as they are now; 0 for what cannot be read.
uint64_t DatabaseBytes(env::FileSystem& fs, const std::string& path);

}  // namespace engram::index
