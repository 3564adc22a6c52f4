// The built-in embedder: feature hashing (Weinberger and others 2009) of the words of a text and of
// the character trigrams inside of them. Integers, square roots and divisions alone, which every
// machine rounds alike, so equal texts have equal bits everywhere.
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "engram/base/hash.h"
#include "engram/index/analyzer.h"
#include "engram/index/kernels.h"
#include "engram/index/vectors.h"

namespace engram::index {
namespace {

// Part of the format of every vector made: never changed.
constexpr uint64_t kSeed = 0x656e6772616d2d31;  // "engram-1"

void AddFeature(std::string_view feature, double weight, std::vector<double>* buckets) {
  const uint64_t hash = Hash64(feature, kSeed);
  (*buckets)[(hash >> 1) % buckets->size()] += (hash & 1) != 0 ? weight : -weight;
}

// The word weighs 1; its trigrams, over bytes with a mark at each end, weigh 1 together in length.
void AddWord(const std::string& word, std::vector<double>* buckets) {
  AddFeature(word, 1, buckets);
  const std::string padded = "<" + word + ">";
  const size_t count = padded.size() - 2;
  const double weight = 1 / std::sqrt(static_cast<double>(count));
  for (size_t i = 0; i < count; ++i) {
    AddFeature(std::string_view(padded).substr(i, 3), weight, buckets);
  }
}

Analyzer& ThreadAnalyzer() {
  thread_local const std::unique_ptr<Analyzer> analyzer = Analyzer::Make("english").value();
  return *analyzer;
}

}  // namespace

std::vector<float> HashedEmbedding(std::string_view text) {
  std::vector<double> buckets(kHashedDimension);
  for (const std::string& word : ThreadAnalyzer().Analyze(text)) AddWord(word, &buckets);
  std::vector<float> values(buckets.begin(), buckets.end());
  const double length = std::sqrt(SumsOf(values.data(), values.data(), values.size()).aa);
  if (!(length > 0)) return {};
  for (float& value : values) value = static_cast<float>(value / length);
  return values;
}

}  // namespace engram::index
