#include "engram/runtime/space_metrics.h"

#include "engram/obs/log.h"

namespace engram::runtime {
namespace {

double Seconds(env::Duration d) {
  return static_cast<double>(d.count()) / 1e9;
}

// What happens whenever nodes start and spaces are made.
bool IsRoutine(std::string_view event) {
  return event == "copy_made" || event == "mended" || event == "copy_removed" ||
         event == "space_deleted";
}

bool IsDamage(std::string_view event) {
  return event.find("corrupt") != std::string_view::npos;
}

}  // namespace

using obs::Metric;

// The handles of one space, found once; its log's observer.
class SpaceMetrics::OneSpace : public wal::LogObserver {
 public:
  OneSpace(SpaceMetrics& owner, std::string id, std::shared_ptr<const obs::SpaceSeries> series)
      : owner_(owner),
        id_(std::move(id)),
        series_(std::move(series)),
        entries_(series_->counter(Metric::kWalAppendedEntries)),
        bytes_(series_->counter(Metric::kWalAppendedBytes)),
        episodes_(series_->counter(Metric::kEpisodesWritten)),
        damage_(series_->counter(Metric::kCorruptionFound)),
        degraded_(series_->counter(Metric::kWritesDegraded)),
        digest_(series_->counter(Metric::kDigestMismatch)),
        sync_(series_->histogram(Metric::kWalFsyncSeconds)),
        group_(series_->histogram(Metric::kWalGroupEntries)) {}

  void OnGroup(size_t entries, size_t bytes, env::Duration, env::Duration sync) override {
    entries_.Add(entries);
    bytes_.Add(bytes);
    group_.Observe(static_cast<double>(entries));
    if (sync.count() > 0) sync_.Observe(Seconds(sync));
  }
  void OnPoisoned(const Status& why) override {
    obs::LogStatus(obs::Level::kError, "wal_poisoned", why, {{"space", id_}});
  }
  void OnDamage(const Status& why) override {
    if (owner_.on_damage) owner_.on_damage(id_, why);
  }
  void OnDigestDiffers(Sequence first, Sequence last) override {
    if (owner_.on_digest_differs) owner_.on_digest_differs(id_, first, last);
  }
  void OnEvent(std::string_view event, std::string_view detail) override {
    if (IsDamage(event)) damage_.Add();
    if (event == "digest_differs") digest_.Add();
    obs::Log(IsRoutine(event) ? obs::Level::kInfo : obs::Level::kWarn, event,
             {{"space", id_}, {"detail", detail}});
  }
  void AddEpisodes(uint64_t count) { episodes_.Add(count); }
  void AddDegraded() { degraded_.Add(); }

 private:
  SpaceMetrics& owner_;
  const std::string id_;
  const std::shared_ptr<const obs::SpaceSeries> series_;
  obs::Counter& entries_;
  obs::Counter& bytes_;
  obs::Counter& episodes_;
  obs::Counter& damage_;
  obs::Counter& degraded_;
  obs::Counter& digest_;
  obs::Histogram& sync_;
  obs::Histogram& group_;
};

SpaceMetrics::SpaceMetrics(obs::Metrics& metrics)
    : metrics_(metrics),
      hits_(metrics.counter(Metric::kSpaceCacheHits)),
      misses_(metrics.counter(Metric::kSpaceCacheMisses)) {}

SpaceMetrics::~SpaceMetrics() = default;

SpaceMetrics::OneSpace& SpaceMetrics::Of(const std::string& space) {
  MutexLock lock(mutex_);
  std::unique_ptr<OneSpace>& one = spaces_[space];
  if (one == nullptr) one = std::make_unique<OneSpace>(*this, space, metrics_.space(space));
  return *one;
}

void SpaceMetrics::OnWrite(const std::string& space, uint64_t episodes, uint64_t) {
  Of(space).AddEpisodes(episodes);
}

// How far the indexes are is read from the spaces when somebody scrapes.
void SpaceMetrics::OnIndexed(const std::string&, const char*, uint64_t) {}

void SpaceMetrics::OnDegraded(const std::string& space) {
  Of(space).AddDegraded();
}

// What concerns the node as a whole has no series of a space.
void SpaceMetrics::OnEvent(const std::string& space, std::string_view event,
                           std::string_view detail) {
  if (space.empty()) return obs::Log(obs::Level::kInfo, event, {{"detail", detail}});
  Of(space).OnEvent(event, detail);
}

void SpaceMetrics::OnUse(bool open) {
  (open ? hits_ : misses_).Add();
}

void SpaceMetrics::OnOpened(const std::string& space, const Status& status, env::Duration took) {
  metrics_.counter(status.ok() ? Metric::kWalRecoverySuccesses : Metric::kWalRecoveryFailures)
      .Add();
  metrics_.histogram(Metric::kWalRecoverySeconds).Observe(Seconds(took));
  if (!status.ok())
    obs::LogStatus(obs::Level::kError, "space_not_opened", status, {{"space", space}});
}

void SpaceMetrics::OnDeleted(const std::string& space) {
  metrics_.ForgetSpace(space);
  MutexLock lock(mutex_);
  auto node = spaces_.extract(space);
  if (!node.empty()) deleted_.push_back(std::move(node.mapped()));
}

wal::LogObserver* SpaceMetrics::LogObserverFor(const std::string& space) {
  return &Of(space);
}

}  // namespace engram::runtime
