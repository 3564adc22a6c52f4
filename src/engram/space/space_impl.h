// The Space: puts core, writer, indexer and views together, opens and closes them. See space.h.
#pragma once

#include <atomic>
#include <memory>

#include "engram/space/applier.h"
#include "engram/space/core.h"
#include "engram/space/indexer.h"
#include "engram/space/space.h"
#include "engram/space/writer.h"

namespace engram::space {

class SpaceImpl : public Space, public std::enable_shared_from_this<SpaceImpl> {
 public:
  explicit SpaceImpl(const SpaceEnvironment& environment, const std::string& id);
  ~SpaceImpl() override;
  // Once, before anything else.
  Status Start(std::unique_ptr<wal::Log> log, bool epoch_begun);  // open.cc
  Status Close() override;

  const std::string& id() const override { return core_.id; }
  Incarnation incarnation() const override { return core_.incarnation; }
  v1::SpaceSettings settings() const override EXCLUDES(settings_mutex_);
  model::UtcTime created_at() const override EXCLUDES(settings_mutex_);

  void Remember(v1::Episode episode, v1::WriteOptions options,
                Done<v1::RememberResponse> done) override;
  void RememberBatch(v1::RememberBatchRequest request,
                     Done<v1::RememberBatchResponse> done) override;
  void Update(v1::UpdateRequest request, Done<v1::UpdateResponse> done) override;
  void Forget(ForgetCommand command, Done<v1::ForgetResponse> done) override;
  void Restore(v1::RestoreRequest request, Done<v1::RestoreResponse> done) override;
  Status MarkDeleted() override;

  // replica.cc
  wal::Log& log() override { return *core_.log; }
  Status Lead(Epoch epoch, std::string epoch_start_payload) override;
  Result<Sequence> AppendEpochStart(std::string epoch_start_payload) override;
  void Follow() override;
  void HoldWrites(bool held) override;
  void CommitThrough(Sequence commit, Sequence replicated_end, uint32_t copies) override;
  Status Rewind(Sequence to) override;
  Position visible() const override { return core_.visible.Get(); }
  CopyState copy_state() override {
    return core_.committer == nullptr ? Space::copy_state() : core_.committer->State();
  }
  Result<std::unique_ptr<View>> NewViewConfirmed(env::Duration wait) override;
  Result<std::unique_ptr<View>> NewViewPrimary(env::Duration wait) override;

  Result<std::unique_ptr<View>> NewView() override;
  Result<std::unique_ptr<View>> NewViewAtLeast(std::string_view token, env::Duration wait) override;
  std::string TokenOf(Position position) const override;

  bool WaitIndexed(env::Duration at_most) override;
  Status RebuildIndexes(const std::function<void(uint64_t, uint64_t)>& progress) override;

  Result<v1::SpaceStatus> GetStatus() override;
  std::map<std::string, int64_t> CountsByType() override;
  bool Idle() const override;
  env::Instant last_used() const override { return {core_.last_used_ns.load()}; }
  bool NeedsReopening() const override;
  bool Appending() const override { return writer_.appending(); }

 private:
  // open.cc
  // Settings, indexes and rows, from a log with two entries at least.
  Status SetUp();
  Status ReadSettings() EXCLUDES(settings_mutex_);
  Status CheckNotDeleted();
  Status OpenIndexes();
  bool Follows(const index::IndexIdentity& identity);
  // Up to `end`, which is committed.
  Status ReplaceIndexes(Sequence end, const std::function<void(uint64_t, uint64_t)>& progress);
  Status CatchUpCatalog(Sequence end, const std::function<void(uint64_t, uint64_t)>& progress);
  Result<bool> ReadRest(Sequence end, std::vector<TailEntryPtr>* entries);
  Status LoadRows(Sequence end);
  void CloseIndexes();
  Status DestroyIndexes();
  Status ReopenGate(Status status);
  std::string IndexPath(const char* name) const;

  // replica.cc
  Status CutBelowVisible(Sequence to);
  Status DropIndexes();

  // With other copies: what lies below these was never whole here.
  Status CheckShowable(Sequence visible);
  // Why a space that has no settings yet takes no write.
  Status WhyNotReady();
  void FillCounts(v1::SpaceStatus* status);
  void FillRole(v1::SpaceStatus* status);

  Core core_;
  Writer writer_;
  Indexer indexer_;
  Applier applier_;
  std::atomic<bool> closed_{false};
  // core_.settings and core_.created_at are set once, before core_.ready.
  mutable Mutex settings_mutex_;
  bool settings_known_ = false;
};

// The log's options for a space whose files are in `directory`.
wal::LogOptions LogOptionsOf(const SpaceEnvironment& environment, const std::string& id,
                             const std::string& directory);

Status NoSuchSpace(const std::string& id);

// A space that is being made has a marker beside it: a directory of this prefix and its name.
inline constexpr std::string_view kUnfinished = ".new-";
// Removes what a creation left that never came to its end, if there is such a thing.
Status RemoveUnfinished(const SpaceEnvironment& environment, const std::string& id);

// Moves the folder of a closed space to foreign/ beside the directory of spaces, under its name and
// its incarnation. Returns where it lies now. Nothing that is there already is written over.
Result<std::string> MoveToForeign(const SpaceEnvironment& environment, const std::string& id);

}  // namespace engram::space
