// The simulated network: messages between nodes are delayed, and by its settings lost, doubled,
// overtaken; links are cut in one direction or both, and mended. A node that is not started is as
// good as cut. Serves each node a runtime::Transport. Not thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engram/runtime/transport.h"
#include "sim/scheduler.h"

namespace engram::sim {

struct NetworkFaults {
  Duration delay = std::chrono::microseconds(300);  // half of it at least, twice at most
  uint32_t lose_one_in = 0;                         // 0: never
  uint32_t double_one_in = 0;
  uint32_t overtake_one_in = 0;  // held back for up to 20 ms
};

class Network {
 public:
  Network(Scheduler& scheduler, size_t nodes);
  ~Network();

  // Of node `place`; the network outlives it. `calls` answers fetches; without, they are refused.
  std::unique_ptr<runtime::Transport> MakeTransport(size_t place, runtime::PeerIdentity identity,
                                                    runtime::ReplicationCalls* calls = nullptr);
  NetworkFaults faults;
  // One direction. A link is found broken a moment later when either direction is.
  void Cut(size_t from, size_t to, bool cut);
  void HealAll();
  bool cut(size_t from, size_t to) const { return cut_[from * nodes_ + to]; }
  // Both nodes hear each other, as far as they know.
  bool connected(size_t a, size_t b) const { return up_[std::min(a, b) * nodes_ + std::max(a, b)]; }
  // Since when they do not.
  Instant parted_since(size_t a, size_t b) const {
    return parted_[std::min(a, b) * nodes_ + std::max(a, b)];
  }
  // What a node's own clock says; the transport has no other.
  std::function<Instant(size_t place)> clock_of;
  // It is dead and does not know it yet: nothing that it says is heard, until it starts again.
  void Silence(size_t place);
  // Called for every message that a node sends, before anything happens to it.
  std::function<void(size_t from, size_t to, const runtime::SpaceMessage&)> on_send;
  // True: it gets lost.
  std::function<bool(size_t from, size_t to, const runtime::SpaceMessage&)> lose;
  // Called for every range that a node gives to another.
  std::function<void(size_t from, size_t to, const runtime::FetchCall&, const std::string& records)>
      on_fetched;
  // May change it on its way.
  std::function<void(size_t from, size_t to, runtime::SpaceMessage*)> tamper;

 private:
  class Port;
  friend class Port;
  void Check(size_t a, size_t b);
  void Meet(size_t a, size_t b);
  void Part(size_t a, size_t b, const char* why);
  void Deliver(size_t from, size_t to, runtime::Lane lane, runtime::SpaceMessage message);
  void Arrive(Duration delay, size_t from, size_t to, uint64_t session, runtime::Lane lane,
              const runtime::SpaceMessage& message);
  void Fetch(size_t from, size_t to, runtime::FetchCall call, uint64_t bytes_max,
             std::function<void(Result<runtime::FetchAnswer>)> done);
  Duration Delay();

  Scheduler& scheduler_;
  const size_t nodes_;
  std::vector<bool> cut_;
  std::vector<Port*> ports_;       // by place; null: not started
  std::vector<uint64_t> session_;  // of each pair: messages of an earlier one are void
  std::vector<bool> up_;
  std::vector<Instant> parted_;
};

}  // namespace engram::sim
