#include "engram/api/watch.h"

#include <utility>

#include "engram/api/json_names.h"
#include "engram/api/open_space.h"
#include "engram/api/request_checks.h"
#include "engram/obs/metrics.h"
#include "engram/runtime/node.h"

namespace engram::api {
namespace {

constexpr env::Duration kLookEvery = std::chrono::milliseconds(20);
constexpr int kPauseLooks = 5;

Status ShuttingDown() {
  return Status(Reason::SHUTTING_DOWN, "The server is shutting down.")
      .Suggest("go on at another node, from the last token");
}

uint64_t CountChanges(const std::vector<v1::WatchResponse>& page) {
  uint64_t changes = 0;
  for (const v1::WatchResponse& response : page) {
    if (response.kind() != v1::WatchResponse::KIND_HEARTBEAT) ++changes;
  }
  return changes;
}

}  // namespace

std::string ChangeName(v1::WatchResponse::Kind kind) {
  return EnumName(v1::WatchResponse::Kind_descriptor()->FindValueByNumber(kind));
}

Result<std::unique_ptr<WatchReader>> Watches::NewReader(const CallContext& context,
                                                        v1::WatchRequest request) {
  ASSIGN_OR_RETURN(const std::string id, ResolveSpace(context, request.memory_space_id()));
  WatchSource source;
  source.open = [&node = node_, id] { return OpenSpace(node, id); };
  source.peek = [&node = node_, id] { return node.spaces().FindOpen(id); };
  source.exists = [&node = node_, id] { return node.spaces().Exists(id); };
  return std::make_unique<WatchReader>(std::move(source), std::move(request));
}

Result<uint64_t> Watches::Add(std::unique_ptr<WatchReader> reader,
                              std::shared_ptr<WatchSink> sink) {
  MutexLock lock(mutex_);
  if (ended_ || node_.stopping()) return ShuttingDown();
  if (watches_.size() >= at_most_) {
    Status full = Status(Reason::OVERLOADED,
                         "All " + std::to_string(at_most_) + " watches of this door are in use.")
                      .Expected("at most " + std::to_string(at_most_) + " at a time")
                      .Suggest("end one, watch at another node, or raise the limit in [limits]")
                      .With("limit", at_most_)
                      .With("retry_after_ms", uint64_t{1000});
    Count(full);
    return full;
  }
  const uint64_t number = next_++;
  Watch& watch = watches_[number];
  watch.reader = std::move(reader);
  watch.sink = std::move(sink);
  watch.heard = node_.clock().Now();
  node_.metrics().gauge(obs::Metric::kWatchers).Add(1);
  ReadLater(number, &watch);
  LookLater();
  return number;
}

void Watches::ReadLater(uint64_t number, Watch* watch) {
  watch->state = State::kReading;
  ++busy_;
  node_.readers().Post([self = shared_from_this(), number] {
    self->Read(number);
    self->Leave(1);
  });
}

void Watches::Leave(size_t tasks) {
  MutexLock lock(mutex_);
  busy_ -= tasks;
  if (busy_ == 0) left_.notify_all();
}

void Watches::Read(uint64_t number) {
  std::shared_ptr<WatchReader> reader;
  {
    MutexLock lock(mutex_);
    const auto at = watches_.find(number);
    if (ended_ || at == watches_.end()) return;
    reader = at->second.reader;
  }
  if (!reader->begun()) {
    if (Status bad = reader->Begin(); !bad.ok()) return Hand(number, std::move(bad), false);
  }
  const std::string before = reader->token();
  Result<std::vector<v1::WatchResponse>> page = reader->Next();
  Hand(number, std::move(page), before != reader->token());
}

void Watches::Hand(uint64_t number, Result<std::vector<v1::WatchResponse>> page, bool moved) {
  std::shared_ptr<WatchSink> sink;
  {
    MutexLock lock(mutex_);
    const auto at = watches_.find(number);
    if (ended_ || at == watches_.end()) return;
    Watch& watch = at->second;
    if (!page.ok()) {
      sink = Remove(at, page.status());
    } else if (!page->empty()) {
      watch.state = State::kHanded;
      watch.changes = CountChanges(*page);
      sink = watch.sink;
    } else if (moved && watch.reader->HasNews()) {
      ReadLater(number, &watch);
    } else {
      watch.state = State::kIdle;
      watch.pause = moved ? 0 : kPauseLooks;
    }
  }
  if (sink == nullptr) return;
  page.ok() ? sink->OnPage(number, *std::move(page)) : sink->OnEnd(page.status());
}

void Watches::Taken(uint64_t number) {
  MutexLock lock(mutex_);
  const auto at = watches_.find(number);
  if (ended_ || at == watches_.end()) return;
  Watch& watch = at->second;
  if (watch.changes > 0) {
    node_.metrics()
        .space(watch.reader->space())
        ->counter(obs::Metric::kWatchChanges)
        .Add(std::exchange(watch.changes, 0));
  }
  watch.heard = node_.clock().Now();
  watch.pause = 0;
  watch.state = State::kIdle;
  if (watch.reader->HasNews()) ReadLater(number, &watch);
}

void Watches::Look() {
  std::vector<std::pair<uint64_t, std::shared_ptr<WatchSink>>> silent;
  std::vector<v1::WatchResponse> heartbeats;
  {
    MutexLock lock(mutex_);
    looking_ = false;
    if (ended_ || watches_.empty()) return;
    const env::Instant now = node_.clock().Now();
    for (auto& [number, watch] : watches_) {
      if (watch.state != State::kIdle) continue;
      if (watch.pause > 0) {
        --watch.pause;
      } else if (watch.reader->HasNews()) {
        ReadLater(number, &watch);
        continue;
      }
      if (now - watch.heard < kHeartbeat) continue;
      watch.state = State::kHanded;
      silent.emplace_back(number, watch.sink);
      heartbeats.push_back(watch.reader->Heartbeat());
    }
    busy_ += silent.size();
    LookLater();
  }
  for (size_t i = 0; i < silent.size(); ++i) {
    silent[i].second->OnPage(silent[i].first, {std::move(heartbeats[i])});
  }
  if (!silent.empty()) Leave(silent.size());
}

void Watches::LookLater() {
  if (std::exchange(looking_, true)) return;
  node_.readers().PostAfter(kLookEvery, [self = weak_from_this()] {
    if (const auto watches = self.lock()) watches->Look();
  });
}

void Watches::Count(const Status& end) const {
  const std::string reason(end.ok() ? "OK" : InfoOf(end.reason()).name);
  node_.metrics().counter(obs::Metric::kRequests, {"Watch", reason}).Add();
}

std::shared_ptr<WatchSink> Watches::Remove(std::map<uint64_t, Watch>::iterator at,
                                           const Status& end) {
  Count(end);
  std::shared_ptr<WatchSink> sink = std::move(at->second.sink);
  watches_.erase(at);
  node_.metrics().gauge(obs::Metric::kWatchers).Add(-1);
  return sink;
}

void Watches::Cancel(uint64_t number, const Status& why) {
  std::shared_ptr<WatchSink> sink;  // it may end here, without the mutex
  MutexLock lock(mutex_);
  const auto at = watches_.find(number);
  if (!ended_ && at != watches_.end()) sink = Remove(at, why);
}

void Watches::End() {
  std::vector<std::shared_ptr<WatchSink>> sinks;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    left_.wait(lock, [this]() REQUIRES(mutex_) { return busy_ == 0; });
    while (!watches_.empty()) sinks.push_back(Remove(watches_.begin(), ShuttingDown()));
  }
  for (const auto& sink : sinks) sink->OnEnd(ShuttingDown());
}

size_t Watches::open() const {
  MutexLock lock(mutex_);
  return watches_.size();
}

}  // namespace engram::api
