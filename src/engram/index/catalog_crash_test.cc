// What a power cut, a failing disk and a rotten file may do to the catalog: stop it, set it back to
// an earlier identity, be refused. Never: end the process, or change an answer.
#include <set>

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/index/catalog_expect.h"
#include "engram/index/sqlite.h"

namespace engram::index {
namespace {

using env::Fault;
using env::Operation;

constexpr const char* kPath = "/spaces/catalog.db";
constexpr Incarnation kIncarnation{{1, 2, 3}};

// A catalog under random changes, with the oracle of every identity that it has had.
class Life {
 public:
  // Bulky changes fill the WAL quickly, so that checkpoints happen.
  Life(env::FileSystem& fs, uint64_t seed, size_t bulk) : fs_(fs), maker_(seed), bulk_(bulk) {
    EXPECT_TRUE(fs.CreateDirectories("/spaces").ok());
    history_[Sequence(0)] = CatalogOracle();
  }

  Status Open() {
    catalog_ = nullptr;
    ASSIGN_OR_RETURN(catalog_, Catalog::Open(fs_, kPath, kIncarnation));
    return OkStatus();
  }

  // Applies some changes; those of a failed attempt are tried again, with more, at the next one.
  Status Step() {
    while (pending_.empty() || !maker_.prng().OneIn(6)) {
      pending_.push_back(maker_.Next(oracle_));
      auto* store = std::get_if<model::pb::StoreRecord>(&pending_.back().decision);
      if (store != nullptr && bulk_ > 0) {
        (*store->mutable_episode()->mutable_metadata())["bulk"] = std::string(bulk_, 'x');
      }
      oracle_.Apply(pending_.back());
    }
    const IndexIdentity through = IdentityAt(kIncarnation, pending_.back());
    history_[through.sequence] = oracle_;
    RETURN_IF_ERROR(catalog_->Apply(pending_, through));
    pending_.clear();
    return OkStatus();
  }

  // Identity and answers of the catalog in `fs` are those of one identity that it had.
  Sequence ExpectWhole(env::FileSystem& fs) {
    const auto catalog = Catalog::Open(fs, kPath, kIncarnation);
    EXPECT_TRUE(catalog.ok()) << catalog.status().ToString();
    if (!catalog.ok()) return Sequence(0);
    const Sequence at = (*catalog)->identity().sequence;
    EXPECT_EQ(history_.count(at), 1u) << at.value();
    const auto snapshot = (*catalog)->NewSnapshot();
    EXPECT_TRUE(snapshot.ok());
    ExpectEqual(**snapshot, history_[at]);
    return at;
  }

  void Close() { catalog_ = nullptr; }
  Catalog& catalog() { return *catalog_; }
  const CatalogOracle& oracle() const { return oracle_; }
  Prng& prng() { return maker_.prng(); }

