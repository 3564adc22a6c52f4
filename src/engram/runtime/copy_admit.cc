// Which writes and reads a copy may take now, and the words for those that it may not.
#include "engram/runtime/copy_runner.h"

namespace engram::runtime {

using cluster::Role;

Status CopyRunner::Addressed(Status status) const {
  const ReplicationOptions& options = *context_.options;
  const auto named = status.metadata().find("primary");
  if (status.reason() == Reason::NOT_PRIMARY && named != status.metadata().end()) {
    for (const NodeAddress& node : options.nodes) {
      if (node.name != named->second) continue;
      return Status(Reason::NOT_PRIMARY,
                    "This node is a replica of '" + name_ + "'; " + node.name + " is its primary.")
          .Expected("the primary")
          .Suggest("send it to " + node.grpc)
          .With("primary", node.name)
          .With("primary_grpc", node.grpc)
          .With("primary_http", node.http)
          .With("epoch", status.metadata().at("epoch"));
    }
  }
  return status;
}

std::string CopyRunner::SilentNodes() const {
  std::string silent;
  for (size_t peer = 0; peer < context_.options->nodes.size(); ++peer) {
    if (peer == me_ || context_.transport->peer(peer).connected) continue;
    silent += (silent.empty() ? "" : ", ") + context_.options->nodes[peer].name;
  }
  return silent;
}

// Of too few copies. Who is missing is in the set, or was left out of it by a promotion.
Status CopyRunner::WithAdvice(Status status) const {
  const std::string need = status.metadata().at("need");
  const std::string missing = status.metadata().at("missing");
  const std::string silent = SilentNodes();
  std::string advice = "wait until the other copy has caught up";
  if (!missing.empty()) {
    advice = "start " + missing + ", or take it out of the set with engram replicas remove";
  } else if (!silent.empty()) {
    advice = "start " + silent + ", it then joins the set by itself";
  }
  return std::move(status)
      .Expected("copies on " + need + " nodes that answer")
      .Suggest(advice + "; or ask for local durability")
      .Example("engram remember \"…\" --durability local")
      .With("space", name_);
}

bool CopyRunner::HoldsLease() {
  if (context_.outer == nullptr) return false;
  const LeaseKeeper& lease = context_.outer->lease();
  MutexLock lock(mutex_);
  if (copy_ == nullptr || !copy_->serving() || copy_->lease() != lease.number()) return false;
  return lease.Holds() || Is(replication::Mutant::kServePastLease);
}

bool CopyRunner::LeaseRanOut() {
  if (context_.outer == nullptr || Is(replication::Mutant::kServePastLease)) return false;
  return !context_.outer->lease().Holds();
}

// What may be taken when this node's lease has run out: nothing that one copy acknowledges alone,
// and for a while what every member acknowledges.
Status CopyRunner::UnderLease(v1::Durability level) const {
  if (context_.outer == nullptr || Is(replication::Mutant::kServePastLease)) return OkStatus();
  const LeaseKeeper& lease = context_.outer->lease();
  if (lease.Holds()) return OkStatus();
  const Duration past = context_.clock->Now() - lease.deadline();
  if (level == v1::DURABILITY_REPLICATED && past < context_.options->lease_grace) return OkStatus();
  const std::string trouble = lease.trouble();
  return Status(Reason::NO_PRIMARY,
                "The lease of this node in the configuration store has run out" +
                    (trouble.empty() ? "." : ": " + trouble + "."))
      .Expected("a lease: without one another node may lead '" + name_ + "' by now")
      .Suggest("see whether " + context_.outer->Describe() + " is reached from this node")
      .Example("engram cluster explain")
      .With("space", name_)
      .With("retry_after_ms", uint64_t{200});
}

Result<v1::Durability> CopyRunner::Admit(v1::Durability level) {
  const Instant now = context_.clock->Now();
  Status status, local;
  Role role = Role::kReplica;
  std::optional<Instant> since;
  {
    MutexLock lock(mutex_);
    if (copy_ == nullptr || space_.expired()) {
      return Status(Reason::RECOVERING, "The space '" + name_ + "' is being opened.")
          .With("retry_after_ms", uint64_t{20});
    }
    HearContacts();
    role = copy_->role();
    since = without_primary_since_;
    local = copy_->Admit(/*replicated=*/false, now);
    if (local.ok()) status = copy_->Admit(/*replicated=*/true, now);
  }
  if (local.ok()) {
    if (level == v1::DURABILITY_AUTO && !status.ok()) level = v1::DURABILITY_LOCAL;
    // Without a lease the best that can be had is what every member acknowledges.
    if (level == v1::DURABILITY_AUTO && LeaseRanOut()) level = v1::DURABILITY_REPLICATED;
    RETURN_IF_ERROR(UnderLease(level));
    if (level == v1::DURABILITY_LOCAL || status.ok()) return level;
    return WithAdvice(std::move(status));
  }
  if (local.reason() == Reason::NOT_PRIMARY) return Addressed(local);
  if (role == Role::kCandidate && since.has_value() && now - *since < std::chrono::seconds(1)) {
    return Status(Reason::RECOVERING, "This node is about to lead '" + name_ + "'.")
        .Suggest("try again in a moment")
        .With("space", name_)
        .With("retry_after_ms", uint64_t{20});
  }
  std::string names;
  for (const NodeAddress& node : context_.options->nodes) {
    names += (names.empty() ? "" : ", ") + node.name;
  }
  const int64_t seconds =
      since.has_value() ? std::chrono::duration_cast<std::chrono::seconds>(now - *since).count()
                        : 0;
  const std::string silent = SilentNodes();
  return Status(Reason::NO_PRIMARY,
                "no primary for space '" + name_ + "' since " + std::to_string(seconds) + " s")
      .Expected("one of " + names + " as primary")
      .Suggest(silent.empty() ? "see who could lead"
                              : silent + " does not answer; see what a promotion would do")
      .Example("engram promote " + context_.self.node + " --space " + name_ + " --dry-run")
      .With("space", name_)
      .With("since_s", static_cast<uint64_t>(seconds))
      .With("retry_after_ms", uint64_t{200});
}

Status CopyRunner::Confirm(Duration wait) {
  auto waiter = std::make_shared<Waiter>();
  uint64_t id = 0;
  Status refused;
  {
    MutexLock lock(mutex_);
    if (copy_ == nullptr) return Status(Reason::RECOVERING, "The space is being opened.");
    if (copy_->role() != Role::kPrimary) refused = copy_->Admit(false, context_.clock->Now());
    id = next_id_++;
    if (refused.ok()) confirms_[id] = waiter;
  }
  if (!refused.ok()) return Addressed(refused);
  Run([this, id] { Step(cluster::ConfirmReads{id}); });
  bool held = false;
  {
    MutexLock lock(waiter->mutex);
    waiter->changed.wait_for(lock, wait, [&] { return waiter->done; });
    held = waiter->held;
  }
  MutexLock lock(mutex_);
  confirms_.erase(id);
  if (held) return OkStatus();
  return Status(Reason::TOO_STALE, "Not every member of the in-sync set confirmed in time.")
      .Expected("an answer of each member")
      .Suggest("read without confirmation: the reply says how stale it may be")
      .With("space", name_);
}

}  // namespace engram::runtime
