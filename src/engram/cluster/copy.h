// The protocol of one copy of one space, in any role: following, standing for primary, leading.
// It decides; it does nothing itself: Step takes what happened and returns what is to be done, in
// order (effects.h). It reads no clock, owns no thread, and does no input or output, so that a
// simulation drives the very code that serves. Rules and their reasons: docs/protocol.md.
//
// Owned by runtime's runner of the space (or by a test); not thread-safe.
//
// Invariants (CheckInvariants, called after every step in tests and in simulation):
//   the promise never falls, and nothing is said in an epoch below it; commit never falls but by a
//   rewind inside a stated loss; commit <= replicated end in a `replicated` space; a primary counts
//   every member of the set that the store may know of; an acknowledgement says only what is
//   durable; no entry is appended under a leader whose verdict was not carried out; writes are held
//   only while an epoch is handed over.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "engram/base/instant.h"
#include "engram/base/prng.h"
#include "engram/base/status.h"
#include "engram/cluster/effects.h"
#include "engram/cluster/store.h"
#include "engram/replication/mutant.h"

namespace engram::cluster {

// What the space's settings say.
struct Policy {
  bool local_space = false;  // its durability is `local`: commit is the primary's own durable end
  uint32_t min_in_sync = 2;
};

struct CopyOptions {
  std::vector<std::string> nodes = {};  // configured names, by place from 0
  size_t me = 0;
  Member self = {};
  Policy policy;
  Duration shrink_after = std::chrono::milliseconds(1500);  // without progress: not counted on
  // Without progress: begin again. Doubles while that does not help: what is on its way to a slow
  // copy would only be sent once more.
  Duration resend_after = std::chrono::seconds(1), resend_after_max = std::chrono::seconds(8);
  Duration stand_after = std::chrono::seconds(1);  // once fenced, before asking anew
  // One that was expelled is taken back after this, doubling while it is expelled again soon.
  Duration return_after = std::chrono::seconds(1), return_after_max = std::chrono::seconds(60);
  Duration expelled_again_within = std::chrono::minutes(10);
  uint64_t window_bytes = 16u << 20;  // sent and not acknowledged, per replica
  uint64_t catch_up_above = 10'000;   // entries behind: catches up, on the other lane
  uint64_t batch_bytes = 1u << 20;
  uint64_t catch_up_batch_bytes = 4u << 20;
  replication::Mutant mutant = replication::Mutant::kNone;
};

// ---- what happened ----
struct Tick {};
struct PeerUp {
  size_t peer;
  Incarnation incarnation = {};  // of the node
};
struct PeerDown {
  size_t peer;
};
struct Received {
  size_t peer;
  replication::Message message = {};
};
// The log's end or its durable end moved. `records`: EpochStarts among what was appended.
// Read when the event is handed over, not when it was caused: what is older than a rewind is wrong.
struct LogMoved {
  Position end = {};
  uint32_t end_crc = 0;
  Sequence durable = {};
  std::vector<SpaceRecord> records = {};
};
// A rewind would part a Hole: nothing was cut.
struct InHole {};
// What is left of the log is durable.
struct Rewound {
  Position end = {};
  uint32_t end_crc = 0;
};
// The Begin of an Effects was appended (and, for a new epoch, synced).
struct Begun {
  SpaceRecord record = {};  // with its place
  Position end = {};
  uint32_t end_crc = 0;
  Sequence durable = {};
};
// The space was made here: its log begins with this record, and is led.
struct Created {
  SpaceRecord record = {};
  int64_t lease = 0;  // a store outside has it under this
};
// The settings of the space were read, or changed.
struct PolicyKnown {
  Policy policy;
};
struct Shipped {
  size_t peer;
  Sequence through = {};  // zero: nothing could be read or sent now
  uint64_t bytes;
};
// The connection takes messages again.
struct Writable {
  size_t peer;
};
// Outcome of Effects::compare, or of an append that was refused for its bytes.
struct Compared {
  size_t peer;
  bool equal;
  std::string why = {};
};
// Lead this space: an operator's word, or the node's own (a space opened whose primary it is).
struct Stand {
  StoreRequest request = {};  // taken as kLead, whatever its kind
};
struct ConfirmReads {
  uint64_t id;
};
// Hand the space over to that node, which has to take it in time; an operator's word.
struct SwitchOver {
  uint64_t id;
  size_t to;
  Duration within = std::chrono::seconds(2);
  bool dry_run = false;
};
// Effects::hold was done: nothing is appended any more, and the log is like this.
struct Held {
  Position end = {};
  uint32_t end_crc = 0;
  Sequence durable = {};
};
// This node has another lease than that under which the epoch was won.
struct LeaseChanged {};
// An effect could not be carried out, or the log is poisoned, damaged or full.
struct Failed {
  std::string why = {};
  bool passing = false;  // a full disk, say: the log is whole, and it may be tried again
};

struct Event {
  Instant now = {};
  std::variant<Tick, PeerUp, PeerDown, Received, LogMoved, InHole, Rewound, Begun, Created,
               PolicyKnown, Shipped, Writable, Compared, Stand, ConfirmReads, SwitchOver, Held,
               LeaseChanged, Failed, StoreAnswered>
      what;
};

// How one replica stands, as its primary sees it.
struct PeerView {
  bool connected = false, joined = false, in_set = false, joining = false;
  Member member = {};
  Sequence acked = {}, visible = {}, sent = {};
  Instant last_contact = {}, last_progress = {};
  bool catching_up = false;
  std::string trouble = {};  // why it does not follow
  std::optional<CameBack> came_back = {};
};

class Copy {
 public:
  Copy(CopyOptions options, std::unique_ptr<Store> store, LogState log, Prng prng, Instant now);
  ~Copy();

