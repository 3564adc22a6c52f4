#include "engram/index/vectors_select.h"

#include <algorithm>
#include <limits>

namespace engram::index {

NearestSelector::NearestSelector(size_t limit)
    : limit_(limit),
      line_(limit == 0 ? std::numeric_limits<float>::infinity()
                       : -std::numeric_limits<float>::infinity()) {}

void NearestSelector::Add(const VectorHit& hit) {
  if (limit_ == 0) return;
  const float lower = hit.cosine - hit.error;
  hits_.push_back(hit);
  if (lower_bounds_.size() < limit_ || lower > lower_bounds_.front()) {
    lower_bounds_.push_back(lower);
    std::push_heap(lower_bounds_.begin(), lower_bounds_.end(), std::greater<>());
    if (lower_bounds_.size() > limit_) {
      std::pop_heap(lower_bounds_.begin(), lower_bounds_.end(), std::greater<>());
      lower_bounds_.pop_back();
    }
    if (lower_bounds_.size() == limit_) line_ = lower_bounds_.front();
  }
  if (hits_.size() >= 4 * limit_ + 4096 && hits_.size() == hits_.capacity()) Prune();
}

void NearestSelector::Prune() {
  std::erase_if(hits_, [this](const VectorHit& hit) { return hit.cosine + hit.error < line_; });
}

std::vector<VectorHit> NearestSelector::Take() {
  Prune();
  return std::move(hits_);
}

}  // namespace engram::index
