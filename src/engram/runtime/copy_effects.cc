// Carrying out what a step of the protocol wants done, in order.
#include <algorithm>
#include <utility>

#include "engram/base/probe.h"
#include "engram/cluster/static_store.h"
#include "engram/internal/v1/log.pb.h"
#include "engram/runtime/copy_runner.h"

namespace engram::runtime {

using cluster::Role;
using record::EntryType;
using replication::Entries;
using replication::Mutant;

namespace {

constexpr uint64_t kBatchCredit = 24u << 20;
constexpr Duration kPromotionDeadline = std::chrono::seconds(3);
constexpr Duration kSwitchDeadline = std::chrono::seconds(8);  // longer than the core's

// EpochStarts and settings among the records of a batch.
struct News {
  std::vector<replication::SpaceRecord> records;
  bool settings = false;
  std::optional<Sequence> deleted_at;
};

Result<News> NewsOf(const std::vector<record::BatchRecord>& records) {
  News news;
  for (const record::BatchRecord& record : records) {
    if (record.header.type == EntryType::kEpochStart) {
      ASSIGN_OR_RETURN(replication::SpaceRecord start,
                       replication::DecodeRecord(record.payload, record.header.sequence));
      news.records.push_back(std::move(start));
    } else if (record.header.type == EntryType::kSpaceSettings) {
      internal::v1::SettingsRecord settings;
      news.settings = true;
      if (settings.ParseFromArray(record.payload.data(), static_cast<int>(record.payload.size())) &&
          settings.deleted()) {
        news.deleted_at = record.header.sequence;
      }
    }
  }
  return news;
}

Result<std::vector<record::BatchRecord>> Unpack(const Entries& entries, Incarnation space) {
  ASSIGN_OR_RETURN(const record::BatchHeader header,
                   record::DecodeBatchHeader(*entries.batch, kBatchCredit));
  if (header.space != space || header.start != entries.first) {
    return Status(Reason::CORRUPTION_DETECTED, "a batch of another space, or of another place");
  }
  if (header.compression != record::Compression::kNone) {
    return Status(Reason::UNSUPPORTED_VERSION, "a compressed batch")
        .Expected("a batch as it was agreed in the handshake: uncompressed");
  }
  return record::SplitBatch(header, record::BatchRecords(*entries.batch));
}

}  // namespace

void CopyRunner::Carry(cluster::Effects effects) {
  const std::shared_ptr<space::Space> space = Space();
  if (space == nullptr) return DoReports(&effects);
  FollowIfLed(space);
  if (!Prepare(effects, space)) {
    for (const cluster::StoreCall& call : effects.store)
      Step(cluster::StoreAnswered{.id = call.id});
    return DoReports(&effects);
  }
  if (effects.role.has_value()) DoRole(*effects.role, space);
  if (effects.append.has_value()) DoAppend(*effects.append, space);
  if (effects.compare.has_value()) DoCompare(*effects.compare, space);
  if (effects.commit.has_value()) {
    const cluster::CommitMove& move = *effects.commit;
    space->CommitThrough(move.commit, move.replicated_end, move.copies);
    if (deleted_at_.has_value() && move.commit >= *deleted_at_ && !space_leads_) {
      deleted_at_.reset();
      context_.deleted(name_, incarnation());
    }
  }
  DoSend(&effects.send);
  for (const cluster::ShipOrder& order : effects.ship) DoShip(order, space);
  if (effects.hold.has_value()) DoHold(*effects.hold, space);
  DoStore(effects.store);
  DoReports(&effects);
}

void CopyRunner::DoStore(const std::vector<cluster::StoreCall>& calls) {
  for (const cluster::StoreCall& call : calls) {
    context_.outer->Carry(
        name_, incarnation(), call, [weak = weak_from_this()](cluster::StoreAnswered answered) {
          const auto self = weak.lock();
          if (self == nullptr) return;
          self->Run([self, answered = std::move(answered)] { self->Step(answered); });
        });
  }
}

// What must be durable before anything is said. False: it failed, and nothing else is done.
bool CopyRunner::Prepare(const cluster::Effects& effects,
                         const std::shared_ptr<space::Space>& space) {
  if (!KeepPromise(effects, space)) return false;
  if (effects.restart.has_value() && !DoRestart(*effects.restart, space)) return false;
  if (effects.floors.has_value()) {
    const replication::LogFloors& own = *effects.floors;
    const Status status = space->log().SetFloors(
        {own.floors.tombstone, own.floors.compaction, own.begun_epoch, own.begun_floor});
    if (!status.ok()) return Fail(status), false;
  }
  if (effects.restart.has_value()) Step(cluster::Rewound{});
  if (effects.rewind.has_value() && !DoRewind(*effects.rewind, space)) return false;
  return !effects.begin.has_value() || DoBegin(*effects.begin, space);
}

// The core believes a promise as soon as it is made; until the disk has it, nothing is said or done
// on its strength, in this step or in a later one.
bool CopyRunner::KeepPromise(const cluster::Effects& effects,
                             const std::shared_ptr<space::Space>& space) {
  const bool owed = std::exchange(promise_owed_, promise_owed_ || effects.promise.has_value());
  if (!promise_owed_) return true;
  Epoch promised;
  {
    MutexLock lock(mutex_);
    promised = copy_->promised();
  }
  const Status status = space->log().Promise(promised);
  promise_owed_ = !status.ok();
  if (promise_owed_) Visit(Probe::kPromiseOwed);
  if (!status.ok() && !owed) Fail(status);
  return status.ok();
}

void CopyRunner::FollowIfLed(const std::shared_ptr<space::Space>& space) {
  if (!space_leads_) return;
  {
    MutexLock lock(mutex_);
    if (copy_->role() != Role::kReplica || !copy_->leader().has_value()) return;
  }
  space_leads_ = false;
  space->Follow();
}

// The log was cut, whatever became of the indexes afterwards. Says how many entries above the fork
// went; what is below it is elsewhere, too.
uint64_t CopyRunner::CountCut(Sequence before, Sequence after, Sequence fork) {
  const Sequence kept = std::min(before, std::max(after, fork));
  const uint64_t lost = before.value() - kept.value();
  counts_.rewound_entries += before.value() - std::min(before, after).value();
  if (!Is(Mutant::kLossNotCounted)) counts_.local_writes_lost += lost;
  return lost;
}

bool CopyRunner::DoRewind(const cluster::Rewind& rewind,
                          const std::shared_ptr<space::Space>& space) {
  wal::Log& log = space->log();
  const Sequence before = log.end();
  const Status status =
      Is(Mutant::kKeepIndex) ? log.TruncateAfter(rewind.to) : space->Rewind(rewind.to);
  if (!status.ok() && status.reason() == Reason::SEQUENCE_GAP)
    return Step(cluster::InHole{}), false;
  const uint64_t cut = CountCut(before, log.end(), rewind.to);
  if (!status.ok()) {
    Visit(Probe::kRewindFailed);
    return FailCut(status, before, log), false;
  }
  ++counts_.rewinds;
  Note("rewound " + std::to_string(cut) + " entries above " + ToString(rewind.to) +
       (cut == 0 ? "" : ", kept in quarantine"));
  context_.report(name_, "rewound",
                  std::to_string(cut) + " entries above " + ToString(rewind.to) +
                      (rewind.lossy ? ", inside a stated loss" : ""));
  TellRewound(log);
  if (Is(Mutant::kStaleFlushCounts)) {
    const wal::EntryIdentity end = log.end_identity();
    Step(cluster::LogMoved{{end.epoch, end.sequence}, end.header_crc, before, {}});
  }
  return true;
}

void CopyRunner::TellRewound(wal::Log& log) {
  const wal::EntryIdentity end = log.end_identity();
  policy_known_ = policy_known_ && end.sequence >= Sequence(2);
  Step(cluster::Rewound{{end.epoch, end.sequence}, end.header_crc});
}

// A cut that fails late is done all the same: the core must not go on counting what is gone.
void CopyRunner::FailCut(const Status& why, Sequence before, wal::Log& log) {
  Fail(why);
  if (log.end() < before) TellRewound(log);
}

// The whole log goes to quarantine; what was above the fork first, so that a file has what is lost
// and nothing else. Should it die in between, the log ends at the fork or is empty, and the verdict
// is asked again.
bool CopyRunner::DoRestart(Sequence fork, const std::shared_ptr<space::Space>& space) {
  wal::Log& log = space->log();
  const Sequence before = log.end();
  const Status apart = space->Rewind(fork);
  const Sequence between = log.end();
  uint64_t cut = CountCut(before, between, fork);
  if (!apart.ok() && apart.reason() != Reason::SEQUENCE_GAP) {
    return FailCut(apart, before, log), false;
  }
  const Status status = space->Rewind(Sequence());
  cut += CountCut(between, log.end(), fork);
  if (!status.ok()) return FailCut(status, before, log), false;
  policy_known_ = false;
  ++counts_.rewinds;
  const std::string what =
      "began anew at 1: its log did not have what compaction took away at the "
      "primary; " +
      std::to_string(cut) + " entries of it were in no other log";
  Note(what + ", all is kept in quarantine");
  context_.report(name_, "restarted", what);
  return true;
}

bool CopyRunner::DoBegin(const cluster::Begin& begin, const std::shared_ptr<space::Space>& space) {
  wal::Log& log = space->log();
  replication::SpaceRecord record = begin.record;
  record.wall_ns = context_.clock->WallNs();
  const std::string payload = replication::EncodeRecord(record);
  if (begin.new_epoch) {
    const Status status = space->Lead(record.epoch, payload);
    if (!status.ok()) return Fail(status), false;
    space_leads_ = true;
    ++counts_.promotions;
    if (record.handed_by.has_value()) ++counts_.switchovers;
    record.at = log.history().back().first;
    Note("epoch " + cluster::FormatEpoch(record.epoch) + " began: this node leads" +
         (record.handed_by.has_value() ? ", " + record.handed_by->node + " handed over" : "") +
         (record.loss_after.has_value() ? "; a loss was stated" : "; lost: nothing"));
  } else {
    const Result<Sequence> at = space->AppendEpochStart(payload);
    if (!at.ok()) return Fail(at.status()), false;
    record.at = *at;
    ++counts_.set_changes;
    std::string set;
    for (const auto& member : record.in_sync) set += (set.empty() ? "" : ", ") + member.node;
    Note("the in-sync set is now " + set);
  }
  const Sequence durable = log.durable_end();
  const wal::EntryIdentity end = log.end_identity();
  Step(cluster::Begun{std::move(record), {end.epoch, end.sequence}, end.header_crc, durable});
  return true;
}

void CopyRunner::DoAppend(const Entries& entries, const std::shared_ptr<space::Space>& space) {
  std::optional<size_t> leader;
  {
    MutexLock lock(mutex_);
    leader = copy_->leader();
  }
  if (!leader.has_value()) return;  // gone meanwhile
  const size_t from = *leader;
  wal::Log& log = space->log();
  Result<std::vector<record::BatchRecord>> records = Unpack(entries, log.incarnation());
  Result<News> news = records.ok() ? NewsOf(*records) : records.status();
  if (!news.ok()) return Step(cluster::Compared{from, false, news.status().message()});
  const std::weak_ptr<CopyRunner> weak = weak_from_this();
  const Status status = log.AppendReceived(*records, [weak](const Status&) {
    if (const auto self = weak.lock()) self->OnLogMoved();
  });
  if (!status.ok()) {
    const bool bytes =
        status.reason() == Reason::CORRUPTION_DETECTED || status.reason() == Reason::SEQUENCE_GAP;
    if (bytes) return Step(cluster::Compared{from, false, status.message()});
    ++counts_.refused;
    context_.report(name_, "batch_refused", status.message());
    if (log.state().poisoned || log.state().read_only) return Fail(status);
    return RefuseForNow(from, status);
  }
  ++counts_.batches_received;
  counts_.entries_received += records->size();
  counts_.bytes_received += entries.batch->size();
  if (news->deleted_at.has_value()) deleted_at_ = news->deleted_at;
  const Sequence durable = log.durable_end();
  const wal::EntryIdentity end = log.end_identity();
  Step(cluster::LogMoved{.end = {end.epoch, end.sequence},
                         .end_crc = end.header_crc,
                         .durable = durable,
                         .records = std::move(news->records)});
  if (news->settings) policy_known_ = false;
  NotePolicy(space);
}

// Full or overloaded: the primary is told why nothing comes back, and sends it again in a while.
void CopyRunner::RefuseForNow(size_t peer, const Status& why) {
  replication::Message message;
  {
    MutexLock lock(mutex_);
    message.stamp = {copy_->log().space, copy_->epoch(), context_.self.incarnation};
    message.body = replication::Refused{.why = replication::Refused::Why::kBroken,
                                        .promised = copy_->promised(),
                                        .text = why.message()};
  }
  (void)context_.transport->Send(peer, Lane::kLive, {name_, std::move(message)});
}

// The log has these numbers already: is it the same bytes?
void CopyRunner::DoCompare(const Entries& entries, const std::shared_ptr<space::Space>& space) {
  std::optional<size_t> from;
  {
    MutexLock lock(mutex_);
    from = copy_->leader();
  }
  if (!from.has_value()) return;
  wal::Log& log = space->log();
  const Result<std::vector<record::BatchRecord>> records = Unpack(entries, log.incarnation());
  if (!records.ok()) return Step(cluster::Compared{*from, false, records.status().message()});
  for (size_t i = records->size(); i-- > 0;) {
    const record::EntryHeader& header = (*records)[i].header;
    if (!record::IsNumbered(header.type) || header.sequence > log.end()) continue;
    const auto own = log.IdentityAt(header.sequence);
    if (!own.ok()) return Fail(own.status());
    const bool equal = own->has_value() && (*own)->header_crc == header.header_crc;
    return Step(cluster::Compared{
        *from, equal,
        equal ? "" : "entry " + ToString(header.sequence) + " has other bytes in this copy"});
  }
  Step(cluster::Compared{*from, true, ""});
}

void CopyRunner::DoSend(std::vector<cluster::Outgoing>* outgoing) {
  for (cluster::Outgoing& out : *outgoing) {
    // What cannot be sent now is said again by a later tick.
    (void)context_.transport->Send(out.peer, Lane::kLive, {name_, std::move(out.message)});
  }
}

void CopyRunner::DoRole(Role role, const std::shared_ptr<space::Space>& space) {
  MutexLock lock(mutex_);
  if (role == Role::kPrimary) {
    // What is there already counts for the lag of replicas from the first moment on.
    durable_times_.Reset();
    durable_times_.Note(space->log().durable_end(), space->log().bytes(), context_.clock->Now());
    without_primary_since_.reset();
    for (replication::LagMonitor& monitor : monitors_) monitor.Begin();
  } else if (!without_primary_since_.has_value()) {
    without_primary_since_ = context_.clock->Now();
  }
}

// Once nothing is appended any more, the core is told where the log ends.
void CopyRunner::DoHold(bool held, const std::shared_ptr<space::Space>& space) {
  space->HoldWrites(held);
  if (!held) return;
  wal::Log& log = space->log();
  const Sequence durable = log.durable_end();  // first: it must not be beyond the end
  const wal::EntryIdentity end = log.end_identity();
  NoteLog(space);
  Step(cluster::Held{{end.epoch, end.sequence}, end.header_crc, durable});
}

void CopyRunner::DoSwitched(const cluster::SwitchReport& report) {
  const std::string& to = context_.options->nodes[report.to].name;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(report.held).count();
  const std::string waited = "writes waited " + std::to_string(ms) + " ms";
  if (report.done) {
    const std::string text = "handed over to " + to + ", which leads in epoch " +
                             cluster::FormatEpoch(report.epoch) + "; " + waited;
    Note(text);
    context_.report(name_, "handed_over", text);
  } else if (report.held > Duration::zero()) {
    Note("not handed over to " + to + ": " + report.why + "; " + waited);
    context_.report(name_, "not_handed_over", "to " + to + ": " + report.why + "; " + waited);
  }
  std::function<void(const cluster::SwitchReport&)> done;
  {
    MutexLock lock(mutex_);
    const auto it = switches_.find(report.id);
    if (it == switches_.end()) return;
    done = std::move(it->second.done);
    switches_.erase(it);
  }
  done(report);
}

void CopyRunner::DoReports(cluster::Effects* effects) {
  for (const cluster::Alarm& alarm : effects->alarms) {
    ++counts_.alarms;
    Note(alarm.event + ": " + alarm.detail);
    context_.report(name_, alarm.event, alarm.detail);
  }
  for (const cluster::PromotionReport& report : effects->reports) {
    std::function<void(const cluster::PromotionReport&)> done;
    {
      MutexLock lock(mutex_);
      const auto it = promotions_.find(report.id);
      if (it == promotions_.end()) continue;
      done = std::move(it->second.done);
      promotions_.erase(it);
    }
    done(report);
  }
  for (const cluster::SwitchReport& report : effects->switched) DoSwitched(report);
  for (const auto& [id, held] : effects->confirmed) {
    std::shared_ptr<Waiter> waiter;
    {
      MutexLock lock(mutex_);
      const auto it = confirms_.find(id);
      if (it == confirms_.end()) continue;
      waiter = it->second;
    }
    MutexLock lock(waiter->mutex);
    waiter->done = true;
    waiter->held = held;
    waiter->changed.notify_all();
  }
}

// A round that ends because another node was promised a higher epoch ends without a word; so does a
// switchover when its core is gone.
void CopyRunner::AnswerOvertaken() {
  std::vector<cluster::PromotionReport> overtaken;
  std::vector<cluster::SwitchReport> lost;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, asked] : switches_) {
      if (context_.clock->Now() - asked.asked < kSwitchDeadline) continue;
      cluster::SwitchReport& report = lost.emplace_back();
      report.id = id;
      report.to = asked.to;
      report.why = "the copy was opened again meanwhile";
      report.what_helps = "see who leads now, and try again";
    }
    // Longer than the store's.
    const Duration deadline = kPromotionDeadline + context_.options->lease_ttl;
    for (const auto& [id, promotion] : promotions_) {
      if (context_.clock->Now() - promotion.asked < deadline) continue;
      cluster::PromotionReport& report = overtaken.emplace_back();
      report.id = id;
      report.why = "another node asked for a higher epoch meanwhile, or the copy could not go on";
      report.what_helps = "see who leads now, and try again if nobody does";
    }
  }
  cluster::Effects effects;
  effects.reports = std::move(overtaken);
  effects.switched = std::move(lost);
  DoReports(&effects);
}

void CopyRunner::Fail(const Status& why) {
  if (Is(Mutant::kFailTogether)) context_.fail_all(why);
  NoteFailure(why);
}

void CopyRunner::NoteFailure(const Status& why) {
  if (Is(Mutant::kPoisonForgotten)) return;
  {
    MutexLock lock(mutex_);
    trouble_ = why.message();
  }
  const bool passing = why.reason() == Reason::DISK_FULL || why.reason() == Reason::OVERLOADED;
  Step(cluster::Failed{.why = why.message(), .passing = passing});
}

}  // namespace engram::runtime
