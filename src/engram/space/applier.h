// On a copy that follows: takes committed entries from the log into rows and tail, in the
// background, as fast as the catalog makes room for them. One task at a time; when there is no room
// it waits until the catalog has moved.
//
// Owned by SpaceImpl. Thread-safe. Paused while the copy leads: its writer knows the entries.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/space/writer.h"

namespace engram::space {

class Applier {
 public:
  struct Hooks {
    std::function<Status()> set_up;  // the first entries are here: makes a fresh copy ready
    std::function<void()> moved;     // the visible end has moved
  };
  Applier(Core& core, Writer& writer, Hooks hooks);
  ~Applier();

  // There may be something to take.
  void Kick() EXCLUDES(state_->mutex);
  // The catalog has moved: who waited for room goes on.
  void RoomMade() EXCLUDES(state_->mutex);
  // Waits for the running task; nothing runs until Resume.
  void Pause() EXCLUDES(state_->mutex);
  void Resume() EXCLUDES(state_->mutex);
  // Paused: takes everything committed, on this thread and whatever room there is.
  Status Finish();
  // A task runs or is about to.
  bool busy() const EXCLUDES(state_->mutex);

 private:
  // Outlives the applier while a task of it waits in the executor.
  struct State {
    Mutex mutex;
    std::condition_variable_any changed;
    Applier* applier GUARDED_BY(mutex) = nullptr;  // null: paused, or gone
    bool running GUARDED_BY(mutex) = false;
    bool scheduled GUARDED_BY(mutex) = false;
    bool again GUARDED_BY(mutex) = false;
    bool starved GUARDED_BY(mutex) = false;
  };
  enum class Outcome { kDone, kMore, kNoRoom, kLater };

  static void Schedule(const std::shared_ptr<State>& state, env::Duration delay)
      REQUIRES(state->mutex);
  static void Run(const std::shared_ptr<State>& state);
  Outcome RunSlice();
  Result<Outcome> Step(bool must);
  // Up to a slice of what is committed; `*full` when there was no room for more.
  Result<std::vector<TailEntryPtr>> NextSlice(bool must, bool* full);
  bool MakeRoom(uint64_t bytes, bool must);
  void TellVisible();

  Core& core_;
  Writer& writer_;
  const Hooks hooks_;
  const std::shared_ptr<State> state_;
  // One thread at a time: the task's, or Finish's.
  std::unique_ptr<wal::Cursor> cursor_;
  Sequence told_;
  bool told_gone_ = false;
};

}  // namespace engram::space