  Effects Step(const Event& event);

  Role role() const { return role_; }
  Epoch epoch() const;  // in which it leads or follows; its log's, when neither
  Epoch promised() const { return log_.promised; }
  const LogState& log() const { return log_; }
  Sequence commit() const { return commit_; }
  Sequence replicated_end() const { return replicated_end_; }
  // Its primary, as far as it knows: itself, or the node that it follows.
  std::optional<size_t> leader() const;
  bool joined() const { return joined_; }
  Sequence leader_end() const { return leader_end_; }
  Sequence leader_commit() const { return leader_commit_; }  // as it has said
  Instant leader_contact() const { return leader_contact_; }
  const SpaceRecord& current() const { return view_; }  // of the primary; see Newest otherwise
  const SpaceRecord* newest() const { return NewestRecord(log_, log_.end.sequence); }
  PeerView peer(size_t place) const;
  const std::string& alarm() const { return alarm_; }
  uint32_t min_in_sync() const { return policy_.min_in_sync; }
  bool serving() const;  // leads, and its EpochStart is committed
  // With a store outside: the number of the lease under which it leads.
  int64_t lease() const { return lease_; }

  // Whether a write of this level may be appended now. NOT_PRIMARY, NO_PRIMARY, NOT_ENOUGH_IN_SYNC;
  // the runner adds addresses. `replicated`: it will wait for every member.
  Status Admit(bool replicated, Instant now) const;
  // That node was heard of, on behalf of any space.
  void Hear(size_t peer, Instant at) {
    peers_[peer].last_contact = std::max(peers_[peer].last_contact, at);
  }
  // Nothing is under way that a tick could move on.
  bool idle() const;
  // Members that answer and how many copies the space has of what is durable here.
  uint32_t copies_in_sync(Instant now) const;

  // Empty when all hold.
  std::string CheckInvariants() const;

 private:
  struct Peer {
    bool connected = false;
    Incarnation incarnation = {};
    // ---- while leading ----
    bool joined = false;
    Epoch joined_in = {};
    Sequence next = {}, acked = {}, visible = {};
    std::deque<std::pair<Sequence, uint64_t>> in_flight = {};  // last sequence, bytes of each batch
    uint64_t in_flight_bytes = 0;
    Instant last_contact = {}, last_progress = {}, opened = {};
    uint64_t open_id = 0;      // of the newest Open; what answers an older one is late
    Sequence acked_then = {};  // when that Open was sent
    uint32_t resent = 0;       // since it had everything
    bool blocked = false;
    std::string trouble = {};
    bool broken = false;  // it lost what it had acknowledged
    bool away = true;     // since it was connected, or led, it has not joined
    std::optional<CameBack> came_back = {};
  };
  struct Mark {
    Sequence at = {};
    std::vector<Members> holders = {};
    bool first;  // of its epoch: nothing commits before it
  };
  struct Round {  // of reads that are confirmed
    uint64_t id;
    Members waiting;
    Instant began;
  };

