// What is in text.db, and the one who writes it.
//
//   documents       FTS5, contentless, columnsize=0: the terms, with rowid = content << 8 | length
//   long_documents  length of the documents whose length is 255 or more
//   state           one row: format, analyzer, identity, totals
//
// The length of a document stands in its rowid, because BM25 needs it for every hit, and a look-up
// in FTS5's own table of sizes costs more than the hit itself. A TextWriter is used by one thread
// at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engram/index/identity.h"
#include "engram/index/sqlite.h"
#include "engram/index/text.h"

namespace engram::index {

inline constexpr uint32_t kLongDocument = 255;  // and longer: see long_documents
inline constexpr uint64_t kMaxTextContent = uint64_t{1} << 55;

inline Sequence ContentOfRow(int64_t rowid) {
  return Sequence(static_cast<uint64_t>(rowid) >> 8);
}
inline uint32_t ShortLengthOfRow(int64_t rowid) {
  return static_cast<uint32_t>(rowid & 0xff);
}
int64_t RowOf(Sequence content, size_t length);

struct TextState {
  int64_t format = 0;
  std::string analyzer;  // its signature
  IndexIdentity identity;
  TextTotals totals;
};
// CORRUPTION_DETECTED when there is none or it makes no sense.
Result<TextState> ReadTextState(Connection& connection);

// A document as its terms.
struct TextRow {
  Sequence content;
  std::vector<std::string> terms;
};

class TextWriter {
 public:
  static Result<std::unique_ptr<TextWriter>> Open(env::FileSystem& fs, const std::string& path,
                                                  Incarnation incarnation,
                                                  const std::string& analyzer);
  const TextState& state() const { return state_; }
  // In one transaction: first all that go, then all that come, each ascending, then the identity.
  Status Apply(std::span<const TextRow> removed, std::span<const TextRow> added,
               const IndexIdentity& through);

 private:
  Status Create(Incarnation incarnation, const std::string& analyzer);
  Status Check(Incarnation incarnation, const std::string& analyzer) const;
  Status PrepareStatements();
  Status Remove(const TextRow& row, TextTotals* totals);
  Status Add(const TextRow& row, TextTotals* totals);

  std::unique_ptr<Connection> connection_;
  Statement add_, remove_, add_long_, remove_long_, set_state_;
  TextState state_;
};

}  // namespace engram::index
