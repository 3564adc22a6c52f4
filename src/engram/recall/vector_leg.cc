#include "engram/recall/vector_leg.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace engram::recall {

using space::RowIndex;

VectorLeg::VectorLeg(space::View& view, std::vector<float> query)
    : view_(view),
      query_(std::move(query)),
      cosines_(view.rows(), std::numeric_limits<float>::quiet_NaN()),
      all_(view.rows()) {
  for (RowIndex row = 0; row < view.rows(); ++row) {
    if (!view.row(row).has_vector || !view.Live(row)) continue;
    all_.Add(row);
    ++vectors_;
  }
}

Status VectorLeg::Take(const space::RowSet& among, size_t nearest) {
  ASSIGN_OR_RETURN(std::vector<space::View::Near> near, view_.Nearest(query_, nearest, among));
  for (const auto& [row, cosine] : near) cosines_[row] = cosine;
  return OkStatus();
}

Status VectorLeg::Search(const space::RowSet& keep, size_t nearest) {
  const bool all = vectors_ <= kExactVectors || nearest >= vectors_;
  searched_all_ = all;
  if (vectors_ == 0) return OkStatus();
  RETURN_IF_ERROR(Take(all_, all ? vectors_ : nearest));
  if (!all) {
    space::RowSet kept = all_;
    kept.Intersect(keep);
    if (kept.Count() < vectors_) RETURN_IF_ERROR(Take(kept, nearest));
  }
  FindBackground();
  return OkStatus();
}

void VectorLeg::FindBackground() {
  std::vector<RowIndex> sample = view_.VectorSample(kBackgroundSample);
  if (sample.size() < kBackgroundLeast) return;
  std::sort(sample.begin(), sample.end());
  Complete(sample);
  double sum = 0;
  for (RowIndex row : sample) sum += CosineOf(row).value_or(0);
  background_ = static_cast<float>(sum / static_cast<double>(sample.size()));
}

bool VectorLeg::Complete(std::span<const RowIndex> rows) {
  bool added = false;
  for (RowIndex row : rows) {
    if (!all_.Has(row) || !std::isnan(cosines_[row])) continue;
    const Result<std::optional<float>> cosine = view_.CosineOf(row, query_);
    if (!cosine.ok() || !cosine->has_value()) continue;
    cosines_[row] = **cosine;
    added = true;
  }
  return added;
}

std::optional<float> VectorLeg::CosineOf(RowIndex row) const {
  if (std::isnan(cosines_[row])) return std::nullopt;
  return cosines_[row];
}

float VectorLeg::Share(RowIndex row) const {
  const float cosine = cosines_[row];
  if (std::isnan(cosine)) return 0;
  const float room = 1 - background_;
  if (room < 1e-6f) return std::clamp(cosine, 0.0f, 1.0f);  // all vectors are the query
  return std::clamp((cosine - background_) / room, 0.0f, 1.0f);
}

}  // namespace engram::recall
