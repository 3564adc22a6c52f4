#include "engram/space/registry.h"

#include <algorithm>
#include <map>

#include "engram/base/thread_annotations.h"
#include "engram/model/episode.h"
#include "engram/space/space_impl.h"

namespace engram::space {
namespace {

constexpr std::string_view kDeleted = ".deleted-";

// Edits (put in, leave out, replace) that turn `a` into `b`.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// What is known of a space that is not open: this, and its name.
struct Slot {
  Mutex opening;                 // held while it is opened, closed or deleted
  std::shared_ptr<Space> space;  // guarded by the registry's lock
};

class RegistryImpl : public Registry {
 public:
  RegistryImpl(SpaceEnvironment environment, RegistryOptions options)
      : environment_(std::move(environment)), options_(options) {}

  Status ReadNames() {
    env::FileSystem& fs = *environment_.fs;
    RETURN_IF_ERROR(fs.CreateDirectories(environment_.spaces_directory));
    ASSIGN_OR_RETURN(const auto names, fs.List(environment_.spaces_directory));
    MutexLock lock(mutex_);
    for (const std::string& name : names) {
      if (model::CheckSpaceId(name).ok()) slots_[name] = std::make_shared<Slot>();
    }
    for (const std::string& name : names) {
      if (name.starts_with(kDeleted)) {
        RETURN_IF_ERROR(fs.RemoveAll(env::JoinPath(environment_.spaces_directory, name)));
      } else if (name.starts_with(kUnfinished)) {
        const std::string id = name.substr(kUnfinished.size());
        RETURN_IF_ERROR(RemoveUnfinished(environment_, id));
        slots_.erase(id);
      }
    }
    return OkStatus();
  }

  Result<std::shared_ptr<Space>> Get(const std::string& id) override {
    RETURN_IF_ERROR(model::CheckSpaceId(id));
    const std::shared_ptr<Slot> slot = FindSlot(id);
    if (slot == nullptr) return NotFound(id);
    std::shared_ptr<Space> opened = Usable(*slot);
    if (environment_.observer != nullptr) environment_.observer->OnUse(opened != nullptr);
    if (opened != nullptr) return opened;
    {
      MutexLock opening(slot->opening);
      ASSIGN_OR_RETURN(opened, OpenSlot(id, *slot));
    }
    Trim();
    return opened;
  }

  std::shared_ptr<Space> FindOpen(const std::string& id) const override {
    const std::shared_ptr<Slot> slot = FindSlot(id);
    return slot == nullptr ? nullptr : Usable(*slot);
  }

  bool Exists(const std::string& id) const override { return FindSlot(id) != nullptr; }

  Result<std::shared_ptr<Space>> Create(const std::string& id,
                                        const v1::SpaceSettings& settings) override {
    return Make(id, [&] { return Space::Create(environment_, id, settings); });
  }

  Result<std::shared_ptr<Space>> CreateCopy(const std::string& id,
                                            Incarnation incarnation) override {
    return Make(id, [&] { return Space::CreateCopy(environment_, id, incarnation); });
  }

  Result<std::shared_ptr<Space>> CreateFirst(const std::string& id,
                                             const v1::SpaceSettings& settings,
                                             Incarnation incarnation, Epoch epoch,
                                             std::string epoch_start_payload) override {
    return Make(id, [&] {
      return Space::CreateFirst(environment_, id, settings, incarnation, epoch,
                                std::move(epoch_start_payload));
    });
  }

  Result<std::string> MoveAway(const std::string& id) override {
    std::string away;
    RETURN_IF_ERROR(Dismiss(id, [&]() -> Status {
      ASSIGN_OR_RETURN(away, MoveToForeign(environment_, id));
      return OkStatus();
    }));
    return away;
  }

  Status Remove(const std::string& id) override {
    RETURN_IF_ERROR(Dismiss(id, [&] { return RemoveFolder(id); }));
    if (environment_.observer != nullptr) environment_.observer->OnDeleted(id);
    return OkStatus();
  }

  Result<v1::DeleteSpaceResponse> Delete(const std::string& id) override {
    const std::shared_ptr<Slot> slot = FindSlot(id);
    if (slot == nullptr) return NotFound(id);
    MutexLock opening(slot->opening);
    if (FindSlot(id) != slot) return NotFound(id);
    v1::DeleteSpaceResponse response;
    // A space that cannot be opened has nobody to tell, and can be removed all the same.
    if (const auto space = OpenSlot(id, *slot); space.ok()) {
      ASSIGN_OR_RETURN(const v1::SpaceStatus status, (*space)->GetStatus());
      response.set_episodes(status.episodes());
      response.set_bytes(status.log_bytes() + status.index_bytes());
      if (status.state() == "ok") RETURN_IF_ERROR((*space)->MarkDeleted());
      (void)(*space)->Close();  // what was not closed cleanly is removed as well
    }
    RETURN_IF_ERROR(RemoveFolder(id));
    if (environment_.observer != nullptr) environment_.observer->OnDeleted(id);
    Forget(id, *slot);
    return response;
  }

