// Runs the protocol of one space on this node: steps cluster::Copy with what happens to the log, to
// the connections and to the clock, and carries out its effects on log, space and transport, in
// their order. It is the space's Committer.
//
// Owned by Replication, for as long as the node knows the space; a space that is closed and opened
// again gets a new core (a restart, as the protocol sees it). Thread-safe: events pass through a
// strand, the core itself is guarded by a short lock so that others can read how it stands.
//
// Invariants: effects of a step are done before the next step begins; nothing is sent after an
// effect before it failed; the log is written only through the space while the copy leads, and only
// by AppendReceived while it follows.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/cluster/copy.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/replication/lag.h"
#include "engram/runtime/bulk_turns.h"
#include "engram/runtime/outer_configuration.h"
#include "engram/runtime/replication.h"
#include "engram/runtime/strand.h"
#include "engram/runtime/transport.h"
#include "engram/space/registry.h"

namespace engram::runtime {

// What the runners of a node share. Outlives them.
struct RunnerContext {
  const ReplicationOptions* options = nullptr;
  env::Clock* clock = nullptr;
  env::Entropy* entropy = nullptr;
  env::Executor* executor = nullptr;  // opens spaces, reads old log, runs strands
  BulkTurns* bulk = nullptr;
  Transport* transport = nullptr;
  OuterConfiguration* outer = nullptr;  // null: the static store
  space::Registry* registry = nullptr;
  // By place: when anything was heard of that node (Instant::ns).
  const std::vector<std::atomic<int64_t>>* contacts = nullptr;
  replication::Member self;
  // Mutant::kFailTogether: of all spaces.
  std::function<void(const Status& why)> fail_all;
  // A copy of a deleted space: its folder may go.
  std::function<void(const std::string& space, Incarnation incarnation)> deleted;
  std::function<void(const std::string& space, std::string_view event, std::string_view detail)>
      report;
};

// What a runner counts; read when metrics are scraped.
struct RunnerCounts {
  std::atomic<uint64_t> batches_sent{0}, batches_failed{0}, entries_sent{0}, bytes_sent{0};
  std::atomic<uint64_t> batches_received{0}, entries_received{0}, bytes_received{0};
  std::atomic<uint64_t> caught_up_entries{0};  // shipped or received while catching up
  std::atomic<uint64_t> local_writes_lost{0}, rewound_entries{0}, rewinds{0};
  std::atomic<uint64_t> set_changes{0};  // records of a further set in one epoch
  std::atomic<uint64_t> promotions{0}, switchovers{0}, alarms{0}, refused{0};
  std::atomic<uint64_t> last_batch_bytes{0};
};

class CopyRunner : public space::Committer, public std::enable_shared_from_this<CopyRunner> {
 public:
  CopyRunner(const RunnerContext& context, std::string space);
  ~CopyRunner() override;

  // The log was opened; the space follows. Called by the space that is being opened.
  void Attach(wal::Log& log) EXCLUDES(mutex_);
  // The space is open (again): goes on from here. `created`: it was made by this node just now.
  // … under that lease, where the store is outside.
  void Bind(const std::shared_ptr<space::Space>& space, bool created, int64_t lease = 0);
  bool bound() const EXCLUDES(mutex_);
  bool empty() const EXCLUDES(mutex_);  // its log is whole, and has no entry

  // ---- what happens ----
  void OnPeerUp(size_t peer, Incarnation incarnation);
  void OnPeerDown(size_t peer);
  void OnMessage(size_t peer, Lane lane, replication::Message message);
  void OnWritable(size_t peer);
  void OnFailed(const Status& why);
  void OnLeaseChanged();
  void Tick();
  // Something is under way that needs ticks; else one now and then is enough.
  bool busy() const { return busy_; }
  void Stand(cluster::StoreRequest request,
             std::function<void(const cluster::PromotionReport&)> done);
  // Hands the space over to that node, or says why not; `done` is called once.
  void SwitchOver(cluster::SwitchOver request,
                  std::function<void(const cluster::SwitchReport&)> done);

  // ---- of other nodes, outside of the streams; blocking ----
  CopyStatus StatusNow() EXCLUDES(mutex_);
  Result<ShipBatchAnswer> ShipBatch(Epoch epoch, const std::string& batch);

  // ---- space::Committer ----
  Result<v1::Durability> Admit(v1::Durability level) override;
  void OnLogMoved() override;
  void OnVisible(Sequence visible) override;
  space::CopyState State() override;
  Status Confirm(Duration wait) override;
  bool HoldsLease() override;
  bool LeaseRanOut() override;
  Duration auto_wait() const override { return context_.options->shrink_after; }
  Duration commit_timeout() const override { return context_.options->commit_timeout; }

  const std::string& name() const { return name_; }
  Incarnation incarnation() const EXCLUDES(mutex_);
  SpaceState Describe() EXCLUDES(mutex_);
  const RunnerCounts& counts() const { return counts_; }
  void CountAlarm() { ++counts_.alarms; }  // one that the node raised about the space
  uint64_t lag_alerts(size_t peer) EXCLUDES(mutex_);
  // Entries sent per second since it was asked before.
  double TakeThroughput() EXCLUDES(mutex_);

 private:
  struct Waiter {  // of a Confirm
    Mutex mutex;
    std::condition_variable_any changed;
    bool done = false, held = false;
  };
  struct PeerLog {  // where the log is read for a peer
    std::unique_ptr<wal::Cursor> cursor;
    Sequence next;
    bool reading = false;  // on the executor
  };
  struct Caught {  // since when, and from where, a replica catches up
    Instant began;
    Sequence from;
  };

