// Readers beside the writer, for ThreadSanitizer and for the promise that a snapshot is one state.
#include <atomic>

#include <gtest/gtest.h>

#include "engram/env/executor.h"
#include "engram/env/memory_file_system.h"
#include "engram/index/catalog_expect.h"

namespace engram::index {
namespace {

constexpr Incarnation kIncarnation{{9}};

// Every run of changes stores one more version of each of ten ids: in any whole state they agree.
std::vector<model::Change> RunOf(uint64_t round) {
  std::vector<model::Change> changes;
  for (uint64_t i = 0; i < 10; ++i) {
    model::pb::StoreRecord record;
    record.mutable_episode()->set_id("id" + std::to_string(i));
    record.mutable_episode()->add_tags("tag");
    record.set_version(round);
    changes.push_back({Sequence(round * 10 + i), Epoch(1), 1, record});
  }
  return changes;
}

void ExpectOneState(Catalog& catalog) {
  const auto snapshot = catalog.NewSnapshot();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().ToString();
  const uint64_t round = (*snapshot)->identity().sequence.value() / 10;
  for (uint64_t i = 0; i < 10; ++i) {
    const auto state = (*snapshot)->FindId("id" + std::to_string(i));
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    ASSERT_EQ(state->has_value(), round > 0);
    if (state->has_value()) {
      ASSERT_EQ((*state)->version, round);
    }
  }
  const auto tagged = (*snapshot)->WithTags(std::vector<std::string>{"tag"});
  ASSERT_TRUE(tagged.ok());
  ASSERT_EQ(tagged->size(), round > 0 ? 10u : 0u);
}

TEST(CatalogThreads, ReadersSeeOneStateWhileTheWriterGoesOn) {
  env::MemoryFileSystem fs;
  const auto catalog = Catalog::Open(fs, "/catalog.db", kIncarnation);
  ASSERT_TRUE(catalog.ok());
  std::atomic<bool> written{false};
  std::unique_ptr<env::Executor> readers = env::MakeThreadPool("readers", 4);
  for (int reader = 0; reader < 4; ++reader) {
    readers->Post([&] {
      int reads = 0;
      while ((!written || reads < 20) && !testing::Test::HasFatalFailure()) {
        ExpectOneState(**catalog);
        ++reads;
      }
    });
  }
  for (uint64_t round = 1; round <= 300; ++round) {
    const std::vector<model::Change> changes = RunOf(round);
    const Status applied = (*catalog)->Apply(changes, IdentityAt(kIncarnation, changes.back()));
    EXPECT_TRUE(applied.ok()) << applied.ToString();
  }
  written = true;
  readers = nullptr;  // joins
}

TEST(CatalogThreads, ASnapshotOutlivesItsCatalog) {
  env::MemoryFileSystem fs;
  std::unique_ptr<CatalogSnapshot> snapshot;
  {
    const auto catalog = Catalog::Open(fs, "/catalog.db", kIncarnation);
    ASSERT_TRUE((*catalog)->Apply(RunOf(1), IdentityAt(kIncarnation, RunOf(1).back())).ok());
    snapshot = std::move(*(*catalog)->NewSnapshot());
  }
  ASSERT_TRUE(Catalog::Destroy(fs, "/catalog.db").ok());
  const auto again = Catalog::Open(fs, "/catalog.db", kIncarnation);
  ASSERT_TRUE((*again)->Apply(RunOf(2), IdentityAt(kIncarnation, RunOf(2).back())).ok());
  EXPECT_EQ((*snapshot->FindId("id3"))->version, 1u);
  snapshot = nullptr;
  EXPECT_EQ((*(*(*again)->NewSnapshot())->FindId("id3"))->version, 2u);
}

TEST(CatalogThreads, TooManySnapshotsAreRefused) {
  env::MemoryFileSystem fs;
  const auto catalog = Catalog::Open(fs, "/catalog.db", kIncarnation);
  std::vector<std::unique_ptr<CatalogSnapshot>> open;
  for (;;) {
    auto snapshot = (*catalog)->NewSnapshot();
    if (!snapshot.ok()) {
      EXPECT_EQ(snapshot.status().reason(), Reason::OVERLOADED);
      break;
    }
    ASSERT_LT(open.size(), 1000u);
    open.push_back(std::move(snapshot).value());
  }
  open.clear();
  EXPECT_TRUE((*catalog)->NewSnapshot().ok());
}

}  // namespace
}  // namespace engram::index
