// For tests: the formula of docs/recall.md written down a second time, in double, over plain
// episodes: no index, no candidates, no sharing of code with the ranker that it checks.
#pragma once

#include <string>
#include <vector>

#include "engram/recall/oracle_view.h"
#include "engram/v1/service.pb.h"

namespace engram::recall {

struct BruteResult {
  std::string id;
  double score = 0, relevance = 0, direct = 0;
};

struct BruteAnswer {
  std::vector<BruteResult> results;  // best first, cut at max_results
  size_t matching = 0;               // all that pass and match
  double best_relevance = 0;
};

// Only requests with a query (no cue, no like_ids, no page).
BruteAnswer BruteForce(const std::vector<OracleView::Entry>& entries,
                       const v1::SpaceSettings& settings, const v1::RecallRequest& request,
                       model::UtcTime now);

// Equal scores may stand in either order when they differ by less than rounding; so this compares
// scores place by place, and each id with its own score.
void ExpectEqualRanking(const v1::RecallResponse& reply, const BruteAnswer& expected);

}  // namespace engram::recall
