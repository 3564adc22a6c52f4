#include "engram/cluster/walk_store.h"

namespace engram::cluster::walk {

void OuterWorld::Serve(size_t which, bool may_lose) {
  const Asked asked = asked_[which];
  asked_.erase(asked_.begin() + static_cast<ptrdiff_t>(which));
  const bool waits = nodes_[asked.node].alive && nodes_[asked.node].process == asked.process;
  const auto answer = [&](StoreAnswered answered) {
    if (waits) Step(asked.node, std::move(answered));
  };
  if (may_lose && waits && prng_.OneIn(6)) {  // its time is over, and it arrives later
    Note("store", asked.node, "late");
    asked_.push_back({asked.node, 0, asked.lease, asked.call});
    return answer({.id = asked.call.id});
  }
  const bool lost = may_lose && prng_.OneIn(3);
  StoreAnswered answered = config_.Serve(asked.call, asked.node, asked.lease, names_);
  Note("store", asked.node, asked.call.write.has_value() ? "write" : "read",
       static_cast<int>(answered.outcome), lost ? "lost" : "", Text(config_.space.record.epoch),
       Text(config_.space.record.in_sync));
  answer(lost ? StoreAnswered{.id = asked.call.id} : std::move(answered));
}

void OuterWorld::CalmStore(size_t rounds) {
  for (size_t i = 0; i < rounds && violation().empty(); ++i) {
    Calm(1);
    for (size_t served = 0; !asked_.empty() && served < 20; ++served) Serve(0, false);
  }
}

void OuterWorld::MoveLease(size_t n) {
  if (config_.leases[n].number == 0) return Renew(n);
  Note("lease of", n, "ends");
  config_.leases[n].number = 0;
}

void OuterWorld::Renew(size_t n) {
  if (!nodes_[n].alive) return;
  config_.Renew(n, nodes_[n].disk.node);
  Note("lease of", n, "is", config_.leases[n].number);
  Step(n, LeaseChanged{});
}

void OuterWorld::Promote(size_t n) {
  for (size_t primary = 0; primary < count(); ++primary) {
    const bool leads = MemberOf(primary) == config_.space.record.primary;
    if (leads && primary != n && !prng_.OneIn(4)) config_.leases[primary].number = 0;
  }
  Stand(n, {.id = ++requests_});
}

void OuterWorld::RenewAll() {
  for (size_t n = 0; n < count(); ++n) {
    const StoreAnswered::Lease& lease = config_.leases[n];
    if (lease.number == 0 || lease.incarnation != nodes_[n].disk.node) Renew(n);
  }
}

}  // namespace engram::cluster::walk
