#include "engram/rpc/grpc_transport.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include "engram/base/thread_annotations.h"
#include "engram/env/executor.h"
#include "engram/internal/v1/replication.grpc.pb.h"
#include "engram/obs/log.h"
#include "engram/rpc/errors.h"
#include "engram/rpc/fetch.h"
#include "engram/rpc/replication_door.h"
#include "engram/rpc/session.h"

namespace engram::rpc {

using runtime::Lane;

namespace {

constexpr size_t kGuestsMax = 64;                          // streams that did not say Hello yet
constexpr size_t kEnvelopeBytes = 64u << 10;               // around a message of the limit
constexpr auto kTickMax = std::chrono::milliseconds(100);  // should the clock jump

LocalNode LocalOf(const GrpcTransportOptions& options) {
  return {options.cluster,      options.nodes,        options.me,
          options.id,           options.incarnation,  options.entropy->Next(),
          options.protocol_min, options.protocol_max, options.program_version,
          options.advertise,    options.readable};
}

// Both libraries write to stderr what we say in our own log, or what anybody can make them write.
void QuietLibraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args*) {});
    google::protobuf::SetLogHandler(nullptr);
  });
}

// One GetStatus, sent so that the other node dials.
struct Knock {
  explicit Knock(const std::shared_ptr<grpc::Channel>& channel)
      : stub(pb::ReplicationService::NewStub(channel)) {}
  std::unique_ptr<pb::ReplicationService::Stub> stub;
  grpc::ClientContext context;
  pb::GetStatusRequest request;
  pb::GetStatusResponse response;
};

// gRPC's threads for callbacks end with the last channel or server that uses them; if one of these
// threads itself lets go of that last one, gRPC 1.51 aborts. So one channel, to nowhere, stays for
// ever: its only call fails at once and has taken part in them.
void KeepCallbackThreads() {
  struct Nowhere {
    std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel("", nullptr, {});
    Knock knock{channel};
  };
  // Used, or the compiler drops the pointer, and leak checkers call it lost.
  [[gnu::used]] static Nowhere* const nowhere = [] {
    auto* made = new Nowhere();
    made->knock.stub->async()->GetStatus(&made->knock.context, &made->knock.request,
                                         &made->knock.response, [](const grpc::Status&) {});
    return made;
  }();
}

class GrpcTransport : public runtime::Transport, private WireEvents {
 public:
  explicit GrpcTransport(GrpcTransportOptions options)
      : options_(std::move(options)),
        local_(LocalOf(options_)),
        context_{options_, local_, [this](size_t place) { return DialPeer(place); },
                 [this](size_t place) { KnockAt(place); },
                 [this](size_t place, const NodeId& id) { return Admit(place, id); }} {}
  ~GrpcTransport() override { Stop(); }

  Status Start(runtime::TransportListener& listener) override;
  bool Send(size_t peer, Lane lane, runtime::SpaceMessage message) override {
    ENGRAM_CHECK(peer < sessions_.size() && sessions_[peer] != nullptr);
    return sessions_[peer]->Send(lane, message);
  }
  runtime::PeerState peer(size_t place) const override {
    if (place >= sessions_.size() || sessions_[place] == nullptr) return {};
    return sessions_[place]->state();
  }
  void Fetch(size_t peer, runtime::FetchCall call, uint64_t bytes_max,
             std::function<void(Result<runtime::FetchAnswer>)> done) override {
    fetcher_.Ask(
        {ChannelTo(peer), local_.nodes[peer].name, options_.cluster, std::move(call), bytes_max},
        std::move(done));
  }
  runtime::TransportCounts counts() const override {
    runtime::TransportCounts sum;
    for (const auto& session : sessions_) {
      if (session == nullptr) continue;
      const runtime::TransportCounts one = session->counts();
      sum.batch_bytes_raw += one.batch_bytes_raw;
      sum.batch_bytes_sent += one.batch_bytes_sent;
    }
    return sum;
  }
  void Stop() override;

 private:
  using Task = std::function<void(Instant now)>;

  Status Listen();
  void Post(Task task);
  void Control();
  Instant TickAll(Instant now);

  // WireEvents.
  void OnAccepted(const WirePtr& wire) override;
  void OnFrame(const WirePtr& wire, grpc::ByteBuffer frame) override;
  void OnWritten(const WirePtr& wire) override;
  void OnClosed(const WirePtr& wire, const Status& why) override;

  // Control thread.
  void TakeHandshakeFrame(const WirePtr& wire, grpc::ByteBuffer frame, Instant now);
  Status Welcome(const WirePtr& wire, grpc::ByteBuffer frame, Instant now);
  void Refuse(const WirePtr& wire, const Status& why, Instant now);
  WirePtr DialPeer(size_t place);
  void KnockAt(size_t place);
  void FinishKnock(size_t place, const grpc::Status& answer, Instant now);
  Status Admit(size_t place, const NodeId& id) const;

