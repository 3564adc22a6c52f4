// What the node tells when somebody scrapes: machine, process, storage, and every open space.
#include "engram/env/process.h"
#include "engram/runtime/node.h"
#include "engram/runtime/replication_impl.h"

namespace engram::runtime {

using obs::Metric;

void Node::CollectMachine(obs::Metrics::Sample& sample) {
  auto set = [&sample](Metric metric, uint64_t value) {
    sample.Set(metric, static_cast<double>(value));
  };
  if (Result<env::DiskSpace> disk = fs_.Space(options_.data_dir); disk.ok()) {
    set(Metric::kDiskFree, disk->free_bytes);
    set(Metric::kDiskTotal, disk->total_bytes);
  }
  set(Metric::kDiskFloor, options_.log.min_free_bytes);
  const env::StorageCounts& storage = fs_.counts();
  set(Metric::kStorageWrites, storage.writes);
  set(Metric::kStorageWrittenBytes, storage.written_bytes);
  set(Metric::kStorageFsyncs, storage.syncs);
  set(Metric::kStorageReads, storage.reads);
  set(Metric::kStorageReadBytes, storage.read_bytes);
  set(Metric::kStorageErrors, storage.errors);
  const env::ProcessUsage process = env::ReadProcessUsage();
  set(Metric::kMemoryUsed, process.resident_bytes);
  set(Metric::kMemoryLimit, options_.memory_limit);
  sample.Set(Metric::kCpuSeconds, process.cpu_seconds);
  set(Metric::kPageFaults, process.page_faults);
  set(Metric::kOpenFiles, process.open_files);
  set(Metric::kOpenFilesLimit, process.open_files_limit);
  set(Metric::kTailBytes, tails_->used());
  set(Metric::kTailLimit, tails_->limit());
  set(Metric::kScrubbedBytes, scrub_->bytes());
  sample.Set(Metric::kStartTime, static_cast<double>(started_wall_ns_) / 1e9);
}

void Node::CollectMending(const std::string& space, obs::Metrics::Sample& sample) {
  sample.Set(Metric::kDamagedRanges, {space},
             static_cast<double>(mending_->DamageOf(space).size()));
  sample.Set(Metric::kMendedEntries, {space}, static_cast<double>(mending_->mended_entries(space)));
}

void Node::CollectSpaces(obs::Metrics::Sample& sample) {
  sample.Set(Metric::kSpacesKnown, static_cast<double>(registry_->known()));
  sample.Set(Metric::kSpacesOpen, static_cast<double>(registry_->open()));
  for (const std::string& id : mending_->Spaces()) {
    if (registry_->FindOpen(id) == nullptr) CollectMending(id, sample);
  }
  for (const std::shared_ptr<space::Space>& space : registry_->Opened()) {
    Result<v1::SpaceStatus> status = space->GetStatus();
    if (!status.ok()) continue;
    const std::string& id = space->id();
    const bool writable = status->state() == "ok" || status->state() == "full";
    if (replication_ == nullptr) sample.Set(Metric::kSpaceHasPrimary, {id}, writable ? 1 : 0);
    sample.Set(Metric::kWalPoisoned, {id}, status->state() == "poisoned" ? 1 : 0);
    sample.Set(Metric::kSpaceEpisodes, {id}, static_cast<double>(status->episodes()));
    CollectMending(id, sample);
    sample.Set(Metric::kSpaceLogBytes, {id}, static_cast<double>(status->log_bytes()));
    for (const auto& [index, through] : status->indexed_through()) {
      const uint64_t behind =
          status->committed_through() - std::min(through, status->committed_through());
      sample.Set(Metric::kIndexBehind, {id, index}, static_cast<double>(behind));
    }
  }
}

}  // namespace engram::runtime
