// What each copy shows of itself: index-equals-log, spaces-apart, lag-honest, converges.
#include "engram/wal/tool.h"
#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

struct Newest {
  uint64_t version = 0;
  std::string text;
  bool deleted = false;
};

std::map<std::string, Newest> Replay(const DiskLog& log, Sequence through) {
  std::map<std::string, Newest> newest;
  for (const DiskEntry& entry : log.entries) {
    if (entry.sequence > through) break;
    const bool deleted = entry.type == record::EntryType::kMemoryDelete;
    for (const std::string& id : entry.ids) newest[id] = {entry.version, entry.text, deleted};
  }
  return newest;
}

// What a copy shows at S is a replay of its own log to S.
class IndexEqualsLog : public Checker {
 public:
  explicit IndexEqualsLog(Scene& scene) : Checker(scene, "index-equals-log") {}
  void OnPoll(const Poll& poll) override {
    for (const auto& [space, logs] : poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) {
        const bool looks = scene_.world.up(place) && !scene_.facts.hurt_disks.contains(place) &&
                           !scene_.world.scheduler().Paused(static_cast<Owner>(place));
        if (looks) LookAt(space, place, logs[place]);
      }
    }
  }
  void AtRest(const Rest& rest) override {
    for (const auto& [space, logs] : rest.poll.logs) {
      for (size_t place = 0; place < logs.size(); ++place) {
        if (scene_.world.up(place)) LookAt(space, place, logs[place]);
      }
    }
  }

 private:
  void LookAt(const std::string& space, size_t place, const DiskLog& log) {
    const auto open = scene_.world.node(place).spaces().FindOpen(space);
    if (open == nullptr) return;
    auto view = open->NewView();
    if (!view.ok() || (*view)->visible_through() > log.end()) return;
    const auto expected = Replay(log, (*view)->visible_through());
    const std::string where =
        space + " on " + NameOf(place) + " at " + ToString((*view)->visible_through()) + ": ";
    size_t live = 0;
    for (const auto& [id, newest] : expected) {
      live += !newest.deleted;
      const auto found = (*view)->FindId(id);
      if (!found.ok()) return;
      const std::string wrong = Differs(**view, *found, newest);
      if (!wrong.empty()) return Fail(where + id + " " + wrong);
    }
    size_t rows = 0;
    for (size_t row = 0; row < (*view)->rows(); ++row) {
      rows += (*view)->Live(static_cast<space::RowIndex>(row));
    }
    if (rows == live) return;
    Fail(where + std::to_string(rows) + " memories are shown, the log has " + std::to_string(live));
  }
  std::string Differs(space::View& view, const std::optional<space::IdLookup>& found,
                      const Newest& newest) {
    if (!found.has_value()) return "is not found";
    if (found->version != newest.version) {
      return "has version " + std::to_string(found->version) + " instead of " +
             std::to_string(newest.version);
    }
    if (found->deleted != newest.deleted) return "is deleted, or should be";
    if (newest.deleted) return "";
    if (!found->row.has_value()) return "has no row";
    const auto record = view.Load(*found->row);
    if (!record.ok()) return "";
    return record->episode().what() == newest.text ? "" : "has the text of another version";
  }
};

// Spaces do not mix, and the trouble of one is not another's.
class SpacesApart : public Checker {
 public:
  explicit SpacesApart(Scene& scene) : Checker(scene, "spaces-apart") {}
  void OnSend(size_t from, size_t, const runtime::SpaceMessage& message) override {
    const replication::Stamp& stamp = message.message.stamp;
    if (stamp.space.is_zero()) return;
    const auto [it, fresh] = names_.try_emplace(FormatUuid(stamp.space.bytes), message.space);
    if (fresh || it->second == message.space) return;
    Fail(NameOf(from) + " calls one incarnation " + it->second + " and " + message.space);
  }
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        if (state.trouble.empty() || scene_.facts.hurt_spaces.contains({place, state.space})) {
          continue;
        }
        return Fail(state.space + " on " + NameOf(place) + " has failed (" + state.trouble +
                    "), and nothing has happened to its disk");
      }
    }
    for (const auto& [space, logs] : poll.logs) {
      for (const DiskLog& log : logs) {
        for (const DiskEntry& entry : log.entries) {
          if (entry.text.empty() || entry.text.starts_with(space + " ")) continue;
          return Fail("'" + entry.text + "' lies in the log of " + space);
        }
      }
    }
  }

 private:
  std::map<std::string, std::string> names_;
};

