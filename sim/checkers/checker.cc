#include "sim/checkers/checker.h"

namespace engram::sim {

void Checker::Fail(const std::string& what) {
  if (scene_.failed()) return;
  scene_.checker = name_;
  scene_.what = what;
  scene_.world.scheduler().Remark("VIOLATION of " + name_ + ": " + what);
}

bool Checker::LocalSpace(const std::string& space) const {
  for (const SpacePlan& plan : scene_.plan.spaces) {
    if (plan.name == space) return plan.durability == v1::DURABILITY_LOCAL;
  }
  return false;
}

const runtime::SpaceState* Find(const Poll& poll, size_t place, const std::string& space) {
  for (const runtime::SpaceState& state : poll.states[place]) {
    if (state.space == space) return &state;
  }
  return nullptr;
}

Poll TakePoll(Scene& scene, bool with_logs) {
  Poll poll;
  poll.states.resize(scene.world.size());
  for (size_t place = 0; place < scene.world.size(); ++place) {
    if (scene.world.up(place)) poll.states[place] = scene.world.node(place).replication()->Spaces();
    for (const SpacePlan& space : scene.plan.spaces) {
      if (!with_logs) break;
      poll.logs[space.name].push_back(ReadDiskLog(scene.world.files(place), space.name));
    }
  }
  return poll;
}

DiskLog AfterPowerCut(Scene& scene, size_t place, const std::string& space, Sequence only) {
  const std::string directory = SpaceDirectory(space);
  return ReadLogIn(*scene.world.files(place).CrashClone(env::LoseAll, directory + "/wal"),
                   directory, only);
}

const std::vector<std::pair<std::string, MakeChecker>>& AllCheckers() {
  static const std::vector<std::pair<std::string, MakeChecker>> all = {
      {"log-matching", MakeLogMatching},
      {"acked-durable", MakeAckedDurable},
      {"promise-kept", MakePromiseKept},
      {"ack-after-sync", MakeAckAfterSync},
      {"commit", MakeCommit},
      {"one-primary-per-epoch", MakeOnePrimary},
      {"local-loss-accounted", MakeLossAccounted},
      {"rewind-not-below-commit", MakeRewind},
      {"index-equals-log", MakeIndexEqualsLog},
      {"linearizable", MakeLinearizable},
      {"spaces-apart", MakeSpacesApart},
      {"lag-honest", MakeLagHonest},
      {"in-sync-true", MakeInSyncTrue},
      {"primary-in-set", MakePrimaryInSet},
      {"stale-flush-ignored", MakeStaleFlushIgnored},
      {"poison-sticks", MakePoisonSticks},
      {"bounded", MakeBounded},
      {"deleted-stays-deleted", MakeDeletedStaysDeleted},
      {"no-serve-after-deadline", MakeNoServeAfterDeadline},
      {"converges", MakeConverges},
  };
  return all;
}

}  // namespace engram::sim
