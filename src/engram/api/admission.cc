#include "engram/api/admission.h"

#include "engram/obs/log.h"
#include "engram/obs/metrics.h"
#include "engram/runtime/node.h"

namespace engram::api {

Admission::Admission(runtime::Node& node, const ServiceOptions& options)
    : node_(node), options_(options), gauge_(node.metrics().gauge(obs::Metric::kRequestsInFlight)) {
  for (const std::string_view method :
       {"Remember", "RememberBatch", "Experience", "Update", "Forget", "Restore", "Recall",
        "Reminisce", "Get", "List", "CreateSpace", "GetSpace", "ListSpaces", "DeleteSpace",
        "Introspect"}) {
    const std::string name(method);
    handles_[method] = {&node.metrics().counter(obs::Metric::kRequests, {name, "OK"}),
                        &node.metrics().histogram(obs::Metric::kRequestSeconds, {name})};
  }
}

Admission::~Admission() {
  MutexLock lock(mutex_);
  while (in_flight_ > 0) left_.wait(lock);
}

Status Admission::Enter(std::string_view method) {
  Status refused;
  const int before = [this] {
    MutexLock lock(mutex_);
    return in_flight_++;
  }();
  if (node_.stopping()) {
    refused = Status(Reason::SHUTTING_DOWN, "The server is shutting down.")
                  .Suggest("send it to another node, or try again when it is back");
  } else if (before >= options_.requests_in_flight_max) {
    refused = Status(Reason::OVERLOADED,
                     "The server works on " + std::to_string(before) + " requests already.")
                  .Expected("at most " + std::to_string(options_.requests_in_flight_max))
                  .Suggest("wait, then send fewer at once, or batches")
                  .With("limit", static_cast<uint64_t>(options_.requests_in_flight_max))
                  .With("retry_after_ms", 100);
  }
  gauge_.Add(1);
  if (refused.ok()) return refused;
  Count(method, refused, env::Duration::zero());
  Release();
  return refused;
}

void Admission::Leave(const Ticket& ticket, const Status& status) {
  const env::Duration took = node_.clock().Now() - ticket.begun;
  Count(ticket.method, status, took);
  if (took >= options_.slow_request) LogSlow(ticket, status, took);
  Release();
}

// The last touch of a call: after it the gate may end.
void Admission::Release() {
  gauge_.Add(-1);
  MutexLock lock(mutex_);
  if (--in_flight_ == 0) left_.notify_all();
}

void Admission::Count(std::string_view method, const Status& status, env::Duration took) {
  const Handles& handles = handles_.at(method);
  handles.seconds->Observe(std::chrono::duration<double>(took).count());
  if (status.ok()) return handles.good->Add();
  const std::string reason(InfoOf(status.reason()).name);
  node_.metrics().counter(obs::Metric::kRequests, {std::string(method), reason}).Add();
}

void Admission::LogSlow(const Ticket& ticket, const Status& status, env::Duration took) {
  const double ms = std::chrono::duration<double, std::milli>(took).count();
  obs::Log(obs::Level::kWarn, "slow_request",
           {{"method", ticket.method},
            {"request_id", ticket.request_id},
            {"ms", ms},
            {"reason", status.ok() ? "OK" : InfoOf(status.reason()).name}});
}

}  // namespace engram::api