// A replica that lacks something is never said to lack less, and silence is never said to be none.
class LagHonest : public Checker {
 public:
  explicit LagHonest(Scene& scene) : Checker(scene, "lag-honest") {}
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      const std::pair life(place, scene_.world.life(place));
      began_.try_emplace(life, scene_.world.scheduler().now());
      for (const runtime::SpaceState& state : poll.states[place]) {
        if (state.role != cluster::Role::kPrimary) continue;
        for (const runtime::ReplicaState& replica : state.replicas) {
          LookAt(poll, place, state, replica);
        }
      }
    }
  }

 private:
  static constexpr Duration kNotice = std::chrono::milliseconds(500);
  void LookAt(const Poll& poll, size_t place, const runtime::SpaceState& state,
              const runtime::ReplicaState& replica) {
    size_t other = 0;
    while (NameOf(other) != replica.node) ++other;
    const std::string where = state.space + ": " + NameOf(place) + " says of " + replica.node;
    const auto* truth = Find(poll, other, state.space);
    // A node that nobody has told yet that it no longer leads may not know.
    const bool follows = truth != nullptr && truth->promised <= state.epoch;
    // That a disk was lost meanwhile, or a copy put aside, can be known of nobody who is away.
    const std::tuple key(place, scene_.world.life(place), other, state.space);
    const auto life = scene_.world.copy_life(other, state.space);
    if (replica.joined) copies_[key] = life;
    const bool same_copy = copies_.try_emplace(key, life).first->second == life;
    if (follows && same_copy && truth->durable < state.durable) {
      const uint64_t lacks = state.durable.value() - truth->durable.value();
      if (replica.lag.entries < lacks) {
        return Fail(where + " that it lacks " + std::to_string(replica.lag.entries) +
                    " entries, and it lacks " + std::to_string(lacks));
      }
    }
    const Network& network = scene_.world.network();
    if (network.connected(place, other)) return;
    const Duration parted =
        scene_.world.scheduler().now() -
        std::max(network.parted_since(place, other), began_.at({place, scene_.world.life(place)}));
    if (parted < kNotice || replica.lag.time > parted - kNotice) return;
    Fail(where + " that it lags " + std::to_string(replica.lag.time.count() / 1'000'000) +
         " ms, and they have not heard of each other for " +
         std::to_string(parted.count() / 1'000'000) + " ms");
  }
  std::map<std::pair<size_t, uint64_t>, Instant> began_;  // by place and life
  std::map<std::tuple<size_t, uint64_t, size_t, std::string>, std::pair<uint64_t, size_t>> copies_;
};

// When everything is mended: one primary, everybody in the set, equal logs, and writes go on.
class Converges : public Checker {
 public:
  explicit Converges(Scene& scene) : Checker(scene, "converges") {}
  void AtRest(const Rest& rest) override {
    if (!rest.converged) return Fail(rest.why_not);
    for (const SpacePlan& space : scene_.plan.spaces) {
      std::optional<wal::DigestReport> first;
      for (size_t place = 0; place < scene_.world.size(); ++place) {
        const auto digest = wal::DigestOf(scene_.world.files(place), SpaceDirectory(space.name),
                                          Sequence(1), Sequence());
        if (!digest.ok()) return Fail(NameOf(place) + ": " + digest.status().message());
        if (!first.has_value()) first = *digest;
        if (first->last == digest->last && first->digest == digest->digest) continue;
        return Fail(space.name + ": the logs of " + NameOf(0) + " and " + NameOf(place) +
                    " differ");
      }
    }
  }
};

}  // namespace

std::unique_ptr<Checker> MakeIndexEqualsLog(Scene& scene) {
  return std::make_unique<IndexEqualsLog>(scene);
}
std::unique_ptr<Checker> MakeSpacesApart(Scene& scene) {
  return std::make_unique<SpacesApart>(scene);
}
std::unique_ptr<Checker> MakeLagHonest(Scene& scene) {
  return std::make_unique<LagHonest>(scene);
}
std::unique_ptr<Checker> MakeConverges(Scene& scene) {
  return std::make_unique<Converges>(scene);
}

}  // namespace engram::sim
