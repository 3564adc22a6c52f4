// Terms of documents that the text index does not answer for: those of the tail, and those that
// ended there. Analysed once, kept as long as there is room.
//
// Owned by Core. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engram/base/status.h"
#include "engram/base/thread_annotations.h"
#include "engram/base/types.h"
#include "engram/index/analyzer.h"

namespace engram::space {

// A document as text search sees it: its length in terms, and how often it holds each.
class DocumentTerms {
 public:
  explicit DocumentTerms(std::vector<std::string> terms);
  uint32_t length() const { return length_; }
  size_t bytes() const { return packed_.size() + sizeof(*this); }
  // Calls `visit(std::string_view term, uint32_t count)` for each distinct term.
  template <class Visit>
  void ForEach(const Visit& visit) const {
    for (size_t at = 0; at < packed_.size();) {
      const uint32_t count = NumberAt(&at), size = NumberAt(&at);
      visit(std::string_view(packed_).substr(at, size), count);
      at += size;
    }
  }

 private:
  uint32_t NumberAt(size_t* at) const;
  uint32_t length_ = 0;
  std::string packed_;  // (count, size, term)…, numbers as varints
};

class Documents {
 public:
  static constexpr size_t kMaxBytes = 16u << 20;
  void SetAnalyzer(std::string name) { analyzer_ = std::move(name); }
  // Contents mean something else from now on.
  void Clear() EXCLUDES(mutex_);
  std::shared_ptr<const DocumentTerms> Find(Sequence content) const EXCLUDES(mutex_);
  Result<std::shared_ptr<const DocumentTerms>> Analyse(Sequence content, std::string_view text)
      EXCLUDES(mutex_);

 private:
  Result<std::unique_ptr<index::Analyzer>> TakeAnalyzer() EXCLUDES(mutex_);

  std::string analyzer_;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<index::Analyzer>> spare_ GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, std::shared_ptr<const DocumentTerms>> kept_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::space
