// The gate that every call passes: refuses while the node shuts down and above the bound of
// requests in flight, counts and times each call, and logs the slow ones (their names and times,
// never a text of theirs). It ends when every call has left. Thread-safe.
#pragma once

#include <condition_variable>
#include <map>
#include <string>
#include <string_view>

#include "engram/api/service.h"
#include "engram/base/thread_annotations.h"

namespace engram::obs {
class Counter;
class Gauge;
class Histogram;
}  // namespace engram::obs

namespace engram::api {

class Admission {
 public:
  struct Ticket {
    std::string_view method;  // a literal
    std::string request_id;
    env::Instant begun;
  };

  Admission(runtime::Node& node, const ServiceOptions& options);
  // Waits for the calls that have entered: the node still answers them.
  ~Admission();

  // SHUTTING_DOWN or OVERLOADED (counted as answered); after OK, Leave follows once.
  Status Enter(std::string_view method);
  void Leave(const Ticket& ticket, const Status& status);
  int in_flight() const {
    MutexLock lock(mutex_);
    return in_flight_;
  }

 private:
  void Count(std::string_view method, const Status& status, env::Duration took);
  void LogSlow(const Ticket& ticket, const Status& status, env::Duration took);
  void Release();

  struct Handles {
    obs::Counter* good;
    obs::Histogram* seconds;
  };

  runtime::Node& node_;
  const ServiceOptions options_;
  obs::Gauge& gauge_;
  std::map<std::string_view, Handles> handles_;  // by method; complete after the constructor
  mutable Mutex mutex_;
  std::condition_variable_any left_;
  int in_flight_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::api
