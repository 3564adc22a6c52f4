#include "engram/space/space.h"

#include <algorithm>

#include "engram/space/space_impl.h"
#include "engram/space/token.h"
#include "engram/space/view_impl.h"
#include "engram/space/writes.h"

namespace engram::space {

SpaceImpl::SpaceImpl(const SpaceEnvironment& environment, const std::string& id)
    : writer_(core_, [this] { indexer_.Kick(/*at_once=*/false); }),
      indexer_(core_,
               [this](Sequence through) {
                 writer_.CatalogReached(through);
                 applier_.RoomMade();
               }),
      applier_(core_, writer_,
               {[this] { return SetUp(); }, [this] { indexer_.Kick(/*at_once=*/false); }}) {
  core_.environment = environment;
  core_.id = id;
  core_.directory = env::JoinPath(environment.spaces_directory, id);
  core_.Touch();
}

SpaceImpl::~SpaceImpl() {
  if (core_.committer != nullptr) {
    writer_.Follow();
    writer_.HoldWrites(false);
  }
  applier_.Pause();
  writer_.Drain();
  indexer_.Pause();
  core_.DropSpareSnapshots();
  core_.GiveCharge(core_.charged.load());
}

Status SpaceImpl::Close() {
  if (closed_.exchange(true)) return OkStatus();
  core_.gate.Close();
  if (core_.committer != nullptr) {
    writer_.Follow();
    writer_.HoldWrites(false);
  }
  applier_.Pause();
  core_.gate.Shut();
  writer_.Drain();
  indexer_.Pause();
  Status status;
  if (core_.catalog != nullptr && core_.log->state().why.ok()) {
    status = indexer_.Finish(std::chrono::seconds(2));
    if (status.ok()) status = core_.vectors->Flush();
  }
  CloseIndexes();
  core_.ready = false;
  Status closed = core_.log->Close();
  // The log is what matters: an index that could not be finished follows it at the next opening.
  if (!status.ok()) core_.Report("index_unfinished", status.message());
  return closed;
}

v1::SpaceSettings SpaceImpl::settings() const {
  MutexLock lock(settings_mutex_);
  return core_.settings;
}

model::UtcTime SpaceImpl::created_at() const {
  MutexLock lock(settings_mutex_);
  return core_.created_at;
}

Status SpaceImpl::WhyNotReady() {
  if (core_.committer != nullptr) {
    RETURN_IF_ERROR(core_.committer->Admit(v1::DURABILITY_AUTO).status());
  }
  RETURN_IF_ERROR(core_.Enter().status());
  return Status(Reason::RECOVERING, "The first entries of '" + core_.id + "' have just arrived.")
      .Suggest("try again")
      .With("space", core_.id);
}

void SpaceImpl::Remember(v1::Episode episode, v1::WriteOptions options,
                         Done<v1::RememberResponse> done) {
  if (!core_.ready.load()) return done(WhyNotReady());
  writer_.Run(MakeRemember(core_, std::move(episode), std::move(options), std::move(done)));
}

void SpaceImpl::RememberBatch(v1::RememberBatchRequest request,
                              Done<v1::RememberBatchResponse> done) {
  if (!core_.ready.load()) return done(WhyNotReady());
  writer_.Run(MakeRememberBatch(core_, std::move(request), std::move(done)));
}

void SpaceImpl::Update(v1::UpdateRequest request, Done<v1::UpdateResponse> done) {
  if (!core_.ready.load()) return done(WhyNotReady());
  writer_.Run(MakeUpdate(core_, std::move(request), std::move(done)));
}

void SpaceImpl::Forget(ForgetCommand command, Done<v1::ForgetResponse> done) {
  if (!core_.ready.load()) return done(WhyNotReady());
  writer_.Run(MakeForget(core_, std::move(command), std::move(done)));
}

void SpaceImpl::Restore(v1::RestoreRequest request, Done<v1::RestoreResponse> done) {
  if (!core_.ready.load()) return done(WhyNotReady());
  writer_.Run(MakeRestore(core_, std::move(request), std::move(done)));
}

Status SpaceImpl::MarkDeleted() {
  return core_.ready.load() ? writer_.MarkDeleted() : WhyNotReady();
}

Result<std::unique_ptr<View>> SpaceImpl::NewView() {
  ASSIGN_OR_RETURN(std::unique_ptr<ViewImpl> view,
                   ViewImpl::Make(std::shared_ptr<Core>(shared_from_this(), &core_)));
  if (core_.committer != nullptr) RETURN_IF_ERROR(CheckShowable(view->visible_through()));
  return std::unique_ptr<View>(std::move(view));
}

Status SpaceImpl::CheckShowable(Sequence visible) {
  if (visible < Sequence(2)) {
    return Status(Reason::RECOVERING, "No entry of '" + core_.id + "' is committed yet.")
        .Suggest("try again: its copies have to agree on the first entries")
        .With("space", core_.id);
  }
  const Sequence floor = core_.log->floors().compaction.sequence;
  if (visible >= floor) return OkStatus();
  return Status(Reason::RECOVERING, "This copy of '" + core_.id + "' has not caught up yet.")
      .Expected("entry " + ToString(floor) + ", up to which its log was compacted elsewhere")
      .Suggest("ask another node, or wait: engram replicas shows how far it is")
      .With("space", core_.id)
      .With("visible_through", visible.value());
}

Result<std::unique_ptr<View>> SpaceImpl::NewViewAtLeast(std::string_view token,
                                                        env::Duration wait) {
  ASSIGN_OR_RETURN(const Position wanted, ParseToken(token, core_.incarnation));
  TokenCheck check;
  core_.visible.WaitFor(
      [&](Position visible) {
        check = CheckPosition(wanted, core_.log->history(), visible.sequence);
        return check.verdict != TokenVerdict::kAhead;
      },
      wait);
  if (check.verdict == TokenVerdict::kShown) return NewView();
  if (check.verdict == TokenVerdict::kLost) {
    return Status(Reason::WRITE_LOST,
                  "The position of this token is not in the history of '" + core_.id + "'.")
        .Expected("an entry that the space still has")
        .Suggest("write again what was written there, or read without the token")
        .With("epoch", wanted.epoch.value())
        .With("asked", wanted.sequence.value())
        .With("fork_point", check.fork_point.value());
  }
  return Status(Reason::TOO_STALE, "This node does not show that position yet.")
      .Expected("entry " + ToString(wanted.sequence) + " of epoch " + ToString(wanted.epoch))
      .Suggest("wait longer, or read without the token")
      .With("visible_through", core_.visible.Get().sequence.value())
      .With("asked", wanted.sequence.value());
}

std::string SpaceImpl::TokenOf(Position position) const {
  return FormatToken(core_.incarnation, position);
}

bool SpaceImpl::WaitIndexed(env::Duration at_most) {
  const auto pass = core_.gate.Enter();
  return pass.ok() && core_.ready.load() && indexer_.WaitFor(core_.visible.Get().sequence, at_most);
}

bool SpaceImpl::Idle() const {
  if (writer_.in_flight() > 0 || core_.gate.inside() > 0 || applier_.busy()) return false;
  const std::optional<Gate::Pass> pass = core_.gate.TryEnter();
  return pass.has_value() &&
         (!core_.ready.load() || indexer_.Slowest() >= core_.visible.Get().sequence);
}

bool SpaceImpl::NeedsReopening() const {
  return core_.gate.closed() || core_.log->state().poisoned || indexer_.stuck();
}

void SpaceImpl::FillCounts(v1::SpaceStatus* status) {
  auto& indexed = *status->mutable_indexed_through();
  indexed["catalog"] = core_.catalog->identity().sequence.value();
  indexed["text"] = core_.text->identity().sequence.value();
  indexed["vectors"] = core_.vectors->identity().sequence.value();
  status->set_index_bytes(core_.catalog->bytes() + core_.text->bytes() + core_.vectors->bytes());
  const auto snapshot = core_.catalog->NewSnapshot();
  if (!snapshot.ok()) return;
  if (const auto counts = (*snapshot)->Counts(); counts.ok())
    status->set_versions(counts->versions);
}

void SpaceImpl::FillRole(v1::SpaceStatus* status) {
  if (core_.committer == nullptr) {
    status->set_role("primary");
    status->set_primary(core_.environment.node_name);
    status->set_epoch(core_.log->epoch().value());
    return;
  }
  const CopyState state = core_.committer->State();
  status->set_role(state.primary ? "primary" : "replica");
  status->set_primary(state.primary_node);
  status->set_epoch(state.epoch.value());
}

Result<v1::SpaceStatus> SpaceImpl::GetStatus() {
  v1::SpaceStatus status;
  FillRole(&status);
  status.set_log_start(core_.log->first().value());
  status.set_log_end(core_.log->end().value());
  status.set_durable_through(core_.log->durable_end().value());
  status.set_committed_through(core_.log->committed_end().value());
  status.set_episodes(core_.live.load());
  status.set_suppressed(core_.suppressed.load());
  status.set_deleted(core_.deleted.load());
  status.set_vectors(core_.live_vectors.load());
  status.set_log_bytes(core_.log->bytes());
  const wal::Log::State state = core_.log->state();
  status.set_state(state.poisoned    ? "poisoned"
                   : state.read_only ? "read_only"
                   : state.full      ? "full"
                                     : "ok");
  if (!state.why.ok()) status.set_state_reason(state.why.message());
  const std::optional<Gate::Pass> pass = core_.gate.TryEnter();
  if (pass.has_value() && core_.ready.load()) {
    FillCounts(&status);
  } else if (state.why.ok()) {
    status.set_state("recovering");
    status.set_state_reason(pass.has_value() ? "no entry has arrived yet"
                                             : "the indexes are built again");
  }
  return status;
}

std::map<std::string, int64_t> SpaceImpl::CountsByType() {
  std::map<std::string, int64_t> counts;
  const auto pass = core_.gate.Enter();
  if (!pass.ok()) return counts;
  const Sequence visible = core_.visible.Get().sequence;
  const size_t rows = core_.rows->CountThrough(visible);
  constexpr const char* kNames[] = {"", "episodic", "semantic", "procedural", "working"};
  for (RowIndex row = 0; row < rows; ++row) {
    if (!core_.rows->LiveAt(row, visible)) continue;
    const uint8_t type = core_.rows->row(row).memory_type;
    ++counts[type < std::size(kNames) ? kNames[type] : ""];
  }
  return counts;
}

}  // namespace engram::space
