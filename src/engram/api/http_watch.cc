// Watch over HTTP: server-sent events (html.spec.whatwg.org, "Server-sent events"). The id of an
// event is its token, so that the header Last-Event-ID, which browsers send by themselves, goes on
// where a connection broke. A heartbeat is a comment, with an id and without data: no event to
// anybody, but a newer place to go on from.
#include <condition_variable>
#include <mutex>

#include "engram/api/errors.h"
#include "engram/api/http_call.h"
#include "engram/api/watch.h"

namespace engram::api {
namespace {

constexpr auto kWait = std::chrono::seconds(1);

// Between the watch and the connection: holds a page, or the end.
class Pipe : public WatchSink {
 public:
  void OnPage(uint64_t, std::vector<v1::WatchResponse> page) override {
    std::lock_guard lock(mutex_);
    page_ = std::move(page);
    arrived_.notify_one();
  }
  void OnEnd(const Status& why) override {
    std::lock_guard lock(mutex_);
    end_ = why;
    arrived_.notify_one();
  }
  // Empty when nothing came in time; an error at the end.
  Result<std::vector<v1::WatchResponse>> Take() {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, kWait, [this] { return !page_.empty() || !end_.ok(); });
    if (page_.empty() && !end_.ok()) return end_;
    return std::exchange(page_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<v1::WatchResponse> page_;
  Status end_;
};

std::string EventOf(const v1::WatchResponse& change) {
  const std::string id = "id: " + change.token() + "\n";
  if (change.kind() == v1::WatchResponse::KIND_HEARTBEAT) return ": heartbeat\n" + id + "\n";
  const std::string kind = ChangeName(change.kind());
  return id + "event: " + kind + "\ndata: " + MessageToJson(change) + "\n\n";
}

class EventBody : public HttpStream {
 public:
  EventBody(HttpRouter& router, std::shared_ptr<Pipe> pipe, uint64_t watch, std::string path,
            std::string request_id)
      : bodies_(router.bodies()),
        watches_(router.watches().shared_from_this()),
        pipe_(std::move(pipe)),
        watch_(watch),
        path_(std::move(path)),
        request_id_(std::move(request_id)) {
    bodies_.Begin();
  }
  ~EventBody() override {
    watches_->Cancel(watch_);
    if (!told_) bodies_.End();
  }

  std::optional<std::string> Next() override {
    if (ended_) {
      if (!std::exchange(told_, true)) bodies_.End();
      return std::nullopt;
    }
    if (std::exchange(handed_, false)) watches_->Taken(watch_);
    Result<std::vector<v1::WatchResponse>> page = pipe_->Take();
    if (!page.ok()) {
      ended_ = true;
      return "event: error\ndata: " + ProblemJson(page.status(), path_, request_id_) + "\n\n";
    }
    handed_ = !page->empty();
    std::string bytes;
    for (const v1::WatchResponse& change : *page) bytes += EventOf(change);
    return bytes;
  }

 private:
  UnderWay& bodies_;
  const std::shared_ptr<Watches> watches_;
  const std::shared_ptr<Pipe> pipe_;
  const uint64_t watch_;
  const std::string path_, request_id_;
  bool handed_ = false;
  bool ended_ = false;
  bool told_ = false;  // its client, of the end
};

Result<v1::WatchRequest> ToRequest(Exchange& exchange) {
  QueryReader query(exchange.target);
  v1::WatchRequest request;
  request.set_memory_space_id(query.Text("space"));
  request.set_from_token(query.Text("from"));
  request.set_include_content(query.Flag("include_content"));
  ReadFilter(query, request.mutable_filter());
  RETURN_IF_ERROR(query.Finish());
  const std::string& last = exchange.request.Header("last-event-id");
  if (!last.empty()) request.set_from_token(last);
  return request;
}

}  // namespace

// What is wrong from the start is a plain error; what comes later, the last event.
Result<HttpResponse> HttpWatch(Exchange& exchange) {
  ASSIGN_OR_RETURN(v1::WatchRequest request, ToRequest(exchange));
  Watches& watches = exchange.router.watches();
  ASSIGN_OR_RETURN(std::unique_ptr<WatchReader> reader,
                   watches.NewReader(exchange.context, std::move(request)));
  RETURN_IF_ERROR(reader->Begin());
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers["Cache-Control"] = "no-store";
  if (exchange.request.method == "HEAD") return response;
  auto pipe = std::make_shared<Pipe>();
  ASSIGN_OR_RETURN(const uint64_t watch, watches.Add(std::move(reader), pipe));
  response.stream = std::make_shared<EventBody>(exchange.router, std::move(pipe), watch,
                                                exchange.target.path, exchange.context.request_id);
  return response;
}

}  // namespace engram::api
