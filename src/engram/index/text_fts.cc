#include "engram/index/text_fts.h"

#include <sqlite3.h>

namespace engram::index {
namespace {

constexpr const char* kCountsPointer = "engram_row_counts";
constexpr const char* kApiPointer = "fts5_api_ptr";

using TokenFunction = int (*)(void*, int, const char*, int, int, int);

int CreateTokenizer(void*, const char**, int, Fts5Tokenizer** out) {
  static char stateless;  // FTS5 only wants something that is not null
  *out = reinterpret_cast<Fts5Tokenizer*>(&stateless);
  return SQLITE_OK;
}
void DeleteTokenizer(Fts5Tokenizer*) {}

int SplitAtSpaces(std::string_view text, void* context, TokenFunction token) {
  for (size_t start = 0; start < text.size();) {
    size_t end = text.find(' ', start);
    if (end == std::string_view::npos) end = text.size();
    const int code = token(context, 0, text.data() + start, static_cast<int>(end - start),
                           static_cast<int>(start), static_cast<int>(end));
    if (code != SQLITE_OK) return code;
    start = end + 1;
  }
  return SQLITE_OK;
}

int Tokenize(Fts5Tokenizer*, void* context, int flags, const char* text, int size,
             TokenFunction token) {
  if ((flags & FTS5_TOKENIZE_QUERY) != 0) return token(context, 0, text, size, 0, size);
  return SplitAtSpaces({text, static_cast<size_t>(size)}, context, token);
}

void ReadCounts(const Fts5ExtensionApi* api, Fts5Context* fts, sqlite3_context* context, int count,
                sqlite3_value** values) {
  auto* row = count == 1 ? static_cast<RowCounts*>(sqlite3_value_pointer(values[0], kCountsPointer))
                         : nullptr;
  if (row == nullptr || api->xPhraseCount(fts) != static_cast<int>(row->counts.size())) {
    return sqlite3_result_error(context, "engram_counts wants the counts of this query", -1);
  }
  row->rowid = api->xRowid(fts);
  for (size_t phrase = 0; phrase < row->counts.size(); ++phrase) {
    uint32_t found = 0;
    Fts5PhraseIter at;
    int column, offset;
    int code = api->xPhraseFirst(fts, static_cast<int>(phrase), &at, &column, &offset);
    if (code != SQLITE_OK) return sqlite3_result_error_code(context, code);
    for (; column >= 0; api->xPhraseNext(fts, &at, &column, &offset)) ++found;
    row->counts[phrase] = found;
  }
}

Result<fts5_api*> FtsApiOf(Connection& connection) {
  fts5_api* api = nullptr;
  ASSIGN_OR_RETURN(Statement statement, connection.Prepare("SELECT fts5(?1)"));
  sqlite3_bind_pointer(statement.handle(), 1, &api, kApiPointer, nullptr);
  RETURN_IF_ERROR(statement.Run());
  if (api == nullptr) {
    return Status(Reason::STORAGE, "this SQLite has no FTS5")
        .Suggest("install Debian's libsqlite3-0, which has it");
  }
  return api;
}

}  // namespace

Status RegisterFts(Connection& connection) {
  ASSIGN_OR_RETURN(fts5_api * api, FtsApiOf(connection));
  fts5_tokenizer tokenizer{CreateTokenizer, DeleteTokenizer, Tokenize};
  int code = api->xCreateTokenizer(api, kTermTokenizer, nullptr, &tokenizer, nullptr);
  if (code != SQLITE_OK) return connection.ErrorOf(code);
  code = api->xCreateFunction(api, "engram_counts", nullptr, ReadCounts, nullptr);
  return code == SQLITE_OK ? OkStatus() : connection.ErrorOf(code);
}

void BindRowCounts(Statement& statement, int parameter, RowCounts* counts) {
  sqlite3_bind_pointer(statement.handle(), parameter, counts, kCountsPointer, nullptr);
}

std::string MatchAny(std::span<const std::string> terms) {
  std::string expression;
  for (const std::string& term : terms) {
    expression += expression.empty() ? "\"" : " OR \"";
    for (const char c : term) {
      if (c == '"') expression.push_back('"');
      expression.push_back(c);
    }
    expression.push_back('"');
  }
  return expression;
}

}  // namespace engram::index
