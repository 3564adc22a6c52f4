#include "engram/index/catalog.h"

#include <gtest/gtest.h>

#include "engram/env/memory_file_system.h"
#include "engram/index/catalog_expect.h"

namespace engram::index {
namespace {

constexpr const char* kPath = "/catalog.db";

Incarnation MakeIncarnation(uint8_t first) {
  Incarnation incarnation;
  incarnation.bytes[0] = first;
  return incarnation;
}

const Incarnation kIncarnation = MakeIncarnation(1);

std::unique_ptr<Catalog> OpenCatalog(env::FileSystem& fs, const std::string& path = kPath,
                                     Incarnation incarnation = kIncarnation) {
  auto catalog = Catalog::Open(fs, path, incarnation);
  EXPECT_TRUE(catalog.ok()) << catalog.status().ToString();
  return std::move(catalog).value();
}

std::unique_ptr<CatalogSnapshot> SnapshotOf(Catalog& catalog) {
  auto snapshot = catalog.NewSnapshot();
  EXPECT_TRUE(snapshot.ok()) << snapshot.status().ToString();
  return std::move(snapshot).value();
}

Status ApplyAll(Catalog& catalog, const std::vector<model::Change>& changes) {
  return catalog.Apply(changes, IdentityAt(kIncarnation, changes.back()));
}

model::Change StoreOf(uint64_t sequence, const std::string& id, uint64_t version) {
  model::pb::StoreRecord record;
  record.mutable_episode()->set_id(id);
  record.mutable_episode()->set_what("x");
  record.set_version(version);
  return {Sequence(sequence), Epoch(1), 9, record};
}

TEST(Catalog, NewFileStandsAtNothing) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  EXPECT_EQ(catalog->identity(), (IndexIdentity{kIncarnation, Epoch(), Sequence(), 0}));
  const auto snapshot = SnapshotOf(*catalog);
  EXPECT_EQ(snapshot->identity(), catalog->identity());
  EXPECT_FALSE(snapshot->FindId("nobody")->has_value());
  EXPECT_TRUE(snapshot->FindKey("no key")->empty());
  EXPECT_TRUE(snapshot->History("nobody")->empty());
  EXPECT_EQ(snapshot->NamesOf(Sequence(3)).status().reason(), Reason::MEMORY_NOT_FOUND);
}

TEST(Catalog, AnswersAsTheOracleAfterRandomChanges) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem fs;
    auto catalog = OpenCatalog(fs);
    CatalogOracle oracle;
    ChangeMaker maker(seed);
    for (int round = 0; round < 12; ++round) {
      std::vector<model::Change> changes;
      for (uint64_t i = 1 + maker.prng().Below(40); i > 0; --i) {
        changes.push_back(maker.Next(oracle));
        oracle.Apply(changes.back());
      }
      const Status applied = ApplyAll(*catalog, changes);
      ASSERT_TRUE(applied.ok()) << applied.ToString();
      if (maker.prng().OneIn(4)) {
        catalog = nullptr;
        catalog = OpenCatalog(fs);
      }
      EXPECT_EQ(catalog->identity(), IdentityAt(kIncarnation, changes.back()));
      ExpectEqual(*SnapshotOf(*catalog), oracle);
      if (HasFailure()) return;
    }
  }
}

TEST(Catalog, SnapshotStaysAsItWas) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  CatalogOracle oracle;
  ChangeMaker maker(7);
  std::vector<std::pair<std::unique_ptr<CatalogSnapshot>, CatalogOracle>> snapshots;
  for (int round = 0; round < 10; ++round) {
    const model::Change change = maker.Next(oracle);
    oracle.Apply(change);
    ASSERT_TRUE(ApplyAll(*catalog, {change}).ok());
    snapshots.emplace_back(SnapshotOf(*catalog), oracle);
  }
  for (auto& [snapshot, as_it_was] : snapshots) ExpectEqual(*snapshot, as_it_was);
}

TEST(Catalog, DeletedIdKeepsItsVersionNumber) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  model::pb::DeleteRecord gone;
  gone.add_ids("a");
  gone.add_versions(2);
  gone.add_ids("compacted away");
  gone.add_versions(9);
  ASSERT_TRUE(
      ApplyAll(*catalog, {StoreOf(1, "a", 1), StoreOf(2, "a", 2), {Sequence(3), Epoch(1), 9, gone}})
          .ok());
  auto snapshot = SnapshotOf(*catalog);
  const IdState a = **snapshot->FindId("a");
  EXPECT_TRUE(a.deleted);
  EXPECT_EQ(a.version, 2u);
  EXPECT_EQ((*snapshot->FindId("compacted away"))->version, 9u);
  EXPECT_TRUE(snapshot->History("a")->empty());
  ASSERT_TRUE(ApplyAll(*catalog, {StoreOf(4, "a", 3)}).ok());
  snapshot = SnapshotOf(*catalog);
  EXPECT_EQ(snapshot->History("a")->size(), 1u);
  EXPECT_FALSE((*snapshot->FindId("a"))->deleted);
}

