// What two nodes tell each other first, and every reason for which one refuses the other: another
// cluster, a name or place that the list does not have, this very node, a copied data directory, no
// common protocol version. Also what a list of nodes must be to begin with. Pure functions.
#pragma once

#include "engram/internal/v1/replication.pb.h"
#include "engram/record/compress.h"
#include "engram/rpc/codec.h"
#include "engram/runtime/transport.h"

namespace engram::rpc {

// This node, as it presents itself, and whom it knows.
struct LocalNode {
  std::string cluster;
  std::vector<runtime::NodeAddress> nodes;  // as configured, the same on every node
  size_t me = 0;
  NodeId id;
  Incarnation incarnation;
  uint64_t process = 0;  // random, of this start
  uint32_t protocol_min = 1, protocol_max = 1;
  std::string program_version;
  std::string advertise;  // address that others dial
  record::CompressionSet readable = record::kEveryCompression;

  const std::string& name() const { return nodes[me].name; }
};

// CONFIGURATION: names or addresses missing, doubled, without a port, or not to be dialled.
Status CheckConfiguration(const LocalNode& local);

void Describe(const LocalNode& local, pb::NodeHello* out);
pb::Hello MakeHello(const LocalNode& local, size_t to, runtime::Lane lane, uint64_t nonce);
pb::HelloReply MakeReply(const LocalNode& local, uint32_t protocol_version);

// Who sent a Hello that is acceptable.
struct Guest {
  size_t place = 0;
  runtime::PeerIdentity identity;
  runtime::Lane lane = runtime::Lane::kLive;
  uint64_t nonce = 0;
};
// CONFIGURATION, UNSUPPORTED_VERSION, INVALID_REQUEST.
Result<Guest> CheckHello(const LocalNode& local, const pb::Hello& hello);
// The same for what the dialled node answered.
Result<runtime::PeerIdentity> CheckReply(const LocalNode& local, size_t to,
                                         const pb::HelloReply& reply);
// Cluster, name and place only, and that it is another node; its place.
Result<size_t> CheckNode(const LocalNode& local, const pb::NodeHello& node);

// Of two configured nodes that present the same node id.
Status CopiedDirectory(const std::string& one, const std::string& other);

}  // namespace engram::rpc
