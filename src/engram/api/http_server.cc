// cpp-httplib's sockets and threads around the router. The only file that sees <httplib.h>.
#include "engram/api/http_server.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <functional>
#include <shared_mutex>
#include <thread>

#include <httplib.h>

#include "engram/runtime/node.h"

namespace engram::api {
namespace {

constexpr time_t kIdleSeconds = 5;
constexpr char kAnyPath[] = R"([\s\S]*)";

struct Address {
  std::string host;
  int port = 0;
};

Status BadAddress(const std::string& address, const std::string& what) {
  return Status(Reason::CONFIGURATION, what)
      .Expected("an address of this machine and a port that nobody else uses")
      .Suggest("see who has the port with ss -ltnp, or choose another")
      .Example("engram serve --http 127.0.0.1:7442 --ops 127.0.0.1:7443")
      .With("address", address);
}

Result<Address> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  Address address;
  if (colon != std::string::npos) {
    address.host = text.substr(0, colon);
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + colon + 1, last, address.port);
    if (address.host.size() > 2 && address.host.front() == '[') {
      address.host = address.host.substr(1, address.host.size() - 2);
    }
    const bool whole = error == std::errc() && end == last;
    if (whole && !address.host.empty() && address.port >= 0 && address.port < 65536) return address;
  }
  return BadAddress(text, "'" + text + "' is no address to listen on.");
}

HttpRequest Convert(const httplib::Request& from) {
  HttpRequest request;
  request.method = from.method;
  request.target = from.target;
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request.headers[lower] = value;
  }
  request.loopback = from.remote_addr.starts_with("127.") || from.remote_addr == "::1";
  return request;
}

void Convert(const HttpResponse& from, httplib::Response* to) {
  to->status = from.status;
  for (const auto& [name, value] : from.headers) to->set_header(name, value);
  if (from.stream == nullptr) return to->set_content(from.body, from.content_type);
  to->set_chunked_content_provider(
      from.content_type, [stream = from.stream](size_t, httplib::DataSink& sink) {
        const std::optional<std::string> bytes = stream->Next();
        if (!bytes.has_value()) {
          sink.done();
          return true;
        }
        return bytes->empty() ? sink.is_writable() : sink.write(bytes->data(), bytes->size());
      });
}

// What httplib refuses by itself (a bad request line, a header that is too long) gets our form.
Status RefusedByLibrary(int http_status) {
  if (http_status == 413 || http_status == 414) {
    return Status(Reason::TOO_LARGE, "The request is too large.")
        .Expected("an address of 8 KiB and a body of 16 MiB at most");
  }
  return Status(Reason::INVALID_REQUEST, "The request is not understood.")
      .Expected("HTTP/1.1 with a path of /openapi.json");
}

// Listens and serves until it is stopped; `handle` runs on the connections' threads.
class Listener {
 public:
  using Handle = std::function<HttpResponse(const HttpRequest&)>;

