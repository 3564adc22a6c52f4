// Moves what is visible into the indexes, in the background: the catalog, the vectors and the text
// each by a follower of its own, so that a slow one holds nobody back. A follower takes a slice of
// the log after its index's identity, from the tail or by cursor, and applies it in one
// transaction with its new identity.
//
// Owned by SpaceImpl. Thread-safe. At most one task of a follower runs at a time.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>

#include "engram/base/thread_annotations.h"
#include "engram/space/core.h"

namespace engram::space {

// One index as the indexer sees it.
class Follower {
 public:
  explicit Follower(Core& core) : core_(core) {}
  virtual ~Follower() = default;
  virtual const char* name() const = 0;
  virtual index::IndexIdentity identity() const = 0;
  virtual Status Apply(const std::vector<TailEntryPtr>& entries,
                       const index::IndexIdentity& through) = 0;
  // Most entries and bytes that one transaction takes.
  virtual size_t slice() const = 0;

  // Takes one slice of what lies between its identity and `through`. Says whether more is left.
  Result<bool> Step(Sequence through);

 protected:
  Core& core_;

 private:
  Result<std::vector<TailEntryPtr>> NextSlice(Sequence after, Sequence through);
  Result<std::vector<TailEntryPtr>> FromLog(Sequence after, Sequence through);
  std::unique_ptr<wal::Cursor> cursor_;  // where the tail no longer reaches
};

std::unique_ptr<Follower> MakeCatalogFollower(Core& core);
std::unique_ptr<Follower> MakeTextFollower(Core& core);
std::unique_ptr<Follower> MakeVectorFollower(Core& core);

class Indexer {
 public:
  // `catalog_reached` is told how far the catalog answers, without a lock.
  Indexer(Core& core, std::function<void(Sequence)> catalog_reached);
  ~Indexer();

  // There is something to index: soon, so that small writes go in together, or at once.
  void Kick(bool at_once);
  // Waits for running tasks; nothing runs until Resume. Then followers start from new indexes.
  void Pause();
  void Resume();
  // Indexes on this thread, as far as is visible; text and vectors stop after `at_most`. Paused.
  Status Finish(env::Duration at_most);
  // Waits until all have reached `through`. False when the time is over first.
  bool WaitFor(Sequence through, env::Duration at_most);
  Sequence Slowest() const;
  // The catalog's file fails again and again: it has to be opened anew.
  bool stuck() const { return catalog_failures_.load() >= 3; }

 private:
  struct Runner;
  void Schedule(const std::shared_ptr<Runner>& runner, bool at_once);
  static void Run(const std::shared_ptr<Runner>& runner, bool delayed);
  // One slice; says whether to go on.
  bool RunSlice(Runner& runner);
  void Reached(Runner& runner);

  Core& core_;
  const std::function<void(Sequence)> catalog_reached_;
  std::array<std::shared_ptr<Runner>, 3> runners_;
  std::atomic<int> catalog_failures_{0};  // one after another, of the file
  Mutex moved_mutex_;
  std::condition_variable_any moved_;
};

}  // namespace engram::space
