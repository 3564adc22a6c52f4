// What holds for every input, tried on many made from a seed.
#include <fstream>
#include <sstream>

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "engram/base/prng.h"
#include "engram/model/change.h"
#include "engram/model/episode.h"
#include "engram/model/text.h"
#include "engram/model/time.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;

template <size_t N>
std::string Pick(Prng& prng, const char* const (&from)[N]) {
  return from[prng.Below(N)];
}

std::string Mutated(Prng& prng, std::string text, std::string_view alphabet) {
  for (uint64_t changes = prng.Below(4); changes > 0 && !text.empty(); --changes) {
    size_t at = prng.Below(text.size());
    char c = alphabet[prng.Below(alphabet.size())];
    if (prng.OneIn(3)) {
      text.erase(at, 1);
    } else if (prng.OneIn(2)) {
      text.insert(at, 1, c);
    } else {
      text[at] = c;
    }
  }
  return text;
}

TEST(TimePropertyTest, WhatResolvesIsAnIntervalThatResolvesToItself) {
  constexpr const char* kForms[] = {"2023",
                                    "0001-01",
                                    "9999-12-31",
                                    "2023-03-26T02",
                                    "2023-10-29T02:30",
                                    "2023-05-07T10:30:05.123Z",
                                    "2023-05-07T10:30:05+02:00",
                                    "2023-05/2023-08",
                                    "2011-12-29/2011-12-30",
                                    "unknown"};
  constexpr const char* kZones[] = {
      "", "UTC", "Europe/Berlin", "Pacific/Apia", "-11:30", "America/Sao_Paulo"};
  Prng prng(20260314);
  int resolved = 0;
  for (int i = 0; i < 50'000; ++i) {
    v1::EventTime time;
    time.set_text(Mutated(prng, Pick(prng, kForms), "0123456789-:TZ+./u"));
    const std::string zone = Pick(prng, kZones);
    std::vector<v1::Warning> warnings;
    if (!ResolveEventTime(nullptr, zone, UtcTime{}, &time, &warnings).ok()) continue;
    ++resolved;
    if (auto interval = IntervalOf(time)) {
      ASSERT_LT(interval->start, interval->end) << time.text() << " " << zone;
      ASSERT_GE(interval->start, kMinTime) << time.text() << " " << zone;
      ASSERT_LE(interval->start, kMaxTime) << time.text() << " " << zone;
    }
    ASSERT_FALSE(FormatForPeople(time).empty());
    TimeInWords(time);
    v1::EventTime again = time;
    ASSERT_TRUE(ResolveEventTime(nullptr, "Asia/Tokyo", UtcTime{}, &again, &warnings).ok());
    ASSERT_EQ(again.SerializeAsString(), time.SerializeAsString()) << time.text();
  }
  EXPECT_GT(resolved, 10'000);
}

TEST(TimePropertyTest, UtcIsWrittenAndReadBack) {
  Prng prng(7);
  const auto span = static_cast<uint64_t>(kMaxTime.seconds - kMinTime.seconds);
  constexpr int32_t kUnits[] = {1'000'000'000, 1'000'000, 1'000, 1};
  for (int i = 0; i < 20'000; ++i) {
    int32_t unit = kUnits[prng.Below(4)];
    UtcTime time{kMinTime.seconds + static_cast<int64_t>(prng.Below(span)),
                 static_cast<int32_t>(prng.Below(1'000'000'000)) / unit * unit};
    auto read = ParseUtc(FormatUtc(time));
    ASSERT_TRUE(read.ok()) << FormatUtc(time);
    ASSERT_EQ(*read, time);
  }
}

std::string Utf8(uint32_t c) {
  std::string out;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
  }
  if (c >= 0x80) out += static_cast<char>(0x80 | (c & 0x3f));
  return out;
}

TEST(TextPropertyTest, EveryCharacterIsCleanAndFoldsToWhatStaysAsItIs) {
  for (uint32_t c = 1; c <= 0x10ffff; ++c) {
    std::string text = Utf8(c);
    bool surrogate = c >= 0xd800 && c <= 0xdfff;
    ASSERT_EQ(IsCleanUtf8(text), !surrogate) << c;
    if (surrogate) continue;
    std::string once = Fold(text);
    ASSERT_TRUE(IsCleanUtf8(once)) << c;
    ASSERT_EQ(Fold(once), once) << c;
  }
}

TEST(TextPropertyTest, FoldingMixedTextTwiceChangesNothing) {
  Prng prng(11);
  constexpr uint32_t kRanges[][2] = {{0x20, 0x7f},     {0xa0, 0x24f},    {0x300, 0x36f},
                                     {0x370, 0x5ff},   {0x1e00, 0x20ff}, {0x3040, 0x30ff},
                                     {0xac00, 0xac80}, {0xff00, 0xffef}, {0x1f300, 0x1f6ff}};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (uint64_t size = prng.Below(12); size > 0; --size) {
      const auto& range = kRanges[prng.Below(std::size(kRanges))];
      text += Utf8(range[0] + static_cast<uint32_t>(prng.Below(range[1] - range[0])));
    }
    std::string once = Fold(text);
    ASSERT_EQ(Fold(once), once) << text;
  }
}

TEST(DecodePropertyTest, DamagedPayloadsAreErrorsOrRecordsThatEncodeStably) {
  std::ifstream file(std::string(ENGRAM_SOURCE_DIR) + "/tests/golden/model/store_record.hex");
  std::stringstream hex;
  hex << file.rdbuf();
  std::string bytes, digits;
  for (char c : hex.str()) {
    if (c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  ASSERT_FALSE(bytes.empty());
  std::string alphabet;
  for (int i = 0; i < 256; ++i) alphabet += static_cast<char>(i);
  google::protobuf::LogSilencer quiet;  // it reports text that is not UTF-8
  Prng prng(13);
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = Mutated(prng, bytes, alphabet);
    for (uint32_t type : {1u, 2u, 3u, 7u, 11u}) {
      auto decision = DecodeDecision(type, damaged);
      if (!decision.ok() || type != 1) continue;
      ++parsed;
      std::string once = Encode(std::get<pb::StoreRecord>(*decision));
      auto again = DecodeDecision(type, once);
      ASSERT_TRUE(again.ok());
      ASSERT_EQ(Encode(std::get<pb::StoreRecord>(*again)), once);
    }
  }
  EXPECT_GT(parsed, 1'000);
}

}  // namespace
}  // namespace engram::model