  Listener(Handle handle, size_t body_max, int threads)
      : handle_(std::move(handle)), body_max_(body_max) {
    server_.new_task_queue = [threads] {
      return new httplib::ThreadPool(static_cast<size_t>(threads));
    };
    server_.set_tcp_nodelay(true);
    server_.set_keep_alive_timeout(kIdleSeconds);
    server_.set_keep_alive_max_count(100000);
    // Not SO_REUSEPORT, which would let two servers share a port.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const auto bodiless = [this](const httplib::Request& request, httplib::Response& response) {
      Convert(handle_(Convert(request)), &response);
    };
    const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader& reader) {
      ReadAndHandle(request, response, reader);
    };
    server_.Get(kAnyPath, bodiless).Options(kAnyPath, bodiless);
    server_.Post(kAnyPath, with_body).Put(kAnyPath, with_body).Patch(kAnyPath, with_body);
    server_.Delete(kAnyPath, with_body);
    server_.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (!response.body.empty()) return;
      const int status = response.status;
      Convert(Problem(RefusedByLibrary(status), Convert(request), "", status), &response);
    });
  }
  ~Listener() { Stop(); }

  Status Start(const std::string& text) {
    ASSIGN_OR_RETURN(const Address address, ParseAddress(text));
    port_ = address.port == 0 ? server_.bind_to_any_port(address.host)
            : server_.bind_to_port(address.host, address.port) ? address.port
                                                               : -1;
    if (port_ <= 0) return BadAddress(text, "Cannot listen on " + text + " for HTTP.");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
    return OkStatus();
  }

  void Stop() {
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }

  int port() const { return port_; }

 private:
  void ReadAndHandle(const httplib::Request& from, httplib::Response& response,
                     const httplib::ContentReader& reader) {
    HttpRequest request = Convert(from);
    const bool plain = request.Header("content-encoding").empty() && !from.is_multipart_form_data();
    // Without either header there is no body, and httplib would wait for the connection to end.
    const bool empty =
        request.Header("content-length").empty() && request.Header("transfer-encoding").empty();
    bool too_large = false, whole = empty;
    if (plain && !empty) {
      whole = reader([&](const char* data, size_t size) {
        too_large = request.body.size() + size > body_max_;
        if (!too_large) request.body.append(data, size);
        return !too_large;
      });
    }
    if (plain && whole) return Convert(handle_(request), &response);
    response.set_header("Connection", "close");  // the rest of the body is still in the pipe
    Convert(Refuse(request, plain, too_large || response.status == 413), &response);
  }

  HttpResponse Refuse(const HttpRequest& request, bool plain, bool too_large) const {
    if (too_large) {
      return Problem(Status(Reason::TOO_LARGE, "The body is too large.")
                         .Expected("at most " + std::to_string(body_max_) + " bytes")
                         .Suggest("send smaller batches")
                         .With("field", "body")
                         .With("limit", body_max_),
                     request, "");
    }
    if (!plain) {
      return Problem(Status(Reason::INVALID_REQUEST, "The body is encoded.")
                         .Expected("JSON as it is, without content-encoding and without parts"),
                     request, "", 415);
    }
    return Problem(Status(Reason::INVALID_REQUEST, "The body ended too early.")
                       .Expected("as many bytes as content-length says"),
                   request, "");
  }

  const Handle handle_;
  const size_t body_max_;
  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
};

class HttpServerImpl : public HttpServer {
 public:
  HttpServerImpl(runtime::Node& node, Service& service, const HttpOptions& options)
      : router_(node, service, options),
        listener_([this](const HttpRequest& request) { return router_.Handle(request); },
                  options.message_bytes,
                  Threads(options.threads) + static_cast<int>(options.event_streams_max)) {}
  ~HttpServerImpl() override { Shutdown(); }

  Status Listen() { return listener_.Start(router_.options().address); }
  int port() const override { return listener_.port(); }
  void Shutdown() override {
    router_.EndWatches();
    listener_.Stop();
  }

 private:
  static int Threads(int asked) {
    if (asked > 0) return asked;
    return std::max(8, static_cast<int>(std::thread::hardware_concurrency()) - 1);
  }

  HttpRouter router_;
  Listener listener_;
};

class OpsServerImpl : public OpsServer {
 public:
  OpsServerImpl()
      : listener_([this](const HttpRequest& request) { return Handle(request); }, 4096, 4) {}
  ~OpsServerImpl() override { listener_.Stop(); }

  Status Listen(const std::string& address) { return listener_.Start(address); }
  int port() const override { return listener_.port(); }
  void Shutdown() override { listener_.Stop(); }

  // Waits for the probes that are using the node of before.
  void Attach(runtime::Node* node) override {
    std::unique_lock lock(mutex_);
    node_ = node;
  }

 private:
  HttpResponse Handle(const HttpRequest& request) {
    std::shared_lock lock(mutex_);
    if (std::optional<HttpResponse> answer = HandleOps(node_, request)) return std::move(*answer);
    return Problem(Status(Reason::INVALID_REQUEST, "This listener has health and metrics alone.")
                       .Expected("/health/live, /health/ready, /health/startup, /metrics or "
                                 "/cluster/health"),
                   request, "", 404);
  }

  std::shared_mutex mutex_;
  runtime::Node* node_ = nullptr;
  Listener listener_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(runtime::Node& node, Service& service,
                                                      const HttpOptions& options) {
  auto server = std::make_unique<HttpServerImpl>(node, service, options);
  RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

Result<std::unique_ptr<OpsServer>> OpsServer::Start(const std::string& address) {
  auto server = std::make_unique<OpsServerImpl>();
  RETURN_IF_ERROR(server->Listen(address));
  return std::unique_ptr<OpsServer>(std::move(server));
}

}  // namespace engram::api
