// For tests: a listener that notes everything and can be held, ports, and nodes of one process that
// reach each other over loopback.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engram/rpc/grpc_transport.h"
#include "engram/rpc/wire.h"

namespace engram::rpc {

using namespace std::chrono_literals;  // NOLINT
using runtime::Lane;
using runtime::SpaceMessage;

inline constexpr auto kDeadline = 30s;

// gRPC itself is not instrumented: to ThreadSanitizer every eight bytes that it hands over are a
// race to look into and to suppress, which takes minutes for megabytes. Other tests take the same
// ways with fewer bytes.
#ifdef _GLIBCXX_TSAN
inline constexpr bool kMegabytesTakeMinutes = true;
#else
inline constexpr bool kMegabytesTakeMinutes = false;
#endif

class Recorder : public runtime::TransportListener {
 public:
  struct Got {
    size_t peer;
    Lane lane;
    SpaceMessage message;
  };

  void OnPeerUp(size_t peer, const runtime::PeerIdentity& identity) override {
    Note([&] {
      ++ups;
      up.resize(std::max(up.size(), peer + 1));
      up[peer] = true;
      last_identity = identity;
    });
  }
  void OnPeerDown(size_t peer, const Status& why) override {
    Note([&] {
      ++downs;
      up[peer] = false;
      last_why = why;
    });
  }
  void OnMessage(size_t peer, Lane lane, SpaceMessage message) override {
    std::unique_lock lock(mutex);
    if (peer >= up.size() || !up[peer]) ++astray;
    ++waiting;
    changed.notify_all();
    changed.wait(lock, [&] { return !held[static_cast<int>(lane)]; });
    --waiting;
    ++count;
    if (keep) got.push_back({peer, lane, std::move(message)});
    changed.notify_all();
  }
  void OnWritable(size_t, Lane lane) override {
    Note([&] { ++writable[static_cast<int>(lane)]; });
  }

  void Note(const std::function<void()>& change) {
    std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
  // False when it did not come true in time.
  [[nodiscard]] bool Await(const std::function<bool()>& state,
                           std::chrono::milliseconds deadline = kDeadline) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, deadline, state);
  }

  std::mutex mutex;
  std::condition_variable changed;
  int ups = 0, downs = 0, astray = 0;
  int waiting = 0;  // calls that are held
  bool keep = true;
  size_t count = 0;
  std::vector<bool> up;
  std::array<int, 2> writable{};
  std::array<bool, 2> held{};
  runtime::PeerIdentity last_identity;
  Status last_why;
  std::vector<Got> got;
};

// Different ports that nobody uses right now.
inline std::vector<int> FreePorts(size_t count) {
  std::vector<int> sockets, ports;
  for (size_t i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    sockets.push_back(fd);
    ports.push_back(ntohs(address.sin_port));
  }
  for (const int fd : sockets) close(fd);
  return ports;
}

// Polls something that tells nobody when it changes.
[[nodiscard]] inline bool Becomes(const std::function<bool()>& state) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  while (!state()) {
    if (std::chrono::steady_clock::now() > end) return false;
    never.wait_for(lock, 2ms);
  }
  return true;
}

class Cluster {
 public:
  explicit Cluster(size_t nodes) : recorders(nodes), transports(nodes) {
    for (const int port : FreePorts(nodes)) {
      const std::string name = "n" + std::to_string(addresses.size() + 1);
      addresses.push_back({name, "", "", "", "127.0.0.1:" + std::to_string(port)});
    }
    for (auto& recorder : recorders) recorder = std::make_unique<Recorder>();
  }
  ~Cluster() {
    for (size_t i = 0; i < transports.size(); ++i) Stop(i);
  }

  GrpcTransportOptions Options(size_t me) const {
    GrpcTransportOptions options;
    options.cluster = "test";
    options.nodes = addresses;
    options.me = me;
    options.id = env::MakeNodeId(env::SystemEntropy());
    options.incarnation = env::MakeIncarnation(env::SystemEntropy());
    options.program_version = "0.1.0";
    return options;
  }
  Status TryStart(size_t me, const GrpcTransportOptions& options) {
    transports[me] = MakeGrpcTransport(options);
    return transports[me]->Start(*recorders[me]);
  }
  void Start(size_t me, const GrpcTransportOptions& options) {
    const Status status = TryStart(me, options);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Start(size_t me) { Start(me, Options(me)); }
  void StartAll() {
    for (size_t i = 0; i < transports.size(); ++i) Start(i);
  }
  void Stop(size_t me) {
    if (transports[me] == nullptr) return;
    recorders[me]->Note([&] { recorders[me]->held = {}; });
    transports[me]->Stop();
    transports[me] = nullptr;
  }
  // Every started node sees every other one.
  [[nodiscard]] bool AwaitUp(size_t me, int ups) {
    return recorders[me]->Await([&] { return recorders[me]->ups >= ups; });
  }

  std::vector<runtime::NodeAddress> addresses;
  std::vector<std::unique_ptr<Recorder>> recorders;
  std::vector<std::unique_ptr<runtime::Transport>> transports;
};

// A wire without a network: counts what is asked of it.
class FakeWire : public Wire {
 public:
  explicit FakeWire(Lane of) { lane = of; }
  void Read() override { ++reads; }
  void Write(grpc::ByteBuffer frame) override {
    ++writes;
    last = std::move(frame);
  }
  void Close(const Status&) override { ++closes; }
  std::atomic<int> reads{0}, writes{0}, closes{0};
  grpc::ByteBuffer last;
};

inline SpaceMessage Numbered(uint64_t number) {
  return {"space", {{}, replication::Confirm{number}}};
}
inline uint64_t NumberOf(const SpaceMessage& message) {
  return std::get<replication::Confirm>(message.message.body).id;
}
inline SpaceMessage WithBatch(uint64_t number, std::shared_ptr<const std::string> batch) {
  replication::Entries entries;
  entries.batch = std::move(batch);
  entries.first = entries.last = Sequence(number);
  return {"space", {{}, std::move(entries)}};
}

}  // namespace engram::rpc
