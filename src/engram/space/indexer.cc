#include "engram/space/indexer.h"

#include <algorithm>

namespace engram::space {
namespace {

constexpr env::Duration kGather = std::chrono::milliseconds(5);
constexpr env::Duration kRetry = std::chrono::seconds(1);
constexpr uint64_t kManyEntries = 512;

}  // namespace

// Outlives the indexer while a task of it waits in the executor.
struct Indexer::Runner {
  std::unique_ptr<Follower> follower;
  Mutex mutex;
  std::condition_variable_any changed;
  Indexer* indexer GUARDED_BY(mutex) = nullptr;  // null: paused, or gone
  bool running GUARDED_BY(mutex) = false;
  bool again GUARDED_BY(mutex) = false;
  enum { kNone, kLater, kNow } scheduled GUARDED_BY(mutex) = kNone;
};

Indexer::Indexer(Core& core, std::function<void(Sequence)> catalog_reached)
    : core_(core), catalog_reached_(std::move(catalog_reached)) {
  for (auto& runner : runners_) runner = std::make_shared<Runner>();
  runners_[0]->follower = MakeCatalogFollower(core);
  runners_[1]->follower = MakeVectorFollower(core);
  runners_[2]->follower = MakeTextFollower(core);
}

Indexer::~Indexer() {
  Pause();
}

void Indexer::Kick(bool at_once) {
  // Who tells that the visible end has moved need not be inside; while the gate is shut the indexes
  // are replaced, and whoever opens it again kicks.
  const std::optional<Gate::Pass> pass = core_.gate.TryEnter();
  if (!pass.has_value() || !core_.ready.load()) return;
  const Sequence visible = core_.visible.Get().sequence;
  for (const auto& runner : runners_) {
    const Sequence reached = runner->follower->identity().sequence;
    if (reached >= visible) continue;
    Schedule(runner, at_once || visible.value() - reached.value() > kManyEntries);
  }
}

void Indexer::Schedule(const std::shared_ptr<Runner>& runner, bool at_once) {
  {
    MutexLock lock(runner->mutex);
    if (runner->indexer == nullptr) return;
    const auto wanted = at_once ? Runner::kNow : Runner::kLater;
    if (runner->scheduled >= wanted) return;
    runner->scheduled = wanted;
  }
  env::Executor& executor = *core_.environment.background;
  if (at_once) {
    executor.Post([runner] { Run(runner, false); });
  } else {
    executor.PostAfter(kGather, [runner] { Run(runner, true); });
  }
}

void Indexer::Run(const std::shared_ptr<Runner>& runner, bool delayed) {
  Indexer* indexer;
  {
    MutexLock lock(runner->mutex);
    if (delayed && runner->scheduled == Runner::kNow) return;  // overtaken
    runner->scheduled = Runner::kNone;
    indexer = runner->indexer;
    if (indexer == nullptr) return;
    if (runner->running) {
      runner->again = true;
      return;
    }
    runner->running = true;
  }
  const bool more = indexer->RunSlice(*runner);
  MutexLock lock(runner->mutex);
  runner->running = false;
  const bool go_on = (more || runner->again) && runner->indexer != nullptr;
  runner->again = false;
  if (go_on && runner->scheduled != Runner::kNow) {
    runner->scheduled = Runner::kNow;
    indexer->core_.environment.background->Post([runner] { Run(runner, false); });
  }
  runner->changed.notify_all();
}

bool Indexer::RunSlice(Runner& runner) {
  const Result<bool> more = runner.follower->Step(core_.visible.Get().sequence);
  const bool of_catalog = &runner == runners_[0].get();
  if (more.ok()) {
    if (of_catalog) catalog_failures_ = 0;
    Reached(runner);
    return *more;
  }
  if (of_catalog && more.status().reason() == Reason::IO) ++catalog_failures_;
  core_.Report("index_failed",
               std::string(runner.follower->name()) + ": " + more.status().message());
  for (const auto& shared : runners_) {
    if (shared.get() != &runner) continue;
    core_.environment.background->PostAfter(kRetry, [shared] { Run(shared, false); });
  }
  return false;
}

void Indexer::Reached(Runner& runner) {
  const Sequence reached = runner.follower->identity().sequence;
  if (&runner == runners_[0].get()) catalog_reached_(reached);
  core_.TrimTail(/*pressed=*/false);
  if (core_.environment.observer != nullptr) {
    const uint64_t visible = core_.visible.Get().sequence.value();
    core_.environment.observer->OnIndexed(core_.id, runner.follower->name(),
                                          visible - std::min(visible, reached.value()));
  }
  MutexLock lock(moved_mutex_);
  moved_.notify_all();
}

void Indexer::Pause() {
  for (const auto& runner : runners_) {
    MutexLock lock(runner->mutex);
    runner->indexer = nullptr;
    runner->changed.wait(lock, [&]() REQUIRES(runner->mutex) { return !runner->running; });
  }
}

void Indexer::Resume() {
  for (const auto& runner : runners_) {
    MutexLock lock(runner->mutex);
    runner->indexer = this;
  }
}

Status Indexer::Finish(env::Duration at_most) {
  const env::Instant stop = core_.environment.clock->Now() + at_most;
  Status first;
  for (const auto& runner : runners_) {
    for (;;) {
      const Result<bool> more = runner->follower->Step(core_.visible.Get().sequence);
      if (!more.ok() && first.ok()) first = more.status();
      if (!more.ok() || !*more) break;
      const bool must = runner == runners_[0];
      if (!must && core_.environment.clock->Now() > stop) break;
    }
    Reached(*runner);
  }
  return first;
}

bool Indexer::WaitFor(Sequence through, env::Duration at_most) {
  Kick(/*at_once=*/true);
  MutexLock lock(moved_mutex_);
  return moved_.wait_for(lock, at_most, [&] { return Slowest() >= through; });
}

Sequence Indexer::Slowest() const {
  Sequence slowest(UINT64_MAX);
  for (const auto& runner : runners_) {
    slowest = std::min(slowest, runner->follower->identity().sequence);
  }
  return slowest;
}

}  // namespace engram::space
