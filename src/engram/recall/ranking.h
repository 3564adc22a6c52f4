// From scores to an order: which rows answer a question, and the best of them. Used by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engram/recall/scores.h"

namespace engram::recall {

struct Ranked {
  space::RowIndex row;
  Parts parts;
};

// A question answered: every row that passes the filter and matches, not yet in order.
struct Answer {
  std::unique_ptr<Legs> legs;
  std::unique_ptr<Scores> scores;
  space::RowSet passed;  // the filter
  std::vector<Ranked> candidates;
  float best_relevance = 0;

  explicit Answer(size_t rows) : passed(rows) {}
};
Result<std::unique_ptr<Answer>> AnswerQuestion(space::View& view, const Question& question,
                                               model::UtcTime now);

// Live rows that pass all of the filters.
Result<space::RowSet> SelectAll(space::View& view,
                                const std::vector<model::ResolvedFilter>& filters);

// Higher score, higher F, later event time; undated last. Equal both ways: the id decides.
bool Before(const space::View& view, const Ranked& a, const Ranked& b);
// The id of a row; "" when it cannot be read.
std::string IdOf(space::View& view, space::RowIndex row);
// The same, read once.
class Ids {
 public:
  explicit Ids(space::View& view) : view_(view) {}
  const std::string& Of(space::RowIndex row);

 private:
  space::View& view_;
  std::unordered_map<space::RowIndex, std::string> known_;
};
// The best `count`, in order.
std::vector<Ranked> Best(space::View& view, std::vector<Ranked> candidates, size_t count);
// 1 for the best of `candidates`, among which `row` is.
size_t RankOf(const space::View& view, Ids* ids, const std::vector<Ranked>& candidates,
              const Ranked& ranked);

}  // namespace engram::recall
