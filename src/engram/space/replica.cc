// A space with other copies: leading, following, being cut. See space.h.

#include <algorithm>

#include "engram/space/space_impl.h"
#include "engram/space/view_impl.h"

namespace engram::space {

Status SpaceImpl::Lead(Epoch epoch, std::string epoch_start_payload) {
  ENGRAM_CHECK(core_.committer != nullptr);
  ASSIGN_OR_RETURN(const Gate::Pass pass, core_.gate.Enter());
  applier_.Pause();
  Status status = OkStatus();
  if (!core_.ready.load() && core_.log->end() >= Sequence(2)) status = SetUp();
  if (status.ok() && !core_.ready.load()) status = core_.Enter().status();
  // What is committed beyond the visible end is known to a writer that leads already.
  if (status.ok() && !writer_.leading()) status = applier_.Finish();
  if (status.ok()) status = writer_.Lead(epoch, std::move(epoch_start_payload));
  if (!status.ok()) applier_.Resume();
  return status;
}

Result<Sequence> SpaceImpl::AppendEpochStart(std::string epoch_start_payload) {
  ENGRAM_CHECK(core_.committer != nullptr);
  return writer_.AppendEpochStart(std::move(epoch_start_payload));
}

void SpaceImpl::Follow() {
  ENGRAM_CHECK(core_.committer != nullptr);
  writer_.Follow();
  if (closed_.load()) return;
  applier_.Resume();
  applier_.Kick();
}

void SpaceImpl::HoldWrites(bool held) {
  ENGRAM_CHECK(core_.committer != nullptr);
  writer_.HoldWrites(held);
  if (held && closed_.load()) writer_.HoldWrites(false);  // nobody else would let them go
}

void SpaceImpl::CommitThrough(Sequence commit, Sequence replicated_end, uint32_t copies) {
  ENGRAM_CHECK(core_.committer != nullptr);
  if (!writer_.CommitThrough(commit, replicated_end, copies)) applier_.Kick();
}

Status SpaceImpl::Rewind(Sequence to) {
  ENGRAM_CHECK(core_.committer != nullptr);
  writer_.Follow();
  applier_.Pause();
  Status status = to < core_.visible.Get().sequence || to < Sequence(2)
                      ? CutBelowVisible(to)
                      : core_.log->TruncateAfter(to);
  applier_.Resume();
  applier_.Kick();
  return status;
}

// Whoever crashes in here finds indexes that know entries which the log does not have, and throws
// them away when the space is opened.
Status SpaceImpl::CutBelowVisible(Sequence to) {
  core_.gate.Shut();
  indexer_.Pause();
  Status status = core_.log->TruncateAfter(to);
  const bool cut = status.ok();
  if (cut) {
    const Sequence end = std::min(core_.log->committed_end(), core_.log->end());
    writer_.StartOver();
    core_.documents.Clear();
    core_.gone = false;
    core_.visible.Reset({});
    if (to < Sequence(2)) {
      core_.Report("begins_anew", "the log of this copy is empty; it was moved to quarantine");
      status = DropIndexes();
      core_.gate.Reopen();
      return status;
    }
    core_.Report("cut_below_visible", "what readers were shown after " + ToString(to) + " is lost");
    status = ReplaceIndexes(end, nullptr);
  }
  if (cut || core_.ready.load()) return ReopenGate(status);
  core_.gate.Reopen();
  return status;
}

// A copy that has no settings any more is as one that was just made: its first entries make it
// ready.
Status SpaceImpl::DropIndexes() {
  core_.ready = false;
  core_.GiveCharge(core_.tail.bytes());
  core_.tail.Reset(Sequence());
  core_.SetRows(std::make_shared<RowTable>());
  core_.live = core_.suppressed = core_.deleted = core_.live_vectors = 0;
  core_.deleted_before_open = false;
  return DestroyIndexes();
}

Result<std::unique_ptr<View>> SpaceImpl::NewViewConfirmed(env::Duration wait) {
  if (core_.committer == nullptr) return NewView();
  const env::Instant begun = core_.environment.clock->Now();
  RETURN_IF_ERROR(core_.committer->Confirm(wait));
  // What earlier primaries have committed is visible here once the own EpochStart is.
  const Sequence start = writer_.epoch_start();
  const env::Duration left = wait - (core_.environment.clock->Now() - begun);
  const auto shown = [&](Position visible) { return visible.sequence >= start; };
  if (!core_.visible.WaitFor(shown, std::max(left, env::Duration(0)))) {
    return Status(Reason::TOO_STALE, "This primary has not committed the start of its epoch yet.")
        .Expected("entry " + ToString(start))
        .Suggest("wait longer: its replicas have to answer first")
        .With("visible_through", core_.visible.Get().sequence.value());
  }
  return NewView();
}

// The lease is looked at again behind the view: it held when the view was made.
Result<std::unique_ptr<View>> SpaceImpl::NewViewPrimary(env::Duration wait) {
  Committer* const committer = core_.committer;
  if (committer == nullptr) return NewView();
  if (committer->HoldsLease() && core_.visible.Get().sequence >= writer_.epoch_start()) {
    Result<std::unique_ptr<View>> view = NewView();
    if (committer->HoldsLease()) return view;
  }
  return NewViewConfirmed(wait);
}

}  // namespace engram::space