TEST(Catalog, KeyOfABatchHasAllItsItems) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  std::vector<model::Change> changes;
  for (uint32_t item = 0; item < 3; ++item) {
    changes.push_back(StoreOf(item + 1, "id" + std::to_string(item), 1));
    auto* key = std::get<model::pb::StoreRecord>(changes.back().decision).mutable_key();
    key->set_key("batch");
    key->set_request_digest(~uint64_t{5});
    key->set_item(item);
    key->set_items(3);
  }
  ASSERT_TRUE(ApplyAll(*catalog, changes).ok());
  const auto items = SnapshotOf(*catalog)->FindKey("batch");
  ASSERT_EQ(items->size(), 3u);
  EXPECT_EQ((*items)[2].sequence, Sequence(3));
  EXPECT_EQ((*items)[2].items, 3u);
  EXPECT_EQ((*items)[2].request_digest, ~uint64_t{5});
}

TEST(Catalog, KeyUsedAgainForgetsItsLongerBatch) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  std::vector<model::Change> changes;
  for (uint32_t sequence = 1; sequence <= 3; ++sequence) {
    changes.push_back(StoreOf(sequence, "id" + std::to_string(sequence), 1));
    auto* key = std::get<model::pb::StoreRecord>(changes.back().decision).mutable_key();
    key->set_key("again");
    key->set_item(sequence == 2 ? 1 : 0);
    key->set_items(sequence == 3 ? 1 : 2);
  }
  ASSERT_TRUE(ApplyAll(*catalog, changes).ok());
  const auto items = SnapshotOf(*catalog)->FindKey("again");
  ASSERT_EQ(items->size(), 1u);
  EXPECT_EQ(items->front().sequence, Sequence(3));
}

TEST(Catalog, FindsSimilarIds) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  std::vector<model::Change> changes;
  for (const char* id : {"meeting-1", "meeting-12", "greeting-1", "meating-1", "xmeeting-1",
                         "eeting-1", "emeting-1", "other", "gone-meeting"}) {
    changes.push_back(StoreOf(changes.size() + 1, id, 1));
  }
  model::pb::DeleteRecord gone;
  gone.add_ids("meating-1");
  gone.add_versions(1);
  changes.push_back({Sequence(99), Epoch(1), 9, gone});
  ASSERT_TRUE(ApplyAll(*catalog, changes).ok());
  auto similar = SnapshotOf(*catalog)->SimilarIds("meeting-1", 10);
  ASSERT_TRUE(similar.ok());
  std::sort(similar->begin(), similar->end());
  EXPECT_EQ(*similar,
            (std::vector<std::string>{"eeting-1", "emeting-1", "meeting-12", "xmeeting-1"}));
  EXPECT_EQ(SnapshotOf(*catalog)->SimilarIds("meeting-1", 2)->size(), 2u);
  EXPECT_TRUE(SnapshotOf(*catalog)->SimilarIds("", 2)->empty());
}

TEST(Catalog, StopsAtTheFirstErrorOfTheCaller) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  ASSERT_TRUE(ApplyAll(*catalog, {StoreOf(1, "a", 1), StoreOf(2, "b", 1)}).ok());
  const auto snapshot = SnapshotOf(*catalog);
  int rows = 0;
  const auto refuse = [&rows](const LiveRow&) {
    ++rows;
    return Status(Reason::OVERLOADED, "enough");
  };
  EXPECT_EQ(snapshot->ForEachLive(refuse).reason(), Reason::OVERLOADED);
  EXPECT_EQ(snapshot->ForEachLive(refuse).reason(), Reason::OVERLOADED);
  EXPECT_EQ(rows, 2);
}

TEST(Catalog, RefusesChangesOutOfOrder) {
  env::MemoryFileSystem fs;
  const auto catalog = OpenCatalog(fs);
  ASSERT_TRUE(ApplyAll(*catalog, {StoreOf(5, "a", 1)}).ok());
  EXPECT_FALSE(ApplyAll(*catalog, {StoreOf(5, "b", 1)}).ok());
  EXPECT_FALSE(ApplyAll(*catalog, {StoreOf(7, "b", 1), StoreOf(6, "c", 1)}).ok());
  EXPECT_EQ(catalog->identity().sequence, Sequence(5));
  EXPECT_TRUE(ApplyAll(*catalog, {StoreOf(6, "b", 1)}).ok());
}

TEST(Catalog, TwoCatalogsShareNothing) {
  env::MemoryFileSystem fs;
  const auto one = OpenCatalog(fs, "/one.db"), two = OpenCatalog(fs, "/two.db", MakeIncarnation(2));
  ASSERT_TRUE(ApplyAll(*one, {StoreOf(1, "a", 1)}).ok());
  EXPECT_TRUE((*SnapshotOf(*one)->FindId("a")).has_value());
  EXPECT_FALSE((*SnapshotOf(*two)->FindId("a")).has_value());
  EXPECT_TRUE(two->identity().sequence.is_zero());
}

TEST(Catalog, RefusesAnotherIncarnation) {
  env::MemoryFileSystem fs;
  OpenCatalog(fs) = nullptr;
  EXPECT_FALSE(Catalog::Open(fs, kPath, MakeIncarnation(2)).ok());
  ASSERT_TRUE(Catalog::Destroy(fs, kPath).ok());
  EXPECT_TRUE(Catalog::Open(fs, kPath, MakeIncarnation(2)).ok());
}

}  // namespace
}  // namespace engram::index
