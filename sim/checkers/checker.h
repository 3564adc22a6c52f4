// What every checker is: it is shown the messages, the answers, how the nodes stand, and at the end
// the cluster at rest; and says what must not be. docs/simulation.md lists them. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/runtime/replication.h"
#include "sim/disk_log.h"
#include "sim/facts.h"
#include "sim/history.h"
#include "sim/plan.h"
#include "sim/world.h"

namespace engram::sim {

// What the checkers of a run share. Outlives them.
struct Scene {
  World& world;
  const Plan& plan;
  const Facts& facts;
  const History& history;

  // The first thing that was wrong.
  std::string checker, what;
  bool failed() const { return !checker.empty(); }
};

// How every node stood at one instant, nothing for those that were down. `logs`: now and then
// only, what lies on every disk.
struct Poll {
  std::vector<std::vector<runtime::SpaceState>> states;
  std::map<std::string, std::vector<DiskLog>> logs;  // by space, by place
};
const runtime::SpaceState* Find(const Poll& poll, size_t place, const std::string& space);
Poll TakePoll(Scene& scene, bool with_logs);
// What a power cut now would leave of a log; contents of `only` alone.
DiskLog AfterPowerCut(Scene& scene, size_t place, const std::string& space,
                      Sequence only = Sequence());

// The cluster when everything was mended, and the clients were done.
struct Rest {
  Poll poll;  // with logs
  std::map<std::string, size_t> primary;
  bool converged = false;
  std::string why_not;
};

class Checker {
 public:
  explicit Checker(Scene& scene, std::string name) : scene_(scene), name_(std::move(name)) {}
  virtual ~Checker() = default;
  const std::string& name() const { return name_; }

  virtual void OnSend(size_t from, size_t to, const runtime::SpaceMessage& message) {
    (void)from, (void)to, (void)message;
  }
  virtual void OnReply(const Operation& operation) { (void)operation; }
  virtual void OnRead(const Reading& reading) { (void)reading; }
  virtual void OnPoll(const Poll& poll) { (void)poll; }
  virtual void AtRest(const Rest& rest) { (void)rest; }

 protected:
  void Fail(const std::string& what);
  std::string NameOf(size_t place) const { return scene_.world.NameOf(place); }
  bool LocalSpace(const std::string& space) const;

  Scene& scene_;

 private:
  const std::string name_;
};

using MakeChecker = std::unique_ptr<Checker> (*)(Scene&);
// By name, in the order of docs/simulation.md.
const std::vector<std::pair<std::string, MakeChecker>>& AllCheckers();

std::unique_ptr<Checker> MakeLogMatching(Scene& scene);
std::unique_ptr<Checker> MakeAckedDurable(Scene& scene);
std::unique_ptr<Checker> MakePromiseKept(Scene& scene);
std::unique_ptr<Checker> MakeAckAfterSync(Scene& scene);
std::unique_ptr<Checker> MakeCommit(Scene& scene);
std::unique_ptr<Checker> MakeOnePrimary(Scene& scene);
std::unique_ptr<Checker> MakeLossAccounted(Scene& scene);
std::unique_ptr<Checker> MakeRewind(Scene& scene);
std::unique_ptr<Checker> MakeIndexEqualsLog(Scene& scene);
std::unique_ptr<Checker> MakeLinearizable(Scene& scene);
std::unique_ptr<Checker> MakeSpacesApart(Scene& scene);
std::unique_ptr<Checker> MakeLagHonest(Scene& scene);
std::unique_ptr<Checker> MakeInSyncTrue(Scene& scene);
std::unique_ptr<Checker> MakePrimaryInSet(Scene& scene);
std::unique_ptr<Checker> MakeStaleFlushIgnored(Scene& scene);
std::unique_ptr<Checker> MakePoisonSticks(Scene& scene);
std::unique_ptr<Checker> MakeBounded(Scene& scene);
std::unique_ptr<Checker> MakeDeletedStaysDeleted(Scene& scene);
std::unique_ptr<Checker> MakeNoServeAfterDeadline(Scene& scene);
std::unique_ptr<Checker> MakeConverges(Scene& scene);

}  // namespace engram::sim
