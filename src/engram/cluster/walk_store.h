// A configuration store outside of the cluster, for walks: one record, changed by compare-and-set.
// A request waits until it is served; its answer may be lost, and the change done all the same.
// For tests; one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engram/cluster/store.h"
#include "engram/replication/mutant.h"

namespace engram::cluster::walk {

// What the store keeps.
struct Config {
  SpaceRecord record;
  uint64_t revision = 0;
  std::map<Epoch, std::string> makers;  // whose each epoch is

  void Set(SpaceRecord next) {
    makers[next.epoch] = next.primary.node;
    record = std::move(next);
    ++revision;
  }
};

// A node's way to it.
class RemoteStore : public Store {
 public:
  RemoteStore(std::shared_ptr<Config> config, std::vector<std::string> nodes, Member self,
              replication::Mutant mutant)
      : config_(std::move(config)),
        nodes_(std::move(nodes)),
        self_(std::move(self)),
        mutant_(mutant) {}

  std::optional<StoreReply> Start(const StoreRequest& request, const StoreContext& context,
                                  Effects*) override {
    Waiting waiting{request, {}, {}, context.local_space, revision_};
    const LogState& log = *context.log;
    const record::History history = HistoryOf(log);
    waiting.loss = Position{record::EpochAt(history, context.floor), context.floor};
    for (const record::EpochBegin& begin : history) waiting.epochs.push_back(begin.epoch);
    waiting_ = std::move(waiting);
    return std::nullopt;
  }
  std::optional<StoreReply> OnAnswer(size_t, const replication::Stamp&, const replication::Answer&,
                                     const StoreContext&, Effects*) override {
    return std::nullopt;
  }
  std::optional<StoreReply> OnPeerUp(size_t, const StoreContext&, Effects*) override {
    return std::nullopt;
  }
  std::optional<StoreReply> OnTick(const StoreContext&, Effects*) override { return std::nullopt; }
  void Drop() override { waiting_.reset(); }
  bool leading_under_way() const override { return waiting_.has_value(); }
  bool shrinks_by_timeout() const override { return true; }
  bool MadeBy(Epoch epoch, size_t place) const override {
    const auto it = config_->makers.find(epoch);
    return it != config_->makers.end() && it->second == nodes_[place];
  }

  bool waits() const { return waiting_.has_value(); }
  const StoreRequest& request() const { return waiting_->request; }
  // What waits is done, or not; `lost`: nobody hears of it.
  StoreReply Serve(bool lost) {
    const Waiting waiting = std::move(*waiting_);
    waiting_.reset();
    StoreReply reply{.request = waiting.request, .outcome = Outcome::kConflict};
    switch (waiting.request.kind) {
      case StoreRequest::Kind::kLead:
        Lead(waiting, &reply);
        break;
      case StoreRequest::Kind::kGrow:
      case StoreRequest::Kind::kShrink:
        Change(waiting, &reply);
        break;
      case StoreRequest::Kind::kRead:
        reply.outcome = Outcome::kDone;
        break;
    }
    reply.record = config_->record;
    if (lost) return {.request = waiting.request, .outcome = Outcome::kUnknown};
    revision_ = config_->revision;
    return reply;
  }

 private:
  struct Waiting {
    StoreRequest request;
    std::optional<Position> loss;
    std::vector<Epoch> epochs;  // of the candidate's log
    bool local_space;
    uint64_t revision;
  };

  bool Is(replication::Mutant mutant) const { return mutant_ == mutant; }

  void Lead(const Waiting& waiting, StoreReply* reply) {
    const SpaceRecord& before = config_->record;
    const bool member = Is(replication::Mutant::kIgnoreIncarnations)
                            ? HasNode(before.in_sync, self_.node)
                            : Has(before.in_sync, self_);
    if (!member) return;
    const bool itself = before.primary == self_;
    const bool has_epoch = std::find(waiting.epochs.begin(), waiting.epochs.end(), before.epoch) !=
                           waiting.epochs.end();
    SpaceRecord next;
    next.epoch = before.epoch.next();
    next.primary = self_;
    next.in_sync = before.in_sync;
    if (waiting.local_space && !itself) Remove(&next.in_sync, before.primary);
    Add(&next.in_sync, self_);
    const bool states = !itself || (!has_epoch && !Is(replication::Mutant::kRestartStatesNoLoss));
    if (waiting.local_space && states && !Is(replication::Mutant::kNoStatedLoss)) {
      next.loss_after = waiting.loss;
    }
    config_->Set(std::move(next));
    reply->outcome = Outcome::kDone;
    reply->append = true;
  }

  void Change(const Waiting& waiting, StoreReply* reply) {
    if (waiting.revision != config_->revision) return;
    SpaceRecord next = config_->record;
    if (waiting.request.kind == StoreRequest::Kind::kGrow) {
      Add(&next.in_sync, waiting.request.member);
    } else {
      Remove(&next.in_sync, waiting.request.member);
    }
    config_->Set(std::move(next));
    reply->outcome = Outcome::kDone;
  }

  const std::shared_ptr<Config> config_;
  const std::vector<std::string> nodes_;
  const Member self_;
  const replication::Mutant mutant_;
  std::optional<Waiting> waiting_;
  uint64_t revision_ = 0;  // of the record as it was last read
};

}  // namespace engram::cluster::walk
