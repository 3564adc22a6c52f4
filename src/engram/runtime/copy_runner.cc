#include "engram/runtime/copy_runner.h"

#include <algorithm>

#include "engram/base/probe.h"
#include "engram/cluster/outer_store.h"
#include "engram/cluster/static_store.h"
#include "engram/model/time.h"

namespace engram::runtime {

using cluster::Copy;
using cluster::Role;

namespace {

constexpr size_t kHistoryLines = 20;

cluster::CopyOptions CopyOptionsOf(const RunnerContext& context) {
  const ReplicationOptions& options = *context.options;
  cluster::CopyOptions out;
  for (const NodeAddress& node : options.nodes) out.nodes.push_back(node.name);
  out.me = options.me;
  out.self = context.self;
  out.shrink_after = options.shrink_after;
  out.return_after_max = options.return_after_max;
  out.window_bytes = options.window_bytes;
  out.catch_up_above = options.catch_up_above;
  out.batch_bytes = options.batch_bytes;
  out.catch_up_batch_bytes = options.catch_up_batch_bytes;
  out.mutant = options.mutant;
  return out;
}

cluster::RoundOptions RoundOptionsOf(const RunnerContext& context) {
  cluster::RoundOptions options;
  for (const NodeAddress& node : context.options->nodes) options.nodes.push_back(node.name);
  options.me = context.options->me;
  options.self = context.self;
  options.mutant = context.options->mutant;
  return options;
}

std::unique_ptr<cluster::Store> StoreOf(const RunnerContext& context) {
  if (context.outer == nullptr) {
    return std::make_unique<cluster::StaticStore>(
        cluster::StaticOptions{RoundOptionsOf(context), context.options->start_alone});
  }
  cluster::OuterStoreOptions options{RoundOptionsOf(context)};
  options.request_deadline =
      std::max(options.request_deadline, context.options->lease_ttl + std::chrono::seconds(1));
  return std::make_unique<cluster::OuterStore>(std::move(options));
}

}  // namespace

Result<cluster::LogState> ReadLogState(wal::Log& log) {
  cluster::LogState state;
  state.space = log.incarnation();
  state.promised = log.promised();
  const wal::EntryIdentity end = log.end_identity();
  state.end = {end.epoch, end.sequence};
  state.end_crc = end.header_crc;
  if (state.promised > state.end.epoch) Visit(Probe::kPromiseWithoutEpoch);
  state.durable = log.durable_end();
  state.commit = log.committed_end();
  const wal::Log::Floors floors = log.floors();
  state.floors = {{floors.tombstone, floors.compaction}, floors.begun_epoch, floors.begun_floor};
  for (const record::EpochBegin& begin : log.history()) {
    ASSIGN_OR_RETURN(const record::Entry entry, log.Read(begin.first));
    ASSIGN_OR_RETURN(replication::SpaceRecord record,
                     replication::DecodeRecord(entry.payload, begin.first));
    state.records.push_back(std::move(record));
  }
  // Not kept by the log itself; but whoever stated a loss knew what was on all of the set then.
  for (const replication::StatedLoss& loss : cluster::LossesOf(state)) {
    state.replicated_end = std::max(state.replicated_end, loss.after.sequence);
  }
  const wal::Log::State health = log.state();
  state.fit = !health.poisoned && !health.read_only;
  return state;
}

CopyRunner::CopyRunner(const RunnerContext& context, std::string space)
    : context_(context),
      name_(std::move(space)),
      me_(context.options->me),
      strand_(std::make_shared<Strand>(*context.executor)),
      caught_(context.options->nodes.size()),
      peer_logs_(context.options->nodes.size()) {
  const replication::LagThresholds thresholds{.lagging = context.options->lag_alert,
                                              .degraded = context.options->lag_degraded,
                                              .failures = context.options->failures_max};
  monitors_.assign(context.options->nodes.size(), replication::LagMonitor(thresholds));
  told_status_.assign(context.options->nodes.size(), replication::ReplicaStatus::kHealthy);
}

CopyRunner::~CopyRunner() = default;

void CopyRunner::Attach(wal::Log& log) {
  Result<cluster::LogState> state = ReadLogState(log);
  if (!state.ok()) {
    // It is served as far as it can be read; it neither follows nor leads.
    context_.report(name_, "replication_unfit", state.status().message());
    cluster::LogState unfit;
    unfit.space = log.incarnation();
    unfit.promised = log.promised();
    unfit.fit = false;
    state = std::move(unfit);
  }
  const Instant now = context_.clock->Now();
  MutexLock lock(mutex_);
  space_.reset();
  copy_ = std::make_unique<Copy>(CopyOptionsOf(context_), StoreOf(context_), *std::move(state),
                                 Prng(context_.entropy->Next()), now);
  // A log that was to begin anew at 1 had parted what nobody else has before.
  counts_.rewound_entries += log.cut_at_opening();
  if (!log.end().is_zero()) counts_.local_writes_lost += log.cut_at_opening();
  durable_times_.Reset();
  told_times_.Reset();
  trouble_.clear();
  ++openings_;
  caught_up_at_ = now;
  without_primary_since_ = now;
}

void CopyRunner::Bind(const std::shared_ptr<space::Space>& space, bool created, int64_t lease) {
  Run([this, weak = std::weak_ptr(space), created, lease] {
    const std::shared_ptr<space::Space> space = weak.lock();
    if (space == nullptr) return;
    {
      MutexLock lock(mutex_);
      if (copy_ == nullptr || space_.lock() == space) return;
      space_ = space;
    }
    for (PeerLog& peer : peer_logs_) peer = PeerLog();
    space_leads_ = created;
    policy_known_ = false;
    promise_owed_ = false;
    deleted_at_.reset();
    LogMovedNow();
    NotePolicy(space);
    for (size_t peer = 0; peer < context_.options->nodes.size(); ++peer) {
      if (peer == me_) continue;
      const PeerState state = context_.transport->peer(peer);
      if (state.connected && state.identity.has_value()) {
        Step(cluster::PeerUp{peer, state.identity->incarnation});
      }
    }
    std::optional<replication::SpaceRecord> newest;
    {
      MutexLock lock(mutex_);
      if (copy_->newest() != nullptr) newest = *copy_->newest();
    }
    if (!newest.has_value()) return;
    if (created) return Step(cluster::Created{*newest, lease});
    if (newest->primary == context_.self) Step(cluster::Stand{});
  });
}

bool CopyRunner::bound() const {
  MutexLock lock(mutex_);
  return !space_.expired();
}

// By the log itself: of one that is damaged the core may know nothing.
bool CopyRunner::empty() const {
  const std::shared_ptr<space::Space> space = Space();
  if (space == nullptr) return false;
  const wal::Log::State state = space->log().state();
  return space->log().end().is_zero() && !state.poisoned && !state.read_only;
}

std::shared_ptr<space::Space> CopyRunner::Space() const {
  MutexLock lock(mutex_);
  return space_.lock();
}

Incarnation CopyRunner::incarnation() const {
  MutexLock lock(mutex_);
  return copy_ == nullptr ? Incarnation() : copy_->log().space;
}

void CopyRunner::Run(std::function<void()> task) {
  strand_->Run([self = shared_from_this(), task = std::move(task)] { task(); });
}

void CopyRunner::Step(What what) {
  cluster::Effects effects;
  std::string change;
  {
    MutexLock lock(mutex_);
    if (copy_ == nullptr) return;
    effects = copy_->Step({context_.clock->Now(), std::move(what)});
    busy_ = !copy_->idle();
    NoteTold();
    if (context_.outer != nullptr) change = ChangeOfSet();
  }
  if (!change.empty()) {
    ++counts_.set_changes;
    Note(std::move(change));
  }
  Carry(std::move(effects));
}

// With the static store an EpochStart says it (DoBegin).
std::string CopyRunner::ChangeOfSet() {
  if (copy_->role() != Role::kPrimary) return "";
  const replication::SpaceRecord& now = copy_->current();
  const auto before = std::exchange(noted_set_, {now.epoch, now.in_sync});
  if (before.first != now.epoch || before.second == now.in_sync) return "";
  std::string set;
  for (const auto& member : now.in_sync) set += (set.empty() ? "" : ", ") + member.node;
  return "the in-sync set is now " + set;
}

// A leader that has committed less than the one before begins anew.
void CopyRunner::NoteTold() {
  const Sequence told = copy_->leader_commit();
  if (told < told_times_.end()) told_times_.Reset();
  told_times_.Note(told, 0, context_.clock->Now());
}

// Whoever was heard of on behalf of another space is there for this one, too.
void CopyRunner::HearContacts() {
  for (size_t peer = 0; peer < context_.contacts->size(); ++peer) {
    copy_->Hear(peer, Instant{(*context_.contacts)[peer].load(std::memory_order_relaxed)});
  }
}

void CopyRunner::OnPeerUp(size_t peer, Incarnation incarnation) {
  Run([this, peer, incarnation] {
    if (Space() != nullptr) Step(cluster::PeerUp{peer, incarnation});
  });
}

void CopyRunner::OnPeerDown(size_t peer) {
  Run([this, peer] {
    peer_logs_[peer] = PeerLog();
    Step(cluster::PeerDown{peer});
  });
}

void CopyRunner::OnMessage(size_t peer, Lane, replication::Message message) {
  Run([this, peer, message = std::move(message)]() mutable {
    if (Space() == nullptr) return;
    auto* entries = std::get_if<replication::Entries>(&message.body);
    if (entries != nullptr && entries->batch != nullptr) {
      const auto through = replication::HolesThrough(*entries->batch);
      if (!through.ok()) return Step(cluster::Compared{peer, false, through.status().message()});
      entries->holes_through = *through;
    }
    Step(cluster::Received{peer, std::move(message)});
  });
}

void CopyRunner::OnWritable(size_t peer) {
  Run([this, peer] { Step(cluster::Writable{peer}); });
}

void CopyRunner::OnFailed(const Status& why) {
  Run([this, why] { NoteFailure(why); });
}

void CopyRunner::Tick() {
  Run([this] {
    const std::shared_ptr<space::Space> space = Space();
    if (space == nullptr) return;
    const wal::Log::State state = space->log().state();
    bool fit = true;
    {
      MutexLock lock(mutex_);
      fit = copy_->log().fit;
      const bool led = copy_->leader().has_value();
      if (led) without_primary_since_.reset();
      if (!led && !without_primary_since_) without_primary_since_ = context_.clock->Now();
    }
    if (fit && (state.poisoned || state.read_only)) Fail(state.why);
    {
      MutexLock lock(mutex_);
      HearContacts();
    }
    NotePolicy(space);  // settings that became visible after the last batch
    Step(cluster::Tick{});
    AnswerOvertaken();
    TellLag();
  });
}

void CopyRunner::Stand(cluster::StoreRequest request,
                       std::function<void(const cluster::PromotionReport&)> done) {
  {
    MutexLock lock(mutex_);
    request.kind = cluster::StoreRequest::Kind::kLead;
    request.id = next_id_++;
    promotions_[request.id] = {std::move(done), context_.clock->Now()};
  }
  Run([this, request] { Step(cluster::Stand{request}); });
}

void CopyRunner::SwitchOver(cluster::SwitchOver request,
                            std::function<void(const cluster::SwitchReport&)> done) {
  {
    MutexLock lock(mutex_);
    request.id = next_id_++;
    switches_[request.id] = {std::move(done), context_.clock->Now(), request.to};
  }
  Run([this, request] { Step(request); });
}

// Whoever tells it is in the middle of a completion of the log, or inside the gate of the space:
// what came from others meanwhile may wait for both (an epoch that begins, a rewind).
void CopyRunner::OnLogMoved() {
  if (log_moved_.exchange(true)) return;  // one is on its way, and will see this, too
  strand_->RunAlone([self = shared_from_this()] { self->LogMovedNow(); });
}

void CopyRunner::OnVisible(Sequence) {}

void CopyRunner::LogMovedNow() {
  log_moved_ = false;
  const std::shared_ptr<space::Space> space = Space();
  if (space == nullptr) return;
  wal::Log& log = space->log();
  const Sequence durable = log.durable_end();  // first: it must not be beyond the end
  const wal::EntryIdentity end = log.end_identity();
  NoteLog(space);
  if (Is(replication::Mutant::kReplyBeforeCommit) && space_leads_) {
    space->CommitThrough(durable, durable, 2);
  }
  Step(cluster::LogMoved{.end = {end.epoch, end.sequence},
                         .end_crc = end.header_crc,
                         .durable = durable,
                         .records = {}});
}

void CopyRunner::NoteLog(const std::shared_ptr<space::Space>& space) {
  const uint64_t bytes = space->log().bytes();
  const Sequence durable = space->log().durable_end();
  MutexLock lock(mutex_);
  if (durable > durable_times_.end()) {
    durable_times_.Note(durable, bytes, context_.clock->Now());
  }
}

// The settings are the second entry of every log.
void CopyRunner::NotePolicy(const std::shared_ptr<space::Space>& space) {
  if (policy_known_ || space->log().end() < Sequence(2)) return;
  const v1::SpaceSettings settings = space->settings();
  if (settings.dimension() == 0) return;
  policy_known_ = true;
  cluster::Policy policy;
  policy.local_space = settings.durability() == v1::DURABILITY_LOCAL;
  policy.min_in_sync = settings.has_min_in_sync() ? settings.min_in_sync() : 2;
  Step(cluster::PolicyKnown{policy});
}

void CopyRunner::OnLeaseChanged() {
  Run([this] {
    int64_t led = 0;
    {
      MutexLock lock(mutex_);
      if (copy_ != nullptr && copy_->role() == Role::kPrimary) led = copy_->lease();
    }
    // Without any lease it goes on for a while, with what every member acknowledges.
    const int64_t now = context_.outer->lease().number();
    if (led != 0 && now != 0 && led != now) Step(cluster::LeaseChanged{});
  });
}

void CopyRunner::Note(std::string text) {
  const std::string at =
      model::FormatUtc(model::UtcTime::FromNs(context_.clock->WallNs())).substr(11, 8);
  MutexLock lock(mutex_);
  history_.push_front(at + "  " + std::move(text));
  if (history_.size() > kHistoryLines) history_.pop_back();
}

}  // namespace engram::runtime
