// The node: one process's data directory, threads and spaces. It owns the lock of the directory,
// the node's identity (node.meta), the pools that flush logs, index in the background and answer
// reads, the registry of spaces, and what health and status ask about. Composed by server, used by
// api. Thread-safe.
//
// Start is quick whatever lies on disk: it reads names, opens `default`, and leaves every other
// space to its first use.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/env/counting_file_system.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/env/file_system.h"
#include "engram/obs/metrics.h"
#include "engram/runtime/liveness.h"
#include "engram/runtime/mending.h"
#include "engram/runtime/node_identity.h"
#include "engram/runtime/replication.h"
#include "engram/runtime/scrub.h"
#include "engram/space/registry.h"
#include "engram/v1/service.pb.h"

namespace engram::runtime {

struct NodeOptions {
  env::FileSystem* fs = nullptr;
  env::Clock* clock = nullptr;
  env::Entropy* entropy = nullptr;
  std::string name;
  std::string data_dir;
  std::string cluster = "engram";
  uint64_t memory_limit = 1u << 30;
  uint64_t tail_bytes_max = 64u << 20;  // not committed or not indexed, a space; then OVERLOADED
  size_t open_spaces_max = 512;
  int reader_threads = 0;  // 0: one per core, at least 4
  std::string version;     // of the program, for Info
  obs::MetricsOptions metrics;
  wal::LogOptions log;               // mode, sizes, floors; the rest is filled per space
  v1::SpaceSettings space_defaults;  // of `default` and of spaces created without a word
  std::optional<ReplicationOptions> replication;  // with other nodes
  ScrubOptions scrub;
  // Pools of threads by name; a simulation gives its own. Null: env::MakeThreadPool.
  std::function<std::unique_ptr<env::Executor>(const std::string& name, int threads)> make_executor;
};

class ReplicationImpl;
class SpaceMetrics;

class Node {
 public:
  // Takes the lock of the directory (CONFIGURATION when it is taken), reads identity and names,
  // opens or makes the space `default`.
  static Result<std::unique_ptr<Node>> Start(const NodeOptions& options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // From now on Ready is false and new calls get SHUTTING_DOWN.
  void BeginShutdown() { stopping_ = true; }
  bool stopping() const { return stopping_; }
  // Closes every space cleanly. BeginShutdown and the end of all calls come first.
  Status Close();

  space::Registry& spaces() { return *registry_; }
  // Null on a single node.
  Replication* replication();
  // For whom the space `default` waits: "" when it is there.
  std::string WaitingFor();
  Mending& mending() { return *mending_; }
  Scrub& scrub() { return *scrub_; }
  env::Executor& readers() { return *readers_; }
  env::Clock& clock() { return *options_.clock; }
  env::Entropy& entropy() { return *options_.entropy; }
  obs::Metrics& metrics() { return metrics_; }
  const Liveness& liveness() const { return liveness_; }
  const std::string& name() const { return options_.name; }
  const NodeIdentity& identity() const { return identity_; }
  const v1::SpaceSettings& space_defaults() const { return options_.space_defaults; }

  v1::NodeInfo Info();
  // Every series, in the Prometheus text format; gauges are read from machine and spaces now.
  std::string ExposeMetrics() { return metrics_.Expose(); }

 private:
  explicit Node(const NodeOptions& options);
  Status Open();
  Status MakeReplication();
  MendingContext ContextOfMending();
  void StartMending();
  Status OpenDefaultSpace();
  space::SpaceEnvironment Environment();
  void ScheduleTrim(env::Executor& pool);
  void CollectMachine(obs::Metrics::Sample& sample);
  void CollectSpaces(obs::Metrics::Sample& sample);
  void CollectMending(const std::string& space, obs::Metrics::Sample& sample);

  NodeOptions options_;
  env::CountingFileSystem fs_;
  std::unique_ptr<env::FileLock> lock_;
  NodeIdentity identity_;
  obs::Metrics metrics_;
  int64_t started_wall_ns_ = 0;
  std::atomic<bool> stopping_{false};
  bool closed_ = false;
  std::shared_ptr<space::MemoryBudget> tails_;
  std::unique_ptr<SpaceMetrics> observer_;
  std::unique_ptr<Mending> mending_;
  std::unique_ptr<ReplicationImpl> replication_;  // outlives the spaces, whose committers it has
  std::unique_ptr<space::Registry> registry_;
  std::unique_ptr<Scrub> scrub_;
  Liveness liveness_;
  // Last, so that they end first: their tasks use all of the above.
  std::unique_ptr<env::Executor> flushers_;
  std::unique_ptr<env::Executor> background_;
  std::unique_ptr<env::Executor> readers_;
  std::unique_ptr<env::Executor> replicators_;
  std::unique_ptr<env::Executor> menders_;
};

}  // namespace engram::runtime
