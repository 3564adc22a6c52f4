#include "engram/index/vectors.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/base/prng.h"
#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/index/vectors_measure.h"
#include "engram/index/vectors_select.h"

namespace engram::index {
namespace {

using Vector = std::vector<float>;
constexpr const char* kPath = "/v/vectors.bin";

float Normal(Prng& prng) {
  return static_cast<float>(std::sqrt(-2 * std::log(1 - prng.Unit())) *
                            std::cos(6.283185307179586 * prng.Unit()));
}
Vector RandomVector(Prng& prng, size_t dimension) {
  Vector vector(dimension);
  for (float& value : vector) value = Normal(prng);
  return vector;
}
Vector Near(const Vector& centre, Prng& prng, float distance) {
  Vector vector = centre;
  for (float& value : vector) value += distance * Normal(prng);
  return vector;
}
Incarnation MakeIncarnation(uint8_t number) {
  Incarnation incarnation;
  incarnation.bytes[3] = number;
  return incarnation;
}
IndexIdentity Through(uint64_t sequence) {
  return {MakeIncarnation(1), Epoch(1), Sequence(sequence), static_cast<uint32_t>(sequence * 77)};
}
std::unique_ptr<VectorIndex> Open(env::FileSystem& fs, uint32_t dimension) {
  EXPECT_TRUE(fs.CreateDirectory("/v").ok());
  Result<std::unique_ptr<VectorIndex>> index =
      VectorIndex::Open(fs, kPath, MakeIncarnation(1), dimension);
  EXPECT_TRUE(index.ok()) << index.status().ToString();
  return std::move(index).value();
}
// Vector i stands for content i + 1.
Status AddAll(VectorIndex& index, const std::vector<Vector>& vectors, size_t from = 0) {
  std::vector<VectorAdd> adds;
  for (size_t i = from; i < vectors.size(); ++i) adds.push_back({Sequence(i + 1), vectors[i]});
  return index.Apply(adds, Through(vectors.size()));
}

std::vector<uint64_t> BruteForce(const std::vector<Vector>& vectors, const Vector& query,
                                 size_t limit, const std::function<bool(Sequence)>& keep) {
  std::vector<std::pair<float, uint64_t>> all;
  for (size_t i = 0; i < vectors.size(); ++i) {
    if (!keep || keep(Sequence(i + 1))) all.push_back({-Cosine(vectors[i], query), i + 1});
  }
  std::sort(all.begin(), all.end());
  std::vector<uint64_t> best;
  for (size_t i = 0; i < std::min(limit, all.size()); ++i) best.push_back(all[i].second);
  return best;
}

std::set<uint64_t> ContentsOf(const std::vector<VectorHit>& hits) {
  std::set<uint64_t> contents;
  for (const VectorHit& hit : hits) contents.insert(hit.content.value());
  EXPECT_EQ(contents.size(), hits.size());
  return contents;
}

// What is returned holds the float32 answer, and every error bound is kept.
void ExpectExact(VectorIndex& index, const std::vector<Vector>& vectors, const Vector& query,
                 size_t limit, const std::function<bool(Sequence)>& keep = nullptr) {
  const std::vector<VectorHit> hits = index.Nearest(query, limit, keep);
  const std::set<uint64_t> contents = ContentsOf(hits);
  for (const uint64_t best : BruteForce(vectors, query, limit, keep)) {
    EXPECT_TRUE(contents.contains(best)) << best << " of " << vectors.size();
  }
  for (const VectorHit& hit : hits) {
    const Vector& vector = vectors[hit.content.value() - 1];
    EXPECT_LE(std::fabs(hit.cosine - Cosine(vector, query)), hit.error);
    EXPECT_TRUE(!keep || keep(hit.content));
  }
}

TEST(Vectors, FindsTheNearest) {
  env::MemoryFileSystem fs;
  Prng prng(1);
  std::vector<Vector> vectors;
  for (int i = 0; i < 3000; ++i) vectors.push_back(RandomVector(prng, 96));
  auto index = Open(fs, 96);
  ASSERT_TRUE(AddAll(*index, vectors).ok());
  EXPECT_EQ(index->size(), 3000u);
  for (int i = 0; i < 20; ++i) {
    const Vector query = Near(vectors[prng.Below(3000)], prng, 0.5f);
    ExpectExact(*index, vectors, query, 1 + prng.Below(50));
    EXPECT_LT(index->Nearest(query, 10, nullptr).size(), 200u);
  }
}

TEST(Vectors, KeepChoosesBeforeTheLimit) {
  env::MemoryFileSystem fs;
  Prng prng(2);
  std::vector<Vector> vectors;
  for (int i = 0; i < 1000; ++i) vectors.push_back(RandomVector(prng, 64));
  auto index = Open(fs, 64);
  ASSERT_TRUE(AddAll(*index, vectors).ok());
  const auto rare = [](Sequence content) { return content.value() % 300 == 7; };
  EXPECT_EQ(ContentsOf(index->Nearest(vectors[0], 10, rare)),
            (std::set<uint64_t>{7, 307, 607, 907}));
  ExpectExact(*index, vectors, vectors[5], 2, rare);
}

TEST(Vectors, OddQueriesAreAnsweredWithNothing) {
  env::MemoryFileSystem fs;
  auto index = Open(fs, 8);
  ASSERT_TRUE(AddAll(*index, {Vector(8, 1.0f)}).ok());
  EXPECT_TRUE(index->Nearest(Vector(7, 1.0f), 10, nullptr).empty());
  EXPECT_TRUE(index->Nearest(Vector(8, 1.0f), 0, nullptr).empty());
  const std::vector<VectorHit> zero = index->Nearest(Vector(8, 0.0f), 10, nullptr);
  ASSERT_EQ(zero.size(), 1u);
  EXPECT_EQ(zero[0].cosine, 0);
}

TEST(Vectors, WrongDimensionChangesNothing) {
  env::MemoryFileSystem fs;
  auto index = Open(fs, 8);
  const Vector good(8, 1.0f), bad(9, 1.0f);
  const std::vector<VectorAdd> adds = {{Sequence(1), good}, {Sequence(2), bad}};
  const Status status = index->Apply(adds, Through(2));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.reason(), Reason::DIMENSION_MISMATCH);
  EXPECT_EQ(index->size(), 0u);
  EXPECT_EQ(index->identity().sequence, Sequence(0));
}

// Shapes for which codes of eight bits are coarse, and crowds that differ less than a code does.
TEST(VectorsProperty, ExactOnEveryShape) {
  Prng prng(3);
  for (int round = 0; round < 24; ++round) {
    env::MemoryFileSystem fs;
    const size_t dimension = 1 + prng.Below(round % 3 == 0 ? 900 : 70);
    const size_t count = 1 + prng.Below(1200);
    std::vector<Vector> centres, vectors;
    for (int i = 0; i < 5; ++i) centres.push_back(RandomVector(prng, dimension));
    for (size_t i = 0; i < count; ++i) {
      Vector vector = round % 2 == 0 ? Near(centres[prng.Below(5)], prng, 0.01f)
                                     : RandomVector(prng, dimension);
      if (round % 4 == 1) vector[prng.Below(dimension)] += 40;  // a spike
      if (round % 5 == 2)
        for (float& value : vector) value *= prng.OneIn(9);  // sparse
      if (round % 7 == 3)
        for (float& value : vector) value *= 1e-12f;  // tiny
      vectors.push_back(std::move(vector));
    }
    auto index = Open(fs, static_cast<uint32_t>(dimension));
    ASSERT_TRUE(AddAll(*index, vectors).ok());
    for (int i = 0; i < 4; ++i) {
      const Vector query = i % 2 == 0 ? RandomVector(prng, dimension) : vectors[prng.Below(count)];
      const uint64_t modulus = 1 + prng.Below(9);
      ExpectExact(*index, vectors, query, 1 + prng.Below(40),
                  [modulus](Sequence content) { return content.value() % modulus == 0; });
      ExpectExact(*index, vectors, query, 1 + prng.Below(2 * count));
    }
  }
}

// The bound is of use: on vectors as models make them it is small.
TEST(Vectors, ErrorsAreSmallOnOrdinaryVectors) {
  env::MemoryFileSystem fs;
  Prng prng(4);
  std::vector<Vector> vectors;
  for (int i = 0; i < 200; ++i) vectors.push_back(RandomVector(prng, 768));
  auto index = Open(fs, 768);
  ASSERT_TRUE(AddAll(*index, vectors).ok());
  for (const VectorHit& hit : index->Nearest(vectors[0], 200, nullptr)) {
    EXPECT_LT(hit.error, 0.02f);
    EXPECT_GT(hit.error, 0.001f);
  }
}

TEST(Vectors, ReopenedAtTheIdentityThatWasFlushed) {
  env::MemoryFileSystem fs;
  Prng prng(5);
  std::vector<Vector> vectors;
  for (int i = 0; i < 500; ++i) vectors.push_back(RandomVector(prng, 33));
  {
    auto index = Open(fs, 33);
    ASSERT_TRUE(AddAll(*index, {vectors.begin(), vectors.begin() + 200}).ok());
    ASSERT_TRUE(AddAll(*index, vectors, 200).ok());
  }
  auto index = Open(fs, 33);
  EXPECT_EQ(index->identity(), Through(500));
  EXPECT_EQ(index->size(), 500u);
  EXPECT_EQ(index->bytes(), 8192u + 500 * (24 + 33));
  ExpectExact(*index, vectors, vectors[321], 10);
}

TEST(Vectors, OtherIncarnationDimensionAndVersionAreRefused) {
  env::MemoryFileSystem fs;
  Open(fs, 16);
  EXPECT_EQ(VectorIndex::Open(fs, kPath, MakeIncarnation(2), 16).status().reason(),
            Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(VectorIndex::Open(fs, kPath, MakeIncarnation(1), 17).status().reason(),
            Reason::DIMENSION_MISMATCH);
  ASSERT_TRUE(VectorIndex::Destroy(fs, kPath).ok());
  EXPECT_TRUE(VectorIndex::Open(fs, kPath, MakeIncarnation(2), 17).ok());
}

TEST(Vectors, DestroyOfNothingIsFine) {
  env::MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectory("/v").ok());
  EXPECT_TRUE(VectorIndex::Destroy(fs, kPath).ok());
}

// Any bit below the end is either reported, or it changes nothing that counts.
TEST(VectorsProperty, DamageIsReported) {
  env::MemoryFileSystem whole;
  Prng prng(6);
  std::vector<Vector> vectors;
  for (int i = 0; i < 40; ++i) vectors.push_back(RandomVector(prng, 20));
  {
    auto index = Open(whole, 20);
    ASSERT_TRUE(AddAll(*index, {vectors.begin(), vectors.begin() + 10}).ok());
    ASSERT_TRUE(index->Flush().ok());
    ASSERT_TRUE(AddAll(*index, vectors, 10).ok());
  }
  int reported = 0, earlier = 0;
  for (int round = 0; round < 600; ++round) {
    const auto fs = whole.Clone();
    const uint64_t bit = round < 76 * 2 ? 4096 * 8 * (round % 2) + prng.Below(76 * 8)
                                        : 8192 * 8 + prng.Below(40 * 44 * 8);
    ASSERT_TRUE(env::FlipStoredBit(*fs, kPath, bit).ok());
    Result<std::unique_ptr<VectorIndex>> index =
        VectorIndex::Open(*fs, kPath, MakeIncarnation(1), 20);
    if (!index.ok()) {
      ++reported;
      ASSERT_TRUE(VectorIndex::Destroy(*fs, kPath).ok());
      auto again = Open(*fs, 20);
      EXPECT_EQ(again->identity().sequence, Sequence(0));
      continue;
    }
    const uint64_t through = (*index)->identity().sequence.value();
    ASSERT_TRUE(through == 10 || through == 40);
    ASSERT_EQ((*index)->size(), through);
    earlier += through == 10;
    ExpectExact(**index, {vectors.begin(), vectors.begin() + static_cast<long>(through)},
                vectors[3], 5);
  }
  EXPECT_GT(reported, 300);
  EXPECT_GT(earlier, 20);  // the newest slot was hit, the other one serves
}

TEST(Vectors, AShortFileIsReported) {
  env::MemoryFileSystem fs;
  Prng prng(7);
  {
    auto index = Open(fs, 20);
    ASSERT_TRUE(AddAll(*index, {RandomVector(prng, 20), RandomVector(prng, 20)}).ok());
  }
  auto file = fs.Open(kPath, env::OpenMode::kReadWrite).value();
  for (const uint64_t size : {8192 + 2 * 44 - 1, 8192, 100, 0}) {
    ASSERT_TRUE(file->Truncate(size).ok());
    EXPECT_FALSE(VectorIndex::Open(fs, kPath, MakeIncarnation(1), 20).ok()) << size;
  }
}

// After a power cut the index stands, whole, at an identity that was applied; and goes on.
TEST(VectorsCrash, StandsAtAnEarlierIdentity) {
  size_t behind = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Prng prng(seed);
    auto fs = std::make_unique<env::MemoryFileSystem>();
    ASSERT_TRUE(fs->CreateDirectory("/v").ok());
    ASSERT_TRUE(fs->SyncDirectory("/").ok());
    std::vector<Vector> vectors;
    std::set<uint64_t> applied = {0};
    for (int cycle = 0; cycle < 4; ++cycle) {
      auto index = Open(*fs, 50);
      const uint64_t stands = index->identity().sequence.value();
      ASSERT_TRUE(applied.contains(stands)) << stands << " seed " << seed;
      ASSERT_EQ(index->size(), stands);
      behind += stands < vectors.size();
      vectors.resize(stands);
      for (uint64_t step = prng.Below(6); step > 0; --step) {
        const size_t from = vectors.size();
        for (uint64_t i = prng.Below(30); i > 0; --i) vectors.push_back(RandomVector(prng, 50));
        ASSERT_TRUE(AddAll(*index, vectors, from).ok());
        applied.insert(vectors.size());
        ASSERT_TRUE(prng.OneIn(2) || index->Flush().ok());
      }
      if (!vectors.empty()) ExpectExact(*index, vectors, vectors[prng.Below(vectors.size())], 7);
      auto crashed = fs->CrashClone(prng);
      index.reset();
      fs = std::move(crashed);
    }
    auto index = Open(*fs, 50);
    const auto stands = static_cast<long>(index->size());
    const std::vector<Vector> left(vectors.begin(), vectors.begin() + stands);
    if (stands > 0) ExpectExact(*index, left, vectors[0], 5);
  }
  EXPECT_GT(behind, 20u);
}

