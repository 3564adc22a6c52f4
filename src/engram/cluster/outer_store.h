// The configuration store outside of the cluster, as one copy uses it: the record of the space is
// there and not in the log, every change of it compares its revision, and whoever takes over from a
// primary needs that one's lease to be gone. A change whose answer was lost is settled by making it
// anew, never by reading: it may still arrive, and only another write on the same revision stops
// it. docs/protocol.md, "A store outside".
//
// The other nodes are asked as well: who lacks what another knows to be committed does not lead,
// and whoever is forced, or is handed an epoch, has them promise it. Epoch = 256·n + place (1 …),
// as with the static store.
//
// Pure; owned by one Copy. Calls go into Effects::store, one at a time; answers come by OnStore.
#pragma once

#include "engram/cluster/round.h"

namespace engram::cluster {

struct OuterStoreOptions : RoundOptions {
  Duration ask_again = std::chrono::milliseconds(500);
  // Of an operator's request: longer than a lease, which may have to run out first.
  Duration request_deadline = std::chrono::seconds(4);
};

class OuterStore : public Store {
 public:
  explicit OuterStore(OuterStoreOptions options) : options_(std::move(options)) {}

  std::optional<StoreReply> Start(const StoreRequest& request, const StoreContext& context,
                                  Effects* effects) override;
  std::optional<StoreReply> OnAnswer(size_t peer, const replication::Stamp& stamp,
                                     const replication::Answer& answer, const StoreContext& context,
                                     Effects* effects) override;
  std::optional<StoreReply> OnPeerUp(size_t peer, const StoreContext& context,
                                     Effects* effects) override;
  std::optional<StoreReply> OnStore(const StoreAnswered& answered, const StoreContext& context,
                                    Effects* effects) override;
  std::optional<StoreReply> OnTick(const StoreContext& context, Effects* effects) override;
  void Drop() override;
  bool busy() const override { return work_.has_value() || probed_.has_value(); }
  bool outside() const override { return true; }
  bool MadeBy(Epoch epoch, size_t place) const override;

 private:
  // What is asked of the store for one request.
  struct Work {
    StoreRequest request = {};
    uint64_t call = 0;   // under way; 0: none
    uint64_t calls = 0;  // so far
    Instant called = {};
    std::optional<StoreCall::Write> write = {};  // the last, until it is known what became of it
    std::optional<SpaceRecord> wrote = {};       // it took effect
    std::optional<StoreAnswered> seen = {};      // the newest answer
    bool lost = false;                           // an answer was
    Epoch epoch = {};                            // that is led, of a change
  };

  std::optional<StoreReply> StartLead(const StoreRequest& request, const StoreContext& context,
                                      Effects* effects);
  void Call(Work* work, const StoreContext& context, Effects* effects);
  // Goes on with what is under way, as far as what is known allows.
  std::optional<StoreReply> Move(const StoreContext& context, Effects* effects);
  std::optional<StoreReply> MoveLead(const StoreContext& context, Effects* effects);
  std::optional<StoreReply> MoveProbe(const StoreContext& context, Effects* effects);
  std::optional<StoreReply> MoveChange(const StoreContext& context, Effects* effects);
  // Whether the last call has had its time, and no other is under way.
  bool MayCall(const Work& work, const StoreContext& context) const;
  StoreReply EndLead(StoreReply reply);
  SpaceRecord Before(const Work& work) const;
  Epoch NextEpoch(const Round& round, const SpaceRecord& before, const StoreContext& context) const;
  // Why this copy cannot lead, whatever else comes; nothing when it may.
  std::optional<StoreReply> Refuse(const Round& round, const Work& work,
                                   const StoreContext& context) const;
  bool LeaseHolds(const Round& round, const Work& work) const;
  bool HasLease(const Member& member, const StoreAnswered& seen) const;
  SpaceRecord Next(const Round& round, const Work& work, const StoreContext& context) const;
  StoreReply Won(const Round& round, const Work& work, const SpaceRecord& record,
                 const StoreContext& context) const;
  StoreReply Lost(const Round& round, const Work& work, std::string why, std::string what_helps,
                  const StoreContext& context) const;
  PromotionReport ReportOf(const Round& round, const Work& work, const StoreContext& context) const;
  bool Is(replication::Mutant mutant) const { return options_.mutant == mutant; }

  const OuterStoreOptions options_;
  std::optional<Round> round_;  // to lead
  std::optional<Work> work_;    // to lead, to change the set, to resign, or to read
  std::optional<Round> probe_;  // a dry run, beside it
  std::optional<Work> probed_;
  std::optional<StoreAnswered> known_;  // the newest answer of all; saves reading before a change
  uint64_t rounds_ = 0, calls_ = 0;
};

}  // namespace engram::cluster
