#include "engram/index/text.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/base/prng.h"
#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/index/analyzer.h"

namespace engram::index {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
constexpr const char* kPath = "/t/text.db";

Incarnation MakeIncarnation(uint8_t number) {
  Incarnation incarnation;
  incarnation.bytes[5] = number;
  return incarnation;
}
IndexIdentity Through(uint64_t sequence) {
  return {MakeIncarnation(1), Epoch(3), Sequence(sequence), static_cast<uint32_t>(sequence * 31)};
}
std::unique_ptr<env::MemoryFileSystem> NewFileSystem() {
  auto fs = std::make_unique<env::MemoryFileSystem>();
  EXPECT_TRUE(fs->CreateDirectory("/t").ok());
  EXPECT_TRUE(fs->SyncDirectory("/").ok());
  return fs;
}
Result<std::unique_ptr<TextIndex>> TryOpen(env::FileSystem& fs,
                                           std::string_view analyzer = "english") {
  return TextIndex::Open(fs, kPath, MakeIncarnation(1), analyzer);
}
std::unique_ptr<TextIndex> Open(env::FileSystem& fs, std::string_view analyzer = "english") {
  Result<std::unique_ptr<TextIndex>> index = TryOpen(fs, analyzer);
  EXPECT_TRUE(index.ok()) << index.status().ToString();
  return std::move(index).value();
}
TextChange Added(uint64_t content, std::string text) {
  return {false, Sequence(content), std::move(text)};
}
TextChange Removed(uint64_t content, std::string text) {
  return {true, Sequence(content), std::move(text)};
}

struct Found {
  uint64_t content;
  uint32_t length;
  std::vector<uint32_t> counts;
  bool operator==(const Found&) const = default;
};
struct Answer {
  std::vector<Found> hits;
  std::vector<uint64_t> document_counts;
  bool operator==(const Answer&) const = default;
};
void PrintTo(const Found& found, std::ostream* out) {
  *out << "{" << found.content << ", length " << found.length << ", "
       << testing::PrintToString(found.counts) << "}";
}

Result<Answer> Search(TextSnapshot& snapshot, const std::vector<std::string>& terms) {
  Answer answer;
  RETURN_IF_ERROR(snapshot.Search(terms, &answer.document_counts, [&](const TextHit& hit) {
    answer.hits.push_back(
        {hit.content.value(), hit.length, {hit.counts.begin(), hit.counts.end()}});
  }));
  return answer;
}
Answer Search(TextIndex& index, const std::vector<std::string>& terms) {
  Result<std::unique_ptr<TextSnapshot>> snapshot = index.NewSnapshot();
  EXPECT_TRUE(snapshot.ok()) << snapshot.status().ToString();
  Result<Answer> answer = Search(**snapshot, terms);
  EXPECT_TRUE(answer.ok()) << answer.status().ToString();
  return *answer;
}

// What the index must say, by going through all texts.
class Oracle {
 public:
  explicit Oracle(std::string_view analyzer = "english")
      : analyzer_(Analyzer::Make(analyzer).value()) {}
  void Apply(const TextChange& change) {
    if (change.remove) {
      texts.erase(change.content.value());
    } else {
      texts[change.content.value()] = change.text;
    }
  }
  Answer Search(const std::vector<std::string>& terms) {
    Answer answer{{}, std::vector<uint64_t>(terms.size())};
    for (const auto& [content, text] : texts) {
      const std::vector<std::string> all = analyzer_->Analyze(text);
      Found found{content, static_cast<uint32_t>(all.size()), {}};
      bool any = false;
      for (size_t i = 0; i < terms.size(); ++i) {
        found.counts.push_back(static_cast<uint32_t>(std::count(all.begin(), all.end(), terms[i])));
        answer.document_counts[i] += found.counts[i] > 0;
        any = any || found.counts[i] > 0;
      }
      if (any) answer.hits.push_back(found);
    }
    return answer;
  }
  TextTotals Totals() {
    TextTotals totals{texts.size(), 0};
    for (const auto& [content, text] : texts) totals.terms += analyzer_->Analyze(text).size();
    return totals;
  }
  std::map<uint64_t, std::string> texts;

