#include "sim/network.h"

namespace engram::sim {

using runtime::Lane;
using runtime::PeerIdentity;
using runtime::PeerState;
using runtime::SpaceMessage;
using runtime::TransportListener;

namespace {

constexpr Duration kNotice = std::chrono::milliseconds(200);  // a broken link is seen
constexpr Duration kRedial = std::chrono::milliseconds(100);

std::string Name(size_t place) {
  return "n" + std::to_string(place + 1);
}

struct InWords {
  std::string operator()(const replication::Open& open) const {
    return "open end " + ToString(open.end.sequence) + " commit " + ToString(open.commit);
  }
  std::string operator()(const replication::Entries& entries) const {
    if (entries.batch == nullptr) return "commit " + ToString(entries.commit);
    return "entries " + ToString(entries.first) + "-" + ToString(entries.last) + " commit " +
           ToString(entries.commit);
  }
  std::string operator()(const replication::Confirm&) const { return "confirm?"; }
  std::string operator()(const replication::Joined& joined) const {
    return "joined end " + ToString(joined.end.sequence) + " durable " + ToString(joined.durable);
  }
  std::string operator()(const replication::Ack& ack) const {
    return "ack " + ToString(ack.durable) + " visible " + ToString(ack.visible);
  }
  std::string operator()(const replication::Gap& gap) const {
    return "gap, expects " + ToString(gap.expected);
  }
  std::string operator()(const replication::Refused& refused) const {
    return "refused " + std::to_string(static_cast<int>(refused.why)) + " " + refused.text;
  }
  std::string operator()(const replication::Confirmed&) const { return "confirmed"; }
  std::string operator()(const replication::Ask& ask) const {
    return "ask " + std::to_string(ask.round) + (ask.handed_over ? " handed over" : "");
  }
  std::string operator()(const replication::Answer& answer) const {
    return std::string(answer.granted ? "granted " : "not granted ") +
           std::to_string(answer.round) + " end " + ToString(answer.end.sequence);
  }
  std::string operator()(const replication::HandOver& offer) const {
    return "lead in my place, end " + ToString(offer.end.sequence);
  }
  std::string operator()(const replication::Deleted&) const { return "deleted"; }
  std::string operator()(const replication::Page& page) const {
    return "page of " + std::to_string(page.spaces.size());
  }
};

std::string Describe(size_t from, size_t to, const SpaceMessage& message) {
  return Name(from) + ">" + Name(to) + " " + message.space + " e" +
         std::to_string(message.message.stamp.epoch.value()) + " " +
         std::visit(InWords(), message.message.body);
}

}  // namespace

class Network::Port : public runtime::Transport {
 public:
  Port(Network& network, size_t place, PeerIdentity identity, runtime::ReplicationCalls* calls)
      : network_(network),
        place_(place),
        identity_(std::move(identity)),
        calls_(calls),
        peers_(network.nodes_),
        untold_(network.nodes_),
        early_(network.nodes_) {}
  ~Port() override { Stop(); }

  Status Start(TransportListener& listener) override {
    listener_ = &listener;
    network_.ports_[place_] = this;
    for (size_t other = 0; other < network_.nodes_; ++other) {
      if (other != place_) network_.Check(place_, other);
    }
    return OkStatus();
  }
  bool Send(size_t peer, Lane lane, SpaceMessage message) override {
    if (listener_ == nullptr || silent_ || !peers_[peer].connected) return false;
    if (network_.on_send) network_.on_send(place_, peer, message);
    if (network_.tamper) network_.tamper(place_, peer, &message);
    network_.Deliver(place_, peer, lane, std::move(message));
    return true;
  }
  // Heartbeats are not sent one by one: whoever is not cut off was heard of just now.
  PeerState peer(size_t place) const override {
    PeerState state = peers_[place];
    if (state.connected && network_.ports_[place] != nullptr && !network_.cut(place, place_) &&
        !network_.scheduler_.Paused(static_cast<Owner>(place))) {
      state.last_contact = network_.clock_of(place_);
    }
    return state;
  }
  void Fetch(size_t peer, runtime::FetchCall call, uint64_t bytes_max,
             std::function<void(Result<runtime::FetchAnswer>)> done) override {
    network_.Fetch(place_, peer, std::move(call), bytes_max, std::move(done));
  }
  // What the node answers to others.
  Result<runtime::FetchAnswer> Give(const runtime::FetchCall& call, uint64_t bytes_max) {
    if (calls_ == nullptr) return Status(Reason::UNIMPLEMENTED_FEATURE, "no calls are answered");
    runtime::FetchAnswer answer;
    ASSIGN_OR_RETURN(answer.floors, calls_->Fetch(call, [&answer](ByteView records) {
      answer.records.append(records);
      return true;
    }));
    if (answer.records.size() <= bytes_max) return answer;
    return Status(Reason::TOO_LARGE, "more than what it is for");
  }
  void Stop() override {
    if (listener_ == nullptr) return;
    listener_ = nullptr;
    network_.ports_[place_] = nullptr;
    for (size_t other = 0; other < network_.nodes_; ++other) {
      if (other != place_) network_.Part(place_, other, "the node stopped");
    }
  }

