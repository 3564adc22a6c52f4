// The in-sync set: in-sync-true, primary-in-set.
#include <algorithm>

#include "engram/internal/v1/store.pb.h"
#include "engram/replication/space_record.h"
#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

bool Holds(const replication::Members& members, const replication::Member& member) {
  return std::find(members.begin(), members.end(), member) != members.end();
}

// Who joins a set has durably, in that moment, the first entry of the epoch that takes it in.
class InSyncTrue : public Checker {
 public:
  explicit InSyncTrue(Scene& scene) : Checker(scene, "in-sync-true") {}
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        if (state.role != cluster::Role::kPrimary || !state.record.has_value()) continue;
        LookAt(poll, place, state);
      }
    }
  }

 private:
  void LookAt(const Poll& poll, size_t place, const runtime::SpaceState& state) {
    const replication::SpaceRecord& record = *state.record;
    // A space that was made anew begins with the same epochs, but of another incarnation.
    Known& known = known_[{state.space, record.epoch, record.primary}];
    if (known.at.is_zero()) {
      known = {record.at, record.in_sync};
      return;
    }
    for (const replication::Member& member : record.in_sync) {
      if (Holds(known.in_sync, member)) continue;
      JudgeNew(poll, place, state, member, known.at);
    }
    known.in_sync = record.in_sync;
  }
  void JudgeNew(const Poll& poll, size_t primary, const runtime::SpaceState& state,
                const replication::Member& member, Sequence start) {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      if (NameOf(place) != member.node || !scene_.world.up(place)) continue;
      if (scene_.world.node(place).identity().incarnation != member.incarnation) continue;
      const DiskLog log = AfterPowerCut(scene_, place, state.space);
      const DiskEntry* entry = log.At(start);
      if (entry != nullptr && entry->epoch == state.epoch) continue;
      // Whoever promised a later epoch since may have cut what it had.
      const auto* there = Find(poll, place, state.space);
      if (there == nullptr || there->promised > state.epoch) continue;
      return Fail(state.space + ": " + NameOf(primary) + " took " + member.node +
                  " into the set of epoch " + ToString(state.epoch) + ", whose disk ends at " +
                  ToString(log.end()) + " and lacks entry " + ToString(start));
    }
  }
  struct Known {
    Sequence at;  // of the first EpochStart of the epoch
    replication::Members in_sync;
  };
  std::map<std::tuple<std::string, Epoch, replication::Member>, Known> known_;
};

// Who begins an epoch was in the set that counted before it: of the newest record that was
// committed anywhere, whether its own log has that one or not; or, with a store outside, of the
// record that stood there.
class PrimaryInSet : public Checker {
 public:
  explicit PrimaryInSet(Scene& scene) : Checker(scene, "primary-in-set") {
    scene.world.store().on_write = [this](const auto& key, const auto& before, const auto& after) {
      if (key.starts_with(kSpaces) && !before.empty()) Compare(key, before, after);
    };
  }
  void OnPoll(const Poll& poll) override {
    if (scene_.plan.outside) return;
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        const bool leads = state.role == cluster::Role::kPrimary && state.record.has_value();
        if (leads && state.record->epoch == state.epoch) LookAt(place, state);
      }
    }
  }

 private:
  void LookAt(size_t place, const runtime::SpaceState& state) {
    const replication::SpaceRecord& record = *state.record;
    replication::SpaceRecord& counts = counts_[state.space];
    // Two lost disks, force, or a statement that was not true: somebody may have gone on alone.
    const bool excused = scene_.facts.Doubt(state.space) || scene_.facts.MayPart(state.space);
    const bool begins = record.epoch > counts.epoch && !counts.epoch.is_zero();
    if (begins && !excused && !Holds(counts.in_sync, record.primary) &&
        !Holds(SetBefore(state.space, record, counts), record.primary)) {
      return Fail(state.space + ": " + NameOf(place) + " began epoch " + ToString(record.epoch) +
                  ", and was not in the set of epoch " + ToString(counts.epoch) + " at entry " +
                  ToString(counts.at));
    }
    if (state.replicated_end >= record.at && Newer(record, counts)) counts = record;
  }
  // Of the newest record before `record` that any node has or has just cut, where it is newer than
  // the one that is known here: who answered with it went back behind it at once.
  replication::Members SetBefore(const std::string& space, const replication::SpaceRecord& record,
                                 const replication::SpaceRecord& known) const {
    replication::SpaceRecord before = known;
    const auto look = [&](const std::vector<DiskEntry>& entries) {
      for (const DiskEntry& entry : entries) {
        if (!entry.start.has_value() || entry.start->epoch >= record.epoch) continue;
        if (Newer(*entry.start, before)) before = *entry.start;
      }
    };
    for (size_t place = 0; place < scene_.world.size(); ++place) {
      env::FileSystem& files = scene_.world.files(place);
      look(ReadDiskLog(files, space).entries);
      look(ReadQuarantineIn(files, SpaceDirectory(space)));
    }
    return before.in_sync;
  }

  static constexpr std::string_view kSpaces = "spaces/";
  // Of one space in the store outside. Whoever forced it may be anybody.
  void Compare(const std::string& key, const std::string& before, const std::string& after) {
    internal::v1::StoredSpace was, is;
    if (!was.ParseFromString(before) || !is.ParseFromString(after)) return Fail(key + ": garbled");
    const std::string space = key.substr(kSpaces.size());
    const auto from = replication::DecodeRecord(was.record(), Sequence());
    const auto to = replication::DecodeRecord(is.record(), Sequence());
    if (!from.ok() || !to.ok()) return Fail(space + ": a record of the store is garbled");
    const bool same = was.incarnation() == is.incarnation() && !scene_.facts.Doubt(space);
    if (!same || to->epoch == from->epoch || Holds(from->in_sync, to->primary)) return;
    Fail(space + ": the store has " + to->primary.node + " lead epoch " + ToString(to->epoch) +
         ", which was not in the set of epoch " + ToString(from->epoch));
  }
  std::map<std::string, replication::SpaceRecord> counts_;
};

}  // namespace

std::unique_ptr<Checker> MakeInSyncTrue(Scene& scene) {
  return std::make_unique<InSyncTrue>(scene);
}
std::unique_ptr<Checker> MakePrimaryInSet(Scene& scene) {
  return std::make_unique<PrimaryInSet>(scene);
}

}  // namespace engram::sim
