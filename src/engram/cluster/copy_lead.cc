// Leading: opening connections, shipping, counting acknowledgements, committing.
#include <algorithm>

#include "engram/base/probe.h"
#include "engram/cluster/copy.h"

namespace engram::cluster {

using replication::Ack;
using replication::Confirm;
using replication::Confirmed;
using replication::Entries;
using replication::Gap;
using replication::Joined;
using replication::Mutant;
using replication::Open;
using replication::Refused;
using replication::Stamp;

void Copy::On(const Begun& event, Effects* out) {
  NoteBegun(event);
  if (!beginning_.has_value() || event.record.epoch != beginning_->record.epoch) return;
  const bool new_epoch = beginning_->new_epoch;
  view_ = event.record;
  if (!beginning_holders_.empty()) {
    marks_.push_back({event.record.at, beginning_holders_, new_epoch});
  }
  beginning_holders_.clear();
  beginning_.reset();
  if (new_epoch) {
    StartEpoch(event, out);
  } else {
    set_change_under_way_ = false;
    joining_.reset();
    ShipAll(out);
  }
  AdvanceCommit(out);
}

// It is in the log, whatever became of what it was meant for.
void Copy::NoteBegun(const Begun& event) {
  if (log_.records.empty() || event.record.at > log_.records.back().at) {
    log_.records.push_back(event.record);
  }
  BeginWaits(event.end.sequence);
  log_.end = event.end;
  log_.end_crc = event.end_crc;
  log_.durable = event.durable;
}

// Whoever has everything begins to wait for what is appended now. A copy that is opened again and
// again, and takes nothing, has waited since then.
void Copy::BeginWaits(Sequence end) {
  if (end <= log_.end.sequence) return;
  for (Peer& peer : peers_) {
    if (peer.acked >= log_.end.sequence) peer.last_progress = now_;
  }
}

void Copy::StartEpoch(const Begun& event, Effects* out) {
  if (commit_ < event.record.fork.sequence) Visit(Probe::kUncommittedTail);
  if (const SpaceRecord* before = NewestRecord(log_, event.record.at.prev());
      before != nullptr && before->primary == options_.self) {
    Visit(Probe::kLeadsAgain);
  }
  start_ = event.record.at;
  leader_.reset();
  joined_ = false;
  stand_by_itself_ = true;
  stands_in_a_row_ = 0;
  alarm_.clear();
  for (Peer& peer : peers_) {
    peer.joined = peer.broken = false;
    peer.trouble.clear();
    peer.resent = 0;
    peer.acked = peer.next = Sequence();
    peer.in_flight.clear();
    peer.in_flight_bytes = 0;
    // They had everything a moment ago: writes need not wait until they have joined.
    if (event.record.handed_by.has_value()) peer.last_progress = now_;
  }
  SetRole(Role::kPrimary, out);
  if (handing_.has_value()) {
    EndHandOver(false, options_.nodes[handing_->asked.to] + " did not begin its epoch in time",
                "see engram cluster explain on both nodes, then try again", out);
  }
  for (size_t peer = 0; peer < peers_.size(); ++peer) {
    if (peer != options_.me && peers_[peer].connected) SendOpen(peer, out);
  }
  if (!beginning_report_.has_value()) return;
  beginning_report_->done = true;
  beginning_report_->epoch = event.record.epoch;
  out->reports.push_back(*std::move(beginning_report_));
  beginning_report_.reset();
}

void Copy::On(const Created& event, Effects* out) {
  lease_ = event.lease;
  beginning_ = Begin{event.record, /*new_epoch=*/true};
  if (!event.record.voters.empty()) beginning_holders_ = {event.record.voters};
  std::erase_if(log_.records, [&](const SpaceRecord& r) { return r.at == event.record.at; });
  On(Begun{event.record, log_.end, log_.end_crc, log_.durable}, out);
}

void Copy::SendOpen(size_t place, Effects* out) {
  Peer& peer = peers_[place];
  peer.joined = false;
  peer.opened = now_;
  peer.acked_then = peer.acked;
  peer.in_flight.clear();
  peer.in_flight_bytes = 0;
  out->Say(place, MyStamp(),
           Open{.id = ++peer.open_id,
                .history = HistoryOf(log_),
                .end = log_.end,
                .end_crc = log_.end_crc,
                .commit = commit_,
                .replicated_end = replicated_end_,
                .floors = log_.floors.floors,
                .losses = LossesOf(log_)});
}

Duration Copy::ResendAfter(const Peer& peer) const {
  Duration after = options_.resend_after;
  for (uint32_t i = 0; i < peer.resent && after < options_.resend_after_max; ++i) after *= 2;
  return std::min(after, options_.resend_after_max);
}

void Copy::OnMessage(size_t place, const Stamp& stamp, const Joined& joined, Effects* out) {
  if (role_ != Role::kPrimary || stamp.epoch != view_.epoch) return;
  Peer& peer = peers_[place];
  if (joined.id != peer.open_id || joined.end.sequence > log_.end.sequence) {
    return Visit(Probe::kLateJoined);
  }
  if (LostEntries(place, joined, out)) return;
  const bool first = peer.joined_in != view_.epoch;
  if (first) peer.last_progress = now_;
  if (first || joined.durable >= log_.durable) peer.trouble.clear();
  NoteReturn(joined, &peer);
  peer.joined = true;
  peer.joined_in = view_.epoch;
  peer.next = joined.end.sequence.next();
  peer.in_flight.clear();
  peer.in_flight_bytes = 0;
  Progress(place, joined.durable, joined.visible);
  Ship(place, out);
  AdvanceCommit(out);
  // What moved while it was joining, and nothing carries to it now.
  if (joined.visible < commit_ && peer.next > log_.end.sequence) TellCommit(place, out);
  MindTheSet(out);
}

// A copy without a log did not come back: it is new.
void Copy::NoteReturn(const Joined& joined, Peer* peer) const {
  if (!peer->away) {
    if (peer->came_back.has_value())
      peer->came_back->rewound = std::max(peer->came_back->rewound, joined.rewound);
    return;
  }
  peer->away = false;
  peer->came_back.reset();
  const uint64_t missing = log_.end.sequence.value() - joined.end.sequence.value();
  const bool new_here = joined.end.sequence.is_zero() && joined.rewound == 0;
  if (new_here || missing + joined.rewound == 0) return;
  peer->came_back = CameBack{joined.rewound, missing, now_};
}

// What a copy acknowledged in this epoch and has no more: of one that counts it is an alarm, and
// nothing that it says counts any more. One that does not count may have had to begin again.
bool Copy::LostEntries(size_t place, const Joined& joined, Effects* out) {
  Peer& peer = peers_[place];
  if (peer.joined_in != view_.epoch || joined.durable >= peer.acked_then) return false;
  if (!Has(Counted(), MemberOf(place))) {
    peer.acked = Sequence();
    return false;
  }
  if (!peer.broken) {
    out->alarms.push_back({"member_lost_entries", options_.nodes[place] + " acknowledged " +
                                                      ToString(peer.acked) + " and has " +
                                                      ToString(joined.durable)});
  }
  peer.broken = true;
  peer.trouble = "it lost entries that it had acknowledged";
  return true;
}

void Copy::OnMessage(size_t place, const Stamp& stamp, const Ack& ack, Effects* out) {
  if (stamp.epoch != view_.epoch) Visit(Probe::kLateAck);
  const bool counts = stamp.epoch == view_.epoch || Is(Mutant::kOldAcksCount);
  if (role_ != Role::kPrimary || !counts) return;
  Progress(place, ack.durable, ack.visible);
  Ship(place, out);
  AdvanceCommit(out);
  if (joining_.has_value() || view_.in_sync.size() < options_.nodes.size()) MindTheSet(out);
}

void Copy::Progress(size_t place, Sequence durable, Sequence visible) {
  Peer& peer = peers_[place];
  peer.visible = std::max(peer.visible, visible);
  if (durable > peer.acked) {
    peer.acked = durable;
    peer.last_progress = now_;
    peer.trouble.clear();
  }
  while (!peer.in_flight.empty() && peer.in_flight.front().first <= peer.acked) {
    peer.in_flight_bytes -= peer.in_flight.front().second;
    peer.in_flight.pop_front();
  }
}

void Copy::OnMessage(size_t place, const Stamp& stamp, const Gap& gap, Effects* out) {
  if (role_ != Role::kPrimary || stamp.epoch != view_.epoch) return;
  Peer& peer = peers_[place];
  if (gap.expected.is_zero()) {
    // Not more often than it can answer.
    if (now_ - peer.opened >= options_.resend_after / 10 || peer.joined) SendOpen(place, out);
    return;
  }
  // At or below what it acknowledged: said before that.
  const bool late = gap.expected <= peer.acked || gap.expected > log_.end.sequence.next();
  if (!peer.joined || late) return;
  peer.next = gap.expected;
  peer.in_flight.clear();
  peer.in_flight_bytes = 0;
  Ship(place, out);
}

void Copy::OnMessage(size_t place, const Stamp& stamp, const Refused& refused, Effects* out) {
  Peer& peer = peers_[place];
  const std::string before = peer.trouble;
  switch (refused.why) {
    case Refused::Why::kStaleEpoch:
      if (refused.promised <= log_.promised && role_ != Role::kPrimary) return;
      if (refused.promised > log_.promised) {
        out->promise = refused.promised;
        log_.promised = refused.promised;
        StepDown(out);
      }
      return;
    case Refused::Why::kForeign:
      peer.trouble = "it has another space of this name";
      break;
    case Refused::Why::kBelowCommit:
    case Refused::Why::kBadBatch:
    case Refused::Why::kBroken:
    case Refused::Why::kBadEpoch:
      peer.trouble = refused.text;
      break;
  }
  if (role_ != Role::kPrimary || stamp.epoch != view_.epoch) return;
  peer.joined = false;
  peer.resent = 0;  // it answers at once, and may take more as soon as its trouble is over
  if (peer.trouble == before) return;  // it is asked again and again
  out->alarms.push_back({"replica_refuses", options_.nodes[place] + ": " + peer.trouble});
}

void Copy::OnMessage(size_t place, const Stamp& stamp, const Confirmed& confirmed, Effects* out) {
  if (role_ != Role::kPrimary || stamp.epoch != view_.epoch) return;
  for (Round& round : confirms_) {
    if (round.id == confirmed.id && confirmed.promised == view_.epoch) {
      Remove(&round.waiting, MemberOf(place));
    }
  }
  std::erase_if(confirms_, [&](const Round& round) {
    if (!round.waiting.empty()) return false;
    out->confirmed.emplace_back(round.id, true);
    return true;
  });
}

void Copy::On(const ConfirmReads& event, Effects* out) {
  if (!serving()) {
    out->confirmed.emplace_back(event.id, false);
    return;
  }
  Round round{.id = event.id, .waiting = view_.in_sync, .began = now_};
  Remove(&round.waiting, options_.self);
  for (const Member& member : round.waiting) {
    if (const auto place = PlaceOf(member.node)) {
      out->Say(*place, MyStamp(), Confirm{event.id});
    }
  }
  if (round.waiting.empty()) {
    out->confirmed.emplace_back(event.id, true);
  } else {
    confirms_.push_back(std::move(round));
  }
}

bool Copy::CatchingUp(const Peer& peer) const {
  return peer.next.value() + options_.catch_up_above < log_.end.sequence.value();
}

void Copy::Ship(size_t place, Effects* out) {
  Peer& peer = peers_[place];
  if (place == options_.me || !peer.joined || !peer.connected || peer.blocked) return;
  if (peer.next > log_.end.sequence) return;
  if (peer.in_flight_bytes >= options_.window_bytes && !Is(Mutant::kWindowIgnored)) {
    return Visit(Probe::kWindowFull);
  }
  const bool catching_up = CatchingUp(peer);
  const uint64_t room = Is(Mutant::kWindowIgnored) ? options_.window_bytes
                                                   : options_.window_bytes - peer.in_flight_bytes;
  const uint64_t batch = catching_up ? options_.catch_up_batch_bytes : options_.batch_bytes;
  out->ship.push_back({place, peer.next, std::min(room, batch), catching_up});
}

void Copy::ShipAll(Effects* out) {
  for (size_t peer = 0; peer < peers_.size(); ++peer) Ship(peer, out);
}

void Copy::On(const Shipped& event, Effects* out) {
  Peer& peer = peers_[event.peer];
  if (role_ != Role::kPrimary || !peer.joined) return;
  if (event.through.is_zero()) {
    peer.blocked = true;
    return;
  }
  if (event.through < peer.next) return;
  peer.next = event.through.next();
  peer.in_flight.emplace_back(event.through, event.bytes);
  peer.in_flight_bytes += event.bytes;
  Ship(event.peer, out);
}

Sequence Copy::Have(const Member& member) const {
  if (member == options_.self) {
    return Is(Mutant::kCommitCountsUnsynced) ? log_.end.sequence : log_.durable;
  }
  const auto place = PlaceOf(member.node);
  if (!place.has_value()) return Sequence();
  const Peer& peer = peers_[*place];
  const bool same = peer.incarnation == member.incarnation || Is(Mutant::kIgnoreIncarnations);
  if (!same || peer.broken) return Sequence();
  return std::min(peer.acked, log_.end.sequence);
}

// The set as the store may know it: while a change is under way the larger one.
Members Copy::Counted() const {
  Members counted = view_.in_sync;
  if (joining_.has_value() && !Is(Mutant::kGrowWithoutCounting)) Add(&counted, *joining_);
  return counted;
}

// A record counts once most of each group of its holders have it durably; before that nothing
// (of its epoch; of what stands at or behind it) is committed.
Sequence Copy::CommitCap(Sequence commit) const {
  if (Is(Mutant::kRecordOnPrimaryOnly)) return commit;
  for (const Mark& mark : marks_) {
    for (const Members& holders : mark.holders) {
      const auto have = std::count_if(holders.begin(), holders.end(), [&](const Member& holder) {
        return Have(holder) >= mark.at;
      });
      if (2 * static_cast<size_t>(have) > holders.size()) continue;
      commit = std::min(commit, mark.first ? Sequence() : mark.at.prev());
    }
  }
  return commit;
}

void Copy::AdvanceCommit(Effects* out) {
  if (role_ != Role::kPrimary) return;
  std::vector<Sequence> have;
  const Members counted = Counted();
  for (const Member& member : counted) have.push_back(Have(member));
  std::sort(have.begin(), have.end());
  Sequence least = have.front();
  if (Is(Mutant::kCommitByMajority)) least = have[(have.size() - 1) / 2];
  const Sequence replicated = CommitCap(least);
  Sequence commit = replicated;
  const Sequence own = Have(options_.self);
  const bool started = std::max(replicated, replicated_end_) >= start_;
  if (policy_.local_space && (started || Is(Mutant::kStartCommittedAlone)) && own >= start_) {
    commit = CommitCap(own);
  }
  if (replicated >= start_ || !policy_.local_space) {
    replicated_end_ = std::max(replicated_end_, replicated);
  }
  commit_ = std::max(commit_, commit);
  std::erase_if(marks_, [&](const Mark& mark) { return mark.at <= replicated; });
  const CommitMove move{commit_, replicated_end_, copies_in_sync(now_)};
  if (move == told_) return;
  // A second copy may have come without any of both ends moving: somebody may wait for that.
  const bool moved = move.commit != told_.commit || move.replicated_end != told_.replicated_end;
  told_ = move;
  out->commit = move;
  if (moved) TellCommit(out);
}

// Alone only where no entries are about to carry it.
void Copy::TellCommit(Effects* out) {
  for (size_t place = 0; place < peers_.size(); ++place) {
    const Peer& peer = peers_[place];
    if (place != options_.me && peer.joined && peer.next > log_.end.sequence) {
      TellCommit(place, out);
    }
  }
}

void Copy::TellCommit(size_t place, Effects* out) {
  out->Say(place, MyStamp(),
           Entries{.batch = nullptr,
                   .first = {},
                   .last = {},
                   .last_crc = 0,
                   .commit = commit_,
                   .replicated_end = replicated_end_,
                   .end = log_.end.sequence,
                   .floors = log_.floors.floors});
}

bool Copy::Responsive(const Member& member, Instant now) const {
  if (member == options_.self) return true;
  const auto place = PlaceOf(member.node);
  if (!place.has_value()) return false;
  const Peer& peer = peers_[*place];
  if (peer.incarnation != member.incarnation || peer.broken) return false;
  if (now - peer.last_contact >= options_.shrink_after) return false;
  const bool waits = peer.acked < log_.durable;
  return !waits || now - peer.last_progress < options_.shrink_after;
}

uint32_t Copy::copies_in_sync(Instant now) const {
  uint32_t copies = 0;
  for (const Member& member : view_.in_sync) copies += Responsive(member, now) ? 1 : 0;
  return copies;
}

Status Copy::Admit(bool replicated, Instant now) const {
  if (role_ != Role::kPrimary) {
    if (const auto primary = leader()) {
      return Status(Reason::NOT_PRIMARY, "This node is a replica.")
          .With("primary", options_.nodes[*primary])
          .With("epoch", following_.value());
    }
    return Status(Reason::NO_PRIMARY, alarm_.empty() ? "The space has no primary." : alarm_);
  }
  if (!replicated) return OkStatus();
  std::string missing;
  uint64_t have = 0;
  for (const Member& member : view_.in_sync) {
    if (Responsive(member, now)) {
      ++have;
    } else {
      missing += (missing.empty() ? "" : ", ") + member.node;
    }
  }
  const uint64_t need = std::max<uint64_t>(2, policy_.min_in_sync);
  // Who is silent leaves the set by itself where the store allows that; the others remain.
  if (have >= need && (missing.empty() || store_->outside())) return OkStatus();
  Status status(Reason::NOT_ENOUGH_IN_SYNC,
                missing.empty() ? "Too few copies are in the in-sync set."
                                : "A member of the in-sync set does not answer: " + missing + ".");
  return std::move(status).With("have", have).With("need", need).With("missing", missing);
}

}  // namespace engram::cluster
