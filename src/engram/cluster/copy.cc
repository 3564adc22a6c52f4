#include "engram/cluster/copy.h"

#include <algorithm>

namespace engram::cluster {

using replication::Message;
using replication::Mutant;
using replication::Refused;
using replication::Stamp;

Copy::Copy(CopyOptions options, std::unique_ptr<Store> store, LogState log, Prng prng, Instant now)
    : options_(std::move(options)),
      policy_(options_.policy),
      store_(std::move(store)),
      log_(std::move(log)),
      prng_(prng),
      now_(now),
      commit_(std::min(log_.commit, log_.end.sequence)),
      replicated_end_(policy_.local_space ? std::min(log_.replicated_end, commit_) : commit_),
      peers_(options_.nodes.size()) {
  log_.promised = std::max(log_.promised, log_.end.epoch);
}

Copy::~Copy() = default;

Effects Copy::Step(const Event& event) {
  now_ = event.now;
  Effects out;
  std::visit([&](const auto& what) { On(what, &out); }, event.what);
  if (handing_.has_value()) MindHandOver(&out);
  // Whatever a step wants promised is kept before anything else is done.
  if (out.promise.has_value()) log_.promised = std::max(log_.promised, *out.promise);
  return out;
}

void Copy::On(const Tick&, Effects* out) {
  TakeReply(store_->OnTick(Context(), out), out);
  std::erase_if(confirms_, [&](const Round& round) {
    const bool late = now_ - round.began >= options_.resend_after;
    if (late) out->confirmed.emplace_back(round.id, false);
    return late;
  });
  if (role_ == Role::kPrimary) {
    for (size_t peer = 0; peer < peers_.size(); ++peer) {
      Peer& p = peers_[peer];
      if (!p.connected || peer == options_.me) continue;
      const bool waits = !p.joined || !p.in_flight.empty() || p.acked < p.next.prev();
      if (!waits) p.resent = 0;
      if (waits && now_ - std::max(p.last_progress, p.opened) >= ResendAfter(p)) {
        ++p.resent;
        SendOpen(peer, out);
      }
    }
    MindTheSet(out);
  }
  const bool idle = role_ == Role::kReplica && !leader().has_value() && alarm_.empty();
  if (!idle || now_ < stand_at_) return;
  if (store_->outside()) return AskWhetherNamed(out);
  if (stand_by_itself_) StandAgain(out);
}

void Copy::On(const PeerUp& event, Effects* out) {
  Peer& peer = peers_[event.peer];
  if (peer.incarnation != event.incarnation) {
    if (joining_ == MemberOf(event.peer) && !set_change_under_way_) StopJoining(out);
    peer = Peer();
  }
  peer.connected = true;
  peer.incarnation = event.incarnation;
  peer.last_contact = now_;
  peer.blocked = false;
  peer.joined = false;
  peer.away = true;
  peer.resent = 0;
  TakeReply(store_->OnPeerUp(event.peer, Context(), out), out);
  if (role_ == Role::kPrimary) SendOpen(event.peer, out);
}

void Copy::On(const PeerDown& event, Effects* out) {
  Peer& peer = peers_[event.peer];
  peer.connected = peer.joined = false;
  peer.in_flight.clear();
  peer.in_flight_bytes = 0;
  if (leader_ == event.peer) joined_ = false;
  if (joining_ == MemberOf(event.peer) && !set_change_under_way_) StopJoining(out);
}

void Copy::On(const Writable& event, Effects* out) {
  Peer& peer = peers_[event.peer];
  peer.blocked = false;
  if (role_ != Role::kPrimary) return;
  Ship(event.peer, out);
  // News of the commit that found no room are not said again by themselves.
  if (peer.joined && peer.next > log_.end.sequence) TellCommit(event.peer, out);
}

void Copy::On(const LogMoved& event, Effects* out) {
  for (const SpaceRecord& record : event.records) {
    if (log_.records.empty() || record.at > log_.records.back().at) log_.records.push_back(record);
  }
  BeginWaits(event.end.sequence);
  log_.end = event.end;
  log_.end_crc = event.end_crc;
  log_.durable = event.durable;
  if (role_ == Role::kPrimary) {
    ShipAll(out);
    AdvanceCommit(out);
  } else {
    Acknowledge(out);
    FollowCommit(out);
  }
}

void Copy::On(const Failed& event, Effects* out) {
  beginning_.reset();
  RaiseAlarm(event.passing ? "log_refuses" : "log_failed", event.why, out);
  if (event.passing) {
    alarm_.clear();
    return StepDown(out);  // stands again in a while, if its record names it
  }
  log_.fit = false;
  for (size_t peer = 0; peer < peers_.size(); ++peer) {
    if (leader_ != peer) continue;
    out->Say(peer, Stamp{log_.space, following_, options_.self.incarnation},
             Refused{.why = Refused::Why::kBroken, .promised = log_.promised, .text = event.why});
  }
  const bool led = role_ == Role::kPrimary;
  StoreContext context = Context();
  StepDown(out);
  // Others need not wait for the end of its lease.
  if (led) TakeReply(store_->Start({.kind = StoreRequest::Kind::kResign}, context, out), out);
}

void Copy::On(const PolicyKnown& event, Effects* out) {
  // A commit that a `local` space knew at its opening says nothing of the other copies.
  if (event.policy.local_space && !policy_.local_space && !joined_ && role_ == Role::kReplica) {
    replicated_end_ = std::min(log_.replicated_end, commit_);
  }
  policy_ = event.policy;
  if (role_ == Role::kPrimary) AdvanceCommit(out);
}

void Copy::On(const Received& event, Effects* out) {
  const Stamp& stamp = event.message.stamp;
  Peer& peer = peers_[event.peer];
  peer.last_contact = now_;
  if (stamp.space != log_.space) {
    const Stamp own{log_.space, log_.promised, options_.self.incarnation};
    const bool from_primary = std::holds_alternative<replication::Open>(event.message.body);
    if (from_primary) {
      out->Say(event.peer, own, Refused{.why = Refused::Why::kForeign, .promised = {}, .text = {}});
    }
    return;
  }
  if (peer.incarnation != stamp.sender && !Is(Mutant::kIgnoreIncarnations)) return;
  std::visit([&](const auto& body) { OnMessage(event.peer, stamp, body, out); },
             event.message.body);
}

// True when a message of a primary may be acted on: its epoch is promised here, and it is the one
// that made it. Whoever says less is told what was promised.
bool Copy::Fence(size_t peer, const Stamp& stamp, bool from_primary, Effects* out) {
  const auto refuse = [&](Refused::Why why, std::string text) {
    out->Say(peer, Stamp{log_.space, log_.promised, options_.self.incarnation},
             Refused{.why = why, .promised = log_.promised, .text = std::move(text)});
    return false;
  };
  if (stamp.epoch < log_.promised && !Is(Mutant::kAcceptLowerEpoch)) {
    return refuse(Refused::Why::kStaleEpoch, "");
  }
  if (stamp.epoch.value() - std::min(stamp.epoch, log_.promised).value() > kEpochJump) {
    RaiseAlarm("bad_epoch", "epoch " + ToString(stamp.epoch) + " from " + options_.nodes[peer],
               out);
    alarm_.clear();
    return refuse(Refused::Why::kBadEpoch, "the epoch is absurdly high");
  }
  if (from_primary && !store_->MadeBy(stamp.epoch, peer)) {
    return refuse(Refused::Why::kBadEpoch, "the epoch is not this sender's");
  }
  if (stamp.epoch > log_.promised) {
    out->promise = stamp.epoch;
    log_.promised = stamp.epoch;
    StepDown(out);
  }
  return true;
}

// Neither leads nor stands any more, and follows nobody.
void Copy::StepDown(Effects* out) {
  store_->Drop();
  beginning_.reset();
  beginning_report_.reset();
  joining_.reset();
  set_change_under_way_ = false;
  marks_.clear();
  for (const Round& round : confirms_) out->confirmed.emplace_back(round.id, false);
  confirms_.clear();
  for (Peer& peer : peers_) peer.away = true, peer.came_back.reset();
  leader_.reset();
  joined_ = false;
  rewinding_ = false;
  following_ = Epoch();
  acked_ = Sequence();
  stand_at_ = now_ + options_.stand_after +
              Duration(static_cast<int64_t>(prng_.Unit() * options_.stand_after.count()));
  SetRole(Role::kReplica, out);
  if (handing_.has_value()) NoteSteppedDown(out);
}

void Copy::SetRole(Role role, Effects* out) {
  if (role_ == role) return;
  role_ = role;
  out->role = role;
}

Stamp Copy::MyStamp() const {
  return {log_.space, view_.epoch, options_.self.incarnation};
}

StoreContext Copy::Context() const {
  StoreContext context;
  context.now = now_;
  context.log = &log_;
  context.local_space = policy_.local_space;
  context.commit = commit_;
  context.floor = policy_.local_space ? replicated_end_ : commit_;
  if (role_ == Role::kPrimary) {
    context.current = view_;
  } else if (const SpaceRecord* record = newest()) {
    context.current = *record;
  }
  for (const Peer& peer : peers_) context.connected.push_back(peer.connected);
  return context;
}

Member Copy::MemberOf(size_t place) const {
  if (place == options_.me) return options_.self;
  return {options_.nodes[place], peers_[place].incarnation, {}};
}

std::optional<size_t> Copy::PlaceOf(const std::string& node) const {
  const auto it = std::find(options_.nodes.begin(), options_.nodes.end(), node);
  if (it == options_.nodes.end()) return std::nullopt;
  return static_cast<size_t>(it - options_.nodes.begin());
}

void Copy::RaiseAlarm(std::string event, std::string detail, Effects* out) {
  alarm_ = detail;
  out->alarms.push_back({std::move(event), std::move(detail)});
}

Epoch Copy::epoch() const {
  if (role_ == Role::kPrimary) return view_.epoch;
  return leader_.has_value() ? following_ : log_.end.epoch;
}

std::optional<size_t> Copy::leader() const {
  if (role_ == Role::kPrimary) return options_.me;
  return leader_.has_value() && peers_[*leader_].connected ? leader_ : std::nullopt;
}

bool Copy::idle() const {
  if (handing_.has_value() || store_->busy()) return false;
  if (role_ == Role::kReplica) return leader().has_value() && joined_;
  if (role_ == Role::kCandidate || !confirms_.empty() || joining_.has_value()) return false;
  if (set_change_under_way_ || beginning_.has_value()) return false;
  for (size_t place = 0; place < peers_.size(); ++place) {
    const Peer& peer = peers_[place];
    if (place == options_.me || !peer.connected) continue;
    if (!peer.joined || peer.acked < log_.end.sequence) return false;
  }
  return commit_ >= log_.durable && !NeedsRenewal();
}

bool Copy::serving() const {
  return role_ == Role::kPrimary && commit_ >= start_;
}

PeerView Copy::peer(size_t place) const {
  const Peer& peer = peers_[place];
  PeerView view;
  view.connected = peer.connected;
  view.member = MemberOf(place);
  view.last_contact = peer.last_contact;
  view.last_progress = peer.last_progress;
  view.trouble = peer.trouble;
  if (role_ != Role::kPrimary) return view;
  view.joined = peer.joined;
  view.in_set = Has(view_.in_sync, view.member);
  view.joining = joining_ == view.member;
  view.acked = peer.acked;
  view.visible = peer.visible;
  view.sent = peer.next.is_zero() ? Sequence() : peer.next.prev();
  view.catching_up = peer.joined && CatchingUp(peer);
  view.came_back = peer.came_back;
  return view;
}

std::string Copy::CheckInvariants() const {
  if (log_.durable > log_.end.sequence) return "durable beyond the end";
  if (commit_ > log_.end.sequence) return "commit beyond the end";
  if (log_.promised < log_.end.epoch) return "the log has a higher epoch than was promised";
  if (!policy_.local_space && commit_ > replicated_end_) return "commit beyond the replicated end";
  for (size_t i = 1; i < log_.records.size(); ++i) {
    if (log_.records[i].at <= log_.records[i - 1].at) return "records out of order";
    if (log_.records[i].epoch < log_.records[i - 1].epoch) return "an epoch fell";
  }
  if (role_ == Role::kPrimary) {
    if (view_.epoch < log_.promised) return "leads below its promise";
    if (!Has(view_.in_sync, options_.self)) return "leads outside of the set";
  }
  if (handing_.has_value() && role_ == Role::kPrimary && handing_->given) {
    return "leads on in an epoch that it handed over";
  }
  if (joined_ && acked_ > log_.durable) return "acknowledged what is not durable";
  return "";
}

}  // namespace engram::cluster
