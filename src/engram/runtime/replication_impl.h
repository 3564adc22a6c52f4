// The Replication of a node: see replication.h. Keeps a runner for each space, opens and makes
// copies when another node asks for them, and sends what the connections bring to the right one.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/env/file_system.h"
#include "engram/obs/metrics.h"
#include "engram/runtime/copy_runner.h"
#include "engram/runtime/mending.h"
#include "engram/runtime/node_identity.h"
#include "engram/runtime/replication.h"
#include "engram/wal/quarantine.h"

namespace engram::runtime {

struct ReplicationContext {
  env::FileSystem* fs = nullptr;
  env::Clock* clock = nullptr;
  env::Entropy* entropy = nullptr;
  env::Executor* executor = nullptr;
  std::string data_dir;
  NodeIdentity identity;
  std::string node_name;
  v1::SpaceSettings space_defaults;
  Mending* mending = nullptr;
  bool may_wait = true;  // false: time is simulated
  std::function<void(const std::string& space, std::string_view event, std::string_view detail)>
      report;
};

class ReplicationImpl : public Replication, private TransportListener, private ReplicationCalls {
 public:
  static Result<std::unique_ptr<ReplicationImpl>> Make(ReplicationOptions options,
                                                       ReplicationContext context);
  ~ReplicationImpl() override;

  // Of a space that is being opened.
  space::Committer* CommitterFor(const std::string& space, wal::Log& log);
  // Connects, listens, and makes `default` if that is this node's task.
  Status Start(space::Registry& registry);
  void Stop() override;
  void Collect(obs::Metrics::Sample& sample);
  // For Mending: the other nodes as the transport has them, and that a log is unfit from now on.
  bool Connected(size_t peer) const { return transport_->peer(peer).connected; }
  void FetchFrom(size_t peer, FetchCall call, uint64_t bytes_max,
                 std::function<void(Result<FetchAnswer>)> done) {
    transport_->Fetch(peer, std::move(call), bytes_max, std::move(done));
  }
  void LookAt(const std::string& space);
  // For whom `default` waits; "" when it is there.
  std::string WaitingFor();

  const ReplicationOptions& options() const override { return options_; }
  std::optional<StoreState> Store() const override;
  int64_t lease_number() const { return outer_ == nullptr ? 0 : outer_->lease().number(); }
  std::vector<std::pair<NodeAddress, PeerState>> Nodes() const override;
  std::vector<SpaceState> Spaces() override;
  Result<SpaceState> StateOf(const std::string& space) override;
  void Promote(const PromoteCommand& command,
               std::function<void(Result<cluster::PromotionReport>)> done) override;
  void SwitchOver(const SwitchCommand& command,
                  std::function<void(Result<cluster::SwitchReport>)> done) override;
  Result<std::shared_ptr<space::Space>> CreateSpace(const std::string& id,
                                                    const v1::SpaceSettings& settings) override;
  Result<v1::DeleteSpaceResponse> DeleteSpace(const std::string& id) override;
  Result<std::vector<QuarantineInfo>> ListQuarantine(const std::string& space) override;
  Result<QuarantinePart> ShowQuarantine(const std::string& space, const std::string& file,
                                        Sequence from, bool with_records) override;
  Result<uint64_t> ReplayQuarantine(const std::string& space,
                                    const std::vector<QuarantineEntry>& entries) override;
  Status MarkReplayed(const std::string& space, const std::string& file) override;

  using Made = std::function<void(Result<std::shared_ptr<space::Space>>)>;
  // As CreateSpace; `done` is called once, on any thread.
  void CreateSpaceAsync(const std::string& id, const v1::SpaceSettings& settings, Made done);

  // The runner of a space that is open here; null otherwise.
  std::shared_ptr<CopyRunner> Find(const std::string& space) const EXCLUDES(mutex_);

 private:
  // Who has a space that is to be made: answers of the other nodes.
  struct Census {
    uint64_t round = 0;
    std::map<size_t, bool> answers;  // place: has it
    Instant began;
    v1::SpaceSettings settings;  // of the space to be made
    Made done;
    bool ending = false;
  };

  ReplicationImpl(ReplicationOptions options, ReplicationContext context);
  void TakeCensus(const std::string& id, const std::shared_ptr<Census>& census);
  void EndCensus(const std::string& id);
  Status Judge(const std::string& id, const Census& census) const;