  struct HandingOver {  // the epoch that is led here
    SwitchOver asked;
    Epoch epoch = {};
    Instant began = {}, said = {};
    bool held = false;     // nothing is appended any more
    bool offered = false;  // the other node was told, and may ask
    bool given = false;    // it was promised its epoch: there is no way back
  };

  // copy.cc
  void On(const Tick&, Effects* out);
  void On(const PeerUp& event, Effects* out);
  void On(const PeerDown& event, Effects* out);
  void On(const Received& event, Effects* out);
  void On(const LogMoved& event, Effects* out);
  void On(const Writable& event, Effects* out);
  void On(const Failed& event, Effects* out);
  void On(const PolicyKnown& event, Effects* out);
  bool Fence(size_t peer, const replication::Stamp& stamp, bool from_primary, Effects* out);
  void StepDown(Effects* out);
  void SetRole(Role role, Effects* out);
  replication::Stamp MyStamp() const;
  StoreContext Context() const;
  Member MemberOf(size_t place) const;
  std::optional<size_t> PlaceOf(const std::string& node) const;
  bool Is(replication::Mutant mutant) const { return options_.mutant == mutant; }
  void RaiseAlarm(std::string event, std::string detail, Effects* out);

  // copy_follow.cc
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Open& open,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Entries& entries,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Confirm& confirm,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Ask& ask,
                 Effects* out);
  void On(const InHole& event, Effects* out);
  void On(const Rewound& event, Effects* out);
  void On(const Compared& event, Effects* out);
  void StartFollowing(size_t peer, const replication::Stamp& stamp, const replication::Open& open);
  void Join(Effects* out);
  void SayGap(Effects* out);
  void Acknowledge(Effects* out);
  void LearnCommit(Sequence commit, Sequence replicated_end);
  void FollowCommit(Effects* out);
  bool MayCut(Sequence to, const replication::Open& open) const;
  void BeginAnew(Sequence fork, Effects* out);
  bool TakesHoles(size_t peer, const replication::Stamp& stamp, const replication::Entries& entries,
                  Effects* out);
  void KeepFloors(const replication::LogFloors& floors, Effects* out);

  // Between nodes, not copies: the runner's business.
  void OnMessage(size_t, const replication::Stamp&, const replication::Deleted&, Effects*) {}
  void OnMessage(size_t, const replication::Stamp&, const replication::Page&, Effects*) {}

