#include "engram/index/text_rows.h"

#include <algorithm>
#include <cstring>

#include "engram/index/text_fts.h"

namespace engram::index {
namespace {

constexpr int64_t kFormat = 1;

constexpr const char* kSchema =
    "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL,"
    " analyzer TEXT NOT NULL, incarnation BLOB NOT NULL, epoch INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL, header_crc INTEGER NOT NULL, documents INTEGER NOT NULL,"
    " terms INTEGER NOT NULL);"
    "CREATE TABLE long_documents(content INTEGER PRIMARY KEY, terms INTEGER NOT NULL);"
    "CREATE VIRTUAL TABLE documents USING fts5(terms, content='', columnsize=0,"
    " tokenize='engram_terms')";

std::string Joined(const std::vector<std::string>& terms) {
  std::string text;
  for (const std::string& term : terms) {
    if (!text.empty()) text.push_back(' ');
    text += term;
  }
  return text;
}

int64_t Signed(uint64_t value) {
  return static_cast<int64_t>(value);
}

Status Damaged(const std::string& what) {
  return Status(Reason::CORRUPTION_DETECTED, "text index: " + what)
      .Suggest("delete text.db; it is made again from the log");
}

}  // namespace

int64_t RowOf(Sequence content, size_t length) {
  const uint64_t low = std::min<uint64_t>(length, kLongDocument);
  return Signed(content.value() << 8 | low);
}

Result<TextState> ReadTextState(Connection& connection) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare("SELECT format, analyzer, incarnation, epoch, sequence,"
                                      " header_crc, documents, terms FROM state WHERE id = 1"));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return Damaged("it does not say where it stands");
  TextState state;
  state.format = statement.Int(0);
  state.analyzer = statement.Text(1);
  const ByteView incarnation = statement.Blob(2);
  if (incarnation.size() != state.identity.incarnation.bytes.size()) {
    return Damaged("its incarnation has " + std::to_string(incarnation.size()) + " bytes");
  }
  std::memcpy(state.identity.incarnation.bytes.data(), incarnation.data(), incarnation.size());
  state.identity.epoch = Epoch(static_cast<uint64_t>(statement.Int(3)));
  state.identity.sequence = Sequence(static_cast<uint64_t>(statement.Int(4)));
  state.identity.header_crc = static_cast<uint32_t>(statement.Int(5));
  state.totals.documents = static_cast<uint64_t>(statement.Int(6));
  state.totals.terms = static_cast<uint64_t>(statement.Int(7));
  return state;
}

