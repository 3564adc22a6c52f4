// What rests on leases: no-serve-after-deadline.
#include "engram/runtime/replication_impl.h"
#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

// Who serves reads of the primary, or acknowledges alone, by its lease has one in the store at that
// moment, whatever its clock says. A store that ends a lease early is the one excuse.
class NoServeAfterDeadline : public Checker {
 public:
  explicit NoServeAfterDeadline(Scene& scene) : Checker(scene, "no-serve-after-deadline") {}
  void OnPoll(const Poll& poll) override {
    World& world = scene_.world;
    if (!scene_.plan.outside || world.store().ended_early()) return;
    for (size_t place = 0; place < poll.states.size(); ++place) {
      if (!world.up(place) || world.scheduler().Paused(static_cast<Owner>(place))) continue;
      auto& impl = static_cast<runtime::ReplicationImpl&>(*world.node(place).replication());
      for (const runtime::SpaceState& state : poll.states[place]) {
        const auto runner = impl.Find(state.space);
        if (runner == nullptr || state.role != cluster::Role::kPrimary) continue;
        if (!runner->HoldsLease() && runner->LeaseRanOut()) continue;
        if (world.store().Alive(NameOf(place), impl.lease_number())) continue;
        return Fail(state.space + ": " + NameOf(place) + " serves by a lease that is gone");
      }
    }
  }
};

}  // namespace

std::unique_ptr<Checker> MakeNoServeAfterDeadline(Scene& scene) {
  return std::make_unique<NoServeAfterDeadline>(scene);
}

}  // namespace engram::sim
