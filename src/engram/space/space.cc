#include "engram/space/space.h"

#include <algorithm>

#include "engram/space/space_impl.h"
#include "engram/space/token.h"
#include "engram/space/view_impl.h"
#include "engram/space/writes.h"

namespace engram::space {

SpaceImpl::SpaceImpl(const SpaceEnvironment& environment, const std::string& id)
    : writer_(core_, [this] { indexer_.Kick(/*at_once=*/false); }),
      indexer_(core_, [this](Sequence through) { writer_.CatalogReached(through); }) {
  core_.environment = environment;
  core_.id = id;
  core_.directory = env::JoinPath(environment.spaces_directory, id);
  core_.Touch();
}

SpaceImpl::~SpaceImpl() {
  writer_.Drain();
  indexer_.Pause();
  core_.DropSpareSnapshots();
  core_.GiveCharge(core_.charged.load());
}

Status SpaceImpl::Close() {
  if (closed_.exchange(true)) return OkStatus();
  core_.gate.Close();
  core_.gate.Shut();
  writer_.Drain();
  indexer_.Pause();
  Status status;
  if (core_.catalog != nullptr && core_.log->state().why.ok()) {
    status = indexer_.Finish(std::chrono::seconds(2));
    if (status.ok()) status = core_.vectors->Flush();
  }
  core_.DropSpareSnapshots();
  core_.catalog = nullptr;
  core_.text = nullptr;
  core_.vectors = nullptr;
  Status closed = core_.log->Close();
  // The log is what matters: an index that could not be finished follows it at the next opening.
  if (!status.ok()) core_.Report("index_unfinished", status.message());
  return closed;
}

void SpaceImpl::Remember(v1::Episode episode, v1::WriteOptions options,
                         Done<v1::RememberResponse> done) {
  writer_.Run(MakeRemember(core_, std::move(episode), std::move(options), std::move(done)));
}

void SpaceImpl::RememberBatch(v1::RememberBatchRequest request,
                              Done<v1::RememberBatchResponse> done) {
  writer_.Run(MakeRememberBatch(core_, std::move(request), std::move(done)));
}

void SpaceImpl::Update(v1::UpdateRequest request, Done<v1::UpdateResponse> done) {
  writer_.Run(MakeUpdate(core_, std::move(request), std::move(done)));
}

void SpaceImpl::Forget(ForgetCommand command, Done<v1::ForgetResponse> done) {
  writer_.Run(MakeForget(core_, std::move(command), std::move(done)));
}

void SpaceImpl::Restore(v1::RestoreRequest request, Done<v1::RestoreResponse> done) {
  writer_.Run(MakeRestore(core_, std::move(request), std::move(done)));
}

Result<std::unique_ptr<View>> SpaceImpl::NewView() {
  ASSIGN_OR_RETURN(std::unique_ptr<ViewImpl> view,
                   ViewImpl::Make(std::shared_ptr<Core>(shared_from_this(), &core_)));
  return std::unique_ptr<View>(std::move(view));
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
  return pass.ok() && indexer_.WaitFor(core_.visible.Get().sequence, at_most);
}

bool SpaceImpl::Idle() const {
  return writer_.in_flight() == 0 && core_.gate.inside() == 0 &&
         indexer_.Slowest() >= core_.visible.Get().sequence;
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

Result<v1::SpaceStatus> SpaceImpl::GetStatus() {
  v1::SpaceStatus status;
  status.set_role("primary");
  status.set_primary(core_.environment.node_name);
  status.set_epoch(core_.log->epoch().value());
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
  if (pass.has_value()) {
    FillCounts(&status);
  } else if (state.why.ok()) {
    status.set_state("recovering");
    status.set_state_reason("the indexes are built again");
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