 private:
  std::unique_ptr<Analyzer> analyzer_;
};

const std::vector<std::string> kWords = {"train", "anna",  "berlin", "the", "running",
                                         "2023",  "柏林",  "поезд",  "🎉",   "café",
                                         "x",     "don't", "AND",    "OR",  "NEAR"};
std::string RandomText(Prng& prng) {
  std::string text;
  const uint64_t words = prng.OneIn(20) ? 200 + prng.Below(200) : prng.Below(12);
  for (uint64_t i = 0; i < words; ++i) {
    text += kWords[prng.Below(1 + prng.Below(kWords.size()))] + (prng.OneIn(9) ? "\n" : " ");
  }
  return text;
}
std::vector<std::string> RandomTerms(Prng& prng) {
  std::string query;
  for (uint64_t i = prng.Below(5) + 1; i > 0; --i) query += kWords[prng.Below(kWords.size())] + " ";
  std::vector<std::string> terms = Analyzer::Make("english").value()->AnalyzeQuery(query).terms;
  if (prng.OneIn(4)) terms.push_back("nowhere");
  return terms;
}
// Adds new documents, and takes away some that are there.
std::vector<TextChange> RandomChanges(Prng& prng, Oracle* oracle, uint64_t* next) {
  std::vector<TextChange> changes;
  for (uint64_t i = prng.Below(20); i > 0; --i) {
    if (prng.OneIn(3) && !oracle->texts.empty()) {
      auto victim = oracle->texts.begin();
      std::advance(victim, static_cast<long>(prng.Below(oracle->texts.size())));
      changes.push_back(Removed(victim->first, victim->second));
    } else {
      changes.push_back(Added(*next, RandomText(prng)));
      *next += 1 + prng.Below(3);
    }
    oracle->Apply(changes.back());
  }
  return changes;
}
void ExpectSame(TextIndex& index, Oracle& oracle, Prng& prng, int queries) {
  for (int i = 0; i < queries; ++i) {
    const std::vector<std::string> terms = RandomTerms(prng);
    ASSERT_EQ(Search(index, terms), oracle.Search(terms)) << testing::PrintToString(terms);
  }
  auto snapshot = index.NewSnapshot().value();
  EXPECT_EQ(snapshot->totals().documents, oracle.Totals().documents);
  EXPECT_EQ(snapshot->totals().terms, oracle.Totals().terms);
}

TEST(Text, CountsTermsPerDocument) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  ASSERT_TRUE(index
                  ->Apply(std::vector{Added(1, "The train, the other trains"),
                                      Added(2, "Anna took a train"), Added(5, "Berlin")},
                          Through(5))
                  .ok());
  const Answer answer = Search(*index, {"anna", "train", "hamburg"});
  EXPECT_THAT(answer.hits, ElementsAre(Found{1, 2, {0, 2, 0}}, Found{2, 3, {1, 1, 0}}));
  EXPECT_THAT(answer.document_counts, ElementsAre(1, 2, 0));
  EXPECT_EQ(index->identity(), Through(5));
  auto snapshot = index->NewSnapshot().value();
  EXPECT_EQ(snapshot->totals().documents, 3u);
  EXPECT_EQ(snapshot->totals().terms, 6u);
  EXPECT_EQ(snapshot->identity(), Through(5));
}

TEST(Text, TermsAreTakenAsTheyAre) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  // "universities" has the stem "univers", whose own stem is another one again for some words.
  ASSERT_TRUE(index
                  ->Apply(std::vector{Added(1, "generously \"quoted\" a*b AND NOT c OR NEAR(d)")},
                          Through(1))
                  .ok());
  EXPECT_EQ(Search(*index, {"generous"}).hits.size(), 1u);
  EXPECT_EQ(Search(*index, {"generously"}).hits.size(), 0u);
  EXPECT_EQ(Search(*index, {"near"}).hits.size(), 1u);
  for (const char* odd : {"\"", "a\" OR \"quot", "quot*", "terms:quot", "a b", "(", "^quot", "-"}) {
    EXPECT_THAT(Search(*index, {odd}).hits, IsEmpty()) << odd;
  }
  EXPECT_THAT(Search(*index, {"generous quot"}).hits, IsEmpty());  // one term, not two
  const Answer answer = Search(*index, {"", "quot", std::string("q\0t", 3), "quot"});
  EXPECT_THAT(answer.hits, ElementsAre(Found{1, 5, {0, 1, 0, 1}}));
  EXPECT_THAT(Search(*index, {}).hits, IsEmpty());
}

TEST(Text, RemovedDocumentsAreGone) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  const std::string text = "Anna missed the train";
  ASSERT_TRUE(index->Apply(std::vector{Added(1, text), Added(2, "train")}, Through(2)).ok());
  ASSERT_TRUE(index->Apply(std::vector{Removed(1, text)}, Through(3)).ok());
  EXPECT_THAT(Search(*index, {"train", "anna"}).hits, ElementsAre(Found{2, 1, {1, 0}}));
  EXPECT_EQ(index->NewSnapshot().value()->totals().terms, 1u);
}