TEST(VectorsFault, AFailedWriteMayBeRepeated) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Prng prng(8);
  std::vector<Vector> vectors = {RandomVector(prng, 10), RandomVector(prng, 10)};
  auto index = Open(fs, 10);
  fs.Inject({.operation = env::Operation::kWrite, .path = "vectors.bin", .error_number = ENOSPC});
  const Status full = AddAll(*index, vectors);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.reason(), Reason::DISK_FULL);
  EXPECT_EQ(index->size(), 0u);
  ASSERT_TRUE(AddAll(*index, vectors).ok());
  EXPECT_EQ(index->size(), 2u);
}

TEST(VectorsFault, AfterAFailedSyncNothingIsTaken) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Prng prng(9);
  std::vector<Vector> vectors = {RandomVector(prng, 10), RandomVector(prng, 10)};
  {
    auto index = Open(fs, 10);
    ASSERT_TRUE(AddAll(*index, {vectors[0]}).ok());
    fs.Inject({.operation = env::Operation::kSync, .path = "vectors.bin"});
    EXPECT_FALSE(index->Flush().ok());
    EXPECT_FALSE(AddAll(*index, vectors, 1).ok());
    EXPECT_FALSE(index->Flush().ok());
    EXPECT_EQ(index->Nearest(vectors[0], 1, nullptr).size(), 1u);  // what it has can be found
  }
  fs.Heal();
  auto index = Open(fs, 10);
  EXPECT_EQ(index->identity().sequence, Sequence(0));  // never flushed
}

