// The static store: a configured list of nodes and nothing else. The record of a space is the
// newest EpochStart in its log, so the log replicates it; a new epoch is asked of every configured
// node, each of which promises and answers with what it has. docs/protocol.md, "The static store".
//
// Epoch = 256·n + place (1 …): two nodes can never make the same one. Pure; owned by one Copy.
//
// Invariants: no round is won without most voters of the newest record among its answers, unless
// the operator stated (in a pair) that the other is stopped, or the only node is asked; the winner
// is in that record's set and holds every commit that was answered.
#pragma once

#include "engram/cluster/round.h"

namespace engram::cluster {

// "3.1": the third, made by the first configured node. Plain when it has no place.
std::string FormatEpoch(Epoch epoch);
Epoch MakeEpoch(uint64_t n, size_t place);
inline uint64_t EpochNumber(Epoch epoch) {
  return epoch.value() >> 8;
}

struct StaticOptions : RoundOptions {
  bool start_alone = false;  // in a pair: lead though the other is silent
  Duration ask_again = std::chrono::milliseconds(500);
  Duration request_deadline = std::chrono::seconds(3);  // of an operator's request
};

class StaticStore : public Store {
 public:
  explicit StaticStore(StaticOptions options) : options_(std::move(options)) {}

  std::optional<StoreReply> Start(const StoreRequest& request, const StoreContext& context,
                                  Effects* effects) override;
  std::optional<StoreReply> OnAnswer(size_t peer, const replication::Stamp& stamp,
                                     const replication::Answer& answer, const StoreContext& context,
                                     Effects* effects) override;
  std::optional<StoreReply> OnPeerUp(size_t peer, const StoreContext& context,
                                     Effects* effects) override;
  std::optional<StoreReply> OnTick(const StoreContext& context, Effects* effects) override;
  void Drop() override { round_.reset(); }
  bool busy() const override { return round_.has_value() || probe_.has_value(); }
  bool outside() const override;
  bool MadeBy(Epoch epoch, size_t place) const override;

 private:
  struct Count {
    SpaceRecord newest = {};
    Members votes = {};  // voters that answered
    bool enough = false, stated = false;
  };

  std::optional<StoreReply> StartRound(const StoreRequest& request, const StoreContext& context,
                                       Effects* effects);
  StoreReply Grow(const StoreRequest& request, const StoreContext& context) const;
  std::optional<StoreReply> TickLead(const StoreContext& context, Effects* effects);
  std::optional<StoreReply> TickProbe(const StoreContext& context);
  Count CountVotes(const Round& round, const StoreContext& context) const;
  bool Counts(const Round& round, const Member& voter) const;
  // The reply when what was answered suffices, or can never do; nothing when more may come.
  std::optional<StoreReply> TryWin(const Round& round, const StoreContext& context) const;
  StoreReply Won(const Round& round, const Count& count, const StoreContext& context) const;
  StoreReply Lost(const Round& round, std::string why, std::string what_helps,
                  const StoreContext& context) const;
  PromotionReport ReportOf(const Round& round, const StoreContext& context) const;
  bool Is(replication::Mutant mutant) const { return options_.mutant == mutant; }

  const StaticOptions options_;
  std::optional<Round> round_;  // to lead
  std::optional<Round> probe_;  // a dry run: beside the other, and changes nothing
  uint64_t rounds_ = 0;
};

}  // namespace engram::cluster
