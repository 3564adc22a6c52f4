// Replication of a node: one runner for each space that has other copies (cluster::Copy driving log
// and space), the connections to the other configured nodes, and what operators ask. Owned by Node;
// thread-safe. A node without a configured list has none.
//
// Invariants: a space's events are stepped one after another, and the effects of one are carried
// out, in order, before the next; nothing of one space waits for another's disk.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/cluster/effects.h"
#include "engram/replication/lag.h"
#include "engram/replication/member.h"
#include "engram/replication/mutant.h"
#include "engram/runtime/config_store.h"
#include "engram/runtime/replication_calls.h"
#include "engram/runtime/transport.h"
#include "engram/space/space.h"

namespace engram::obs {
class Metrics;
}

namespace engram::runtime {

struct ReplicationOptions {
  std::vector<NodeAddress> nodes;  // the configured list; epochs carry a node's place in it
  size_t me = 0;
  std::string first_primary;  // who makes `default`; with a store outside "": whoever is first
  bool start_alone = false;
  uint64_t batch_entries = 100;
  uint64_t batch_bytes = 1u << 20;
  uint64_t catch_up_batch_bytes = 4u << 20;
  uint64_t catch_up_rate = 0;  // bytes a second of old log, of all spaces; 0: no limit
  uint64_t window_bytes = 16u << 20;
  uint64_t catch_up_above = 10'000;  // entries that a replica lacks: it catches up
  Duration shrink_after = std::chrono::milliseconds(1500);
  Duration return_after_max = std::chrono::seconds(60);  // of a member that was expelled again
  Duration commit_timeout = std::chrono::seconds(5);
  Duration lag_alert = std::chrono::seconds(1);
  Duration lag_degraded = std::chrono::seconds(5);
  int failures_max = 3;  // failed connections in a row: status failed
  // With a store outside of the cluster: made by the composition root (etcd) or by a simulation.
  // Unset: the static store.
  std::function<Result<std::unique_ptr<ConfigStore>>()> make_store;
  Duration lease_ttl = std::chrono::seconds(2);
  Duration lease_margin = std::chrono::milliseconds(200);  // at least; or a tenth of the ttl
  // `replicated` writes go on for so long without a lease, while every member acknowledges.
  Duration lease_grace = std::chrono::seconds(60);
  // A rule to break, for simulations that want to see a checker notice.
  replication::Mutant mutant = replication::Mutant::kNone;
  // Made by the composition root (gRPC) or by a simulation.
  std::function<Result<std::unique_ptr<Transport>>(NodeId, Incarnation, ReplicationCalls*)>
      make_transport;
};

// One replica of a space as its primary sees it.
struct ReplicaState {
  std::string node;
  bool connected = false, joined = false, in_set = false;
  replication::Lag lag;  // entries, bytes, time, status
  std::string mode;      // streaming, catching up, rewinding, disconnected, refused
  Sequence durable, visible;
  std::optional<Duration> since_contact;
  double catch_up_progress = 0;  // 0 … 1
  std::optional<Duration> catch_up_eta;
  std::optional<cluster::CameBack> came_back;  // not long ago
  std::string why;                             // in words: what is wrong
};

// One space as this node sees it.
struct SpaceState {
  std::string space;
  cluster::Role role = cluster::Role::kReplica;
  std::string primary;  // node; "" when there is none
  Epoch epoch, promised;
  Sequence log_end, durable, commit, replicated_end;
  uint32_t copies_in_sync = 0, copies_wanted = 0, min_in_sync = 0;
  bool serving = false;
  bool writes_local = false, writes_replicated = false;  // would be accepted now
  std::string why_not;                                   // … and why not
  std::optional<replication::SpaceRecord> record;        // newest
  std::vector<ReplicaState> replicas;                    // on the primary
  std::string alarm;
  std::string trouble;       // an effect failed, or the log does: what of it
  uint64_t openings = 0;     // of its log by this process: more after a failed log was given up
  uint64_t writes_lost = 0;  // entries that rewinds of this process cut
  std::optional<Duration> without_primary;  // how long
  std::vector<std::string> history;  // last changes, newest first: "13:58:30  n2 left the set: …"
};

// The configuration store outside, as this node sees it.
struct StoreState {
  std::string store;  // its addresses
  Duration lease_left = {};
  uint64_t lease_losses = 0;
  std::string trouble;  // why there is no lease
};

struct PromoteCommand {
  std::string space;
  std::optional<std::string> stopped;  // --primary-is-stopped NODE
  std::optional<std::string> remove;   // `replicas remove NODE`
  bool force = false;
  bool dry_run = false;
};

// `switchover --to NODE`, asked of the primary.
struct SwitchCommand {
  std::string space;
  std::string to;
  Duration within = std::chrono::seconds(2);  // else it is called off
  bool dry_run = false;
};

struct QuarantineEntry {
  Sequence sequence;
  Epoch epoch;
  std::string memory_id;
  std::string kind;     // stored, updated, deleted, suppressed, …
  std::string content;  // text of an episode, shortened
  bool replayed = false;
  uint32_t type = 0;  // these three as they lay in the log, for a replay
  uint32_t checksum = 0;
  std::string record;
};
struct QuarantinePart {
  std::vector<QuarantineEntry> entries;
  Sequence next;  // where the next part begins; zero when this was the last
};
struct QuarantineInfo {
  std::string space, file;
  Epoch epoch;
  Sequence first, last;
  uint64_t bytes = 0, entries = 0;
  bool replayed = false;
};

class Replication {
 public:
  virtual ~Replication() = default;

