// Logs, epochs and commit: log-matching, one-primary-per-epoch, commit, rewind-not-below-commit.
#include <algorithm>
#include <utility>

#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

// Equal (epoch, sequence) means equal bytes and an equal prefix, on any disk, at any time of the
// run; no gaps, the chain holds, epochs never fall.
class LogMatching : public Checker {
 public:
  explicit LogMatching(Scene& scene) : Checker(scene, "log-matching") {}
  void OnPoll(const Poll& poll) override {
    for (const auto& [space, logs] : poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) Look(space, place, logs[place]);
    }
  }
  void AtRest(const Rest& rest) override {
    for (const auto& [space, logs] : rest.poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) {
        if (logs[place].broken.empty()) continue;
        Fail(NameOf(place) + " " + space + ": " + logs[place].broken);
      }
    }
  }

 private:
  void Look(const std::string& space, size_t place, const DiskLog& log) {
    uint64_t prefix = 0;
    for (const DiskEntry& entry : log.entries) {
      prefix = (prefix ^ entry.crc) * 0x9e3779b97f4a7c15 + entry.sequence.value();
      const Key key{log.identity(), {entry.epoch, entry.sequence}};
      const auto [it, fresh] = seen_.try_emplace(key, Seen{prefix, place});
      if (fresh || it->second.prefix == prefix) continue;
      return Fail(space + ": entry " + ToString(entry.sequence) + " of epoch " +
                  ToString(entry.epoch) + " is not the same on " + NameOf(place) + " and " +
                  NameOf(it->second.place));
    }
  }
  using Key = std::pair<uint32_t, Position>;
  struct Seen {
    uint64_t prefix;
    size_t place;
  };
  std::map<Key, Seen> seen_;
};

// Nobody but one life of one directory speaks as the primary of an epoch, or writes its entries.
class OnePrimary : public Checker {
 public:
  explicit OnePrimary(Scene& scene) : Checker(scene, "one-primary-per-epoch") {}
  void OnSend(size_t from, size_t, const runtime::SpaceMessage& message) override {
    const auto& body = message.message.body;
    if (!std::holds_alternative<replication::Open>(body) &&
        !std::holds_alternative<replication::Entries>(body) &&
        !std::holds_alternative<replication::HandOver>(body)) {
      return;
    }
    const replication::Stamp& stamp = message.message.stamp;
    Note(message.space + " " + FormatUuid(stamp.space.bytes), stamp.epoch,
         {NameOf(from), stamp.sender, {}});
  }
  void OnPoll(const Poll& poll) override {
    for (const auto& [space, logs] : poll.logs) {
      for (const DiskLog& log : logs) {
        for (const DiskEntry& entry : log.entries) {
          if (!entry.start.has_value()) continue;
          Note(space + " " + std::to_string(log.identity()), entry.epoch, entry.start->primary);
        }
      }
    }
  }

 private:
  void Note(const std::string& space, Epoch epoch, const replication::Member& primary) {
    const auto [it, fresh] = primaries_.try_emplace({space, epoch}, primary);
    if (fresh || it->second == primary) return;
    Fail(space + ": epoch " + ToString(epoch) + " is led by " + it->second.node + " and by " +
         primary.node + (it->second.node == primary.node ? " with another directory" : ""));
  }
  std::map<std::pair<std::string, Epoch>, replication::Member> primaries_;
};

