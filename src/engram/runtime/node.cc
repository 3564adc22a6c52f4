#include "engram/runtime/node.h"

#include <algorithm>
#include <thread>

#include "engram/env/process.h"
#include "engram/model/episode.h"
#include "engram/runtime/replication_impl.h"
#include "engram/runtime/space_metrics.h"

namespace engram::runtime {
namespace {

constexpr int kFlusherThreads = 32;  // syncs in flight
constexpr int kBackgroundThreads = 2;
constexpr int kReplicatorThreads = 4;  // open spaces, read old parts of logs
constexpr int kMenderThreads = 2;      // one scrubs, one mends
constexpr uint64_t kTailBytesMax = 512u
                                   << 20;  // of a node; a fourth of its memory when that is less
constexpr env::Duration kTrimEvery = std::chrono::seconds(5);

std::string_view FsyncModeName(wal::FsyncMode mode) {
  switch (mode) {
    case wal::FsyncMode::kPerWrite:
      return "per_write";
    case wal::FsyncMode::kPerBatch:
      return "per_batch";
    case wal::FsyncMode::kTimer:
      return "timer";
    case wal::FsyncMode::kNone:
      return "none";
  }
  return "";
}

int ReaderThreads(int asked) {
  if (asked > 0) return asked;
  return std::max(4, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

Node::Node(const NodeOptions& options)
    : options_(options),
      fs_(*options.fs),
      metrics_(options.metrics),
      tails_(std::make_shared<space::MemoryBudget>(
          std::min<uint64_t>(kTailBytesMax, options.memory_limit / 4))),
      observer_(std::make_unique<SpaceMetrics>(metrics_)),
      liveness_(*options.clock) {}

Node::~Node() {
  if (!closed_) (void)Close();
}

Result<std::unique_ptr<Node>> Node::Start(const NodeOptions& options) {
  std::unique_ptr<Node> node(new Node(options));
  RETURN_IF_ERROR(node->Open());
  return node;
}

Status Node::Open() {
  env::FileSystem& fs = fs_;
  started_wall_ns_ = options_.clock->WallNs();
  RETURN_IF_ERROR(fs.CreateDirectories(options_.data_dir));
  ASSIGN_OR_RETURN(lock_, fs.Lock(env::JoinPath(options_.data_dir, "LOCK")));
  ASSIGN_OR_RETURN(identity_, LoadNodeIdentity(fs, options_.data_dir, *options_.entropy));
  const auto pool = [&](const char* name, int threads) {
    return options_.make_executor ? options_.make_executor(name, threads)
                                  : env::MakeThreadPool(name, threads);
  };
  flushers_ = pool("flush", kFlusherThreads);
  background_ = pool("background", kBackgroundThreads);
  readers_ = pool("read", ReaderThreads(options_.reader_threads));
  liveness_.Watch("flush", *flushers_);
  liveness_.Watch("background", *background_);
  liveness_.Watch("read", *readers_);
  menders_ = pool("mend", kMenderThreads);
  mending_ = std::make_unique<Mending>(ContextOfMending());
  observer_->on_damage = [this](const std::string& space, const Status& why) {
    mending_->Tell(space, why);
  };
  observer_->on_digest_differs = [this](const std::string& space, Sequence first, Sequence last) {
    mending_->TellDigestDiffers(space, first, last);
  };
  if (options_.replication.has_value()) {
    replicators_ = pool("replicate", kReplicatorThreads);
    liveness_.Watch("replicate", *replicators_);
    RETURN_IF_ERROR(MakeReplication());
  }
  ASSIGN_OR_RETURN(registry_, space::Registry::Start(
                                  Environment(), {.open_spaces_max = options_.open_spaces_max}));
  RETURN_IF_ERROR(OpenDefaultSpace());
  if (replication_ != nullptr) RETURN_IF_ERROR(replication_->Start(*registry_));
  StartMending();
  ScheduleTrim(*background_);
  metrics_.AddCollector([this](obs::Metrics::Sample& sample) { CollectMachine(sample); });
  metrics_.AddCollector([this](obs::Metrics::Sample& sample) { CollectSpaces(sample); });
  if (replication_ != nullptr) {
    metrics_.AddCollector([this](obs::Metrics::Sample& sample) { replication_->Collect(sample); });
  }
  return OkStatus();
}

space::SpaceEnvironment Node::Environment() {
  space::SpaceEnvironment environment;
  environment.fs = &fs_;
  environment.clock = options_.clock;
  environment.tail_bytes_max = options_.tail_bytes_max;
  environment.entropy = options_.entropy;
  environment.flushers = flushers_.get();
  environment.background = background_.get();
  environment.observer = observer_.get();
  environment.tails = tails_;
  environment.spaces_directory = env::JoinPath(options_.data_dir, "spaces");
  environment.cluster = options_.cluster;
  environment.node_id = identity_.id;
  environment.node_incarnation = identity_.incarnation;
  environment.node_name = options_.name;
  environment.log = options_.log;
  environment.known_damage = [this](const std::string& space) {
    return mending_->KnownDamage(space);
  };
  if (replication_ != nullptr) {
    environment.committer_for = [this](const std::string& space, wal::Log& log) {
      return replication_->CommitterFor(space, log);
    };
  }
  return environment;
}

MendingContext Node::ContextOfMending() {
  MendingContext context;
  context.fs = &fs_;
  context.clock = options_.clock;
  context.entropy = options_.entropy;
  context.executor = menders_.get();
  context.spaces_directory = env::JoinPath(options_.data_dir, "spaces");
  if (options_.replication.has_value()) {
    for (const NodeAddress& node : options_.replication->nodes) context.nodes.push_back(node.name);
    context.me = options_.replication->me;
    context.mutant = options_.replication->mutant;
  }
  context.connected = [this](size_t peer) { return replication_->Connected(peer); };
  context.fetch = [this](size_t peer, FetchCall call, uint64_t bytes_max, auto done) {
    replication_->FetchFrom(peer, std::move(call), bytes_max, std::move(done));
  };
  context.report = [this](const std::string& space, std::string_view event,
                          std::string_view detail) { observer_->OnEvent(space, event, detail); };
  context.unfit = [this](const std::string& space) {
    if (replication_ != nullptr) replication_->LookAt(space);
  };
  context.mended = [this](const std::string& space) {
    if (scrub_ != nullptr) scrub_->Soon(space);
  };
  return context;
}

void Node::StartMending() {
  scrub_ = std::make_unique<Scrub>(options_.scrub, ContextOfMending(), *mending_, *registry_,
                                   /*may_wait=*/options_.make_executor == nullptr);
  mending_->Start(*registry_);
  scrub_->Start();
}

Status Node::MakeReplication() {
  RETURN_IF_ERROR(ClaimName(fs_, options_.data_dir, options_.name, &identity_));
  ReplicationContext context;
  context.fs = &fs_;
  context.clock = options_.clock;
  context.entropy = options_.entropy;
  context.executor = replicators_.get();
  context.data_dir = options_.data_dir;
  context.identity = identity_;
  context.node_name = options_.name;
  context.space_defaults = model::WithDefaults(options_.space_defaults);
  context.mending = mending_.get();
  context.may_wait = options_.make_executor == nullptr;
  context.report = [this](const std::string& space, std::string_view event,
                          std::string_view detail) { observer_->OnEvent(space, event, detail); };
  ASSIGN_OR_RETURN(replication_, ReplicationImpl::Make(*options_.replication, std::move(context)));
  return OkStatus();
}

Replication* Node::replication() {
  return replication_.get();
}

std::string Node::WaitingFor() {
  return replication_ == nullptr ? "" : replication_->WaitingFor();
}

// A damaged `default` does not keep the node from serving the other spaces: the error is its own.
Status Node::OpenDefaultSpace() {
  if (registry_->Exists("default")) {
    Result<std::shared_ptr<space::Space>> space = registry_->Get("default");
    if (!space.ok()) observer_->OnEvent("default", "space_not_opened", space.status().message());
    return OkStatus();
  }
  // With other nodes it is made by the first primary, once all of them were asked.
  if (replication_ != nullptr) return OkStatus();
  return registry_->Create("default", model::WithDefaults(options_.space_defaults)).status();
}

// By reference: while Close ends the pool, background_ is empty already and a task may still run.
void Node::ScheduleTrim(env::Executor& pool) {
  pool.PostAfter(kTrimEvery, [this, &pool] {
    if (stopping_) return;
    registry_->Trim();
    ScheduleTrim(pool);
  });
}

Status Node::Close() {
  BeginShutdown();
  closed_ = true;
  if (mending_ != nullptr) mending_->Stop();
  if (scrub_ != nullptr) scrub_->Stop();
  if (replication_ != nullptr) replication_->Stop();
  menders_.reset();
  readers_.reset();
  Status status = registry_ != nullptr ? registry_->CloseAll() : OkStatus();
  replicators_.reset();
  background_.reset();
  flushers_.reset();
  scrub_.reset();
  registry_.reset();
  replication_.reset();
  return status;
}

v1::NodeInfo Node::Info() {
  v1::NodeInfo info;
  info.set_id(FormatUuid(identity_.id.bytes));
  info.set_name(options_.name);
  info.set_incarnation(FormatBase32(identity_.incarnation.bytes, false));
  *info.mutable_started_at() = model::UtcTime::FromNs(started_wall_ns_).ToProto();
  info.set_data_dir(options_.data_dir);
  if (Result<env::DiskSpace> disk = fs_.Space(options_.data_dir); disk.ok()) {
    info.set_disk_free(disk->free_bytes);
    info.set_disk_total(disk->total_bytes);
  }
  info.set_memory_used(env::ReadProcessUsage().resident_bytes);
  info.set_memory_limit(options_.memory_limit);
  info.set_version(options_.version);
  info.set_fsync_mode(std::string(FsyncModeName(options_.log.fsync_mode)));
  return info;
}

}  // namespace engram::runtime