  std::shared_ptr<grpc::Channel> ChannelTo(size_t place) const {
    return OpenChannel(local_.nodes[place].replication, Channels());
  }
  ChannelOptions Channels() const {
    return {options_.message_bytes + kEnvelopeBytes, options_.keepalive};
  }
  void Hold() {
    MutexLock lock(mutex_);
    ++live_;
  }
  void LetGo() {
    MutexLock lock(mutex_);
    if (--live_ == 0) changed_.notify_all();
  }

  const GrpcTransportOptions options_;
  const LocalNode local_;
  const SessionContext context_;
  std::vector<std::unique_ptr<Session>> sessions_;  // by place; null for this node
  std::unique_ptr<env::Executor> executor_;
  Fetcher fetcher_;
  std::unique_ptr<grpc::Service> door_;
  std::unique_ptr<grpc::Server> server_;
  std::thread control_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);
  int live_ GUARDED_BY(mutex_) = 0;  // wires and knocks that gRPC still may call back
  bool started_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;

  // ---- control thread ----
  std::map<WirePtr, Instant> guests_;  // accepted, no Hello yet
  std::map<size_t, std::unique_ptr<Knock>> knocks_;
  Instant refusal_logged_;
};

Status GrpcTransport::Start(runtime::TransportListener& listener) {
  RETURN_IF_ERROR(CheckConfiguration(local_));
  QuietLibraries();
  KeepCallbackThreads();
  {
    MutexLock lock(mutex_);
    ENGRAM_CHECK(!started_);
    started_ = true;
  }
  for (size_t place = 0; place < local_.nodes.size(); ++place) {
    sessions_.push_back(
        place == local_.me
            ? nullptr
            : std::make_unique<Session>(place, context_, listener, Prng(options_.entropy->Next())));
  }
  executor_ = env::MakeThreadPool("replication-calls", 2);
  RETURN_IF_ERROR(Listen());
  control_ = std::thread([this] { Control(); });
  return OkStatus();
}

Status GrpcTransport::Listen() {
  const std::string& address =
      options_.listen.empty() ? local_.nodes[local_.me].replication : options_.listen;
  door_ =
      MakeReplicationDoor({local_, *this, options_.calls, *executor_, [this](size_t place) {
                             Post([this, place](Instant now) { sessions_[place]->Knocked(now); });
                           }});
  grpc::ServerBuilder builder;
  SetUp(Channels(), &builder);
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(door_.get());
  server_ = builder.BuildAndStart();
  if (server_ != nullptr && port > 0) return OkStatus();
  return Status(Reason::CONFIGURATION, "Cannot listen on " + address + " for other nodes.")
      .Expected("an address of this machine and a port that nobody else uses")
      .Suggest("see who has the port with ss -ltnp, or choose another")
      .With("address", address);
}

void GrpcTransport::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  fetcher_.Stop();
  if (control_.joinable()) control_.join();
  for (const auto& session : sessions_) {
    if (session == nullptr) continue;
    session->StopDelivery();
    session->Close();
  }
  const Status stopping(Reason::SHUTTING_DOWN, "The node stops.");
  for (const auto& [wire, since] : guests_) wire->Close(stopping);
  for (const auto& [place, knock] : knocks_) knock->context.TryCancel();
  if (server_ != nullptr) {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
    server_->Wait();
  }
  {
    MutexLock lock(mutex_);
    changed_.wait(lock, [this]() REQUIRES(mutex_) { return live_ == 0; });
    tasks_.clear();
  }
  guests_.clear();
  knocks_.clear();
  executor_.reset();
  server_.reset();
}

