#include "engram/rpc/session.h"

#include <algorithm>

#include "engram/obs/log.h"

namespace engram::rpc {

using runtime::Lane;

namespace {

constexpr size_t kInboxBytes = 4u << 20;  // of a lane, before it is no longer read

Lane LaneAt(size_t index) {
  return index == 0 ? Lane::kLive : Lane::kBulk;
}

Status TimedOut(const std::string& what) {
  return Status(Reason::CONNECTION_TIMEOUT, what)
      .Suggest("see whether the node runs, and whether the network lets its replication port pass");
}

}  // namespace

Session::Session(size_t place, const SessionContext& context, runtime::TransportListener& listener,
                 Prng prng)
    : place_(place),
      context_(context),
      delivery_(place, listener, kInboxBytes),
      prng_(prng),
      next_try_(context.options.clock->Now()) {
  for (size_t i = 0; i < links_.size(); ++i) {
    const size_t share = LaneAt(i) == Lane::kLive ? 4 : 1;
    links_[i] = std::make_unique<Link>(
        LinkOptions{context.options.stream_bytes / share, context.options.message_bytes,
                    context.options.clock, context.options.compression},
        [this, i] { delivery_.Writable(LaneAt(i)); });
  }
  state_.why = TimedOut("The node " + name() + " was not reached yet.");
}

void Session::OnFrame(const WirePtr& wire, grpc::ByteBuffer frame) {
  heard_[static_cast<int>(wire->lane)] = context_.options.clock->Now().ns;
  delivery_.Push(wire, std::move(frame));
}

runtime::TransportCounts Session::counts() const {
  const runtime::TransportCounts live = links_[0]->counts(), bulk = links_[1]->counts();
  return {live.batch_bytes_raw + bulk.batch_bytes_raw,
          live.batch_bytes_sent + bulk.batch_bytes_sent};
}

runtime::PeerState Session::state() const {
  runtime::PeerState state;
  {
    MutexLock lock(mutex_);
    state = state_;
  }
  for (const auto& heard : heard_) state.last_contact = std::max(state.last_contact, {heard});
  state.bytes_held = delivery_.bytes_held();
  for (const auto& link : links_) state.bytes_held += link->bytes_held();
  return state;
}

std::optional<runtime::PeerIdentity> Session::identity() const {
  if (stage_ == Stage::kUp) return shakes_[0].identity;
  return std::nullopt;
}

bool Session::Owns(const WirePtr& wire) const {
  return std::any_of(shakes_.begin(), shakes_.end(),
                     [&](const Shake& shake) { return shake.wire == wire; });
}

Session::Shake* Session::ShakeOf(const WirePtr& wire) {
  for (Shake& shake : shakes_) {
    if (shake.wire == wire) return &shake;
  }
  return nullptr;
}

Instant Session::Tick(Instant now) {
  if (stage_ == Stage::kUp) return MindUp(now);
  if (stage_ == Stage::kShaking) {
    const Instant end = began_ + context_.options.connect_timeout;
    if (now < end) return end;
    TearDown(TimedOut("The node " + name() + " did not finish the handshake in time."), now);
  } else if (now >= next_try_ && dials()) {
    BeginDial(now);
    return began_ + context_.options.connect_timeout;
  } else if (now >= next_try_ && !knocking_) {
    knocking_ = true;
    context_.knock(place_);
  }
  return knocking_ ? now + context_.options.connect_timeout : next_try_;
}

void Session::BeginShaking(uint64_t nonce, Instant now) {
  stage_ = Stage::kShaking;
  began_ = now;
  nonce_ = nonce;
  shakes_ = {};
}

void Session::BeginDial(Instant now) {
  BeginShaking(context_.options.entropy->Next(), now);
  for (size_t i = 0; i < shakes_.size(); ++i) {
    const WirePtr wire = context_.dial(place_);
    wire->lane = LaneAt(i);
    shakes_[i].wire = wire;
    pb::StreamMessage message;
    *message.mutable_hello() = MakeHello(context_.local, place_, wire->lane, nonce_);
    wire->Write(FrameOf(message));
    wire->Read();
  }
}

Status Session::TakeGuest(const WirePtr& wire, const Guest& guest, Instant now) {
  if (dials())
    return Status(Reason::CONFIGURATION, "The node " + name() +
                                             " stands later in the list of "
                                             "nodes than " +
                                             context_.local.name() + ", and dialled.")
        .Expected("the same list, in the same order, on every node");
  RETURN_IF_ERROR(context_.admit(place_, guest.identity.id));
  if (stage_ == Stage::kWaiting || nonce_ != guest.nonce) {
    if (stage_ != Stage::kWaiting) DropWires(TimedOut("The node " + name() + " dialled anew."));
    BeginShaking(guest.nonce, now);
  }
  Shake& shake = shakes_[static_cast<int>(guest.lane)];
  if (shake.wire != nullptr)
    return Status(Reason::INVALID_REQUEST, "A second stream for a lane that has one.");
  wire->lane = guest.lane;
  shake.wire = wire;
  shake.identity = guest.identity;
  pb::StreamMessage message;
  *message.mutable_hello_reply() = MakeReply(context_.local, guest.identity.protocol_version);
  wire->Write(FrameOf(message));
  return OkStatus();
}

void Session::TakeReply(const WirePtr& wire, grpc::ByteBuffer frame, Instant now) {
  Shake* shake = ShakeOf(wire);
  if (shake == nullptr) return;
  pb::StreamMessage message;
  Status status = ParseFrame(&frame, &message);
  if (status.ok()) {
    Result<runtime::PeerIdentity> identity =
        CheckReply(context_.local, place_, message.hello_reply());
    status = identity.status();
    if (status.ok()) status = context_.admit(place_, identity->id);
    if (status.ok()) shake->identity = std::move(*identity);
  }
  if (!status.ok()) return TearDown(status, now);
  GoUpIfDone(now);
}

void Session::HandshakeWritten(const WirePtr& wire, Instant now) {
  Shake* shake = ShakeOf(wire);
  if (shake == nullptr) return;
  shake->written = true;
  GoUpIfDone(now);
}

void Session::GoUpIfDone(Instant now) {
  if (stage_ != Stage::kShaking || !shakes_[0].done() || !shakes_[1].done()) return;
  const runtime::PeerIdentity& identity = *shakes_[0].identity;
  if (identity.id != shakes_[1].identity->id ||
      identity.incarnation != shakes_[1].identity->incarnation) {
    return TearDown(
        Status(Reason::CONFIGURATION, "Two nodes answer as " + name() + ".")
            .Expected("one node behind the address " + context_.local.nodes[place_].replication),
        now);
  }
  stage_ = Stage::kUp;
  began_ = now;
  knocked_ = false;
  obs::Log(obs::Level::kInfo, "replication_peer_up",
           {{"peer", name()}, {"version", identity.program_version}, {"failures", failures_}});
  Publish(OkStatus());
  for (size_t i = 0; i < shakes_.size(); ++i) {
    heard_[i] = now.ns;
    shakes_[i].wire->session = this;
    links_[i]->Attach(shakes_[i].wire, identity.compressions);
  }
  // Who hears of it may send at once, on another thread.
  delivery_.Up(identity, {shakes_[0].wire, shakes_[1].wire});
  for (const Shake& shake : shakes_) shake.wire->Read();
}

Instant Session::MindUp(Instant now) {
  const Status why = WhyBroken(now);
  if (!why.ok()) {
    TearDown(why, now);
    return next_try_;
  }
  const Duration every = context_.options.heartbeat;
  for (const auto& link : links_) link->Heartbeat(now, every);
  if (failures_ > 0 && now - began_ >= context_.options.stable_after) failures_ = 0;
  return now + every / 2;
}

// A lane that we do not read, because the listener is behind, is silent by our own doing. One lane
// alone may be silent for longer, while a big message is on its way.
Status Session::WhyBroken(Instant now) const {
  const Duration limit = context_.options.read_timeout;
  const bool paused = delivery_.paused(Lane::kLive) || delivery_.paused(Lane::kBulk);
  const Duration live = now - Instant{heard_[0]}, bulk = now - Instant{heard_[1]};
  if (!paused && (std::min(live, bulk) > limit || std::max(live, bulk) > 3 * limit))
    return TimedOut("Nothing was heard of " + name() + " for too long.");
  for (const auto& link : links_) {
    if (link->Stuck(now, context_.options.write_timeout))
      return TimedOut("The node " + name() + " takes no messages.");
  }
  return OkStatus();
}

void Session::WireClosed(const WirePtr& wire, const Status& why, Instant now) {
  if (Owns(wire)) TearDown(why, now);
}

void Session::TearDown(const Status& why, Instant now) {
  const bool was_up = stage_ == Stage::kUp;
  DropWires(why);
  Wait(why, now, was_up);
}

void Session::DropWires(const Status& why) {
  const bool was_up = stage_ == Stage::kUp;
  stage_ = Stage::kWaiting;
  for (const auto& link : links_) link->Detach();
  if (was_up) {
    obs::LogStatus(obs::Level::kWarn, "replication_peer_down", why, {{"peer", name()}});
    Publish(why);
    delivery_.Down(why);
  }
  for (Shake& shake : shakes_) {
    if (shake.wire == nullptr) continue;
    shake.wire->session = nullptr;
    shake.wire->Close(why);
  }
  shakes_ = {};
}

// Counts a failure, and says when to try again. `logged`: the log has it already.
void Session::Wait(const Status& why, Instant now, bool logged) {
  ++failures_;
  next_try_ = now + (knocked_ ? context_.options.back_off[0] : BackOff());
  knocked_ = false;
  const bool loud = !logged && failures_ == 1;
  obs::LogStatus(loud ? obs::Level::kWarn : obs::Level::kDebug, "replication_not_connected", why,
                 {{"peer", name()}, {"failures", failures_}});
  Publish(why);
}

Duration Session::BackOff() {
  const auto& steps = context_.options.back_off;
  const Duration step = steps[std::min<size_t>(failures_, steps.size()) - 1];
  const auto quarter = static_cast<uint64_t>(step.count() / 4);
  return step - Duration(quarter) + Duration(prng_.Below(2 * quarter + 1));
}

void Session::Knocked(Instant now) {
  if (stage_ == Stage::kWaiting) next_try_ = now;
  knocked_ = stage_ == Stage::kShaking;
}

void Session::KnockAnswered(const Status& status, Instant now) {
  knocking_ = false;
  if (stage_ != Stage::kWaiting) return;
  if (!status.ok()) return Wait(status, now);
  next_try_ = now + context_.options.connect_timeout;
  Publish(TimedOut("The node " + name() + " answers, and did not dial yet."));
}

void Session::NoteRefused(const Status& why, Instant now) {
  if (stage_ == Stage::kWaiting && !dials()) Wait(why, now);
}

// Said once when it opens, and once when the peer is up again.
void Session::MindCircuit(const Status& why) {
  const bool open = stage_ != Stage::kUp && failures_ >= context_.options.failures_max;
  if (open && !circuit_open_) {
    obs::LogStatus(obs::Level::kWarn, "replication_circuit_open", why,
                   {{"peer", name()}, {"failures", failures_}});
  } else if (stage_ == Stage::kUp && circuit_open_) {
    obs::Log(obs::Level::kInfo, "replication_circuit_closed",
             {{"peer", name()}, {"failures", failures_}});
  }
  MutexLock lock(mutex_);
  if (open && !circuit_open_) ++state_.circuit_openings;
  if (open || stage_ == Stage::kUp) circuit_open_ = open;
  state_.circuit_open = circuit_open_;
}

void Session::Publish(const Status& why) {
  MindCircuit(why);
  MutexLock lock(mutex_);
  state_.connected = stage_ == Stage::kUp;
  state_.identity = identity();
  state_.next_try = next_try_;
  state_.failures_in_a_row = state_.connected ? 0 : failures_;
  state_.why = why;
  if (!why.ok() && circuit_open_) {
    state_.why = why.Annotate("circuit open, " + std::to_string(failures_) + " failures in a row");
  }
}

void Session::Close() {
  DropWires(Status(Reason::SHUTTING_DOWN, "The node " + context_.local.name() + " stops."));
}

}  // namespace engram::rpc