TEST(Text, ManyChangesToOneDocumentInOneBatch) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  ASSERT_TRUE(index
                  ->Apply(std::vector{Added(1, "one"), Removed(1, "one"), Added(2, "two"),
                                      Removed(2, "two"), Added(2, "three")},
                          Through(5))
                  .ok());
  ASSERT_TRUE(index
                  ->Apply(std::vector{Removed(2, "three"), Added(2, "four"), Removed(2, "four"),
                                      Added(2, "five")},
                          Through(6))
                  .ok());
  EXPECT_THAT(Search(*index, {"one", "two", "three", "four", "five"}).hits,
              ElementsAre(Found{2, 1, {0, 0, 0, 0, 1}}));
  EXPECT_EQ(index->NewSnapshot().value()->totals().documents, 1u);
}

TEST(Text, LongDocumentsKeepTheirExactLength) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  std::vector<TextChange> changes;
  for (const uint64_t length : {254u, 255u, 256u, 100'000u}) {
    std::string text;
    for (uint64_t i = 0; i < length; ++i) text += "x ";
    changes.push_back(Added(length, text));
  }
  ASSERT_TRUE(index->Apply(changes, Through(100'000)).ok());
  EXPECT_THAT(Search(*index, {"x"}).hits,
              ElementsAre(Found{254, 254, {254}}, Found{255, 255, {255}}, Found{256, 256, {256}},
                          Found{100'000, 100'000, {100'000}}));
  for (TextChange& change : changes) change.remove = true;
  ASSERT_TRUE(index->Apply(changes, Through(100'001)).ok());
  EXPECT_THAT(Search(*index, {"x"}).hits, IsEmpty());
}

TEST(Text, QueriesOf256Terms) {
  auto fs = NewFileSystem();
  auto index = Open(*fs, "simple");
  std::vector<std::string> terms;
  std::vector<TextChange> changes;
  for (uint64_t i = 0; i < 256; ++i) {
    terms.push_back("w" + std::to_string(i));
    changes.push_back(Added(i + 1, "w" + std::to_string(i) + " w0"));
  }
  ASSERT_TRUE(index->Apply(changes, Through(256)).ok());
  const Answer answer = Search(*index, terms);
  EXPECT_EQ(answer.hits.size(), 256u);
  EXPECT_EQ(answer.document_counts[0], 256u);
  EXPECT_EQ(answer.document_counts[255], 1u);
  EXPECT_EQ(answer.hits[255].counts[255], 1u);
}

TEST(Text, ASnapshotStandsStill) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  ASSERT_TRUE(index->Apply(std::vector{Added(1, "train")}, Through(1)).ok());
  auto before = index->NewSnapshot().value();
  ASSERT_TRUE(index->Apply(std::vector{Added(2, "train"), Removed(1, "train")}, Through(2)).ok());
  auto after = index->NewSnapshot().value();
  EXPECT_THAT(Search(*before, {"train"})->hits, ElementsAre(Found{1, 1, {1}}));
  EXPECT_THAT(Search(*after, {"train"})->hits, ElementsAre(Found{2, 1, {1}}));
  EXPECT_EQ(before->identity(), Through(1));
  EXPECT_EQ(after->identity(), Through(2));
}

TEST(Text, OtherIncarnationAndAnalyzerAreRefused) {
  auto fs = NewFileSystem();
  Open(*fs);
  EXPECT_EQ(TextIndex::Open(*fs, kPath, MakeIncarnation(2), "english").status().reason(),
            Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(TryOpen(*fs, "simple").status().reason(), Reason::UNSUPPORTED_VERSION);
  EXPECT_EQ(TryOpen(*fs, "klingon").status().reason(), Reason::CONFIGURATION);
  ASSERT_TRUE(TextIndex::Destroy(*fs, kPath).ok());
  EXPECT_EQ(Open(*fs, "simple")->identity().sequence, Sequence(0));
}

TEST(TextProperty, SaysWhatAllTextsSay) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Prng prng(seed);
    auto fs = NewFileSystem();
    auto index = Open(*fs);
    Oracle oracle;
    uint64_t next = 1;
    for (uint64_t step = 1; step <= 25; ++step) {
      ASSERT_TRUE(index->Apply(RandomChanges(prng, &oracle, &next), Through(step)).ok());
      if (prng.OneIn(6)) {
        index.reset();
        index = Open(*fs);
        ASSERT_EQ(index->identity(), Through(step));
      }
      ExpectSame(*index, oracle, prng, 4);
    }
  }
}

// After a power cut the index stands, whole, at an identity that was applied; and goes on.
TEST(TextCrash, StandsAtAnEarlierIdentity) {
  size_t behind = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Prng prng(seed);
    auto fs = NewFileSystem();
    std::map<uint64_t, Oracle> states;  // by identity
    states.emplace(0, Oracle());
    uint64_t next = 1, step = 0;
    for (int cycle = 0; cycle < 4; ++cycle) {
      auto index = Open(*fs);
      const uint64_t stands = index->identity().sequence.value();
      ASSERT_TRUE(states.contains(stands)) << stands << " seed " << seed;
      behind += stands < step;
      Oracle oracle;
      oracle.texts = states.at(stands).texts;
      ExpectSame(*index, oracle, prng, 5);
      for (uint64_t i = prng.Below(8); i > 0; --i) {
        ASSERT_TRUE(index->Apply(RandomChanges(prng, &oracle, &next), Through(++step)).ok());
        Oracle state;
        state.texts = oracle.texts;
        states.insert_or_assign(step, std::move(state));
      }
      ExpectSame(*index, oracle, prng, 2);
      auto crashed = fs->CrashClone(prng);
      index.reset();
      fs = std::move(crashed);
    }
  }
  EXPECT_GT(behind, 10u);
}

// A damaged file answers with an error or with what was there, and can be replaced by a new one.
TEST(TextProperty, DamageNeverCrashes) {
  auto whole = NewFileSystem();
  Prng prng(5);
  Oracle oracle;
  {
    auto index = Open(*whole);
    uint64_t next = 1;
    for (uint64_t step = 1; step < 40; ++step) {
      ASSERT_TRUE(index->Apply(RandomChanges(prng, &oracle, &next), Through(step)).ok());
    }
  }
  const uint64_t bits = 8 * whole->Open(kPath, env::OpenMode::kRead).value()->Size().value();
  int refused = 0;
  for (int round = 0; round < 250; ++round) {
    const auto fs = whole->Clone();
    for (int flip = 0; flip < 1 + round % 8; ++flip) {
      const uint64_t bit = round % 5 == 0 ? prng.Below(800) : prng.Below(bits);
      ASSERT_TRUE(env::FlipStoredBit(*fs, kPath, bit).ok());
    }
    Result<std::unique_ptr<TextIndex>> index = TryOpen(*fs);
    if (index.ok()) {
      Result<std::unique_ptr<TextSnapshot>> snapshot = (*index)->NewSnapshot();
      if (snapshot.ok()) static_cast<void>(Search(**snapshot, {"train", "berlin", "x"}).ok());
      static_cast<void>((*index)->Apply(std::vector{Added(100'000, "train")}, Through(41)));
      continue;
    }
    ++refused;
    ASSERT_TRUE(TextIndex::Destroy(*fs, kPath).ok());
    EXPECT_EQ(Open(*fs)->identity().sequence, Sequence(0));
  }
  EXPECT_GT(refused, 10);
}

TEST(Text, WhatIsNoDatabaseIsRefused) {
  auto fs = NewFileSystem();
  ASSERT_TRUE(env::ReplaceFile(*fs, kPath, std::string(5000, 'x')).ok());
  EXPECT_EQ(TryOpen(*fs).status().reason(), Reason::CORRUPTION_DETECTED);
  ASSERT_TRUE(TextIndex::Destroy(*fs, kPath).ok());
  Open(*fs);
}

TEST(TextFault, AFullDiskChangesNothing) {
  auto memory = NewFileSystem();
  env::FaultyFileSystem fs(*memory);
  auto index = Open(fs);
  ASSERT_TRUE(index->Apply(std::vector{Added(1, "train")}, Through(1)).ok());
  fs.Inject({.operation = env::Operation::kWrite,
             .path = "text.db",
             .times = env::Fault::kForever,
             .error_number = ENOSPC});
  const Status full = index->Apply(std::vector{Added(2, "train")}, Through(2));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.reason(), Reason::DISK_FULL);
  fs.Heal();
  EXPECT_EQ(index->identity(), Through(1));
  EXPECT_EQ(Search(*index, {"train"}).hits.size(), 1u);
  ASSERT_TRUE(index->Apply(std::vector{Added(2, "train")}, Through(2)).ok());
  EXPECT_EQ(Search(*index, {"train"}).hits.size(), 2u);
}

TEST(Text, ReadersRunBesideTheWriter) {
  auto fs = NewFileSystem();
  auto index = Open(*fs);
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      do {
        auto snapshot = index->NewSnapshot().value();
        const Result<Answer> answer = Search(*snapshot, {"train"});
        ASSERT_TRUE(answer.ok()) << answer.status().ToString();
        ASSERT_EQ(answer->hits.size(), snapshot->identity().sequence.value());
        ASSERT_EQ(snapshot->totals().documents, answer->hits.size());
      } while (!done);
    });
  }
  for (uint64_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(index->Apply(std::vector{Added(i, "train " + std::to_string(i))}, Through(i)).ok());
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace engram::index
