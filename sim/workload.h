// Clients of a simulated cluster: they write at every level, with and without keys, one by one and
// in batches; follow NOT_PRIMARY, try again with the same key, and read what they were told exists.
// What they see goes into the History. Not thread-safe.
//
// A call runs on the node's own time (a paused node answers later, a dead one never); what the
// client concludes when nobody answers is "unknown".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/history.h"
#include "sim/plan.h"
#include "sim/world.h"

namespace engram::sim {

class Workload {
 public:
  Workload(World& world, const Plan& plan, History& history);

  // Clients call until Stop; what is under way then ends by itself.
  void Start();
  void Stop() { stopped_ = true; }
  bool quiet() const { return busy_ == 0; }
  // One write from outside of the mix, tried again until `until`.
  void WriteOnce(const std::string& space, v1::Durability level, Instant until);

  // One call of that node, once; what comes of it stands in the operation.
  const Operation& AskOnce(size_t place, const std::string& space, const std::string& id,
                           Operation::Kind kind, v1::Durability level);

  // Called in the moment when a node answers a write with success, on its time.
  std::function<void(const Operation&)> on_reply;
  std::function<void(const Reading&)> on_read;

 private:
  struct Client {
    size_t number;
    std::map<std::string, size_t> primary;  // that it believes in
  };
  struct Attempt;
  using Answer =
      std::function<void(const Status&, const v1::WriteResult&, std::vector<Written> written)>;

  void Next(Client* client);
  Operation* NewOperation(Client* client);
  void ChooseTarget(Operation* operation);
  void Try(Client* client, Operation* operation, Instant give_up);
  void MakeWay(size_t place, const std::string& name);
  void Call(size_t place, Operation* operation, Answer answer);
  void OnAnswer(const std::shared_ptr<Attempt>& attempt, const Status& status,
                const v1::WriteResult& result, std::vector<Written> written);
  void Again(const std::shared_ptr<Attempt>& attempt, const Status& status);
  void End(const std::shared_ptr<Attempt>& attempt, Operation::Outcome outcome);
  void Read(Client* client);
  void ReadAt(size_t place, Reading reading);
  void Watch(const std::shared_ptr<Attempt>& attempt);

  World& world_;
  const Plan& plan_;
  History& history_;
  Prng prng_;
  std::vector<std::unique_ptr<Client>> clients_;
  uint64_t next_id_ = 1;
  int busy_ = 0;
  bool stopped_ = false;
};

}  // namespace engram::sim