TEST(Vectors, ScansRunBesideTheWriter) {
  env::MemoryFileSystem fs;
  Prng prng(10);
  std::vector<Vector> vectors;
  for (int i = 0; i < 6000; ++i) vectors.push_back(RandomVector(prng, 16));
  auto index = Open(fs, 16);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    size_t before = 0;
    do {
      const size_t size = index->size();
      ASSERT_GE(size, before);
      ASSERT_GE(index->Nearest(vectors[0], 1 << 20, nullptr).size(), size);
      before = size;
    } while (!done);
  });
  for (size_t from = 0; from < vectors.size(); from += 37) {
    std::vector<VectorAdd> adds;
    for (size_t i = from; i < std::min(from + 37, vectors.size()); ++i) {
      adds.push_back({Sequence(i + 1), vectors[i]});
    }
    ASSERT_TRUE(index->Apply(adds, Through(from + 37)).ok());
  }
  done = true;
  reader.join();
  ExpectExact(*index, vectors, vectors[77], 10);
}

// Neither too little nor too much: exactly what no order of the true cosines can rule out.
TEST(VectorsProperty, SelectorKeepsWhatMayBeAmongTheNearest) {
  Prng prng(11);
  for (int round = 0; round < 300; ++round) {
    const size_t limit = prng.Below(30);
    NearestSelector selector(limit);
    std::vector<VectorHit> all;
    std::vector<float> lower;
    for (uint64_t i = 1 + prng.Below(round % 50 == 0 ? 20'000 : 100); i > 0; --i) {
      all.push_back({Sequence(i), static_cast<float>(prng.Unit()),
                     static_cast<float>(0.1 * prng.Unit() * prng.Unit())});
      lower.push_back(all.back().cosine - all.back().error);
      if (all.back().cosine + all.back().error >= selector.line()) selector.Add(all.back());
    }
    std::sort(lower.begin(), lower.end(), std::greater<>());
    std::set<uint64_t> expected;
    for (const VectorHit& hit : all) {
      const bool room = limit >= all.size();
      if (limit > 0 && (room || hit.cosine + hit.error >= lower[limit - 1])) {
        expected.insert(hit.content.value());
      }
    }
    EXPECT_EQ(ContentsOf(selector.Take()), expected);
  }
}

TEST(VectorMeasure, SaysWhatItMeasuredAndCleansUp) {
  env::MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectory("/v").ok());
  env::ManualClock clock;
  const auto rows = MeasureVectorScan(
      fs, clock, "/v", {.vectors = 2500, .dimension = 32, .results = 5, .rounds = 3});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  ASSERT_EQ(rows->size(), 4u);
  EXPECT_EQ((*rows)[0].name, "vector_scan_2500x32_time");
  EXPECT_GE((*rows)[3].value, 5);
  EXPECT_TRUE(fs.List("/v").value().empty());
}

