// What a node does with its log and its memory: stale-flush-ignored, poison-sticks, bounded.
#include <algorithm>

#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

// What a copy calls durable would be there after a power cut in that moment: no sync counts for
// what a rewind has cut meanwhile.
class StaleFlushIgnored : public Checker {
 public:
  explicit StaleFlushIgnored(Scene& scene) : Checker(scene, "stale-flush-ignored") {}
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        if (state.durable > state.log_end) {
          return Fail(state.space + ": " + NameOf(place) + " calls " + ToString(state.durable) +
                      " durable, and its log ends at " + ToString(state.log_end));
        }
        if (!poll.logs.empty()) LookAtDisk(place, state);
      }
    }
  }

 private:
  void LookAtDisk(size_t place, const runtime::SpaceState& state) {
    const DiskLog log = AfterPowerCut(scene_, place, state.space);
    if (log.end() >= state.durable) return;
    Fail(state.space + ": " + NameOf(place) + " calls " + ToString(state.durable) +
         " durable, and a power cut now would leave " + ToString(log.end()));
  }
};

// A log that has failed takes nothing more until it is opened again, and its copy does not lead.
class PoisonSticks : public Checker {
 public:
  explicit PoisonSticks(Scene& scene) : Checker(scene, "poison-sticks") {}
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      if (!scene_.world.up(place)) continue;
      for (const auto& space : scene_.world.node(place).spaces().Opened()) {
        const auto* state = Find(poll, place, space->id());
        if (state != nullptr) LookAt(place, *space, *state);
      }
    }
  }

 private:
  // Between the failed sync and the next task of the copy.
  static constexpr Duration kNotice = std::chrono::seconds(1);
  void LookAt(size_t place, space::Space& space, const runtime::SpaceState& state) {
    const std::tuple key(place, scene_.world.life(place), state.openings, state.space);
    const Instant now = scene_.world.scheduler().now();
    const Sequence durable = space.log().durable_end();
    const bool failed = space.log().state().poisoned;
    const auto it = failed_.find(key);
    if (it == failed_.end()) {
      if (failed) failed_.emplace(key, Failed{now, durable});
      return;
    }
    const std::string where = state.space + ": the log of " + NameOf(place) + " failed at " +
                              ToString(it->second.durable) + ", and ";
    if (!failed) return Fail(where + "is whole again without having been opened");
    if (durable > it->second.durable) return Fail(where + "took " + ToString(durable));
    if (scene_.world.scheduler().Paused(static_cast<Owner>(place))) it->second.since = now;
    if (state.role == cluster::Role::kReplica || now - it->second.since < kNotice) return;
    Fail(where + "its copy still leads, or stands for it");
  }
  struct Failed {
    Instant since;
    Sequence durable;
  };
  std::map<std::tuple<size_t, uint64_t, uint64_t, std::string>, Failed> failed_;
};

// No replica has more of a space on its way than the window and a batch, and no space keeps more of
// what is not committed than its bound.
class Bounded : public Checker {
 public:
  explicit Bounded(Scene& scene) : Checker(scene, "bounded") {}
  void OnSend(size_t from, size_t to, const runtime::SpaceMessage& message) override {
    const auto& body = message.message.body;
    const Key key{from, to, message.space};
    if (std::holds_alternative<replication::Open>(body)) sent_.erase(key);
    if (const auto* ack = std::get_if<replication::Ack>(&body)) {
      Acknowledged({to, from, message.space}, ack->durable);
    }
    if (const auto* gap = std::get_if<replication::Gap>(&body); gap && !gap->expected.is_zero()) {
      Acknowledged({to, from, message.space}, gap->expected.prev());  // it has come that far
    }
    if (const auto* joined = std::get_if<replication::Joined>(&body)) {
      had_[{to, from, message.space}] = Sequence();
      Acknowledged({to, from, message.space}, joined->durable);
    }
    const auto* entries = std::get_if<replication::Entries>(&body);
    if (entries == nullptr || entries->batch == nullptr) return;
    if (entries->last <= had_[key]) return;  // it has said so, and is not heard yet
    auto& sent = sent_[key];
    sent.erase(sent.lower_bound(entries->first), sent.end());  // what is sent again
    sent[entries->last] = entries->batch->size();
    uint64_t bytes = 0;
    for (const auto& [last, size] : sent) bytes += size;
    // A batch may be larger than its limit by the entry that fills it; and one read on another
    // thread may have left when the window closed.
    const uint64_t most = scene_.plan.window_bytes + kLargestEntry + 64;
    if (bytes <= most) return;
    Fail(message.space + ": " + std::to_string(bytes) + " bytes are on their way from " +
         NameOf(from) + " to " + NameOf(to) + ", more than " + std::to_string(most));
  }

 private:
  static constexpr uint64_t kLargestEntry = 4096;
  using Key = std::tuple<size_t, size_t, std::string>;
  void Acknowledged(const Key& key, Sequence durable) {
    had_[key] = std::max(had_[key], durable);
    const auto it = sent_.find(key);
    if (it == sent_.end()) return;
    it->second.erase(it->second.begin(), it->second.upper_bound(durable));
  }
  std::map<Key, Sequence> had_;
  std::map<Key, std::map<Sequence, uint64_t>> sent_;  // last entry and size of each batch
};

}  // namespace

std::unique_ptr<Checker> MakeStaleFlushIgnored(Scene& scene) {
  return std::make_unique<StaleFlushIgnored>(scene);
}
std::unique_ptr<Checker> MakePoisonSticks(Scene& scene) {
  return std::make_unique<PoisonSticks>(scene);
}
std::unique_ptr<Checker> MakeBounded(Scene& scene) {
  return std::make_unique<Bounded>(scene);
}

}  // namespace engram::sim
