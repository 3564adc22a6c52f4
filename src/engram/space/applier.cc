#include "engram/space/applier.h"

namespace engram::space {
namespace {

constexpr size_t kSliceEntries = 512;
constexpr uint64_t kSliceBytes = 4u << 20;
// Should nobody tell that there is room, or that the gate is open again.
constexpr env::Duration kLookAgain = std::chrono::milliseconds(20);
constexpr env::Duration kRetry = std::chrono::seconds(1);

}  // namespace

Applier::Applier(Core& core, Writer& writer, Hooks hooks)
    : core_(core), writer_(writer), hooks_(std::move(hooks)), state_(std::make_shared<State>()) {}

Applier::~Applier() {
  Pause();
}

void Applier::Kick() {
  MutexLock lock(state_->mutex);
  if (state_->applier == nullptr) return;
  if (state_->running) state_->again = true;
  if (!state_->running) Schedule(state_, env::Duration(0));
}

void Applier::RoomMade() {
  MutexLock lock(state_->mutex);
  if (state_->applier == nullptr || !std::exchange(state_->starved, false)) return;
  // The task that waits in the executor finds nothing left to do.
  core_.environment.background->Post([state = state_] { Run(state); });
}

void Applier::Schedule(const std::shared_ptr<State>& state, env::Duration delay) {
  if (std::exchange(state->scheduled, true)) return;
  env::Executor& executor = *state->applier->core_.environment.background;
  const auto task = [state] {
    {
      MutexLock lock(state->mutex);
      state->scheduled = false;
    }
    Run(state);
  };
  delay.count() == 0 ? executor.Post(task) : executor.PostAfter(delay, task);
}

void Applier::Run(const std::shared_ptr<State>& state) {
  Applier* applier;
  {
    MutexLock lock(state->mutex);
    applier = state->applier;
    if (applier == nullptr) return;
    if (std::exchange(state->running, true)) {
      state->again = true;
      return;
    }
    state->again = state->starved = false;
  }
  const Outcome outcome = applier->RunSlice();
  MutexLock lock(state->mutex);
  state->running = false;
  if (state->applier != nullptr) {
    state->starved = outcome == Outcome::kNoRoom;
    if (outcome == Outcome::kMore || (outcome == Outcome::kDone && state->again)) {
      Schedule(state, env::Duration(0));
    } else if (outcome != Outcome::kDone) {
      Schedule(state, outcome == Outcome::kNoRoom ? kLookAgain : kRetry);
    }
  }
  state->changed.notify_all();
}

Applier::Outcome Applier::RunSlice() {
  Result<Outcome> outcome = Outcome::kNoRoom;
  {
    // While the gate is shut rows and indexes are replaced.
    const std::optional<Gate::Pass> pass = core_.gate.TryEnter();
    if (!pass.has_value()) return core_.gate.closed() ? Outcome::kDone : Outcome::kNoRoom;
    outcome = Step(/*must=*/false);
  }
  TellVisible();
  if (outcome.ok()) return *outcome;
  core_.Report("apply_failed", outcome.status().message());
  return Outcome::kLater;
}

Status Applier::Finish() {
  for (Outcome outcome = Outcome::kMore; outcome == Outcome::kMore;) {
    ASSIGN_OR_RETURN(outcome, Step(/*must=*/true));
  }
  TellVisible();
  return OkStatus();
}

Result<Applier::Outcome> Applier::Step(bool must) {
  const Sequence commit = core_.log->committed_end();
  if (!core_.ready.load()) {
    if (commit < Sequence(2)) return Outcome::kDone;
    RETURN_IF_ERROR(hooks_.set_up());
  }
  bool full = false;
  const Sequence before = core_.visible.Get().sequence;
  if (before >= commit) return Outcome::kDone;
  ASSIGN_OR_RETURN(std::vector<TailEntryPtr> slice, NextSlice(must, &full));  // charged
  const bool none = slice.empty() && !full;
  writer_.Replay(std::move(slice));
  // What is left of it are entries that compaction has taken away.
  if (none) core_.visible.Advance({core_.EpochAt(commit), commit});
  if (full) return Outcome::kNoRoom;
  return core_.visible.Get().sequence < core_.log->committed_end() ? Outcome::kMore
                                                                   : Outcome::kDone;
}

Result<std::vector<TailEntryPtr>> Applier::NextSlice(bool must, bool* full) {
  const Sequence next = core_.visible.Get().sequence.next();
  if (cursor_ == nullptr || cursor_->position() != next) cursor_ = core_.log->NewCursor(next);
  std::vector<TailEntryPtr> slice;
  for (uint64_t bytes = 0; slice.size() < kSliceEntries && bytes < kSliceBytes;) {
    Result<std::optional<record::Entry>> entry = cursor_->Next();
    if (!entry.ok()) {
      cursor_ = nullptr;
      if (!slice.empty()) break;  // what is good first
      return entry.status();
    }
    if (!entry->has_value()) break;
    ASSIGN_OR_RETURN(std::shared_ptr<TailEntry> decoded, DecodeEntry(**entry));
    decoded->bytes = ChargeFor((*entry)->payload.size());
    if (!MakeRoom(decoded->bytes, must)) {
      cursor_ = nullptr;  // it is past what was not taken
      *full = true;
      break;
    }
    bytes += decoded->bytes;
    slice.push_back(std::move(decoded));
  }
  return slice;
}

bool Applier::MakeRoom(uint64_t bytes, bool must) {
  if (core_.TakeCharge(bytes)) return true;
  core_.TrimTail(/*pressed=*/true);
  if (core_.TakeCharge(bytes)) return true;
  if (must) core_.MustCharge(bytes);
  return must;
}

void Applier::TellVisible() {
  const Sequence visible = core_.visible.Get().sequence;
  if (visible == std::exchange(told_, visible)) return;
  hooks_.moved();
  if (core_.committer != nullptr) core_.committer->OnVisible(visible);
  if (!core_.gone.load() || std::exchange(told_gone_, true)) return;
  core_.Report("space_deleted", "its last entry is committed");
}

void Applier::Pause() {
  MutexLock lock(state_->mutex);
  state_->applier = nullptr;
  state_->changed.wait(lock, [&]() REQUIRES(state_->mutex) { return !state_->running; });
}

void Applier::Resume() {
  cursor_ = nullptr;
  MutexLock lock(state_->mutex);
  state_->applier = this;
}

bool Applier::busy() const {
  MutexLock lock(state_->mutex);
  return state_->running || (state_->scheduled && state_->applier != nullptr);
}

}  // namespace engram::space