Result<std::unique_ptr<TextWriter>> TextWriter::Open(env::FileSystem& fs, const std::string& path,
                                                     Incarnation incarnation,
                                                     const std::string& analyzer) {
  auto writer = std::make_unique<TextWriter>();
  ASSIGN_OR_RETURN(writer->connection_, Connection::Open(fs, path, Connection::Use::kWrite));
  RETURN_IF_ERROR(RegisterFts(*writer->connection_));
  ASSIGN_OR_RETURN(const int64_t tables,
                   writer->connection_->QueryInt("SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) RETURN_IF_ERROR(writer->Create(incarnation, analyzer));
  ASSIGN_OR_RETURN(writer->state_, ReadTextState(*writer->connection_));
  RETURN_IF_ERROR(writer->Check(incarnation, analyzer));
  RETURN_IF_ERROR(writer->PrepareStatements());
  return writer;
}

Status TextWriter::Create(Incarnation incarnation, const std::string& analyzer) {
  ASSIGN_OR_RETURN(Transaction transaction,
                   Transaction::Begin(*connection_, Transaction::Kind::kWrite));
  RETURN_IF_ERROR(connection_->Execute(kSchema));
  ASSIGN_OR_RETURN(Statement insert,
                   connection_->Prepare("INSERT INTO state VALUES(1, ?1, ?2, ?3, 0, 0, 0, 0, 0)"));
  insert.Bind(1, kFormat).BindText(2, analyzer);
  insert.BindBlob(
      3, {reinterpret_cast<const char*>(incarnation.bytes.data()), incarnation.bytes.size()});
  RETURN_IF_ERROR(insert.Run());
  return transaction.Commit();
}

Status TextWriter::Check(Incarnation incarnation, const std::string& analyzer) const {
  if (state_.format != kFormat) {
    return Status(Reason::UNSUPPORTED_VERSION,
                  "text.db has format " + std::to_string(state_.format))
        .Expected("format " + std::to_string(kFormat));
  }
  if (state_.analyzer != analyzer) {
    return Status(Reason::UNSUPPORTED_VERSION,
                  "text.db was made by the analyzer " + state_.analyzer)
        .Expected(analyzer);
  }
  if (state_.identity.incarnation != incarnation) {
    return Damaged("it belongs to incarnation " + FormatUuid(state_.identity.incarnation.bytes));
  }
  return OkStatus();
}

Status TextWriter::PrepareStatements() {
  ASSIGN_OR_RETURN(add_,
                   connection_->Prepare("INSERT INTO documents(rowid, terms) VALUES(?1, ?2)"));
  ASSIGN_OR_RETURN(remove_, connection_->Prepare("INSERT INTO documents(documents, rowid, terms)"
                                                 " VALUES('delete', ?1, ?2)"));
  ASSIGN_OR_RETURN(add_long_,
                   connection_->Prepare("INSERT OR REPLACE INTO long_documents VALUES(?1, ?2)"));
  ASSIGN_OR_RETURN(remove_long_,
                   connection_->Prepare("DELETE FROM long_documents WHERE content = ?1"));
  ASSIGN_OR_RETURN(set_state_,
                   connection_->Prepare("UPDATE state SET incarnation=?1, epoch=?2, sequence=?3,"
                                        " header_crc=?4, documents=?5, terms=?6 WHERE id=1"));
  return OkStatus();
}

Status TextWriter::Apply(std::span<const TextRow> removed, std::span<const TextRow> added,
                         const IndexIdentity& through) {
  ASSIGN_OR_RETURN(Transaction transaction,
                   Transaction::Begin(*connection_, Transaction::Kind::kWrite));
  TextTotals totals = state_.totals;
  for (const TextRow& row : removed) RETURN_IF_ERROR(Remove(row, &totals));
  for (const TextRow& row : added) RETURN_IF_ERROR(Add(row, &totals));
  set_state_.BindBlob(1, {reinterpret_cast<const char*>(through.incarnation.bytes.data()),
                          through.incarnation.bytes.size()});
  set_state_.Bind(2, Signed(through.epoch.value())).Bind(3, Signed(through.sequence.value()));
  set_state_.Bind(4, through.header_crc).Bind(5, Signed(totals.documents));
  set_state_.Bind(6, Signed(totals.terms));
  RETURN_IF_ERROR(set_state_.Run());
  RETURN_IF_ERROR(transaction.Commit());
  state_.identity = through;
  state_.totals = totals;
  return OkStatus();
}

Status TextWriter::Remove(const TextRow& row, TextTotals* totals) {
  const size_t length = row.terms.size();
  if (totals->documents == 0 || totals->terms < length) {
    return Damaged("it has less than what is removed from it");
  }
  --totals->documents;
  totals->terms -= length;
  if (length == 0) return OkStatus();
  const std::string text = Joined(row.terms);
  RETURN_IF_ERROR(remove_.Bind(1, RowOf(row.content, length)).BindText(2, text).Run());
  if (length < kLongDocument) return OkStatus();
  return remove_long_.Bind(1, Signed(row.content.value())).Run();
}

Status TextWriter::Add(const TextRow& row, TextTotals* totals) {
  if (row.content.value() >= kMaxTextContent) {
    return Status(Reason::STORAGE, "the text index ends at sequence 2^55");
  }
  const size_t length = row.terms.size();
  ++totals->documents;
  totals->terms += length;
  if (length == 0) return OkStatus();
  const std::string text = Joined(row.terms);
  RETURN_IF_ERROR(add_.Bind(1, RowOf(row.content, length)).BindText(2, text).Run());
  if (length < kLongDocument) return OkStatus();
  return add_long_.Bind(1, Signed(row.content.value())).Bind(2, Signed(length)).Run();
}

}  // namespace engram::index