  // copy_lead.cc
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Joined& joined,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Ack& ack,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Gap& gap,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Refused& refused,
                 Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp,
                 const replication::Confirmed& confirmed, Effects* out);
  void On(const Begun& event, Effects* out);
  void On(const Created& event, Effects* out);
  void On(const Shipped& event, Effects* out);
  void On(const ConfirmReads& event, Effects* out);
  void NoteBegun(const Begun& event);
  void BeginWaits(Sequence end);
  void StartEpoch(const Begun& event, Effects* out);
  void NoteReturn(const replication::Joined& joined, Peer* peer) const;
  bool LostEntries(size_t peer, const replication::Joined& joined, Effects* out);
  void SendOpen(size_t peer, Effects* out);
  void Ship(size_t peer, Effects* out);
  void ShipAll(Effects* out);
  void Progress(size_t peer, Sequence durable, Sequence visible);
  Sequence Have(const Member& member) const;
  Members Counted() const;
  Sequence CommitCap(Sequence commit) const;
  void AdvanceCommit(Effects* out);
  void TellCommit(Effects* out);
  void TellCommit(size_t place, Effects* out);
  bool Responsive(const Member& member, Instant now) const;
  bool CatchingUp(const Peer& peer) const;
  Duration ResendAfter(const Peer& peer) const;

  // copy_set.cc: growing, shrinking, standing.
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::Answer& answer,
                 Effects* out);
  void On(const Stand& event, Effects* out);
  void On(const StoreAnswered& event, Effects* out);
  void On(const LeaseChanged& event, Effects* out);
  void TakeReply(std::optional<StoreReply> reply, Effects* out);
  void TakeLead(const StoreReply& reply, Effects* out);
  void TakeSet(const StoreReply& reply, Effects* out);
  void TakeRead(const StoreReply& reply, Effects* out);
  void MindTheSet(Effects* out);
  void StartJoining();
  void StopJoining(Effects* out);
  bool ReadyToGrow() const;
  bool NeedsRenewal() const;
  bool GhostInSet() const;
  void StandAgain(Effects* out);
  void AskWhetherNamed(Effects* out);
  void ExpelSilent(Effects* out);
  void NoteExpelled(const Member& member);
  bool MayReturn(const Member& member) const;

  // copy_switch.cc: handing the epoch over, and taking it.
  void On(const SwitchOver& event, Effects* out);
  void On(const Held& event, Effects* out);
  void OnMessage(size_t peer, const replication::Stamp& stamp, const replication::HandOver& offer,
                 Effects* out);
  std::pair<std::string, std::string> WhyNotTo(size_t place) const;
  bool WouldWin(size_t place) const;
  void MindHandOver(Effects* out);
  std::string HandOverLacks() const;
  void OfferEpoch(Effects* out);
  void NoteSteppedDown(Effects* out);
  void NoteLed(size_t peer, Effects* out);
  void EndHandOver(bool done, std::string why, std::string what_helps, Effects* out);
  bool HandsOverTo(size_t place) const;

  // An epoch further above the known one than this is no epoch but damage.
  static constexpr uint64_t kEpochJump = uint64_t{1} << 32;

  const CopyOptions options_;
  Policy policy_;
  const std::unique_ptr<Store> store_;
  LogState log_;
  Prng prng_;
  Instant now_;
  Role role_ = Role::kReplica;
  std::string alarm_;
  Sequence commit_, replicated_end_;
  std::vector<Peer> peers_;  // by place

  // ---- following ----
  std::optional<size_t> leader_;
  Epoch following_;       // epoch of that leader
  uint64_t open_id_ = 0;  // of the Open that is followed
  bool joined_ = false;
  bool rewinding_ = false;
  Sequence gap_said_;                            // the leader was told to go on there
  Sequence comparing_;                           // last of the batch that is being compared
  Sequence cutting_to_;                          // a rewind is under way
  replication::Floors leader_floors_;            // as its Open said
  std::vector<replication::StatedLoss> losses_;  // of the leader's log
  Sequence leader_end_, leader_commit_, leader_replicated_;
  Instant leader_contact_;
  Sequence acked_;    // what the leader was told
  uint64_t cut_ = 0;  // entries, to follow it; until it is sure to know

  // ---- leading ----
  SpaceRecord view_;               // the set that counts, beside `joining_`
  std::optional<Member> joining_;  // counts already, in the record not yet
  bool set_change_under_way_ = false;
  int64_t lease_ = 0;               // a store outside: under which the epoch was won
  std::optional<Begin> beginning_;  // handed to the runner, not begun yet
  std::vector<Members> beginning_holders_;
  std::optional<PromotionReport> beginning_report_;
  std::vector<Mark> marks_;
  Sequence start_;   // this epoch's first EpochStart
  CommitMove told_;  // what the runner knows
  std::vector<Round> confirms_;
  std::map<Member, Instant> progress_wait_;  // since when a member holds commit back
  struct Expelled {
    Instant at;
    Duration wait = {};  // before it may return
  };
  std::map<Member, Expelled> expelled_;
  Instant stand_at_;
  bool stand_by_itself_ = false;  // lead again when its record names it
  int stands_in_a_row_ = 0;
  std::optional<HandingOver> handing_;  // also once it follows, until the other leads
};

}  // namespace engram::cluster
