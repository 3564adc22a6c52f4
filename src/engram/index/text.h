// The text index of one space: text.db, an FTS5 table without content that holds the terms of our
// analyzer. Derived, safe to delete. It answers with counts, never with scores: BM25 is computed
// in one place for index and tail alike, so that it does not matter where an entry lies.
//
// One writer at a time, and any number of snapshots beside it, each used by one thread.
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
  uint32_t length = 0;               // terms of the document
  std::span<const uint32_t> counts;  // of each query term, in query order
};

class TextSnapshot {
 public:
  virtual ~TextSnapshot() = default;
  virtual const IndexIdentity& identity() const = 0;
  virtual const TextTotals& totals() const = 0;
  // Calls `hit` for every document that holds any of the (analysed, at most 256) terms, in sequence
  // order, and fills `document_counts` with the number of documents per term. CORRUPTION_DETECTED
  // when the file is damaged; then some hits may have been given already.
  virtual Status Search(std::span<const std::string> terms, std::vector<uint64_t>* document_counts,
                        const std::function<void(const TextHit&)>& hit) = 0;
};

class TextIndex {
 public:
  // Opens or makes the file. A damaged file, one of another incarnation, or one made by another
  // analyzer or version is an error, after which the caller may Destroy it and open again.
  static Result<std::unique_ptr<TextIndex>> Open(env::FileSystem& fs, const std::string& path,
                                                 Incarnation incarnation,
                                                 std::string_view analyzer);
  static Status Destroy(env::FileSystem& fs, const std::string& path);
  virtual ~TextIndex() = default;
  virtual IndexIdentity identity() const = 0;
  // One transaction, in the order given: all changes and the new identity, or nothing. Not synced
  // by itself: after a crash the file stands at some earlier identity, whole.
  virtual Status Apply(std::span<const TextChange> changes, const IndexIdentity& through) = 0;
  // One consistent state. From a pool of readers; may outlive neither the file nor the index.
  virtual Result<std::unique_ptr<TextSnapshot>> NewSnapshot() = 0;
  virtual uint64_t bytes() const = 0;
};

}  // namespace engram::index
