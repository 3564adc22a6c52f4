// BM25 (Robertson, Zaragoza 2009; the form with k1 + 1 in the numerator) and what it is measured
// against: `ideal` is what an episode of average length gets that holds each term of the query
// once. An idf that stays positive, so that small spaces rank sensibly. Pure.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace engram::recall {

inline constexpr double kBm25K1 = 1.2;
inline constexpr double kBm25B = 0.75;

// Of a term that `holding` of `documents` hold.
inline double Idf(uint64_t documents, uint64_t holding) {
  const double n = static_cast<double>(std::min(documents, holding));
  return std::log(1 + (static_cast<double>(documents) - n + 0.5) / (n + 0.5));
}

// One term's part of a document's BM25.
inline double Bm25Part(double idf, uint32_t count, uint32_t length, double mean_length) {
  const double share = mean_length > 0 ? length / mean_length : 1;
  return idf * count * (kBm25K1 + 1) / (count + kBm25K1 * (1 - kBm25B + kBm25B * share));
}

}  // namespace engram::recall