TEST(Cosine, IsWhatItShouldBe) {
  EXPECT_FLOAT_EQ(Cosine(Vector{1, 0, 0}, Vector{1, 1, 0}), std::sqrt(0.5f));
  EXPECT_EQ(Cosine(Vector{1, 2}, Vector{2, 4}), 1);
  EXPECT_EQ(Cosine(Vector{1, 2}, Vector{-1, -2}), -1);
  EXPECT_EQ(Cosine(Vector{0, 0}, Vector{1, 2}), 0);
  EXPECT_EQ(Cosine(Vector{}, Vector{}), 0);
}

TEST(HashedEmbedding, IsLexical) {
  const Vector train = HashedEmbedding("Anna missed the train to Hamburg");
  ASSERT_EQ(train.size(), kHashedDimension);
  EXPECT_NEAR(Cosine(train, train), 1, 1e-6);
  double square = 0;
  for (const float value : train) square += static_cast<double>(value) * value;
  EXPECT_NEAR(square, 1, 1e-5);
  const float misspelt = Cosine(train, HashedEmbedding("ana mised teh train to Hamburgg"));
  const float unrelated = Cosine(train, HashedEmbedding("The kettle boils over"));
  EXPECT_GT(misspelt, 0.3f);
  EXPECT_LT(std::fabs(unrelated), 0.2f);
  EXPECT_TRUE(HashedEmbedding("").empty());
  EXPECT_TRUE(HashedEmbedding("?! …").empty());
  EXPECT_FALSE(HashedEmbedding("柏林 🎉").empty());
}

// Golden: stored vectors and those of a query must agree between versions and machines.
TEST(HashedEmbedding, StaysAsItIs) {
  const Vector values = HashedEmbedding("train");
  double sum = 0;
  size_t set = 0, largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    set += values[i] != 0;
    sum += values[i] * static_cast<double>(i);
    if (std::fabs(values[i]) > std::fabs(values[largest])) largest = i;
  }
  EXPECT_EQ(set, 6u);
  EXPECT_EQ(largest, 83u);
  EXPECT_NEAR(sum, 424.18993, 1e-3);
}

}  // namespace
}  // namespace engram::index