  // TransportListener
  void OnPeerUp(size_t peer, const PeerIdentity& identity) override;
  void OnPeerDown(size_t peer, const Status& why) override;
  void OnMessage(size_t peer, Lane lane, SpaceMessage message) override;
  void OnWritable(size_t peer, Lane lane) override;

  // ReplicationCalls (replication_calls.cc)
  Result<std::vector<CopyStatus>> GetStatus(const std::string& space) override;
  Result<replication::Floors> Fetch(const FetchCall& call, const FetchSink& sink) override;
  Result<ShipBatchAnswer> ShipBatch(ShipBatchCall call) override;

  Result<std::unique_ptr<OuterConfiguration>> MakeOuter();
  RunnerContext ContextOfRunners();
  std::shared_ptr<CopyRunner> RunnerOf(const std::string& space) EXCLUDES(mutex_);
  std::vector<std::shared_ptr<CopyRunner>> Runners() const EXCLUDES(mutex_);
  // Opens the space and binds its runner. Blocks.
  Result<std::shared_ptr<CopyRunner>> Bound(const std::string& space);
  void BindSoon(const std::string& space);
  void OpenUnbound(size_t peer, Lane lane, SpaceMessage message);
  void TakeForeign(size_t peer, Lane lane, SpaceMessage message);
  bool AnswerCensus(size_t peer, const SpaceMessage& message) EXCLUDES(mutex_);
  void Reply(size_t peer, const SpaceMessage& to, Incarnation space, replication::Body body);
  void ScheduleTick();
  void TickAll();
  void EnsureDefault();
  // replication_pages.cc
  replication::Summary SummaryOf(const std::string& space) EXCLUDES(mutex_);
  void SendPages(size_t peer);
  void ComparePage(const replication::Page& page);
  void SendDeleted(size_t peer);
  void RemoveCopy(const std::string& space, Incarnation incarnation);
  void NoteDeleted(Incarnation incarnation) EXCLUDES(mutex_);
  bool IsDeleted(Incarnation incarnation) const EXCLUDES(mutex_);
  bool HasEntries(const std::string& space);
  // A space that this node is to make, and to lead.
  struct Making {
    v1::SpaceSettings settings;
    Incarnation incarnation;
    replication::SpaceRecord record;
    int64_t lease = 0;  // under which the store outside has its record
  };
  Result<Making> Prepare(const std::string& id, v1::SpaceSettings settings);
  Result<std::shared_ptr<space::Space>> Make(const std::string& id, const Making& making);
  void MakeOutside(const std::string& id, const std::shared_ptr<Census>& census);
  void EndMaking(const std::string& id, const Census& census,
                 Result<std::shared_ptr<space::Space>> made);
  void CollectConnections(obs::Metrics::Sample& sample);
  void CollectStore(obs::Metrics::Sample& sample);
  void CollectPrimary(CopyRunner& runner, const SpaceState& space, obs::Metrics::Sample& sample);
  void CollectReplicaSide(CopyRunner& runner, const SpaceState& space,
                          obs::Metrics::Sample& sample);
  Status NoSuchNode(const std::string& node) const;
  std::optional<size_t> PlaceOf(const std::string& node) const;
  std::string DirectoryOf(const std::string& space) const;
  // replication_quarantine.cc
  Result<wal::QuarantineFile> FindQuarantine(const std::string& space, const std::string& file);
  std::string MarkOf(const std::string& space, const std::string& file) const;

  const ReplicationOptions options_;
  ReplicationContext context_;
  replication::Member self_;
  std::shared_ptr<BulkTurns> bulk_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<OuterConfiguration> outer_;   // null: the static store
  space::Registry* registry_ = nullptr;         // from Start on
  std::vector<std::atomic<int64_t>> contacts_;  // by place
  uint64_t ticks_ = 0;                          // of the timer
  std::atomic<bool> started_{false}, stopped_{false}, making_default_{false};

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<CopyRunner>> runners_ GUARDED_BY(mutex_);
  // Of spaces that are gone: a log that is closing may still call them.
  std::vector<std::shared_ptr<CopyRunner>> former_ GUARDED_BY(mutex_);
  std::set<std::string> creating_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Census>> censuses_ GUARDED_BY(mutex_);
  uint64_t next_round_ GUARDED_BY(mutex_) = 1;
  std::map<std::string, replication::Summary> summaries_ GUARDED_BY(mutex_);  // of closed spaces
  std::map<std::string, Instant> foreign_ GUARDED_BY(mutex_);                 // alarmed when
};

}  // namespace engram::runtime
