// Collects, out of a scan by codes, everything that may be among the `limit` nearest by float32.
//
// Each cosine comes with an error, so it lies between two bounds. What is certain to be among the
// `limit` nearest is decided by the lower bounds: their `limit`-th largest is a line, and a vector
// whose upper bound lies below it cannot be in the answer. The line only rises.
#pragma once

#include <functional>
#include <vector>

#include "engram/index/vectors.h"

namespace engram::index {

class NearestSelector {
 public:
  explicit NearestSelector(size_t limit);

  // Below this upper bound a vector need not be offered.
  float line() const { return line_; }
  void Add(const VectorHit& hit);
  std::vector<VectorHit> Take();

 private:
  void Prune();

  const size_t limit_;
  float line_;
  std::vector<float> lower_bounds_;  // a heap, the smallest first, of the `limit` largest
  std::vector<VectorHit> hits_;
};

}  // namespace engram::index