  virtual const ReplicationOptions& options() const = 0;
  virtual std::vector<std::pair<NodeAddress, PeerState>> Nodes() const = 0;
  // Spaces with other copies that are open here.
  virtual std::vector<SpaceState> Spaces() = 0;
  // Opens it when needed. SPACE_NOT_FOUND.
  virtual Result<SpaceState> StateOf(const std::string& space) = 0;

  // Nothing with the static store.
  virtual std::optional<StoreState> Store() const = 0;

  // Makes this node the primary of the space, or says why not (report.done, report.why). `done` is
  // called once, on any thread.
  virtual void Promote(const PromoteCommand& command,
                       std::function<void(Result<cluster::PromotionReport>)> done) = 0;
  // Hands the space, which this node leads, over to another, or says why not (report.done,
  // report.why). `done` is called once, on any thread. NOT_PRIMARY, NO_PRIMARY, REPLICA_NOT_FOUND.
  virtual void SwitchOver(const SwitchCommand& command,
                          std::function<void(Result<cluster::SwitchReport>)> done) = 0;
  // A new space, led by this node: every configured node is asked first, and has to answer.
  // Blocks. SPACE_EXISTS, NOT_ENOUGH_IN_SYNC (who is silent), NOT_PRIMARY.
  virtual Result<std::shared_ptr<space::Space>> CreateSpace(const std::string& id,
                                                            const v1::SpaceSettings& settings) = 0;
  // Its deletion was committed: the other nodes are told, and keep its incarnation as deleted.
  virtual Result<v1::DeleteSpaceResponse> DeleteSpace(const std::string& id) = 0;

  // What a promotion cut off and kept. Blocks.
  virtual Result<std::vector<QuarantineInfo>> ListQuarantine(const std::string& space) = 0;
  // From this sequence on; with their records in parts of a few megabytes, without them at once.
  virtual Result<QuarantinePart> ShowQuarantine(const std::string& space, const std::string& file,
                                                Sequence from, bool with_records) = 0;
  // Writes entries of a quarantine again, as new writes, once: a second time nothing is written.
  // Returns how many were written. NOT_PRIMARY.
  virtual Result<uint64_t> ReplayQuarantine(const std::string& space,
                                            const std::vector<QuarantineEntry>& entries) = 0;
  // The file was replayed: lists say so.
  virtual Status MarkReplayed(const std::string& space, const std::string& file) = 0;

  virtual void Stop() = 0;
};

}  // namespace engram::runtime