  // copy_runner.cc
  void HearContacts() REQUIRES(mutex_);
  // In words, when the set has changed in a store outside.
  std::string ChangeOfSet() REQUIRES(mutex_);
  void NoteTold() REQUIRES(mutex_);
  using What = decltype(cluster::Event::what);
  void Run(std::function<void()> task);
  void Step(What what);
  std::shared_ptr<space::Space> Space() const;
  void Note(std::string text) EXCLUDES(mutex_);
  void NoteLog(const std::shared_ptr<space::Space>& space) EXCLUDES(mutex_);
  void NotePolicy(const std::shared_ptr<space::Space>& space);
  void LogMovedNow();
  Status Addressed(Status status) const;
  Status UnderLease(v1::Durability level) const;
  bool Is(replication::Mutant mutant) const { return context_.options->mutant == mutant; }
  Status WithAdvice(Status status) const;
  std::string SilentNodes() const;

  // copy_effects.cc
  void Carry(cluster::Effects effects);
  bool Prepare(const cluster::Effects& effects, const std::shared_ptr<space::Space>& space);
  uint64_t CountCut(Sequence before, Sequence after, Sequence fork);
  bool DoRewind(const cluster::Rewind& rewind, const std::shared_ptr<space::Space>& space);
  void TellRewound(wal::Log& log);
  void FailCut(const Status& why, Sequence before, wal::Log& log);
  bool DoRestart(Sequence fork, const std::shared_ptr<space::Space>& space);
  bool DoBegin(const cluster::Begin& begin, const std::shared_ptr<space::Space>& space);
  void DoAppend(const replication::Entries& entries, const std::shared_ptr<space::Space>& space);
  void RefuseForNow(size_t peer, const Status& why);
  void DoCompare(const replication::Entries& entries, const std::shared_ptr<space::Space>& space);
  void DoSend(std::vector<cluster::Outgoing>* outgoing);
  void DoRole(cluster::Role role, const std::shared_ptr<space::Space>& space);
  bool KeepPromise(const cluster::Effects& effects, const std::shared_ptr<space::Space>& space);
  void FollowIfLed(const std::shared_ptr<space::Space>& space);
  void DoHold(bool held, const std::shared_ptr<space::Space>& space);
  void DoReports(cluster::Effects* effects);
  void DoStore(const std::vector<cluster::StoreCall>& calls);
  void DoSwitched(const cluster::SwitchReport& report);
  void Fail(const Status& why);
  void AnswerOvertaken();
  void NoteFailure(const Status& why);

  // copy_ship.cc
  void DoShip(const cluster::ShipOrder& order, const std::shared_ptr<space::Space>& space);
  void TakeTurn(cluster::ShipOrder order, const std::shared_ptr<space::Space>& space);
  void ReadAndSend(const cluster::ShipOrder& order, const std::shared_ptr<space::Space>& space);
  Result<replication::Entries> ReadBatch(const cluster::ShipOrder& order, wal::Log& log,
                                         uint64_t* count);

  // copy_describe.cc
  ReplicaState DescribePeer(size_t place, Instant now) REQUIRES(mutex_);
  void TellLag();
  std::string WhyOf(size_t place, const cluster::PeerView& view) const;

  const RunnerContext context_;
  const std::string name_;
  const size_t me_;
  const std::shared_ptr<Strand> strand_;
  RunnerCounts counts_;
  std::atomic<bool> log_moved_{false};
  std::atomic<bool> busy_{true};

  mutable Mutex mutex_;
  std::unique_ptr<cluster::Copy> copy_ GUARDED_BY(mutex_);
  std::weak_ptr<space::Space> space_ GUARDED_BY(mutex_);
  replication::DurableTimes durable_times_ GUARDED_BY(mutex_);
  std::vector<replication::LagMonitor> monitors_ GUARDED_BY(mutex_);
  std::vector<Caught> caught_ GUARDED_BY(mutex_);
  std::deque<std::string> history_ GUARDED_BY(mutex_);
  std::vector<replication::ReplicaStatus> told_status_ GUARDED_BY(mutex_);  // by place
  uint64_t openings_ GUARDED_BY(mutex_) = 0;
  std::pair<Epoch, replication::Members> noted_set_ GUARDED_BY(mutex_);  // that is led
  std::string trouble_ GUARDED_BY(mutex_);                               // of this life of the log
  // Following: when the primary said what to be committed, and when this copy showed all of it.
  replication::DurableTimes told_times_ GUARDED_BY(mutex_);
  Instant caught_up_at_ GUARDED_BY(mutex_);
  std::optional<Instant> without_primary_since_ GUARDED_BY(mutex_);
  uint64_t measured_entries_ GUARDED_BY(mutex_) = 0;
  Instant measured_at_ GUARDED_BY(mutex_);
  struct Promotion {
    std::function<void(const cluster::PromotionReport&)> done;
    Instant asked;
  };
  std::map<uint64_t, Promotion> promotions_ GUARDED_BY(mutex_);
  struct Switch {
    std::function<void(const cluster::SwitchReport&)> done;
    Instant asked;
    size_t to;
  };
  std::map<uint64_t, Switch> switches_ GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Waiter>> confirms_ GUARDED_BY(mutex_);
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;

  // ---- of the strand ----
  std::vector<PeerLog> peer_logs_;
  bool space_leads_ = false;
  bool policy_known_ = false;
  bool promise_owed_ = false;           // made, and not on the disk
  std::optional<Sequence> deleted_at_;  // a last SpaceSettings
};

// What the protocol needs to know of a log. Reads its EpochStarts.
Result<cluster::LogState> ReadLogState(wal::Log& log);

}  // namespace engram::runtime
