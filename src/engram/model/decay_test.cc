#include "engram/model/decay.h"

#include <gtest/gtest.h>

namespace engram::model {
namespace {

constexpr int64_t kDay = 86400;
const UtcTime kNow{1'700'000'000, 0};

UtcTime Ago(double days) {
  return {kNow.seconds - static_cast<int64_t>(days * static_cast<double>(kDay)), 0};
}

float OneUse(double days, Decay decay = Decay::kPower, float rate = 1) {
  return Activation(decay, {Ago(days), Ago(days), 1}, rate, kNow);
}

TEST(ActivationTest, TableOfTheDocumentation) {
  constexpr float kDigits = 0.005f;
  EXPECT_NEAR(OneUse(1.0 / 24), 0.96, kDigits);
  EXPECT_NEAR(OneUse(1), 0.83, kDigits);
  EXPECT_NEAR(OneUse(30), 0.48, kDigits);
  EXPECT_NEAR(OneUse(365), 0.21, kDigits);
  EXPECT_NEAR(OneUse(5 * 365), 0.105, kDigits);
  auto ten = [](double last) {
    return Activation(Decay::kPower, {Ago(365), Ago(last), 10}, 1, kNow);
  };
  EXPECT_NEAR(ten(1.0 / 24), 0.97, kDigits);
  EXPECT_NEAR(ten(1), 0.90, kDigits);
  EXPECT_NEAR(ten(30), 0.82, kDigits);
  EXPECT_NEAR(OneUse(25), 0.5, kDigits);
}

TEST(ActivationTest, RateScalesTimeAndZeroNeverFades) {
  EXPECT_FLOAT_EQ(OneUse(10, Decay::kPower, 3), OneUse(30));
  EXPECT_FLOAT_EQ(OneUse(100, Decay::kExponential, 0.3f), OneUse(30, Decay::kExponential));
  EXPECT_EQ(OneUse(10000, Decay::kPower, 0), 1);
  EXPECT_EQ(OneUse(10000, Decay::kExponential, 0), 1);
}

TEST(ActivationTest, TheFutureAndTheLastMinuteAreOneMinuteAgo) {
  float minute = OneUse(1.0 / 1440);
  EXPECT_FLOAT_EQ(OneUse(0), minute);
  EXPECT_FLOAT_EQ(OneUse(-100), minute);
  EXPECT_LT(minute, 1);
  // A first use after the last one is taken as the last one.
  EXPECT_FLOAT_EQ(Activation(Decay::kPower, {Ago(-5), Ago(30), 9}, 1, kNow),
                  Activation(Decay::kPower, {Ago(30), Ago(30), 9}, 1, kNow));
}

TEST(ActivationTest, OtherDecays) {
  EXPECT_FLOAT_EQ(OneUse(30, Decay::kExponential), 0.5f);
  EXPECT_FLOAT_EQ(OneUse(90, Decay::kExponential), 0.125f);
  EXPECT_EQ(OneUse(9999, Decay::kNone), 1);
}

TEST(ActivationTest, StaysBetweenZeroAndOneForTheWholeTimeLine) {
  for (Decay decay : {Decay::kPower, Decay::kExponential, Decay::kNone}) {
    for (uint64_t uses : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
      float value = Activation(decay, {kMinTime, kMinTime, uses}, 1e30f, kMaxTime);
      EXPECT_GE(value, 0);
      EXPECT_LE(value, 1);
    }
  }
}

TEST(ActivationTest, RatesByType) {
  engram::v1::Episode episode;
  EXPECT_EQ(DecayRateOf(episode), 1);
  episode.set_memory_type(engram::v1::MEMORY_TYPE_WORKING);
  EXPECT_EQ(DecayRateOf(episode), 3);
  episode.set_memory_type(engram::v1::MEMORY_TYPE_SEMANTIC);
  EXPECT_EQ(DecayRateOf(episode), 0.5f);
  episode.set_memory_type(engram::v1::MEMORY_TYPE_PROCEDURAL);
  EXPECT_EQ(DecayRateOf(episode), 0.3f);
  episode.set_decay_rate(0);
  EXPECT_EQ(DecayRateOf(episode), 0);
}

}  // namespace
}  // namespace engram::model
