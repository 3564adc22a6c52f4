// How nodes reach each other: two lanes to every configured node, one for live traffic, one for
// catching up, which do not share a connection. The runtime sends and is told; what carries the
// messages is gRPC (engram/rpc) or a simulated network (sim/).
//
// Thread-safe. Calls of TransportListener come on any thread, never from inside of Send, and for
// one peer and lane one after another. They must not block for long.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engram/base/ids.h"
#include "engram/base/instant.h"
#include "engram/base/status.h"
#include "engram/replication/message.h"
#include "engram/runtime/replication_calls.h"

namespace engram::runtime {

enum class Lane : uint8_t { kLive = 0, kBulk = 1 };
inline constexpr int kLanes = 2;

// Who answered at the other end: said in the handshake, checked by the transport (cluster, name,
// version, not this node itself, not a copied directory).
struct PeerIdentity {
  NodeId id;
  Incarnation incarnation;
  uint32_t protocol_version = 1;
  std::string program_version;
  uint32_t compressions = 1;  // that it can read: bit n for compression n of record/batch.h
};

struct SpaceMessage {
  std::string space;  // name
  replication::Message message;
};

class TransportListener {
 public:
  virtual ~TransportListener() = default;
  // Both lanes are up.
  virtual void OnPeerUp(size_t peer, const PeerIdentity& identity) = 0;
  virtual void OnPeerDown(size_t peer, const Status& why) = 0;
  virtual void OnMessage(size_t peer, Lane lane, SpaceMessage message) = 0;
  // Send was refused before because too much is queued; now there is room.
  virtual void OnWritable(size_t peer, Lane lane) = 0;
};

struct PeerState {
  bool connected = false;
  std::optional<PeerIdentity> identity;
  Instant last_contact;  // anything was received, heartbeats too
  Instant next_try;      // of a connection, when not connected
  Status why;            // why not
  int failures_in_a_row = 0;
  bool circuit_open = false;  // so many failures in a row that it counts as failed
  uint64_t circuit_openings = 0;
  uint64_t bytes_held = 0;  // of messages to it and from it, on both lanes
};

// Batches sent so far, to all peers: as they stand in the log, and as they went out.
struct TransportCounts {
  uint64_t batch_bytes_raw = 0, batch_bytes_sent = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Connects and listens from now on. The listener outlives the transport.
  virtual Status Start(TransportListener& listener) = 0;
  // False: not connected, or too much is queued on the lane (OnWritable follows). Never blocks.
  virtual bool Send(size_t peer, Lane lane, SpaceMessage message) = 0;
  virtual PeerState peer(size_t place) const = 0;
  // Asks that node for a range of its log (ReplicationCalls::Fetch). `done` is called once, on any
  // thread and not from inside of Fetch, unless Stop comes before. Never blocks. Besides the
  // reasons of the other side: CONNECTION_TIMEOUT; TOO_LARGE when more than `bytes_max` would come.
  virtual void Fetch(size_t peer, FetchCall call, uint64_t bytes_max,
                     std::function<void(Result<FetchAnswer>)> done) = 0;
  virtual TransportCounts counts() const { return {}; }
  // No call of the listener begins after this.
  virtual void Stop() = 0;
};

// What the configuration says of one node.
struct NodeAddress {
  std::string name;
  std::string grpc, http, ops, replication;  // host:port
};

}  // namespace engram::runtime
