// The person who looks after a simulated cluster: promotes when a space has been without a primary
// for a while, takes a dead replica out of the set, restarts a process whose log has failed,
// decides between two histories that came of what it said falsely, and in some runs hands spaces
// over to other nodes. Says only what is true, unless the plan has it err. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "sim/facts.h"
#include "sim/plan.h"
#include "sim/world.h"

namespace engram::sim {

class Operator {
 public:
  Operator(World& world, const Plan& plan, Facts& facts);

  void Start() { Look(); }
  void Stop() { stopped_ = true; }
  // From now on everything runs: nothing is stated any more, and force is the last resort.
  void CalmDown() { calm_ = true; }

 private:
  struct Care {  // of one space
    Instant without_since;
    Instant short_since;
    Instant gone_since;   // everybody runs, and nobody has it
    Instant whole_since;  // no copy refuses to cut what it alone has committed
    bool asking = false;
    std::optional<size_t> alone;  // may have gone on alone: nobody else has what it took since
    int failures = 0;
  };
  void Look();
  void LookAt(const SpacePlan& plan);
  void Promote(const std::string& space, Care* care);
  void Remove(const std::string& space, size_t primary, Care* care);
  void MakeAnew(const SpacePlan& space, Care* care);
  void Decide(const std::string& space, size_t refuses, Care* care);
  void SwitchOver(const std::string& space, size_t primary, Care* care);
  void Send(size_t place, const runtime::PromoteCommand& command, Care* care);
  void Restart(size_t place);
  void StartAgain(size_t place);
  void LookAfterLogs();
  std::optional<size_t> StoppedNode();
  std::optional<size_t> RefusingCopy(const std::string& space, size_t primary);
  std::optional<size_t> LostMember(const std::string& space, size_t primary);
  bool InSet(const std::string& space, size_t primary, size_t place) const;
  size_t Fittest(const std::string& space);

  World& world_;
  const Plan& plan_;
  Facts& facts_;
  Prng prng_, switch_prng_;
  std::map<std::string, Care> care_;
  std::map<size_t, Instant> broken_since_;
  bool stopped_ = false, calm_ = false;
};

}  // namespace engram::sim