 private:
  env::FileSystem& fs_;
  ChangeMaker maker_;
  const size_t bulk_;
  std::unique_ptr<Catalog> catalog_;
  std::vector<model::Change> pending_;         // not applied yet
  CatalogOracle oracle_;                       // with what is pending
  std::map<Sequence, CatalogOracle> history_;  // by identity that was tried
};

// The answers that a snapshot gives without an error are right; otherwise its first error.
Status AskAll(CatalogSnapshot& snapshot, const CatalogOracle& oracle) {
  std::map<Sequence, const CatalogOracle::Id*> live;
  for (const auto& [name, id] : oracle.ids) {
    ASSIGN_OR_RETURN(const std::optional<IdState> state, snapshot.FindId(name));
    EXPECT_TRUE(state.has_value() && state->version == id.last_version &&
                state->deleted == id.deleted());
    ASSIGN_OR_RETURN(const std::vector<VersionState> history, snapshot.History(name));
    EXPECT_EQ(history.size(), id.versions.size());
    if (!id.deleted()) live[id.versions.back().content] = &id;
  }
  for (const auto& [name, items] : oracle.keys) {
    ASSIGN_OR_RETURN(const std::vector<KeyState> found, snapshot.FindKey(name));
    EXPECT_EQ(found.size(), items.size());
  }
  size_t rows = 0;
  RETURN_IF_ERROR(snapshot.ForEachLive([&](const LiveRow& row) {
    ++rows;
    EXPECT_EQ(live.count(row.content), 1u);
    EXPECT_EQ(row.changed, live[row.content]->changed);
    return OkStatus();
  }));
  EXPECT_EQ(rows, live.size());
  for (int i = 0; i < 4; ++i) {
    const std::vector<std::string> tags = {"tag" + std::to_string(i)};
    ASSIGN_OR_RETURN(const std::vector<Sequence> tagged, snapshot.WithTags(tags));
    EXPECT_EQ(tagged,
              LiveWhere(oracle, [&](const model::Facets& f) { return Has(f.tags, tags[0]); }));
  }
  return OkStatus();
}

TEST(CatalogCrash, APowerCutLeavesAnEarlierIdentityWhole) {
  std::set<uint64_t> reached;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem fs;
    Life life(fs, seed, 0);
    ASSERT_TRUE(life.Open().ok());
    for (int step = 0; step < 12; ++step) {
      ASSERT_TRUE(life.Step().ok());
      if (life.prng().OneIn(5)) {
        ASSERT_TRUE(life.Open().ok());
      }
      reached.insert(life.ExpectWhole(*fs.CrashClone(life.prng())).value());
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(reached.size(), 20u);  // not only empty files
}

TEST(CatalogCrash, APowerCutAmidAnyOperationLeavesAnEarlierIdentityWhole) {
  uint64_t syncs = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem memory;
    env::FaultyFileSystem fs(memory);
    Life life(fs, seed, 60'000);
    ASSERT_TRUE(life.Open().ok());
    // From some write on nothing reaches the disk: the power is gone.
    fs.Inject({.operation = Operation::kWrite,
               .effect = life.prng().OneIn(2) ? Fault::Effect::kFail : Fault::Effect::kShort,
               .after = 500 + life.prng().Below(9000),
               .times = Fault::kForever,
               .where = life.prng().Below(4096)});
    while (life.Step().ok()) {
    }
    syncs += fs.Count(Operation::kSync);
    life.ExpectWhole(*memory.CrashClone(life.prng()));
    if (HasFailure()) return;
  }
  EXPECT_GT(syncs, 40u * 4);  // checkpoints were under way
}

TEST(CatalogCrash, AFailedOperationIsAnErrorAndCanBeTriedAgain) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem memory;
    env::FaultyFileSystem fs(memory);
    Life life(fs, seed, seed % 2 == 0 ? 30'000 : 0);
    const Operation operations[] = {Operation::kOpen, Operation::kRead, Operation::kWrite,
                                    Operation::kTruncate, Operation::kRemove};
    for (int faults = 0; faults < 4; ++faults) {
      fs.Inject({.operation = operations[life.prng().Below(5)],
                 .path = "catalog.db",
                 .after = life.prng().Below(60),
                 .times = 1 + life.prng().Below(3),
                 .error_number = life.prng().OneIn(2) ? EIO : ENOSPC});
    }
    for (int attempts = 0; !life.Open().ok(); ++attempts) ASSERT_LT(attempts, 50);
    for (int step = 0; step < 20; ++step) {
      for (int attempts = 0; !life.Step().ok(); ++attempts) ASSERT_LT(attempts, 50);
      const auto snapshot = life.catalog().NewSnapshot();
      if (snapshot.ok() && step % 5 == 0) (void)(*snapshot)->WithTags({}).ok();
    }
    fs.Heal();
    ExpectEqual(**life.catalog().NewSnapshot(), life.oracle());
    life.Close();
    life.ExpectWhole(memory);
    if (HasFailure()) return;
  }
}

TEST(CatalogCrash, AFailedSyncGivesTheFileUp) {
  uint64_t given_up = 0;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem memory;
    env::FaultyFileSystem fs(memory);
    Life life(fs, seed, 60'000);
    ASSERT_TRUE(life.Open().ok());
    const auto operation = seed % 4 == 0 ? Operation::kSyncDirectory : Operation::kSync;
    fs.Inject({.operation = operation, .after = life.prng().Below(8)});
    Status status;
    for (int step = 0; step < 150 && status.ok(); ++step) status = life.Step();
    if (fs.Struck() == 0) continue;
    ++given_up;
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.reason(), Reason::IO) << status.ToString();
    EXPECT_FALSE(life.Step().ok());
    // Readers go on; a power cut now, or the next opening, finds an empty catalog or a whole one.
    const auto snapshot = life.catalog().NewSnapshot();
    if (snapshot.ok()) {
      EXPECT_TRUE((*snapshot)->WithTags({}).ok());
    }
    life.ExpectWhole(*memory.CrashClone(life.prng()));
    life.Close();
    EXPECT_TRUE(life.ExpectWhole(memory).is_zero());
    if (HasFailure()) return;
  }
  EXPECT_GT(given_up, 10u);
}

TEST(CatalogCrash, AFullDiskIsSaidAndOver) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Life life(fs, 3, 60'000);
  ASSERT_TRUE(life.Open().ok());
  fs.SetFreeBytes(3 << 20);
  Status status;
  for (int step = 0; step < 100 && status.ok(); ++step) status = life.Step();
  EXPECT_EQ(status.reason(), Reason::DISK_FULL) << status.ToString();
  fs.Heal();
  ASSERT_TRUE(life.Step().ok());
  ExpectEqual(**life.catalog().NewSnapshot(), life.oracle());
}

// Any bit that flips is an error, at opening or at reading, or does not matter; then the file is
// thrown away.
TEST(CatalogCrash, ARottenFileIsNeverAWrongAnswer) {
  uint64_t found = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem fs;
    Life life(fs, seed, 0);
    ASSERT_TRUE(life.Open().ok());
    for (int step = 0; step < 6; ++step) ASSERT_TRUE(life.Step().ok());
    life.Close();
    const uint64_t bits = env::ReadWholeFile(fs, kPath)->size() * 8;
    ASSERT_TRUE(env::FlipStoredBit(fs, kPath, life.prng().Below(bits)).ok());
    Status status = life.Open();
    if (status.ok()) {
      const auto snapshot = life.catalog().NewSnapshot();
      status = snapshot.ok() ? AskAll(**snapshot, life.oracle()) : snapshot.status();
    }
    if (!status.ok()) {
      ++found;
      EXPECT_EQ(status.reason(), Reason::CORRUPTION_DETECTED) << status.ToString();
    }
    life.Close();
    ASSERT_TRUE(Catalog::Destroy(fs, kPath).ok());
    ASSERT_TRUE(life.Open().ok());
    EXPECT_TRUE(life.catalog().identity().sequence.is_zero());
    if (HasFailure()) return;
  }
  EXPECT_GT(found, 75u);
}

TEST(CatalogCrash, AFileOfSomethingElseIsRefused) {
  env::MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectories("/spaces").ok());
  ASSERT_TRUE(env::ReplaceFile(fs, kPath, std::string(10'000, 'z')).ok());
  EXPECT_EQ(Catalog::Open(fs, kPath, kIncarnation).status().reason(), Reason::CORRUPTION_DETECTED);
  ASSERT_TRUE(Catalog::Destroy(fs, kPath).ok());
  EXPECT_TRUE(Catalog::Open(fs, kPath, kIncarnation).ok());
}

TEST(CatalogCrash, AFileOfANewerProgramIsRefused) {
  env::MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectories("/spaces").ok());
  ASSERT_TRUE(Catalog::Open(fs, kPath, kIncarnation).ok());
  {
    auto connection = Connection::Open(fs, kPath, Connection::Use::kWrite);
    ASSERT_TRUE((*connection)->Execute("PRAGMA user_version=1000").ok());
  }
  EXPECT_EQ(Catalog::Open(fs, kPath, kIncarnation).status().reason(), Reason::UNSUPPORTED_VERSION);
}

}  // namespace
}  // namespace engram::index