  // That a connection is gone is told once, and before that it is back.
  void TellDown(size_t peer) {
    if (!untold_[peer]) return;
    untold_[peer] = false;
    listener_->OnPeerDown(peer, peers_[peer].why);
  }

  void Hear(size_t peer, Lane lane, const SpaceMessage& message) {
    peers_[peer].last_contact = network_.clock_of(place_);
    network_.scheduler_.Trace(Describe(peer, place_, message));
    listener_->OnMessage(peer, lane, message);
  }
  // What came before the handshake of this session; what an earlier one left is void.
  void HearEarly(size_t peer, uint64_t session) {
    for (const Early& early : std::exchange(early_[peer], {})) {
      if (early.session == session && listener_ != nullptr) Hear(peer, early.lane, early.message);
    }
  }

  struct Early {
    uint64_t session;
    Lane lane;
    SpaceMessage message;
  };
  Network& network_;
  const size_t place_;
  bool silent_ = false;
  const PeerIdentity identity_;
  runtime::ReplicationCalls* const calls_;
  TransportListener* listener_ = nullptr;
  mutable std::vector<PeerState> peers_;
  std::vector<bool> untold_;  // gone, and the listener does not know yet
  std::vector<std::vector<Early>> early_;
};

Network::Network(Scheduler& scheduler, size_t nodes)
    : scheduler_(scheduler),
      nodes_(nodes),
      cut_(nodes * nodes),
      ports_(nodes),
      session_(nodes * nodes),
      up_(nodes * nodes),
      parted_(nodes * nodes, scheduler.now()) {}

Network::~Network() = default;

std::unique_ptr<runtime::Transport> Network::MakeTransport(size_t place, PeerIdentity identity,
                                                           runtime::ReplicationCalls* calls) {
  return std::make_unique<Port>(*this, place, std::move(identity), calls);
}

void Network::Cut(size_t from, size_t to, bool cut) {
  cut_[from * nodes_ + to] = cut;
  scheduler_.After(kNotice, kWorld, [this, from, to] { Check(from, to); });
}

void Network::Silence(size_t place) {
  if (ports_[place] != nullptr) ports_[place]->silent_ = true;
}

void Network::HealAll() {
  for (size_t a = 0; a < nodes_; ++a) {
    for (size_t b = 0; b < nodes_; ++b) {
      if (a != b) Cut(a, b, false);
    }
  }
}

// Brings the pair to what the cuts say.
void Network::Check(size_t a, size_t b) {
  if (a > b) std::swap(a, b);
  const bool could = ports_[a] != nullptr && ports_[b] != nullptr && !cut(a, b) && !cut(b, a);
  const bool is = up_[a * nodes_ + b];
  if (could && !is) {
    scheduler_.After(Delay(), kWorld, [this, a, b] { Meet(a, b); });
  } else if (!could && is) {
    Part(a, b, "the link broke");
  }
}

void Network::Meet(size_t a, size_t b) {
  const bool could = ports_[a] != nullptr && ports_[b] != nullptr && !cut(a, b) && !cut(b, a);
  if (!could || up_[a * nodes_ + b]) return;
  up_[a * nodes_ + b] = true;
  const uint64_t session = ++session_[a * nodes_ + b];
  for (const auto& [at, other] : {std::pair(a, b), std::pair(b, a)}) {
    scheduler_.After(
        Delay(), static_cast<Owner>(at), [this, a, b, at = at, other = other, session] {
          Port* port = ports_[at];
          const Port* peer = ports_[other];
          if (port == nullptr || peer == nullptr || session_[a * nodes_ + b] != session) return;
          port->TellDown(other);
          PeerState& state = port->peers_[other];
          state.connected = true;
          state.identity = peer->identity_;
          state.last_contact = clock_of(at);
          state.failures_in_a_row = 0;
          port->listener_->OnPeerUp(other, peer->identity_);
          port->HearEarly(other, session);
        });
  }
}

void Network::Part(size_t a, size_t b, const char* why) {
  if (a > b) std::swap(a, b);
  if (!up_[a * nodes_ + b]) return;
  up_[a * nodes_ + b] = false;
  parted_[a * nodes_ + b] = scheduler_.now();
  ++session_[a * nodes_ + b];
  for (const auto& [at, other] : {std::pair(a, b), std::pair(b, a)}) {
    Port* port = ports_[at];
    if (port == nullptr || !port->peers_[other].connected) continue;
    port->peers_[other].connected = false;
    port->peers_[other].why = Status(Reason::CONNECTION_TIMEOUT, why);
    ++port->peers_[other].failures_in_a_row;
    port->untold_[other] = true;
    scheduler_.After(Delay(), static_cast<Owner>(at), [this, at = at, other = other] {
      if (ports_[at] != nullptr) ports_[at]->TellDown(other);
    });
  }
  scheduler_.After(kRedial, kWorld, [this, a, b] { Check(a, b); });
}

// A call of its own, on a connection of its own: neither lost nor doubled, but gone with the link.
void Network::Fetch(size_t from, size_t to, runtime::FetchCall call, uint64_t bytes_max,
                    std::function<void(Result<runtime::FetchAnswer>)> done) {
  const size_t a = std::min(from, to), b = std::max(from, to);
  const uint64_t session = session_[a * nodes_ + b];
  const auto stands = [this, a, b, session] {
    return up_[a * nodes_ + b] && session_[a * nodes_ + b] == session && !cut(a, b) && !cut(b, a);
  };
  const Port* asker = ports_[from];
  const auto reply = [this, from, asker, stands, done](Result<runtime::FetchAnswer> answer) {
    scheduler_.After(Delay(), static_cast<Owner>(from), [this, from, asker, stands, done, answer] {
      if (ports_[from] != asker) return;
      scheduler_.Trace(Name(from) + " is given " +
                       (answer.ok() ? std::to_string(answer->records.size()) + " bytes"
                                    : answer.status().message()));
      done(stands() ? answer : Status(Reason::CONNECTION_TIMEOUT, "the link broke"));
    });
  };
  scheduler_.After(Delay(), static_cast<Owner>(to), [=, this, call = std::move(call)] {
    if (!stands()) return reply(Status(Reason::CONNECTION_TIMEOUT, "not connected"));
    auto answer = ports_[to]->Give(call, bytes_max);
    if (answer.ok() && on_fetched) on_fetched(from, to, call, answer->records);
    reply(answer.ok() ? std::move(answer)
                      : Result<runtime::FetchAnswer>(answer.status().Annotate(Name(to))));
  });
}

Duration Network::Delay() {
  const auto most = static_cast<uint64_t>(faults.delay.count());
  return Duration(static_cast<int64_t>(most / 2 + scheduler_.prng().Below(most * 3 / 2 + 1)));
}

void Network::Deliver(size_t from, size_t to, Lane lane, SpaceMessage message) {
  Prng& prng = scheduler_.prng();
  if (cut(from, to) || (lose && lose(from, to, message))) return;
  if (faults.lose_one_in != 0 && prng.OneIn(faults.lose_one_in)) return;
  const int copies = faults.double_one_in != 0 && prng.OneIn(faults.double_one_in) ? 2 : 1;
  const size_t a = std::min(from, to), b = std::max(from, to);
  const uint64_t session = session_[a * nodes_ + b];
  for (int i = 0; i < copies; ++i) {
    Duration delay = Delay();
    if (faults.overtake_one_in != 0 && prng.OneIn(faults.overtake_one_in)) {
      delay += Duration(static_cast<int64_t>(prng.Below(20'000'000)));
    }
    Arrive(delay, from, to, session, lane, message);
  }
}

// Nothing is heard of a connection before its handshake: what comes earlier waits behind it.
void Network::Arrive(Duration delay, size_t from, size_t to, uint64_t session, Lane lane,
                     const SpaceMessage& message) {
  scheduler_.After(delay, static_cast<Owner>(to), [this, from, to, session, lane, message] {
    Port* port = ports_[to];
    if (port == nullptr || session_[std::min(from, to) * nodes_ + std::max(from, to)] != session) {
      return;
    }
    if (!port->peers_[from].connected) {
      port->early_[from].push_back({session, lane, message});
      return;
    }
    port->Hear(from, lane, message);
  });
}

}  // namespace engram::sim
