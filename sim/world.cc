#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "engram/base/probe.h"
#include "sim/disk_log.h"

namespace engram::sim {

namespace {

constexpr Duration kQuick = std::chrono::microseconds(50);

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      scheduler_(options.seed),
      network_(scheduler_, options.nodes),
      store_(scheduler_, options.nodes) {
  network_.clock_of = [this](size_t place) { return nodes_[place]->clock.Now(); };
  for (size_t place = 0; place < options.nodes; ++place) {
    nodes_.push_back(std::make_unique<SimNode>(scheduler_, scheduler_.prng().Next()));
    Wipe(place);
  }
}

World::~World() {
  for (size_t place = 0; place < nodes_.size(); ++place) {
    if (up(place)) Kill(place, true);
  }
}

runtime::NodeOptions World::OptionsOf(size_t place) {
  SimNode& node = *nodes_[place];
  runtime::NodeOptions options;
  options.fs = node.hooked.get();
  options.clock = &node.clock;
  options.entropy = &node.entropy;
  options.name = NameOf(place);
  options.data_dir = "/data";
  options.version = "sim";
  options.log.segment_bytes = options_.segment_bytes;
  options.tail_bytes_max = options_.tail_bytes_max;
  options.log.min_free_bytes = 1;
  options.log.reserve_bytes = 0;
  options.space_defaults = options_.space_defaults;
  options.scrub = options_.scrub;
  options.make_executor = [this, place](const std::string& pool, int) {
    SimNode& owner = *nodes_[place];
    return std::make_unique<SimExecutor>(scheduler_, static_cast<Owner>(place),
                                         pool == "flush" ? &owner.flush_delay : &owner.delay);
  };
  runtime::ReplicationOptions replication = options_.replication;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    runtime::NodeAddress address;
    address.name = NameOf(i);
    address.grpc = NameOf(i) + ":1";
    replication.nodes.push_back(address);
  }
  replication.me = place;
  replication.first_primary = NameOf(0);
  replication.make_transport =
      [this, place](
          NodeId id, Incarnation incarnation,
          runtime::ReplicationCalls* calls) -> Result<std::unique_ptr<runtime::Transport>> {
    return network_.MakeTransport(place, {id, incarnation, 1, "sim"}, calls);
  };
  if (options_.outside) {
    replication.make_store = [this, place]() -> Result<std::unique_ptr<runtime::ConfigStore>> {
      return store_.Connect(place);
    };
  }
  options.replication = std::move(replication);
  return options;
}

Status World::Start(size_t place) {
  SimNode& node = *nodes_[place];
  starting_ = static_cast<Owner>(place);
  auto started = runtime::Node::Start(OptionsOf(place));
  starting_.reset();
  ASSIGN_OR_RETURN(node.node, std::move(started));
  ++node.life;
  scheduler_.Trace("start " + NameOf(place));
  return OkStatus();
}

// What the object does in its end no longer reaches anybody: its disk is a copy already.
void World::End(size_t place) {
  SimNode& node = *nodes_[place];
  node.node->BeginShutdown();
  if (node.node->replication() != nullptr) node.node->replication()->Stop();
  const Duration flush = std::exchange(node.flush_delay, kQuick);
  const Duration others = std::exchange(node.delay, kQuick);
  scheduler_.Drain(static_cast<Owner>(place));
  node.node.reset();
  scheduler_.Drop(static_cast<Owner>(place));
  SlowDown(place, flush, others);
}

void World::Kill(size_t place, bool process_only) {
  SimNode& node = *nodes_[place];
  if (before_end) before_end(place);
  ++node.life;
  auto files = process_only ? node.files->Clone() : node.files->CrashClone(scheduler_.prng());
  node.crash_in = 0;
  node.faulty->Heal();
  End(place);
  SetDisk(place, std::move(files));
  scheduler_.Trace((process_only ? "kill " : "cut power ") + NameOf(place));
}

void World::SetDisk(size_t place, std::unique_ptr<env::MemoryFileSystem> files) {
  SimNode& node = *nodes_[place];
  node.hooked.reset();
  node.faulty.reset();
  node.files = std::move(files);
  node.faulty = std::make_unique<env::FaultyFileSystem>(*node.files);
  node.hooked =
      std::make_unique<env::HookFileSystem>(node.faulty.get(), [this, place] { OnChange(place); });
}

void World::KillInside(size_t place, uint64_t changes, bool process_only) {
  nodes_[place]->crash_in = changes;
  nodes_[place]->crash_process_only = process_only;
}

// The node cannot be ended in the middle of a call; from here on it is a ghost: nobody hears it,
// and its disk is thrown away.
void World::OnChange(size_t place) {
  SimNode& node = *nodes_[place];
  if (node.crash_in == 0 || --node.crash_in != 0) return;
  Visit(Probe::kCrashInStep);
  node.left =
      node.crash_process_only ? node.files->Clone() : node.files->CrashClone(scheduler_.prng());
  ++node.life;
  network_.Silence(place);
  scheduler_.After(Duration(0), kWorld, [this, place] { Crash(place); });
}

void World::Crash(size_t place) {
  SimNode& node = *nodes_[place];
  if (node.left == nullptr) return;
  node.faulty->Heal();
  if (up(place)) End(place);
  ++node.life;
  SetDisk(place, std::exchange(node.left, nullptr));
  scheduler_.Trace("crash inside " + NameOf(place));
  if (on_crash) on_crash(place);
}

Status World::StopNode(size_t place) {
  SimNode& node = *nodes_[place];
  if (before_end) before_end(place);
  ++node.life;
  node.node->BeginShutdown();
  if (node.node->replication() != nullptr) node.node->replication()->Stop();
  const Duration flush = std::exchange(node.flush_delay, kQuick);
  const Duration others = std::exchange(node.delay, kQuick);
  scheduler_.Drain(static_cast<Owner>(place));
  const Status status = node.node->Close();
  node.node.reset();
  scheduler_.Drop(static_cast<Owner>(place));
  SlowDown(place, flush, others);
  scheduler_.Trace("stop " + NameOf(place));
  return status;
}

void World::Wipe(size_t place) {
  ++nodes_[place]->disk_life;
  SetDisk(place, std::make_unique<env::MemoryFileSystem>());
  scheduler_.Trace("wipe " + NameOf(place));
}

Status World::PutAside(size_t place, const std::string& space) {
  const std::string directory = "/aside/" + std::to_string(put_aside_.size()) + "/" + space;
  env::MemoryFileSystem& files = *nodes_[place]->files;
  RETURN_IF_ERROR(files.CreateDirectories(env::DirectoryOf(directory)));
  RETURN_IF_ERROR(files.Rename(SpaceDirectory(space), directory));
  RETURN_IF_ERROR(files.SyncDirectory(env::DirectoryOf(SpaceDirectory(space))));
  RETURN_IF_ERROR(files.SyncDirectory(env::DirectoryOf(directory)));
  put_aside_.push_back({place, space, directory});
  scheduler_.Trace("put aside " + space + " of " + NameOf(place));
  return OkStatus();
}

std::pair<uint64_t, size_t> World::copy_life(size_t place, const std::string& space) const {
  const auto is = [&](const Aside& aside) { return aside.place == place && aside.space == space; };
  return {disk_life(place),
          static_cast<size_t>(std::count_if(put_aside_.begin(), put_aside_.end(), is))};
}

void World::SlowDown(size_t place, Duration flush, Duration others) {
  nodes_[place]->flush_delay = flush;
  nodes_[place]->delay = others;
}

bool World::RunUntil(const std::function<bool()>& holds, Duration at_most) {
  const Instant end = scheduler_.now() + at_most;
  while (!holds()) {
    if (scheduler_.now() >= end) return false;
    RunFor(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace engram::sim
