#include "engram/rpc/handshake.h"

#include <algorithm>
#include <set>

namespace engram::rpc {
namespace {

constexpr size_t kNodesMax = 256;
constexpr size_t kVersionBytes = 100;

// What comes from outside and stands in a text.
std::string Quoted(const std::string& text) {
  return "'" + text.substr(0, kNameBytesMax) + "'";
}

Status BadList(const std::string& what) {
  return Status(Reason::CONFIGURATION, what)
      .Expected("for each node a name of its own and an address host:port that the others can dial")
      .Suggest("correct the list of nodes; it must be the same on every node")
      .Example("replication = \"10.0.0.1:50052\"");
}

// Addresses that mean "every interface" here and nothing at all elsewhere.
bool IsWildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::" || host == "[::]" || host == "*";
}

Status CheckAddress(const std::string& name, const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size())
    return BadList("The replication address " + Quoted(address) + " of " + name +
                   " is not host:port.");
  const std::string host = address.substr(0, colon), port = address.substr(colon + 1);
  if (IsWildcard(host))
    return BadList("The replication address " + Quoted(address) + " of " + name +
                   " means every interface of a machine; nobody can dial it.");
  const bool digits = port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || port.size() > 5 || std::stoi(port) < 1 || std::stoi(port) > 65535)
    return BadList("The replication address " + Quoted(address) + " of " + name +
                   " has no valid port.");
  return OkStatus();
}

Status OtherCluster(const LocalNode& local, const std::string& cluster) {
  return Status(Reason::CONFIGURATION, "A node of the cluster " + Quoted(cluster) +
                                           " and one of the cluster " + Quoted(local.cluster) +
                                           " reached each other.")
      .Expected("the same cluster name on both")
      .Suggest("correct the address, or the cluster's name, in one of the two configurations")
      .With("cluster", cluster.substr(0, kNameBytesMax));
}

Status UnknownName(const LocalNode& local, const std::string& name) {
  return Status(Reason::CONFIGURATION, "The node " + Quoted(name) +
                                           " is not in the list of nodes of " +
                                           Quoted(local.name()) + ".")
      .Expected("the same list of nodes on every node")
      .Suggest("add it to the list, or correct its name")
      .With("name", name.substr(0, kNameBytesMax));
}

Status WrongPlace(const LocalNode& local, const std::string& name, uint32_t said, size_t is) {
  return Status(Reason::CONFIGURATION,
                "The node " + Quoted(name) + " takes itself for number " +
                    std::to_string(said + uint64_t{1}) + " of the list of nodes; in that of " +
                    Quoted(local.name()) + " it is number " + std::to_string(is + 1) + ".")
      .Expected("the same list, in the same order, on every node")
      .Suggest("compare the lists of both nodes");
}

Status ReachedItself(const LocalNode& local) {
  return Status(Reason::CONFIGURATION,
                "The node " + Quoted(local.name()) +
                    " reached itself: its own address is configured for another node.")
      .Expected("an address of its own for each node")
      .Suggest("correct the replication addresses in the list of nodes");
}

Status WrongTarget(const LocalNode& local, const std::string& wanted) {
  return Status(Reason::CONFIGURATION, "The address configured for " + Quoted(wanted) +
                                           " reaches " + Quoted(local.name()) + ".")
      .Expected("the address of " + wanted.substr(0, kNameBytesMax))
      .Suggest("correct the replication addresses in the list of nodes");
}

Status NoCommonVersion(uint32_t min, uint32_t max, uint32_t their_min, uint32_t their_max) {
  return Status(Reason::UNSUPPORTED_VERSION,
                "No common version of the replication protocol: " + std::to_string(min) + " to " +
                    std::to_string(max) + " here, " + std::to_string(their_min) + " to " +
                    std::to_string(their_max) + " there.")
      .Expected("versions that overlap")
      .Suggest("upgrade the older node first");
}

Status BadIdentity() {
  return Status(Reason::INVALID_REQUEST, "A handshake without a valid identity.")
      .Expected("node id and incarnation of 16 bytes each");
}

// Those that this version does not know are nothing to it.
template <class List>
record::CompressionSet TakeSet(const List& list) {
  record::CompressionSet set = record::Only(record::Compression::kNone);
  for (const int one : list) {
    if (one >= 0 && one <= static_cast<int>(record::Compression::kLz4)) set |= 1u << one;
  }
  return set;
}

template <class Message>
void FillSet(record::CompressionSet set, Message* out) {
  for (const pb::BatchCompression one : {pb::BATCH_COMPRESSION_ZSTD, pb::BATCH_COMPRESSION_LZ4}) {
    if ((set & (1u << one)) != 0) out->add_compressions(one);
  }
}

Result<runtime::PeerIdentity> IdentityOf(const pb::NodeHello& node, uint32_t protocol_version) {
  runtime::PeerIdentity identity;
  if (!TakeId(node.node_id(), &identity.id) || !TakeId(node.incarnation(), &identity.incarnation) ||
      identity.id.is_zero() || identity.incarnation.is_zero())
    return BadIdentity();
  identity.protocol_version = protocol_version;
  identity.program_version = node.program_version().substr(0, kVersionBytes);
  return identity;
}

}  // namespace

Status CopiedDirectory(const std::string& one, const std::string& other) {
  return Status(Reason::CONFIGURATION, "The nodes " + Quoted(one) + " and " + Quoted(other) +
                                           " have the same node id: one data directory is a copy "
                                           "of the other's.")
      .Expected("a data directory of its own for each node")
      .Suggest("stop the copy, and start it with an empty directory; it will catch up");
}

