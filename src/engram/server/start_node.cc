// From Options to a node: names, directories, limits.
#include <cstdlib>

#include <unistd.h>

#include "engram/env/process.h"
#include "engram/model/episode.h"
#include "engram/server/server.h"
#include "engram/server/version.h"

namespace engram::server {
namespace {

constexpr uint64_t kFilesPerOpenSpace =
    8;                                 // a segment or two, two databases with their logs, vectors
constexpr uint64_t kOtherFiles = 512;  // connections, pools

Result<wal::FsyncMode> FsyncModeFrom(const std::string& name) {
  if (name == "per_write") return wal::FsyncMode::kPerWrite;
  if (name == "timer") return wal::FsyncMode::kTimer;
  if (name == "none") return wal::FsyncMode::kNone;
  return wal::FsyncMode::kPerBatch;
}

// What only spaces with other copies have.
void AddCopies(const Options& options, v1::SpaceSettings* settings) {
  const Options::SpaceDefaults& defaults = options.space_defaults;
  settings->mutable_commit_timeout()->set_seconds(defaults.commit_timeout.count() / 1'000'000'000);
  settings->mutable_commit_timeout()->set_nanos(
      static_cast<int32_t>(defaults.commit_timeout.count() % 1'000'000'000));
  if (!options.cluster.has_nodes() || options.cluster.nodes.size() < 2) return;
  if (defaults.durability.empty()) settings->set_durability(v1::DURABILITY_REPLICATED);
  settings->set_replica_count(static_cast<uint32_t>(defaults.replica_count));
  settings->set_min_in_sync(static_cast<uint32_t>(defaults.min_in_sync));
}

Result<v1::SpaceSettings> SettingsFrom(const Options& options) {
  const Options::SpaceDefaults& defaults = options.space_defaults;
  v1::SpaceSettings settings;
  settings.set_dimension(static_cast<uint32_t>(defaults.dimension));
  settings.set_embedder(defaults.embedder);
  settings.set_analyzer(defaults.analyzer);
  settings.set_time_zone(defaults.time_zone);
  if (defaults.durability == "local") settings.set_durability(v1::DURABILITY_LOCAL);
  if (defaults.durability == "auto") settings.set_durability(v1::DURABILITY_AUTO);
  if (defaults.durability == "replicated") settings.set_durability(v1::DURABILITY_REPLICATED);
  AddCopies(options, &settings);
  settings.set_max_episodes(defaults.max_episodes);
  settings.set_max_bytes(defaults.max_bytes);
  const Status valid = model::CheckSettings(settings);
  if (!valid.ok()) return valid.Annotate("space_defaults");
  return settings;
}

// As many files as the kernel lets this process have; refuses when open spaces would not fit.
Status RaiseFileLimit(uint64_t open_spaces_max) {
  const uint64_t limit = env::RaiseOpenFilesLimit();
  const uint64_t needed = open_spaces_max * kFilesPerOpenSpace + kOtherFiles;
  if (limit >= needed) return OkStatus();
  return Status(Reason::CONFIGURATION, "This process may open " + std::to_string(limit) + " files.")
      .Expected(std::to_string(needed) +
                " for node.open_spaces_max = " + std::to_string(open_spaces_max))
      .Suggest("raise the limit of open files, or lower node.open_spaces_max")
      .Example("ulimit -n 65536");
}

}  // namespace

std::string DataDirectory(const Options& options) {
  if (std::string directory = options.node.data_dir; !directory.empty()) {
    constexpr std::string_view kName = "${name}";
    for (size_t at; (at = directory.find(kName)) != std::string::npos;) {
      directory.replace(at, kName.size(), NodeName(options));
    }
    return directory;
  }
  const char* home = std::getenv("HOME");
  if (geteuid() == 0 || home == nullptr) return "/var/lib/engram";
  return std::string(home) + "/.local/share/engram";
}

Result<std::unique_ptr<runtime::Node>> StartNode(const Options& options, const Adjust& adjust) {
  RETURN_IF_ERROR(RaiseFileLimit(options.node.open_spaces_max));
  runtime::NodeOptions node;
  node.fs = &env::PosixFileSystem();
  node.clock = &env::SystemClock();
  node.entropy = &env::SystemEntropy();
  node.name = NodeName(options);
  node.data_dir = DataDirectory(options);
  node.cluster = options.cluster.name;
  node.version = kVersion;
  node.metrics.spaces_max = options.limits.metrics_spaces;
  ASSIGN_OR_RETURN(node.memory_limit, MemoryLimitBytes(options.node.memory_limit));
  node.open_spaces_max = options.node.open_spaces_max;
  ASSIGN_OR_RETURN(node.log.fsync_mode, FsyncModeFrom(options.wal.fsync_mode));
  node.log.fsync_interval = options.wal.fsync_interval;
  node.log.segment_bytes = options.wal.segment_bytes;
  node.log.group_commit_bytes = options.wal.group_commit_bytes;
  node.log.preallocate = options.wal.preallocate;
  node.log.min_free_bytes = options.node.min_free_disk;
  ASSIGN_OR_RETURN(node.space_defaults, SettingsFrom(options));
  node.replication = ReplicationOptionsOf(options);
  node.scrub = {options.maintenance.scrub_rate, options.maintenance.scrub_every};
  if (adjust != nullptr) adjust(&node);
  return runtime::Node::Start(node);
}

}  // namespace engram::server
