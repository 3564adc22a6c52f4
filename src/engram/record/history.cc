#include "engram/record/history.h"

#include <algorithm>

namespace engram::record {

Epoch EpochAt(std::span<const EpochBegin> history, Sequence sequence) {
  Epoch epoch;
  for (const EpochBegin& begin : history) {
    if (begin.first > sequence) break;
    epoch = begin.epoch;
  }
  return epoch;
}

std::optional<Sequence> LastOf(std::span<const EpochBegin> history, Epoch epoch, Sequence end) {
  bool found = false;
  for (const EpochBegin& begin : history) {
    if (begin.epoch == epoch) found = true;
    if (found && begin.epoch > epoch) return begin.first.prev();
  }
  return found ? std::optional(end) : std::nullopt;
}

Position ForkOf(std::span<const EpochBegin> a, Sequence a_end, std::span<const EpochBegin> b,
                Sequence b_end) {
  for (size_t i = a.size(); i-- > 0;) {
    const Epoch epoch = a[i].epoch;
    if (const auto last = LastOf(b, epoch, b_end)) {
      return {epoch, std::min(*LastOf(a, epoch, a_end), *last)};
    }
  }
  return {};
}

}  // namespace engram::record