Status CheckConfiguration(const LocalNode& local) {
  if (local.nodes.empty() || local.me >= local.nodes.size() || local.nodes.size() > kNodesMax)
    return BadList("The list of nodes has " + std::to_string(local.nodes.size()) +
                   " nodes, or this node is not in it.");
  std::set<std::string> names, addresses;
  for (const runtime::NodeAddress& node : local.nodes) {
    if (node.name.empty() || node.name.size() > kNameBytesMax)
      return BadList("A node without a name, or with one of more than 256 bytes.");
    RETURN_IF_ERROR(CheckAddress(node.name, node.replication));
    if (!names.insert(node.name).second) return BadList("Two nodes are named " + node.name + ".");
    if (!addresses.insert(node.replication).second)
      return BadList("Two nodes have the replication address " + node.replication + ".");
  }
  if (!local.advertise.empty()) RETURN_IF_ERROR(CheckAddress(local.name(), local.advertise));
  return OkStatus();
}

void Describe(const LocalNode& local, pb::NodeHello* out) {
  out->set_cluster(local.cluster);
  out->set_name(local.name());
  out->set_place(static_cast<uint32_t>(local.me));
  out->set_node_id(IdBytes(local.id));
  out->set_incarnation(IdBytes(local.incarnation));
  out->set_process(local.process);
  out->set_program_version(local.program_version);
  out->set_address(local.advertise.empty() ? local.nodes[local.me].replication : local.advertise);
}

pb::Hello MakeHello(const LocalNode& local, size_t to, runtime::Lane lane, uint64_t nonce) {
  pb::Hello hello;
  Describe(local, hello.mutable_node());
  hello.set_to_name(local.nodes[to].name);
  hello.set_protocol_min(local.protocol_min);
  hello.set_protocol_max(local.protocol_max);
  hello.set_lane(lane == runtime::Lane::kLive ? pb::LANE_LIVE : pb::LANE_BULK);
  hello.set_nonce(nonce);
  FillSet(local.readable, &hello);
  return hello;
}

pb::HelloReply MakeReply(const LocalNode& local, uint32_t protocol_version) {
  pb::HelloReply reply;
  Describe(local, reply.mutable_node());
  reply.set_protocol_version(protocol_version);
  FillSet(local.readable, &reply);
  return reply;
}

Result<size_t> CheckNode(const LocalNode& local, const pb::NodeHello& node) {
  if (node.cluster() != local.cluster) return OtherCluster(local, node.cluster());
  if (node.node_id() == IdBytes(local.id)) {
    if (node.process() == local.process) return ReachedItself(local);
    return CopiedDirectory(node.name().substr(0, kNameBytesMax), local.name());
  }
  const auto found =
      std::find_if(local.nodes.begin(), local.nodes.end(),
                   [&](const runtime::NodeAddress& known) { return known.name == node.name(); });
  if (found == local.nodes.end()) return UnknownName(local, node.name());
  const auto place = static_cast<size_t>(found - local.nodes.begin());
  if (place != node.place()) return WrongPlace(local, node.name(), node.place(), place);
  if (place == local.me)
    return Status(Reason::CONFIGURATION, "Two nodes are named " + Quoted(local.name()) + ".")
        .Expected("a name of its own for each node")
        .Suggest("correct the name of one of them");
  return place;
}

Result<Guest> CheckHello(const LocalNode& local, const pb::Hello& hello) {
  Guest guest;
  ASSIGN_OR_RETURN(guest.place, CheckNode(local, hello.node()));
  if (hello.to_name() != local.name()) return WrongTarget(local, hello.to_name());
  const uint32_t version = std::min(hello.protocol_max(), local.protocol_max);
  if (version < std::max(hello.protocol_min(), local.protocol_min))
    return NoCommonVersion(local.protocol_min, local.protocol_max, hello.protocol_min(),
                           hello.protocol_max());
  ASSIGN_OR_RETURN(guest.identity, IdentityOf(hello.node(), version));
  guest.identity.compressions = TakeSet(hello.compressions());
  if (hello.lane() != pb::LANE_LIVE && hello.lane() != pb::LANE_BULK)
    return Status(Reason::INVALID_REQUEST, "A handshake for a lane that is not known.")
        .Expected("LANE_LIVE or LANE_BULK");
  guest.lane = hello.lane() == pb::LANE_LIVE ? runtime::Lane::kLive : runtime::Lane::kBulk;
  guest.nonce = hello.nonce();
  return guest;
}

Result<runtime::PeerIdentity> CheckReply(const LocalNode& local, size_t to,
                                         const pb::HelloReply& reply) {
  ASSIGN_OR_RETURN(const size_t place, CheckNode(local, reply.node()));
  if (place != to)
    return Status(Reason::CONFIGURATION, "The address configured for " +
                                             Quoted(local.nodes[to].name) + " reaches " +
                                             Quoted(local.nodes[place].name) + ".")
        .Suggest("correct the replication addresses in the list of nodes");
  const uint32_t version = reply.protocol_version();
  if (version < local.protocol_min || version > local.protocol_max)
    return NoCommonVersion(local.protocol_min, local.protocol_max, version, version);
  ASSIGN_OR_RETURN(runtime::PeerIdentity identity, IdentityOf(reply.node(), version));
  identity.compressions = TakeSet(reply.compressions());
  return identity;
}

}  // namespace engram::rpc
