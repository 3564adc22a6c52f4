// The two things that we plug into FTS5 (sqlite.org/fts5.html, part 7): a tokenizer that takes our
// terms as they are, one space between two, and an auxiliary function that reads how often each
// term of a query stands in a row. Stemming has been done before; a term of a query is therefore
// one token, whatever it looks like, and nothing is analysed twice.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/index/sqlite.h"

namespace engram::index {

inline constexpr const char* kTermTokenizer = "engram_terms";

// Tells the connection both; needed before the first use of a table that has them.
Status RegisterFts(Connection& connection);

// What the auxiliary function engram_counts(table, pointer) fills for the current row.
struct RowCounts {
  int64_t rowid = 0;
  std::vector<uint32_t> counts;  // of each phrase; sized before
};
void BindRowCounts(Statement& statement, int parameter, RowCounts* counts);

// "a" OR "b": every term a phrase of its own, in order. A term must not be empty or hold a NUL.
std::string MatchAny(std::span<const std::string> terms);

}  // namespace engram::index