// Stated losses that any node has shown so far.
class Losses {
 public:
  void Note(const Poll& poll) {
    for (const auto& states : poll.states) {
      for (const runtime::SpaceState& state : states) {
        if (state.record.has_value()) Note(state.space, *state.record);
      }
    }
    for (const auto& [space, logs] : poll.logs) {
      for (const DiskLog& log : logs) {
        for (const DiskEntry& entry : log.entries) {
          if (entry.start.has_value()) Note(space, *entry.start);
        }
      }
    }
  }
  // Some epoch above `position`'s said that what lies there may be lost.
  bool Cover(const std::string& space, Position position) const {
    const auto it = stated_.find(space);
    if (it == stated_.end()) return false;
    for (const auto& [epoch, after] : it->second) {
      if (epoch > position.epoch && after < position.sequence) return true;
    }
    return false;
  }
  // The same, by what lies on the disks: between two looks an epoch may have begun with a loss, and
  // grown by a record without one.
  bool CoverNow(World& world, const std::string& space, Position position) const {
    if (Cover(space, position)) return true;
    for (size_t place = 0; place < world.size(); ++place) {
      if (ReadDiskLog(world.files(place), space).StatesLossOf(position)) return true;
    }
    return false;
  }

 private:
  void Note(const std::string& space, const replication::SpaceRecord& record) {
    if (record.loss_after) stated_[space][record.epoch] = record.loss_after->sequence;
  }
  std::map<std::string, std::map<Epoch, Sequence>> stated_;
};

// Commit never falls while a process runs, and no entry at or below any commit ever reported is
// lost or changed, but inside a stated loss.
class Commit : public Checker {
 public:
  explicit Commit(Scene& scene) : Checker(scene, "commit") {}
  void OnPoll(const Poll& poll) override {
    losses_.Note(poll);
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) LookAt(place, state);
    }
    for (const auto& [space, logs] : poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) {
        const auto* state = Find(poll, place, space);
        if (state != nullptr) Learn(place, *state, logs[place]);
      }
    }
  }
  void AtRest(const Rest& rest) override {
    if (!rest.converged) return;
    for (const auto& [space, primary] : rest.primary) {
      const DiskLog& log = rest.poll.logs.at(space)[primary];
      for (const auto& [at, contents] : known_[{space, log.identity()}]) {
        const DiskEntry* entry = log.At(at);
        for (const auto& [crc, known] : contents) {
          if ((entry != nullptr && entry->crc == crc) || Excused(space, at, known)) continue;
          return Fail(space + ": entry " + ToString(at) + " of epoch " + ToString(known.epoch) +
                      " was committed, as " + SaidBy(known) + " said, and is gone");
        }
      }
    }
  }

 private:
  struct Known {
    Epoch epoch;
    std::set<size_t> places;  // that said so
  };
  using Contents = std::map<uint32_t, Known>;  // by checksum
  // A stated loss; and what one copy committed alone, when the operator said what was not so.
  bool Excused(const std::string& space, Sequence at, const Known& gone) const {
    if (scene_.facts.Doubt(space) || losses_.Cover(space, {gone.epoch, at})) return true;
    return scene_.facts.MayPart(space) && gone.places.size() == 1;
  }
  std::string SaidBy(const Known& known) const {
    std::string names;
    for (const size_t place : known.places) names += (names.empty() ? "" : " and ") + NameOf(place);
    return names;
  }
  void LookAt(size_t place, const runtime::SpaceState& state) {
    Sequence& commit = commits_[{place, scene_.world.life(place), state.openings, state.space}];
    const bool excused =
        scene_.facts.Doubt(state.space) || losses_.Cover(state.space, {Epoch(), commit});
    if (state.commit < commit && !excused &&
        !losses_.CoverNow(scene_.world, state.space, {Epoch(), commit})) {
      Fail(state.space + ": the commit of " + NameOf(place) + " fell from " + ToString(commit) +
           " to " + ToString(state.commit));
    }
    commit = state.commit;
  }
  void Learn(size_t place, const runtime::SpaceState& state, const DiskLog& log) {
    auto& known = known_[{state.space, log.identity()}];
    for (const DiskEntry& entry : log.entries) {
      if (entry.sequence > state.commit) break;
      Contents& contents = known[entry.sequence];
      Known& now = contents[entry.crc];
      now.epoch = entry.epoch;
      if (!now.places.insert(place).second || contents.size() == 1) continue;
      const auto stays = std::count_if(contents.begin(), contents.end(), [&](const auto& content) {
        return !Excused(state.space, entry.sequence, content.second);
      });
      if (stays <= 1) continue;
      return Fail(state.space + ": entry " + ToString(entry.sequence) +
                  " was committed with two contents, says " + NameOf(place));
    }
  }
  Losses losses_;
  // By place, life of the process, opening of the log.
  std::map<std::tuple<size_t, uint64_t, uint64_t, std::string>, Sequence> commits_;
  std::map<std::pair<std::string, uint32_t>, std::map<Sequence, Contents>> known_;
};

