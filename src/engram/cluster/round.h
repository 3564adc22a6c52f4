// A round: what the other nodes say when one of them wants to lead a space. Each that is connected
// is asked; of a binding round the asked promise the epoch, else they only tell how they stand.
// Pure; owned by a Store.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engram/cluster/store.h"
#include "engram/replication/mutant.h"

namespace engram::cluster {

struct RoundOptions {
  std::vector<std::string> nodes = {};  // configured names, by place
  size_t me = 0;
  Member self = {};
  // How long answers of connected nodes are waited for once those that came would do.
  Duration gather_for = std::chrono::milliseconds(300);
  replication::Mutant mutant = replication::Mutant::kNone;
};

enum class Handed { kYes, kNotYet, kNo };

class Round {
 public:
  struct Answered {
    Incarnation incarnation = {};
    replication::Answer answer = {};
  };

  // Asks for `epoch`; the node that asks has answered already.
  Round(const RoundOptions& options, StoreRequest request, uint64_t id, Epoch epoch, bool binding,
        const StoreContext& context);

  // Whoever is connected and has not answered.
  void AskAll(const StoreContext& context, Effects* effects);
  void AskOne(size_t peer, const StoreContext& context, Effects* effects) const;
  // Whether it was asked for in this round, and for this epoch: rounds begin at 1 again with every
  // process, and a late answer to the one before may still come.
  bool Belongs(const replication::Stamp& stamp, const replication::Answer& answer) const;
  void Take(size_t peer, const replication::Stamp& stamp, const replication::Answer& answer);
  // Whoever can be asked has answered, or has had its time: a winner that is in a hurry leaves
  // members out of the set that were about to promise.
  bool AllHeard(const StoreContext& context) const;

  const StoreRequest& request() const { return request_; }
  Epoch epoch() const { return epoch_; }
  Epoch promised_before() const { return promised_before_; }
  Instant began() const { return began_; }
  Instant asked() const { return asked_; }
  const std::map<size_t, Answered>& answers() const { return answers_; }
  // The greatest commit (in a `local` space: replicated end) that was answered.
  Sequence floor() const;
  // Members that granted the epoch, the one that asks among them.
  Members Granted() const;
  // Whether the primary that hands its epoch over promised, with the log end of this copy.
  Handed HandedOver(const StoreContext& context) const;
  // How each node stands, for people; `in_set` and `counted` by these.
  std::vector<NodeView> Nodes(const Members& in_sync, const Members& counted,
                              const StoreContext& context) const;

 private:
  bool Is(replication::Mutant mutant) const { return options_.mutant == mutant; }

  RoundOptions options_;
  StoreRequest request_;
  uint64_t id_;
  Epoch epoch_, promised_before_;
  bool binding_;
  Instant began_, asked_;
  std::map<size_t, Answered> answers_;  // by place
};

// Why this copy cannot succeed to `before`, with `floor` known to be committed, and what helps;
// nothing when it can.
std::optional<std::pair<std::string, std::string>> Unfit(const StoreRequest& request,
                                                         const SpaceRecord& before,
                                                         const Member& self, Sequence floor,
                                                         const StoreContext& context,
                                                         replication::Mutant mutant);

// Behind what an epoch that succeeds to `before` states a loss; nothing when nothing can be lost.
// `promised_before`: of this copy, when it began to ask.
std::optional<Position> LossOf(const StoreRequest& request, const SpaceRecord& before,
                               const Member& self, Epoch promised_before,
                               const StoreContext& context, replication::Mutant mutant);

}  // namespace engram::cluster
