// The text index of one space: text.db, an FTS5 table without content, with our analyzer as its
// tokenizer. Derived, safe to delete. It answers with counts, never with scores: BM25 is computed
// in one place for index and tail alike, so that it does not matter where an entry lies.
//
// One writer, many snapshots, as the catalog.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/file_system.h"
#include "engram/index/identity.h"

namespace engram::index {

// A document added (its searched text), or removed (the same text again: FTS5 without content
// needs it to take the terms out).
struct TextChange {
  bool remove = false;
  Sequence content;
  std::string text;  // index::SearchText
};

struct TextTotals {
  uint64_t documents = 0;
  uint64_t terms = 0;  // with repeats, over all documents
};

struct TextHit {
  Sequence content;
  uint32_t length = 0;                 // terms of the document
  std::span<const uint32_t> counts;    // of each query term, in query order
};

class TextSnapshot {
 public:
  virtual ~TextSnapshot() = default;
  virtual const IndexIdentity& identity() const = 0;
  virtual const TextTotals& totals() const = 0;
  // Calls `hit` for every document that holds any of the (analysed) terms, in sequence order, and
  // fills `document_counts` with the number of documents per term.
  virtual Status Search(std::span<const std::string> terms, std::vector<uint64_t>* document_counts,
                        const std::function<void(const TextHit&)>& hit) = 0;
};

class TextIndex {
 public:
  static Result<std::unique_ptr<TextIndex>> Open(env::FileSystem& fs, const std::string& path,
                                                 Incarnation incarnation, std::string_view analyzer);
  static Status Destroy(env::FileSystem& fs, const std::string& path);
  virtual ~TextIndex() = default;
  virtual IndexIdentity identity() const = 0;
  virtual Status Apply(std::span<const TextChange> changes, const IndexIdentity& through) = 0;
  virtual Result<std::unique_ptr<TextSnapshot>> NewSnapshot() = 0;
  virtual uint64_t bytes() const = 0;
};

}  // namespace engram::index
