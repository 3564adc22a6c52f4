// The text leg: which terms are looked for, and how much of their information a row holds. Made
// once per request from one search over index and tail; used by one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engram/index/analyzer.h"
#include "engram/recall/question.h"
#include "engram/space/view.h"

namespace engram::recall {

class TextLeg {
 public:
  // `like` are texts to find more of the same: their most telling terms are looked for.
  static Result<std::unique_ptr<TextLeg>> Search(space::View& view, const std::string& text,
                                                 const std::vector<std::string>& like);

  struct Term {
    std::string text;
    double idf = 0;
    uint64_t documents = 0;  // 0: in no episode of the space
    size_t column = 0;       // place among the counts of a hit
  };
  const std::vector<Term>& terms() const { return terms_; }
  const std::vector<std::string>& dropped() const { return dropped_; }
  bool cut() const { return cut_; }
  double ideal() const { return ideal_; }
  const std::vector<space::TextMatches::Hit>& hits() const { return matches_.hits; }

  double Bm25(const space::TextMatches::Hit& hit) const;
  // n of a hit: 0 … 1.
  float Share(const space::TextMatches::Hit& hit) const;
  uint32_t Count(const space::TextMatches::Hit& hit, const Term& term) const {
    return matches_.counts[hit.first_count + term.column];
  }
  double Part(const space::TextMatches::Hit& hit, const Term& term) const;
  const space::TextMatches::Hit* Find(space::RowIndex row) const;  // null: no hit

 private:
  void KeepTelling(const std::vector<uint32_t>& counts);

  std::vector<Term> terms_;
  std::vector<std::string> dropped_;
  bool cut_ = false;
  double ideal_ = 0;
  space::TextMatches matches_;
};

// The analyzer of a space.
Result<std::unique_ptr<index::Analyzer>> AnalyzerOf(const space::View& view);

}  // namespace engram::recall
