// Switchover: a primary hands its epoch over to a member of the set that has everything; that one
// asks for the next. Writes are held meanwhile. docs/protocol.md, rules 57 to 59.
#include <algorithm>

#include "engram/cluster/copy.h"

namespace engram::cluster {

using replication::HandOver;
using replication::Mutant;
using replication::Stamp;

namespace {

constexpr Duration kOfferAgain = std::chrono::milliseconds(100);
// Once it is promised the other may still begin: for so long writes wait for it beyond the limit.
constexpr Duration kWaitForIt = std::chrono::seconds(1);

}  // namespace

// ---- the primary ----

void Copy::On(const SwitchOver& event, Effects* out) {
  SwitchReport report{.id = event.id, .to = event.to, .before = epoch()};
  std::tie(report.why, report.what_helps) = WhyNotTo(event.to);
  if (!report.why.empty() || event.dry_run) {
    out->switched.push_back(std::move(report));
    return;
  }
  handing_ = HandingOver{.asked = event, .epoch = view_.epoch, .began = now_};
  if (Is(Mutant::kHandOverKeepsWriting)) {
    handing_->held = true;
  } else {
    out->hold = true;
  }
}

void Copy::On(const Held& event, Effects* out) {
  On(LogMoved{.end = event.end, .end_crc = event.end_crc, .durable = event.durable}, out);
  if (handing_.has_value()) handing_->held = true;
}

// Why that node cannot be handed the epoch, and what helps; empty when it can.
std::pair<std::string, std::string> Copy::WhyNotTo(size_t place) const {
  const std::string& name = options_.nodes[place];
  if (role_ != Role::kPrimary) return {"this node does not lead the space", "ask its primary"};
  if (place == options_.me) return {name + " leads already", "name another node"};
  if (handing_.has_value()) {
    return {"the space is being handed over to " + options_.nodes[handing_->asked.to] + " already",
            "wait until that is over"};
  }
  if (!serving()) {
    return {"the first entry of its epoch is not committed yet",
            "wait until the members of the in-sync set have answered"};
  }
  const Peer& peer = peers_[place];
  const std::string alive = "start " + name + ", and wait until it has caught up";
  if (!peer.connected) return {name + " is not connected", alive};
  if (!Has(view_.in_sync, MemberOf(place))) return {name + " is not in the in-sync set", alive};
  if (!peer.joined || peer.broken) {
    return {name + " does not follow" + (peer.trouble.empty() ? "" : ": " + peer.trouble),
            "see engram replicas, and wait until it has caught up"};
  }
  if (!Responsive(MemberOf(place), now_)) return {name + " does not answer", alive};
  if (CatchingUp(peer)) return {name + " is catching up", "wait until it has caught up"};
  if (!WouldWin(place)) {
    return {"too few of the voters would answer it",
            "wait until the other nodes are connected; see engram cluster explain"};
  }
  return {};
}

// Whether most voters can be asked by that node, as far as it can be seen from here.
bool Copy::WouldWin(size_t place) const {
  const auto votes =
      std::count_if(view_.voters.begin(), view_.voters.end(), [&](const Member& voter) {
        const auto at = PlaceOf(voter.node);
        if (!at.has_value() || !(MemberOf(*at) == voter)) return false;
        return at == place || at == options_.me || peers_[*at].connected;
      });
  return view_.voters.empty() || 2 * static_cast<size_t>(votes) > view_.voters.size();
}

bool Copy::HandsOverTo(size_t place) const {
  return role_ == Role::kPrimary && handing_.has_value() && handing_->offered &&
         handing_->asked.to == place;
}

// After each step while an epoch is handed over.
void Copy::MindHandOver(Effects* out) {
  const Duration since = now_ - handing_->began;
  const std::string& name = options_.nodes[handing_->asked.to];
  if (role_ != Role::kPrimary) {
    if (since < handing_->asked.within + kWaitForIt) return;
    return EndHandOver(false, name + " was promised its epoch and did not begin it in time",
                       "this node asks for one itself soon; see engram cluster explain", out);
  }
  const std::string lacks = HandOverLacks();
  if (since >= handing_->asked.within) {
    return EndHandOver(false, lacks.empty() ? name + " did not take over in time" : lacks,
                       "see engram replicas, and try again with more time (--within-ms)", out);
  }
  // Whatever it promised itself meanwhile: without the promise of this node it wins nothing.
  if (!peers_[handing_->asked.to].connected) {
    return EndHandOver(false, lacks, "wait until it is back, then try again", out);
  }
  if (lacks.empty()) OfferEpoch(out);
}

// What is missing before the epoch can be offered; empty when nothing is.
std::string Copy::HandOverLacks() const {
  const std::string& name = options_.nodes[handing_->asked.to];
  const Peer& peer = peers_[handing_->asked.to];
  if (!handing_->held) return "writes are not held yet";
  if (!peer.connected || !peer.joined) return name + " is not connected any more";
  if (beginning_.has_value() || set_change_under_way_) return "the in-sync set is being changed";
  if (Is(Mutant::kHandOverBeforeAll)) return "";
  const Sequence end = log_.end.sequence;
  const Sequence have = Have(MemberOf(handing_->asked.to));
  if (have < end) return name + " has " + ToString(have) + " of " + ToString(end) + " entries";
  if (commit_ < end) return "entry " + ToString(end) + " is not committed";
  // In a `local` space: what waits for all of the set is answered first, unless one is silent.
  const Members& set = view_.in_sync;
  const bool all_answer = std::all_of(
      set.begin(), set.end(), [&](const Member& member) { return Responsive(member, now_); });
  if (replicated_end_ < end && all_answer) return "not every member of the in-sync set has all";
  return "";
}

void Copy::OfferEpoch(Effects* out) {
  if (handing_->offered && now_ - handing_->said < kOfferAgain) return;
  handing_->offered = true;
  handing_->said = now_;
  Position end = log_.end;
  if (Is(Mutant::kHandOverBeforeAll)) {
    end.sequence = Have(MemberOf(handing_->asked.to));
    end.epoch = record::EpochAt(HistoryOf(log_), end.sequence);
  }
  const Duration left = handing_->asked.within - (now_ - handing_->began);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  out->Say(handing_->asked.to, MyStamp(), HandOver{end, static_cast<uint64_t>(ms)});
}

// The promise says to whom the epoch went.
void Copy::NoteSteppedDown(Effects* out) {
  const size_t to = handing_->asked.to;
  const bool higher = log_.promised > handing_->epoch;
  handing_->given = handing_->offered && higher && store_->MadeBy(log_.promised, to);
  if (handing_->given) {
    stand_at_ = std::max(stand_at_, handing_->began + handing_->asked.within);
    return;
  }
  EndHandOver(false, "this node gave up its epoch for another reason",
              "see engram cluster explain, and try again", out);
}

// Somebody leads whom this copy follows now.
void Copy::NoteLed(size_t peer, Effects* out) {
  if (peer == handing_->asked.to) return EndHandOver(true, "", "", out);
  EndHandOver(false, options_.nodes[peer] + " leads now", "ask it", out);
}

void Copy::EndHandOver(bool done, std::string why, std::string what_helps, Effects* out) {
  SwitchReport report{.id = handing_->asked.id, .to = handing_->asked.to, .done = done};
  report.why = std::move(why);
  report.what_helps = std::move(what_helps);
  report.before = handing_->epoch;
  report.epoch = epoch();
  report.held = now_ - handing_->began;
  handing_.reset();
  out->hold = false;
  out->switched.push_back(std::move(report));
}

// ---- the one that shall lead ----

// Said again until it is taken; what does not fit, or is late, is not answered.
void Copy::OnMessage(size_t peer, const Stamp& stamp, const HandOver& offer, Effects* out) {
  const bool follows = role_ == Role::kReplica && leader_ == peer && joined_ && !rewinding_ &&
                       following_ == stamp.epoch && log_.promised == stamp.epoch;
  if (!follows || !log_.fit || !alarm_.empty()) return;
  if (log_.end != offer.end || log_.durable != offer.end.sequence) return;
  StoreRequest request{.kind = StoreRequest::Kind::kLead};
  request.handed_by = MemberOf(peer);
  request.within = std::chrono::milliseconds(offer.within_ms);
  StepDown(out);
  SetRole(Role::kCandidate, out);
  TakeReply(store_->Start(request, Context(), out), out);
}

}  // namespace engram::cluster
