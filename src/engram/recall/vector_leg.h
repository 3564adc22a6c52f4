// The vector leg: cosines of rows to the query, and the background that an unrelated one reaches.
// Up to kExactVectors vectors every cosine is taken; above, those of the nearest ones (by an exact
// scan) and of every row that turns out to matter. Used by one thread.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engram/space/view.h"

namespace engram::recall {

inline constexpr size_t kExactVectors = 4096;
inline constexpr size_t kBackgroundSample = 256;
inline constexpr size_t kBackgroundLeast = 8;

class VectorLeg {
 public:
  VectorLeg(space::View& view, std::vector<float> query);
  // Takes the cosines of the `nearest` of all rows, and of the `nearest` of `keep`.
  Status Search(const space::RowSet& keep, size_t nearest);
  // Takes those of the given rows that are not known yet; says whether there were any. A row whose
  // entry cannot be read stays unknown: what it would have shown is reported where it is shown.
  bool Complete(std::span<const space::RowIndex> rows);

  bool partial() const { return !searched_all_; }
  size_t vectors() const { return vectors_; }
  float background() const { return background_; }
  std::optional<float> CosineOf(space::RowIndex row) const;
  // n of a row, 0 … 1; 0 without a vector or while it is not known.
  float Share(space::RowIndex row) const;

 private:
  void FindBackground();
  Status Take(const space::RowSet& among, size_t nearest);

  space::View& view_;
  const std::vector<float> query_;
  std::vector<float> cosines_;  // NaN: not known, or no vector
  space::RowSet all_;           // live rows with a vector
  size_t vectors_ = 0;
  bool searched_all_ = false;
  float background_ = 0;
};

}  // namespace engram::recall
