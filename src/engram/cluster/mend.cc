#include "engram/cluster/mend.h"

#include <algorithm>

namespace engram::cluster {

Mender::Mender(const MendOptions& options) : options_(options), peers_(options.nodes) {}

Mender::Effects Mender::Step(Instant now, const Event& event) {
  now_ = now;
  Effects out;
  std::visit([&](const auto& what) { On(what, &out); }, event);
  return out;
}

void Mender::On(const Found& event, Effects* out) {
  ranges_.clear();
  at_ = 0;
  asked_.reset();
  for (Peer& peer : peers_) peer.refused = false;
  if (event.bad.empty()) {
    out->done = phase_ != Phase::kIdle;
    phase_ = Phase::kIdle;
    alarmed_ = false;
    wait_ = {};
    return;
  }
  for (const replication::EntryRange& bad : event.bad) {
    ranges_.push_back(replication::RangeToAsk(bad, event.tombstone_floor, options_.mutant));
  }
  phase_ = Phase::kAsking;
  Next(out);
}

// Whoever comes up may have what nobody had.
void Mender::On(const PeerUp& event, Effects* out) {
  peers_[event.peer] = {.connected = true};
  if (phase_ == Phase::kWaiting) {
    phase_ = Phase::kReplacing;
    out->look = true;
  }
}

void Mender::On(const PeerDown& event, Effects* out) {
  peers_[event.peer].connected = false;
  if (asked_ != event.peer) return;
  On(Answered{event.peer, false, "the connection was lost"}, out);
}

void Mender::On(const Answered& event, Effects* out) {
  if (phase_ != Phase::kAsking || asked_ != event.peer) return;  // late
  asked_.reset();
  Peer& peer = peers_[event.peer];
  if (event.taken) {
    ++at_;
    for (Peer& other : peers_) other.refused = false;
  } else {
    peer.refused = true;
    peer.why = event.why;
  }
  Next(out);
}

void Mender::On(const NotReplaced& event, Effects* out) {
  if (phase_ == Phase::kReplacing) Wait(event.why, out);
}

void Mender::On(const Tick&, Effects* out) {
  if (phase_ != Phase::kWaiting || now_ < wait_until_) return;
  phase_ = Phase::kReplacing;
  out->look = true;
}

void Mender::Next(Effects* out) {
  while (lost_any() && ranges_[at_].empty()) ++at_;
  if (lost_any()) return AskNext(out);
  phase_ = Phase::kReplacing;
  out->replace = true;
}

// In turn, beginning behind whoever was asked last: the work is shared.
void Mender::AskNext(Effects* out) {
  std::string whys;
  for (size_t i = 1; i <= peers_.size(); ++i) {
    const size_t place = (last_asked_ + i) % peers_.size();
    const Peer& peer = peers_[place];
    if (place == options_.me || !peer.connected) continue;
    if (peer.refused) {
      whys += (whys.empty() ? "" : "; ") + peer.why;
      continue;
    }
    asked_ = last_asked_ = place;
    out->ask = {place, at_, ranges_[at_]};
    return;
  }
  const std::string range =
      "entries " + ToString(ranges_[at_].first) + " to " + ToString(ranges_[at_].last);
  Wait(options_.nodes < 2 ? range + ": there is no other copy"
       : whys.empty()     ? range + ": no other node is connected"
                          : range + ": " + whys,
       out);
}

void Mender::Wait(const std::string& why, Effects* out) {
  phase_ = Phase::kWaiting;
  why_ = why;
  wait_ = wait_.count() == 0 ? options_.first_wait : std::min(2 * wait_, options_.longest_wait);
  wait_until_ = now_ + wait_;
  if (!alarmed_) out->alarm = why;
  alarmed_ = true;
}

std::string Mender::Describe() const {
  switch (phase_) {
    case Phase::kIdle:
      return "";
    case Phase::kAsking:
      return "range " + std::to_string(at_ + 1) + " of " + std::to_string(ranges_.size()) +
             " is fetched from another copy";
    case Phase::kReplacing:
      return "the damaged segment is written anew";
    case Phase::kWaiting:
      return "not mended yet: " + why_;
  }
  return "";
}

std::string Mender::CheckInvariants() const {
  if (asked_.has_value() && phase_ != Phase::kAsking) return "a question is open beside the asking";
  if (phase_ == Phase::kAsking && !asked_.has_value()) return "it asks nobody";
  if (asked_ == options_.me) return "it asks itself";
  if (asked_.has_value() && peers_[*asked_].refused) return "it asks who refused";
  if (asked_.has_value() && !peers_[*asked_].connected) return "it asks who is not there";
  if (phase_ == Phase::kIdle && lost_any()) return "idle, and something is bad";
  return "";
}

}  // namespace engram::cluster
