#include "engram/model/decay.h"

#include <algorithm>
#include <cmath>

namespace engram::model {
namespace {

constexpr double kMinuteInDays = 1.0 / (24 * 60);
constexpr double kHalfLifeDays = 30;  // of exponential decay
constexpr double kHalfReady = 0.2;    // base level at which activation is one half

double DaysSince(UtcTime time, UtcTime now) {
  double seconds = static_cast<double>(now.seconds - time.seconds) +
                   static_cast<double>(now.nanos - time.nanos) * 1e-9;
  return std::max(seconds / 86400, kMinuteInDays);
}

double Power(double last, double first, double uses) {
  double base = 1 / std::sqrt(last) + 2 * (uses - 1) / (std::sqrt(first) + std::sqrt(last));
  return base / (base + kHalfReady);
}

}  // namespace

float Activation(Decay decay, const UseHistory& history, float decay_rate, UtcTime now) {
  if (decay == Decay::kNone || decay_rate <= 0) return 1;
  double last = DaysSince(history.last_use, now) * decay_rate;
  double first = std::max(DaysSince(history.first_use, now) * decay_rate, last);
  if (decay == Decay::kExponential) return static_cast<float>(std::exp2(-last / kHalfLifeDays));
  double uses = static_cast<double>(std::max<uint64_t>(history.uses, 1));
  return static_cast<float>(Power(last, first, uses));
}

float DecayRateOf(const engram::v1::Episode& episode) {
  if (episode.has_decay_rate()) return episode.decay_rate();
  switch (episode.memory_type()) {
    case engram::v1::MEMORY_TYPE_WORKING:
      return 3;
    case engram::v1::MEMORY_TYPE_SEMANTIC:
      return 0.5f;
    case engram::v1::MEMORY_TYPE_PROCEDURAL:
      return 0.3f;
    default:
      return 1;
  }
}

}  // namespace engram::model
