// The connection to one peer over its life: dial (or wait to be dialled), shake hands on both
// lanes, be up, break, wait, and again. Of two nodes the one that stands earlier in the list dials;
// the other knocks (a short GetStatus) to end the dialler's waiting.
//
// Invariants: two wires of one connection have one nonce and one incarnation; the peer is up
// exactly while both lanes have shaken hands; whatever breaks one lane takes down both; the circuit
// is open from the third failure in a row until the peer is up again, and both are said once.
//
// All of it runs on the transport's control thread, but Send, OnFrame, OnWritten and state.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "engram/base/prng.h"
#include "engram/base/thread_annotations.h"
#include "engram/rpc/delivery.h"
#include "engram/rpc/grpc_transport.h"
#include "engram/rpc/handshake.h"
#include "engram/rpc/link.h"

namespace engram::rpc {

// What sessions share; outlives them.
struct SessionContext {
  const GrpcTransportOptions& options;
  const LocalNode& local;
  std::function<WirePtr(size_t place)> dial;  // on a connection of its own
  std::function<void(size_t place)> knock;    // KnockAnswered follows
  // Not OK when another configured node has this node id.
  std::function<Status(size_t place, const NodeId& id)> admit;
};

class Session {
 public:
  Session(size_t place, const SessionContext& context, runtime::TransportListener& listener,
          Prng prng);

  // ---- any thread ----
  bool Send(runtime::Lane lane, const runtime::SpaceMessage& message) {
    return link(lane).Send(message);
  }
  void OnFrame(const WirePtr& wire, grpc::ByteBuffer frame);
  void OnWritten(const WirePtr& wire) { link(wire->lane).OnWritten(wire); }
  runtime::PeerState state() const;
  runtime::TransportCounts counts() const;
  const std::string& name() const { return context_.local.nodes[place_].name; }

  // ---- control thread ----
  // Does what is due; the time at which more will be.
  Instant Tick(Instant now);
  // An acceptable Hello came on `wire`. A Status: refuse it.
  Status TakeGuest(const WirePtr& wire, const Guest& guest, Instant now);
  // A frame before the handshake was over, on a dialled wire.
  void TakeReply(const WirePtr& wire, grpc::ByteBuffer frame, Instant now);
  void HandshakeWritten(const WirePtr& wire, Instant now);
  void WireClosed(const WirePtr& wire, const Status& why, Instant now);
  void Knocked(Instant now);  // by the peer: dial now
  void KnockAnswered(const Status& status, Instant now);
  void NoteRefused(const Status& why, Instant now);  // a Hello of this peer was refused
  bool Owns(const WirePtr& wire) const;
  std::optional<runtime::PeerIdentity> identity() const;
  void StopDelivery() { delivery_.Stop(); }
  void Close();  // for good

 private:
  enum class Stage : uint8_t { kWaiting, kShaking, kUp };
  struct Shake {
    WirePtr wire;
    bool written = false;
    std::optional<runtime::PeerIdentity> identity;
    bool done() const { return wire != nullptr && written && identity.has_value(); }
  };

  bool dials() const { return context_.local.me < place_; }

  Link& link(runtime::Lane lane) { return *links_[static_cast<int>(lane)]; }
  Shake* ShakeOf(const WirePtr& wire);
  void BeginDial(Instant now);
  void BeginShaking(uint64_t nonce, Instant now);
  void GoUpIfDone(Instant now);
  void TearDown(const Status& why, Instant now);
  void DropWires(const Status& why);
  void Wait(const Status& why, Instant now, bool logged = false);
  Instant MindUp(Instant now);
  Status WhyBroken(Instant now) const;
  Duration BackOff();
  void Publish(const Status& why);
  void MindCircuit(const Status& why);

  const size_t place_;
  const SessionContext& context_;
  Delivery delivery_;
  std::array<std::unique_ptr<Link>, runtime::kLanes> links_;
  std::array<std::atomic<int64_t>, runtime::kLanes> heard_{};  // Instant of the last frame

  // ---- control thread ----
  Prng prng_;
  Stage stage_ = Stage::kWaiting;
  std::array<Shake, runtime::kLanes> shakes_;
  uint64_t nonce_ = 0;
  Instant began_;  // this stage
  Instant next_try_;
  int failures_ = 0;
  bool circuit_open_ = false;
  bool knocking_ = false;  // by this node
  bool knocked_ = false;   // by the peer, while the last try was under way

  mutable Mutex mutex_;
  runtime::PeerState state_ GUARDED_BY(mutex_);
};

}  // namespace engram::rpc