  Status WhileClosed(const std::string& id, const std::function<Status(Space*)>& work) override {
    const std::shared_ptr<Slot> slot = FindSlot(id);
    if (slot == nullptr) return NotFound(id);
    MutexLock opening(slot->opening);
    if (FindSlot(id) != slot) return NotFound(id);
    std::shared_ptr<Space> space;
    {
      MutexLock lock(mutex_);
      space = slot->space;
    }
    if (space != nullptr) CloseQuietly(*space);
    return work(space.get());
  }

  std::vector<std::string> Ids(const std::string& prefix, const std::string& after,
                               size_t limit) const override {
    std::vector<std::string> ids;
    MutexLock lock(mutex_);
    auto at = after < prefix ? slots_.lower_bound(prefix) : slots_.upper_bound(after);
    for (; at != slots_.end() && ids.size() < limit && at->first.starts_with(prefix); ++at) {
      ids.push_back(at->first);
    }
    return ids;
  }

  size_t known() const override {
    MutexLock lock(mutex_);
    return slots_.size();
  }
  size_t open() const override {
    MutexLock lock(mutex_);
    return open_;
  }

  std::vector<std::shared_ptr<Space>> Opened() const override {
    std::vector<std::shared_ptr<Space>> opened;
    MutexLock lock(mutex_);
    for (const auto& [id, slot] : slots_) {
      if (slot->space != nullptr) opened.push_back(slot->space);
    }
    return opened;
  }

  void Trim() override {
    for (const std::shared_ptr<Slot>& slot : Surplus()) {
      if (!slot->opening.try_lock()) continue;
      if (std::shared_ptr<Space> space = TakeUnused(*slot)) CloseQuietly(*space);
      slot->opening.unlock();
    }
  }

  Status CloseAll() override {
    std::vector<std::shared_ptr<Slot>> all;
    {
      MutexLock lock(mutex_);
      for (const auto& [id, slot] : slots_) all.push_back(slot);
    }
    Status first;
    for (const std::shared_ptr<Slot>& slot : all) {
      MutexLock opening(slot->opening);
      const std::shared_ptr<Space> space = Take(*slot);
      if (space == nullptr) continue;
      const Status status = space->Close();
      if (first.ok()) first = status;
    }
    return first;
  }

 private:
  std::shared_ptr<Slot> FindSlot(const std::string& id) const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const auto slot = slots_.find(id);
    return slot == slots_.end() ? nullptr : slot->second;
  }

  std::shared_ptr<Space> Usable(const Slot& slot) const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return slot.space != nullptr && !slot.space->NeedsReopening() ? slot.space : nullptr;
  }

  // With the slot's lock held.
  Result<std::shared_ptr<Space>> OpenSlot(const std::string& id, Slot& slot) {
    if (FindSlot(id).get() != &slot) return NotFound(id);
    if (std::shared_ptr<Space> space = Usable(slot)) return space;
    // A poisoned log is opened again once nobody uses it any more; until then it says what is
    // wrong.
    if (std::shared_ptr<Space> broken = TakeUnused(slot, /*idle=*/false)) CloseQuietly(*broken);
    {
      MutexLock lock(mutex_);
      if (slot.space != nullptr) return slot.space;
    }
    const env::Instant begin = environment_.clock->Now();
    Result<std::shared_ptr<Space>> space = Space::Open(environment_, id);
    if (environment_.observer != nullptr) {
      environment_.observer->OnOpened(id, space.status(), environment_.clock->Now() - begin);
    }
    RETURN_IF_ERROR(space.status());
    MutexLock lock(mutex_);
    slot.space = *space;
    ++open_;
    return space;
  }

