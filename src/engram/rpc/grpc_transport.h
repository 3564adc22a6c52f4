// The Transport over gRPC: one port for other nodes, and two TCP connections to each of them. Made
// of: wire (a stream), handshake (who is there), session (a peer's connection over its life), link
// (what goes out), delivery (what comes in), replication_door (the service). README.md has the map.
//
// Thread-safe. Owned by whoever composes the node; one Start and one Stop.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/record/compress.h"
#include "engram/runtime/replication_calls.h"
#include "engram/runtime/transport.h"

namespace engram::rpc {

struct GrpcTransportOptions {
  std::string cluster = "engram";
  std::vector<runtime::NodeAddress> nodes;  // in the configured order, the same on every node
  size_t me = 0;                            // place of this node in it
  NodeId id;
  Incarnation incarnation;
  std::string listen;     // host:port; empty: this node's replication address in the list
  std::string advertise;  // empty: the same
  std::string program_version;
  uint32_t protocol_min = 1, protocol_max = 1;

  Duration connect_timeout = std::chrono::seconds(5);  // dialling and both handshakes
  Duration read_timeout = std::chrono::seconds(10);    // nothing heard
  Duration write_timeout = std::chrono::seconds(10);   // a frame not taken
  Duration keepalive = std::chrono::seconds(10);       // of TCP connections, by HTTP/2 pings
  Duration heartbeat = std::chrono::milliseconds(500);
  Duration stable_after = std::chrono::seconds(10);  // up for so long: earlier failures are over
  // After the first, second … failure in a row; each up to a quarter shorter or longer.
  std::array<Duration, 4> back_off = {std::chrono::milliseconds(100), std::chrono::seconds(1),
                                      std::chrono::seconds(10), std::chrono::seconds(60)};
  int failures_max = 3;                   // in a row; then the circuit is open
  record::CompressionChoice compression;  // of what is sent, as far as the other side can read it
  record::CompressionSet readable = record::kEveryCompression;
  size_t stream_bytes = 64u << 20;   // queued for one peer: bulk all of it, live a quarter
  size_t message_bytes = 24u << 20;  // one message of a space with its batch

  runtime::ReplicationCalls* calls = nullptr;  // null: they are refused; outlives the transport
  env::Clock* clock = &env::SystemClock();
  env::Entropy* entropy = &env::SystemEntropy();
};

// Start returns CONFIGURATION when the list of nodes is not valid, an address in it cannot be
// dialled (0.0.0.0), or the port cannot be had. A listener must not call Stop. Messages over the
// limit are logged and dropped.
std::unique_ptr<runtime::Transport> MakeGrpcTransport(GrpcTransportOptions options);

}  // namespace engram::rpc
