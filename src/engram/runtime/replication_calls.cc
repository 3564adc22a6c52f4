// What other nodes and tools ask outside of the streams: how copies stand, a range for repair, a
// batch by hand.
#include <algorithm>
#include <future>

#include "engram/runtime/replication_impl.h"

namespace engram::runtime {

namespace {

constexpr size_t kChunkBytes = 1u << 20;
constexpr uint64_t kBatchCredit = 24u << 20;

std::string_view RoleName(cluster::Role role) {
  switch (role) {
    case cluster::Role::kPrimary:
      return "primary";
    case cluster::Role::kCandidate:
      return "candidate";
    case cluster::Role::kReplica:
      return "replica";
  }
  return "";
}

Status NotThere(const FetchCall& call, Sequence commit) {
  return Status(Reason::SEQUENCE_GAP, "Not all of these entries are committed in this copy.")
      .Expected("a range of 1 to " + ToString(commit))
      .Suggest("ask another copy, or wait")
      .With("space", call.space)
      .With("first", call.first.value())
      .With("last", call.last.value());
}

}  // namespace

CopyStatus CopyRunner::StatusNow() {
  MutexLock lock(mutex_);
  CopyStatus status;
  status.space = name_;
  if (copy_ == nullptr) return status;
  const cluster::LogState& log = copy_->log();
  status.incarnation = log.space;
  status.role = RoleName(copy_->role());
  status.epoch = copy_->epoch();
  status.promised = copy_->promised();
  status.end = log.end;
  status.end_crc = log.end_crc;
  status.durable = log.durable;
  status.commit = copy_->commit();
  status.replicated_end = copy_->replicated_end();
  status.floors = log.floors.floors;
  status.phase =
      copy_->joined() || copy_->role() == cluster::Role::kPrimary ? "normal" : "catching_up";
  if (const auto* record = copy_->newest()) status.record = *record;
  status.trouble = copy_->alarm();
  return status;
}

// Never counted for commit: whoever ships so is no primary that was handed this copy's verdict.
Result<ShipBatchAnswer> CopyRunner::ShipBatch(Epoch epoch, const std::string& batch) {
  using Outcome = Result<ShipBatchAnswer>;
  auto answer = std::make_shared<std::promise<Outcome>>();
  Run([this, epoch, batch, answer] {
    const std::shared_ptr<space::Space> space = Space();
    const auto refuse = [&](Status status) { answer->set_value(Outcome(std::move(status))); };
    if (space == nullptr) return refuse(Status(Reason::RECOVERING, "the space is being opened"));
    Epoch promised;
    bool leads = false;
    {
      MutexLock lock(mutex_);
      promised = copy_->promised();
      leads = copy_->role() != cluster::Role::kReplica;
    }
    if (epoch != promised || leads) {
      return refuse(Status(Reason::STALE_EPOCH, leads ? "this copy leads, or is about to"
                                                      : "this epoch is not the promised one")
                        .With("promised", promised.value()));
    }
    wal::Log& log = space->log();
    const auto header = record::DecodeBatchHeader(batch, kBatchCredit);
    if (!header.ok()) return refuse(header.status());
    if (header->space != log.incarnation()) {
      return refuse(Status(Reason::CONFIGURATION, "a batch of another space"));
    }
    const auto records = record::SplitBatch(*header, record::BatchRecords(batch));
    if (!records.ok()) return refuse(records.status());
    const Status status =
        log.AppendReceived(*records, [weak = weak_from_this(), answer, &log](const Status& done) {
          if (done.ok()) {
            answer->set_value(ShipBatchAnswer{log.end(), log.durable_end()});
          } else {
            answer->set_value(Outcome(done));
          }
          if (const auto self = weak.lock()) self->OnLogMoved();
        });
    if (!status.ok()) refuse(status);
  });
  return answer->get_future().get();
}

Result<std::vector<CopyStatus>> ReplicationImpl::GetStatus(const std::string& space) {
  std::vector<CopyStatus> all;
  if (registry_ == nullptr) return Status(Reason::RECOVERING, "the node is starting");
  if (!space.empty()) {
    ASSIGN_OR_RETURN(const std::shared_ptr<CopyRunner> runner, Bound(space));
    all.push_back(runner->StatusNow());
    return all;
  }
  for (const auto& runner : Runners()) {
    if (runner->bound()) all.push_back(runner->StatusNow());
  }
  return all;
}

Result<replication::Floors> ReplicationImpl::Fetch(const FetchCall& call, const FetchSink& sink) {
  if (registry_ == nullptr) return Status(Reason::RECOVERING, "the node is starting");
  ASSIGN_OR_RETURN(const std::shared_ptr<space::Space> space, registry_->Get(call.space));
  wal::Log& log = space->log();
  if (log.incarnation() != call.incarnation) {
    return Status(Reason::SPACE_NOT_FOUND, "This node has another space of that name.")
        .With("space", call.space);
  }
  if (call.first.is_zero() || call.first > call.last || call.last > log.committed_end()) {
    return NotThere(call, log.committed_end());
  }
  const auto cursor = log.NewCursor(call.first);
  std::string records;
  for (Sequence next = call.first; next <= call.last;) {
    wal::Cursor::Shipped what;
    ASSIGN_OR_RETURN(const bool more, cursor->NextRecord(&records, &what));
    if (!more) return NotThere(call, next.prev());
    next = what.last.next();
    if (records.size() < kChunkBytes && next <= call.last) continue;
    if (!sink(records)) break;
    records.clear();
  }
  const wal::Log::Floors floors = log.floors();
  return replication::Floors{floors.tombstone, floors.compaction};
}

Result<ShipBatchAnswer> ReplicationImpl::ShipBatch(ShipBatchCall call) {
  if (registry_ == nullptr) return Status(Reason::RECOVERING, "the node is starting");
  ASSIGN_OR_RETURN(const std::shared_ptr<CopyRunner> runner, Bound(call.space));
  return runner->ShipBatch(call.epoch, call.batch);
}

}  // namespace engram::runtime
