// The formula: F of every row, what neighbours and session lend to each, prior, score, relevance
// (docs/recall.md). Made once per request; used by one thread. Sums run in row order, so that equal
// data give equal bits wherever entries lie.
#pragma once

#include <unordered_map>
#include <vector>

#include "engram/model/decay.h"
#include "engram/recall/legs.h"

namespace engram::recall {

struct Parts {
  float direct = 0;      // F
  float neighbours = 0;  // what they lend
  float session = 0;     // what the best of the session lends
  float activation = 0;
  float prior_factor = 1;
  float relevance = 0;
  float score = 0;
  float context() const { return neighbours + session; }
  bool matches() const { return direct + neighbours + session > 0; }
};

class Scores {
 public:
  Scores(space::View& view, const Question& question, const Legs& legs, model::UtcTime now);

  // Computes F and the context of all rows from what the legs know now.
  void Spread();
  Parts Of(space::RowIndex row) const;
  float Direct(space::RowIndex row) const { return direct_[row]; }

  // One lender of a row's context; offset 0 is the best of its session.
  struct Share {
    space::RowIndex row;
    int offset;
    float contribution;
  };
  std::vector<Share> SharesOf(space::RowIndex row) const;

  struct PriorPart {
    const char* name;
    float value;
    float weight;
  };
  std::vector<PriorPart> PriorOf(space::RowIndex row) const;
  float ActivationOf(space::RowIndex row) const;

 private:
  struct Best {
    float direct = 0;
    space::RowIndex row = 0;
  };
  void Match(space::RowIndex row);
  void Lend(space::RowIndex row);
  Best BestOfSession(space::RowIndex row) const;
  void AddPrior(space::RowIndex row, Parts* parts) const;

  space::View& view_;
  const Question& question_;
  const Legs& legs_;
  const model::UtcTime now_;
  const bool filter_only_;
  model::Decay decay_;
  std::vector<float> direct_, neighbours_, strongest_;  // by row
  std::unordered_map<uint64_t, Best> sessions_;         // by hash, those with a match
  std::vector<space::RowIndex> before_, after_;         // scratch of Lend
};

model::Decay DecayOf(const v1::SpaceSettings& settings);

}  // namespace engram::recall