// A copy never cuts what it knew to be committed and had synced, but inside a stated loss.
class Rewind : public Checker {
 public:
  explicit Rewind(Scene& scene) : Checker(scene, "rewind-not-below-commit") {}
  void OnPoll(const Poll& poll) override {
    losses_.Note(poll);
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        Mark& mark = marks_[{place, scene_.world.copy_life(place, state.space), state.space}];
        // Who was opened anew knows what its disk has kept.
        const std::pair opening(scene_.world.life(place), state.openings);
        if (std::exchange(mark.opening, opening) != opening) {
          mark.through = std::min(mark.through, state.commit);
          mark.entries.erase(mark.entries.upper_bound(mark.through), mark.entries.end());
        }
        if (state.log_end < mark.through) Judge(place, state, mark);
        if (state.log_end < mark.through) mark = Mark();
        const Sequence through = std::min(state.commit, state.durable);
        mark.through = std::max(mark.through, through);
      }
    }
    for (const auto& [space, logs] : poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) Compare(space, place, logs[place]);
    }
  }

 private:
  struct Mark {
    std::pair<uint64_t, uint64_t> opening;
    Sequence through;
    std::map<Sequence, std::pair<uint32_t, Epoch>> entries;
  };
  // Not even what the operator said falsely is a reason; it waits for --force.
  bool Allowed(const std::string& space, Position gone) const {
    return scene_.facts.Doubt(space) || losses_.CoverNow(scene_.world, space, gone);
  }
  void Judge(size_t place, const runtime::SpaceState& state, const Mark& mark) {
    if (Allowed(state.space, {Epoch(), mark.through})) return;
    Fail(state.space + ": " + NameOf(place) + " cut its log to " + ToString(state.log_end) +
         ", and knew " + ToString(mark.through) + " to be committed");
  }
  void Compare(const std::string& space, size_t place, const DiskLog& log) {
    const auto it = marks_.find({place, scene_.world.copy_life(place, space), space});
    if (it == marks_.end()) return;
    Mark& mark = it->second;
    for (const DiskEntry& entry : log.entries) {
      if (entry.sequence > mark.through) break;
      const auto [known, fresh] =
          mark.entries.try_emplace(entry.sequence, std::pair(entry.crc, entry.epoch));
      if (fresh || known->second.first == entry.crc) continue;
      const Position gone{known->second.second, entry.sequence};
      known->second = {entry.crc, entry.epoch};
      if (Allowed(space, gone)) continue;
      return Fail(space + ": " + NameOf(place) + " put another entry at " +
                  ToString(entry.sequence) + ", which it knew to be committed");
    }
  }
  Losses losses_;
  std::map<std::tuple<size_t, std::pair<uint64_t, size_t>, std::string>, Mark> marks_;
};

}  // namespace

std::unique_ptr<Checker> MakeLogMatching(Scene& scene) {
  return std::make_unique<LogMatching>(scene);
}
std::unique_ptr<Checker> MakeOnePrimary(Scene& scene) {
  return std::make_unique<OnePrimary>(scene);
}
std::unique_ptr<Checker> MakeCommit(Scene& scene) {
  return std::make_unique<Commit>(scene);
}
std::unique_ptr<Checker> MakeRewind(Scene& scene) {
  return std::make_unique<Rewind>(scene);
}

}  // namespace engram::sim
