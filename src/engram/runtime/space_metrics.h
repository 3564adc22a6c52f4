// What logs and spaces observe, as metrics and lines of the structured log. Owned by Node; outlives
// every space. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "engram/base/thread_annotations.h"
#include "engram/obs/metrics.h"
#include "engram/space/space.h"

namespace engram::runtime {

class SpaceMetrics : public space::SpaceObserver {
 public:
  explicit SpaceMetrics(obs::Metrics& metrics);
  // Who is told of damage that logs find; set before any log is opened. Called under locks of logs.
  std::function<void(const std::string& space, const Status& why)> on_damage;
  std::function<void(const std::string& space, Sequence first, Sequence last)> on_digest_differs;
  ~SpaceMetrics() override;

  void OnWrite(const std::string& space, uint64_t episodes, uint64_t bytes) override;
  void OnIndexed(const std::string& space, const char* index, uint64_t behind) override;
  void OnDegraded(const std::string& space) override;
  void OnEvent(const std::string& space, std::string_view event, std::string_view detail) override;
  void OnUse(bool open) override;
  void OnOpened(const std::string& space, const Status& status, env::Duration took) override;
  void OnDeleted(const std::string& space) override;
  wal::LogObserver* LogObserverFor(const std::string& space) override;

 private:
  class OneSpace;
  OneSpace& Of(const std::string& space);

  obs::Metrics& metrics_;
  obs::Counter& hits_;
  obs::Counter& misses_;
  Mutex mutex_;
  // Kept for the life of the node: a closed space may be opened again.
  std::map<std::string, std::unique_ptr<OneSpace>> spaces_ GUARDED_BY(mutex_);
  // Of deleted spaces: their logs may still be closing.
  std::vector<std::unique_ptr<OneSpace>> deleted_ GUARDED_BY(mutex_);
};

}  // namespace engram::runtime