void GrpcTransport::Post(Task task) {
  MutexLock lock(mutex_);
  if (stopping_) return;
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void GrpcTransport::Control() {
  Instant due = options_.clock->Now();
  for (;;) {
    std::deque<Task> tasks;
    {
      MutexLock lock(mutex_);
      const Duration left = due - options_.clock->Now();
      const auto wait = std::clamp<Duration>(left, std::chrono::milliseconds(1), kTickMax);
      if (tasks_.empty() && !stopping_ && left > Duration::zero()) changed_.wait_for(lock, wait);
      if (stopping_) return;
      tasks.swap(tasks_);
    }
    for (const Task& task : tasks) task(options_.clock->Now());
    due = TickAll(options_.clock->Now());
  }
}

Instant GrpcTransport::TickAll(Instant now) {
  Instant due = now + std::chrono::seconds(1);
  for (const auto& session : sessions_) {
    if (session != nullptr) due = std::min(due, session->Tick(now));
  }
  const Status silent = Status(Reason::CONNECTION_TIMEOUT, "No handshake came on the stream.")
                            .Expected("a Hello within the connect timeout");
  std::vector<WirePtr> late;
  for (const auto& [wire, since] : guests_) {
    if (now - since > options_.connect_timeout) late.push_back(wire);
  }
  for (const WirePtr& wire : late) Refuse(wire, silent, now);
  return due;
}

void GrpcTransport::OnAccepted(const WirePtr& wire) {
  Hold();
  Post([this, wire](Instant now) {
    if (guests_.size() >= kGuestsMax)
      return Refuse(wire, Status(Reason::OVERLOADED, "Too many handshakes are under way."), now);
    guests_[wire] = now;
    wire->Read();
  });
}

void GrpcTransport::OnFrame(const WirePtr& wire, grpc::ByteBuffer frame) {
  if (Session* session = wire->session) return session->OnFrame(wire, std::move(frame));
  Post([this, wire, frame](Instant now) { TakeHandshakeFrame(wire, frame, now); });
}

void GrpcTransport::OnWritten(const WirePtr& wire) {
  if (Session* session = wire->session) return session->OnWritten(wire);
  Post([this, wire](Instant now) {
    for (const auto& session : sessions_) {
      if (session != nullptr) session->HandshakeWritten(wire, now);
    }
  });
}

void GrpcTransport::OnClosed(const WirePtr& wire, const Status& why) {
  Post([this, wire, why](Instant now) {
    guests_.erase(wire);
    for (const auto& session : sessions_) {
      if (session != nullptr) session->WireClosed(wire, why, now);
    }
  });
  LetGo();
}

void GrpcTransport::TakeHandshakeFrame(const WirePtr& wire, grpc::ByteBuffer frame, Instant now) {
  if (guests_.contains(wire)) {
    const Status status = Welcome(wire, std::move(frame), now);
    if (!status.ok()) Refuse(wire, status, now);
    guests_.erase(wire);
    return;
  }
  for (const auto& session : sessions_) {
    if (session != nullptr && session->Owns(wire))
      return session->TakeReply(wire, std::move(frame), now);
  }
}

Status GrpcTransport::Welcome(const WirePtr& wire, grpc::ByteBuffer frame, Instant now) {
  pb::StreamMessage message;
  RETURN_IF_ERROR(ParseFrame(&frame, &message));
  Result<Guest> guest = CheckHello(local_, message.hello());
  Status status = guest.status();
  if (status.ok()) status = sessions_[guest->place]->TakeGuest(wire, *guest, now);
  if (status.ok()) return status;
  for (const auto& session : sessions_) {
    if (session != nullptr && session->name() == message.hello().node().name())
      session->NoteRefused(status, now);
  }
  return status;
}

// Anybody can knock at a port; so at most one line a second.
void GrpcTransport::Refuse(const WirePtr& wire, const Status& why, Instant now) {
  if (now - refusal_logged_ >= std::chrono::seconds(1)) {
    obs::LogStatus(obs::Level::kWarn, "replication_refused", why);
    refusal_logged_ = now;
  }
  guests_.erase(wire);
  wire->Close(why);
}

WirePtr GrpcTransport::DialPeer(size_t place) {
  Hold();
  return Dial(ChannelTo(place), *this);
}

void GrpcTransport::KnockAt(size_t place) {
  Hold();
  auto& knock = knocks_[place];
  knock = std::make_unique<Knock>(ChannelTo(place));
  Describe(local_, knock->request.mutable_from());
  knock->request.set_identity_only(true);
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.connect_timeout);
  knock->context.set_deadline(std::chrono::system_clock::now() + timeout);
  knock->stub->async()->GetStatus(
      &knock->context, &knock->request, &knock->response,
      [this, place](const grpc::Status& answer) {
        Post([this, place, answer](Instant now) { FinishKnock(place, answer, now); });
        LetGo();
      });
}

void GrpcTransport::FinishKnock(size_t place, const grpc::Status& answer, Instant now) {
  const std::unique_ptr<Knock> knock = std::move(knocks_[place]);
  knocks_.erase(place);
  Status status = answer.ok() ? OkStatus() : FromGrpc(answer);
  if (status.ok()) status = CheckNode(local_, knock->response.node()).status();
  sessions_[place]->KnockAnswered(status, now);
}

Status GrpcTransport::Admit(size_t place, const NodeId& id) const {
  for (size_t other = 0; other < sessions_.size(); ++other) {
    if (other == place || sessions_[other] == nullptr) continue;
    const std::optional<runtime::PeerIdentity> known = sessions_[other]->identity();
    if (known.has_value() && known->id == id)
      return CopiedDirectory(local_.nodes[place].name, local_.nodes[other].name);
  }
  return OkStatus();
}

}  // namespace

std::unique_ptr<runtime::Transport> MakeGrpcTransport(GrpcTransportOptions options) {
  return std::make_unique<GrpcTransport>(std::move(options));
}

}  // namespace engram::rpc
