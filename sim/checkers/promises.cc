// What copies promise each other and clients: promise-kept, ack-after-sync, acked-durable.
#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

using replication::Ack;
using replication::Answer;
using replication::Ask;
using replication::Confirmed;
using replication::Entries;
using replication::Joined;
using replication::Open;

// A promise never falls, also across crashes, and nobody says anything in an epoch below the one
// that it has promised.
class PromiseKept : public Checker {
 public:
  explicit PromiseKept(Scene& scene) : Checker(scene, "promise-kept") {}
  void OnSend(size_t from, size_t to, const runtime::SpaceMessage& message) override {
    const replication::Stamp& stamp = message.message.stamp;
    if (stamp.space.is_zero()) return;  // a census
    const auto& body = message.message.body;
    Epoch& promised = promised_[{FormatUuid(stamp.sender.bytes), FormatUuid(stamp.space.bytes)}];
    if (const auto* ask = std::get_if<Ask>(&body); ask != nullptr && ask->dry_run) {
      dry_.insert({from, ask->round, stamp.epoch});
    }
    if (const auto* answer = std::get_if<Answer>(&body)) {
      // Of a question that asks for no promise it says that one would be made.
      const bool granted = answer->granted && !dry_.contains({to, answer->round, stamp.epoch});
      promised = std::max({promised, answer->promised, granted ? stamp.epoch : Epoch()});
      return;
    }
    const bool fenced = std::holds_alternative<Open>(body) ||
                        std::holds_alternative<Entries>(body) ||
                        std::holds_alternative<Joined>(body) || std::holds_alternative<Ack>(body) ||
                        std::holds_alternative<Confirmed>(body) ||
                        std::holds_alternative<replication::HandOver>(body);
    if (!fenced || stamp.epoch >= promised) return;
    Fail(message.space + ": " + NameOf(from) + " has promised epoch " + ToString(promised) +
         ", and speaks to " + NameOf(to) + " in " + ToString(stamp.epoch));
  }
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        // A copy whose disk fails believes more than it has kept, and says nothing.
        if (!state.trouble.empty()) continue;
        Epoch& seen = seen_[{place, scene_.world.disk_life(place), state.space}];
        if (state.promised < seen && !scene_.facts.Doubt(state.space)) {
          Fail(state.space + ": the promise of " + NameOf(place) + " fell from " + ToString(seen) +
               " to " + ToString(state.promised));
        }
        seen = state.promised;
      }
    }
  }

 private:
  std::map<std::pair<std::string, std::string>, Epoch> promised_;
  std::set<std::tuple<size_t, uint64_t, Epoch>> dry_;  // who asked, round, epoch
  std::map<std::tuple<size_t, uint64_t, std::string>, Epoch> seen_;
};

// An acknowledgement leaves only if a power cut in that moment would keep the entry.
class AckAfterSync : public Checker {
 public:
  explicit AckAfterSync(Scene& scene) : Checker(scene, "ack-after-sync") {}
  void OnSend(size_t from, size_t, const runtime::SpaceMessage& message) override {
    Sequence durable;
    if (const auto* ack = std::get_if<Ack>(&message.message.body)) durable = ack->durable;
    if (const auto* joined = std::get_if<Joined>(&message.message.body)) durable = joined->durable;
    if (durable.is_zero() || ++acks_ % kOneOf != 0) return;
    const DiskLog log = AfterPowerCut(scene_, from, message.space);
    if (log.end() >= durable) return;
    Fail(message.space + ": " + NameOf(from) + " acknowledges " + ToString(durable) +
         ", and a power cut now would leave " + ToString(log.end()));
  }

 private:
  static constexpr uint64_t kOneOf = 5;
  uint64_t acks_ = 0;
};

// A `replicated` answer is on the disks of the in-sync set in that moment, and in the log of every
// later primary.
class AckedDurable : public Checker {
 public:
  explicit AckedDurable(Scene& scene) : Checker(scene, "acked-durable") {}
  void OnReply(const Operation& operation) override {
    if (!operation.replicated()) return;
    acked_[operation.space].push_back(&operation);
    if (++replies_ % kOneOf == 0) LookAtDisks(operation);
  }
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        if (state.role != cluster::Role::kPrimary || !state.serving) continue;
        if (!judged_.insert({state.space, state.epoch}).second) continue;
        LookFor(state.space, place, ReadDiskLog(scene_.world.files(place), state.space));
      }
    }
  }
  void AtRest(const Rest& rest) override {
    if (!rest.converged) return;
    for (const auto& [space, logs] : rest.poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) LookFor(space, place, logs[place]);
    }
  }

 private:
  static constexpr uint64_t kOneOf = 4;
  void LookAtDisks(const Operation& operation) {
    size_t copies = 0;
    const auto& at = operation.written.back().at;
    for (size_t place = 0; place < scene_.world.size(); ++place) {
      const DiskLog log = AfterPowerCut(scene_, place, operation.space, at.sequence);
      const DiskEntry* entry = log.At(at.sequence);
      if (entry != nullptr && entry->text == operation.written.back().text) ++copies;
    }
    // A member may have lost its disk since it acknowledged.
    if (copies + scene_.facts.wipes >= 2) return;
    Fail(operation.space + ": entry " + ToString(at.sequence) +
         " was answered as replicated, and " + std::to_string(copies) + " disks have it");
  }
  void LookFor(const std::string& space, size_t place, const DiskLog& log) {
    if (scene_.facts.Doubt(space)) return;
    for (const Operation* operation : acked_[space]) {
      for (const Written& written : operation->written) {
        const DiskEntry* entry = log.At(written.at.sequence);
        if (entry != nullptr && entry->text == written.text) continue;
        return Fail(space + ": entry " + ToString(written.at.sequence) + " (" + written.text +
                    ") was answered as replicated, and is not in the log of " + NameOf(place));
      }
    }
  }
  uint64_t replies_ = 0;
  std::map<std::string, std::vector<const Operation*>> acked_;
  std::set<std::pair<std::string, Epoch>> judged_;
};

}  // namespace

std::unique_ptr<Checker> MakePromiseKept(Scene& scene) {
  return std::make_unique<PromiseKept>(scene);
}
std::unique_ptr<Checker> MakeAckAfterSync(Scene& scene) {
  return std::make_unique<AckAfterSync>(scene);
}
std::unique_ptr<Checker> MakeAckedDurable(Scene& scene) {
  return std::make_unique<AckedDurable>(scene);
}

}  // namespace engram::sim
