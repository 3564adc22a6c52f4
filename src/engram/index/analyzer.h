// From text to terms: NFKC and case folding, words by Unicode letters and digits, overlapping pairs
// for scripts without spaces, stop words, Snowball stems (docs/recall.md). One analyzer serves the
// index, the tail and the query, so that they agree. An Analyzer is used by one thread at a time
// (Snowball keeps state); Make is cheap. Any bytes may come: what is not UTF-8 separates words.
//
// Stop words are dropped from a line that has any other word, and kept in a line of nothing else.
// So a memory "Who are you?" or a name "The Who" is found by a query of stop words, and long texts
// do not carry them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/status.h"
#include "engram/v1/memory.pb.h"

namespace engram::index {

class Analyzer {
 public:
  // "english" (stems, stop words), "simple" (neither), or a Snowball language (stems).
  static Result<std::unique_ptr<Analyzer>> Make(std::string_view name);
  static Status CheckName(std::string_view name);  // CONFIGURATION with the known names
  virtual ~Analyzer() = default;
  // Terms in text order, with repeats.
  virtual std::vector<std::string> Analyze(std::string_view text) = 0;
  // Name and versions of everything that decides on terms: indexes with another one are rebuilt.
  virtual std::string signature() const = 0;
  static constexpr size_t kMaxQueryTerms = 256;
  struct Query {
    std::vector<std::string> terms;    // unique, in order of first use
    std::vector<std::string> dropped;  // stop words, as typed, each once
    bool cut = false;                  // more than 256 terms
  };
  // A query of stop words alone keeps them (and then they match the lines that kept theirs).
  virtual Query AnalyzeQuery(std::string_view text) = 0;
};

// The one field that is searched: what, why, how, tags, who, place, and the event time in words,
// each on a line of its own.
std::string SearchText(const engram::v1::Episode& episode);

}  // namespace engram::index