  std::shared_ptr<Space> Take(Slot& slot) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (slot.space != nullptr) --open_;
    return std::exchange(slot.space, nullptr);
  }

  std::shared_ptr<Space> TakeUnused(Slot& slot, bool idle = true) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (slot.space == nullptr || slot.space.use_count() > 1) return nullptr;
    if (idle && !slot.space->Idle()) return nullptr;
    --open_;
    return std::exchange(slot.space, nullptr);
  }

  // The longest unused of what is open above the bound.
  std::vector<std::shared_ptr<Slot>> Surplus() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (open_ <= options_.open_spaces_max) return {};
    std::vector<std::pair<env::Instant, std::shared_ptr<Slot>>> idle;
    for (const auto& [id, slot] : slots_) {
      if (slot->space != nullptr && slot->space.use_count() == 1 && slot->space->Idle()) {
        idle.emplace_back(slot->space->last_used(), slot);
      }
    }
    std::sort(idle.begin(), idle.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::shared_ptr<Slot>> surplus;
    for (size_t i = 0; i < std::min(idle.size(), open_ - options_.open_spaces_max); ++i) {
      surplus.push_back(idle[i].second);
    }
    return surplus;
  }

  void CloseQuietly(Space& space) {
    const Status status = space.Close();
    if (status.ok() || environment_.observer == nullptr) return;
    environment_.observer->OnEvent(space.id(), "close_failed", status.message());
  }

  // Under the lock of creating, so that one of two that make the same space finds it there.
  template <class MakeSpace>
  Result<std::shared_ptr<Space>> Make(const std::string& id, const MakeSpace& make) {
    RETURN_IF_ERROR(model::CheckSpaceId(id));
    std::shared_ptr<Space> created;
    {
      MutexLock creating(creating_);
      ASSIGN_OR_RETURN(created, make());
      MutexLock lock(mutex_);
      auto slot = std::make_shared<Slot>();
      slot->space = created;
      slots_[id] = std::move(slot);
      ++open_;
    }
    Trim();
    return created;
  }

  // Closes the space, has `take_away` take its folder, and knows it no more.
  template <class TakeAway>
  Status Dismiss(const std::string& id, const TakeAway& take_away) {
    const std::shared_ptr<Slot> slot = FindSlot(id);
    if (slot == nullptr) return NotFound(id);
    MutexLock opening(slot->opening);
    if (FindSlot(id) != slot) return NotFound(id);
    std::shared_ptr<Space> space;
    {
      MutexLock lock(mutex_);
      space = slot->space;
    }
    if (space != nullptr) CloseQuietly(*space);
    RETURN_IF_ERROR(take_away());
    Forget(id, *slot);
    return OkStatus();
  }

  void Forget(const std::string& id, Slot& slot) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (slot.space != nullptr) --open_;
    slot.space = nullptr;
    slots_.erase(id);
  }

  Status RemoveFolder(const std::string& id) {
    env::FileSystem& fs = *environment_.fs;
    const std::string& spaces = environment_.spaces_directory;
    const std::string gone = env::JoinPath(spaces, std::string(kDeleted) + id);
    RETURN_IF_ERROR(fs.RemoveAll(gone));
    RETURN_IF_ERROR(fs.Rename(env::JoinPath(spaces, id), gone));
    RETURN_IF_ERROR(fs.SyncDirectory(spaces));
    return fs.RemoveAll(gone);
  }

  Status NotFound(const std::string& id) const {
    std::vector<std::pair<size_t, std::string>> near;
    {
      MutexLock lock(mutex_);
      for (const auto& [known, slot] : slots_) {
        const size_t distance = Distance(id, known);
        if (distance <= 2 || known.starts_with(id)) near.emplace_back(distance, known);
      }
    }
    std::sort(near.begin(), near.end());
    std::string similar;
    for (size_t i = 0; i < std::min<size_t>(near.size(), 5); ++i) {
      similar += (i == 0 ? "" : ", ") + near[i].second;
    }
    return Status(Reason::SPACE_NOT_FOUND, "There is no space '" + id + "'.")
        .Expected("a space that was created")
        .Suggest(similar.empty() ? "create it: writing to a space does not make it"
                                 : "did you mean " + similar + "? Else create it (CreateSpace)")
        .Example("engram space create " + id)
        .With("space", id)
        .With("similar", similar);
  }

  const SpaceEnvironment environment_;
  const RegistryOptions options_;
  Mutex creating_;  // taken before mutex_
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<Slot>> slots_ GUARDED_BY(mutex_);
  size_t open_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

Result<std::unique_ptr<Registry>> Registry::Start(SpaceEnvironment environment,
                                                  RegistryOptions options) {
  auto registry = std::make_unique<RegistryImpl>(std::move(environment), options);
  RETURN_IF_ERROR(registry->ReadNames());
  return std::unique_ptr<Registry>(std::move(registry));
}

}  // namespace engram::space
