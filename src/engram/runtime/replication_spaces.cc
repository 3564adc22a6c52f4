// What operators and doors ask of replication: making, deleting, promoting, looking.
#include <algorithm>
#include <future>

#include "engram/cluster/static_store.h"
#include "engram/runtime/replication_impl.h"

namespace engram::runtime {

using replication::Ask;

std::vector<SpaceState> ReplicationImpl::Spaces() {
  std::vector<SpaceState> states;
  for (const auto& runner : Runners()) {
    if (runner->bound()) states.push_back(runner->Describe());
  }
  return states;
}

Result<SpaceState> ReplicationImpl::StateOf(const std::string& space) {
  ASSIGN_OR_RETURN(const std::shared_ptr<CopyRunner> runner, Bound(space));
  return runner->Describe();
}

void ReplicationImpl::Promote(const PromoteCommand& command,
                              std::function<void(Result<cluster::PromotionReport>)> done) {
  cluster::StoreRequest request;
  request.kind = cluster::StoreRequest::Kind::kLead;
  request.force = command.force;
  request.dry_run = command.dry_run;
  request.remove = command.remove;
  for (const auto& node : {command.stopped, command.remove}) {
    if (!node.has_value()) continue;
    request.stopped = PlaceOf(*node);
    if (request.stopped.has_value() && *request.stopped != options_.me) continue;
    return done(NoSuchNode(*node));
  }
  const Result<std::shared_ptr<CopyRunner>> runner = Bound(command.space);
  if (!runner.ok()) return done(runner.status());
  (*runner)->Stand(std::move(request),
                   [done](const cluster::PromotionReport& report) { done(report); });
}

Status ReplicationImpl::NoSuchNode(const std::string& node) const {
  std::string names;
  for (const NodeAddress& known : options_.nodes) {
    names += (names.empty() ? "" : ", ") + known.name;
  }
  return Status(Reason::REPLICA_NOT_FOUND, "'" + node + "' is no other node of this cluster.")
      .Expected("one of " + names + ", but not the one that is asked")
      .Suggest("engram cluster explain shows the nodes")
      .With("actual", node);
}

void ReplicationImpl::SwitchOver(const SwitchCommand& command,
                                 std::function<void(Result<cluster::SwitchReport>)> done) {
  const std::optional<size_t> to = PlaceOf(command.to);
  if (!to.has_value()) return done(NoSuchNode(command.to));
  const Result<std::shared_ptr<CopyRunner>> runner = Bound(command.space);
  if (!runner.ok()) return done(runner.status());
  if (Status bad = (*runner)->Admit(v1::DURABILITY_LOCAL).status(); !bad.ok()) return done(bad);
  (*runner)->SwitchOver({.id = 0, .to = *to, .within = command.within, .dry_run = command.dry_run},
                        [done](const cluster::SwitchReport& report) { done(report); });
}

Result<std::shared_ptr<space::Space>> ReplicationImpl::CreateSpace(
    const std::string& id, const v1::SpaceSettings& settings) {
  using Outcome = Result<std::shared_ptr<space::Space>>;
  std::promise<Outcome> made;
  CreateSpaceAsync(id, settings, [&made](Outcome outcome) { made.set_value(std::move(outcome)); });
  return made.get_future().get();
}

void ReplicationImpl::CreateSpaceAsync(const std::string& id, const v1::SpaceSettings& settings,
                                       Made done) {
  const auto exists = [&](const char* how) {
    return Status(Reason::SPACE_EXISTS, "The space '" + id + "' " + how + ".")
        .Suggest("if_not_exists makes this no error")
        .With("space", id);
  };
  if (HasEntries(id)) return done(exists("exists"));
  auto census = std::make_shared<Census>();
  census->settings = settings;
  census->done = std::move(done);
  census->began = context_.clock->Now();
  bool busy = false;
  {
    MutexLock lock(mutex_);
    busy = !creating_.insert(id).second;
    if (!busy) {
      census->round = next_round_++;
      censuses_[id] = census;
    }
  }
  if (busy) return census->done(exists("is being made"));
  outer_ != nullptr ? MakeOutside(id, census) : TakeCensus(id, census);
}

// Asks every other node whether it has the space; all have to answer.
void ReplicationImpl::TakeCensus(const std::string& id, const std::shared_ptr<Census>& census) {
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    if (peer == options_.me) continue;
    SpaceMessage message;
    message.space = id;
    message.message.stamp = {Incarnation(), cluster::MakeEpoch(1, options_.me), self_.incarnation};
    message.message.body = Ask{.round = census->round, .dry_run = true};
    (void)transport_->Send(peer, Lane::kLive, std::move(message));
  }
  if (options_.nodes.size() == 1) EndCensus(id);
}

Status ReplicationImpl::Judge(const std::string& id, const Census& census) const {
  std::string silent;
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    if (peer == options_.me) continue;
    const std::string& name = options_.nodes[peer].name;
    const auto answer = census.answers.find(peer);
    if (answer == census.answers.end()) {
      silent += (silent.empty() ? "" : ", ") + name;
    } else if (answer->second) {
      return Status(Reason::SPACE_EXISTS, "The space '" + id + "' exists on " + name + ".")
          .Suggest("if_not_exists makes this no error")
          .With("space", id);
    }
  }
  if (silent.empty()) return OkStatus();
  return Status(Reason::NOT_ENOUGH_IN_SYNC,
                "A node that may have the space '" + id + "' does not answer: " + silent + ".")
      .Expected("an answer of every configured node: none may have a space of this name")
      .Suggest("start " + silent + ", then try again")
      .With("space", id)
      .With("missing", silent);
}

// All have answered, or it took too long.
void ReplicationImpl::EndCensus(const std::string& id) {
  std::shared_ptr<Census> census;
  Status status;
  {
    MutexLock lock(mutex_);
    const auto it = censuses_.find(id);
    if (it == censuses_.end() || it->second->ending) return;
    census = it->second;
    census->ending = true;
    status = Judge(id, *census);
  }
  context_.executor->Post([this, id, census, status] {
    if (!status.ok()) return EndMaking(id, *census, status);
    const Result<Making> making = Prepare(id, census->settings);
    EndMaking(
        id, *census,
        making.ok() ? Make(id, *making) : Result<std::shared_ptr<space::Space>>(making.status()));
  });
}

// The store outside decides whether there is such a space: its record comes first, then the log.
void ReplicationImpl::MakeOutside(const std::string& id, const std::shared_ptr<Census>& census) {
  context_.executor->Post([this, id, census] {
    Result<Making> making = Prepare(id, census->settings);
    if (!making.ok()) return EndMaking(id, *census, making.status());
    outer_->Create(
        id, making->incarnation, making->record,
        [this](Incarnation incarnation) { return IsDeleted(incarnation); },
        [this, id, census, making = *making](Result<int64_t> lease) mutable {
          if (!lease.ok()) return EndMaking(id, *census, lease.status());
          making.lease = *lease;
          EndMaking(id, *census, Make(id, making));
        });
  });
}

void ReplicationImpl::EndMaking(const std::string& id, const Census& census,
                                Result<std::shared_ptr<space::Space>> made) {
  {
    MutexLock lock(mutex_);
    creating_.erase(id);
    censuses_.erase(id);
  }
  census.done(std::move(made));
}

Result<ReplicationImpl::Making> ReplicationImpl::Prepare(const std::string& id,
                                                         v1::SpaceSettings settings) {
  if (settings.durability() == v1::DURABILITY_UNSPECIFIED && options_.nodes.size() > 1) {
    settings.set_durability(v1::DURABILITY_REPLICATED);
  }
  if (HasEntries(id)) {  // they came while the others were asked
    return Status(Reason::SPACE_EXISTS, "The space '" + id + "' exists.").With("space", id);
  }
  Making making{std::move(settings), env::MakeIncarnation(*context_.entropy), {}, 0};
  replication::SpaceRecord& record = making.record;
  record.epoch = cluster::MakeEpoch(1, options_.me);
  record.primary = self_;
  record.in_sync = {self_};
  record.wall_ns = context_.clock->WallNs();
  if (outer_ != nullptr) return making;  // nobody votes
  record.voters = {self_};
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    const PeerState state = transport_->peer(peer);
    if (peer == options_.me || !state.identity.has_value()) continue;
    replication::Add(&record.voters,
                     {options_.nodes[peer].name, state.identity->incarnation, state.identity->id});
  }
  return making;
}

Result<std::shared_ptr<space::Space>> ReplicationImpl::Make(const std::string& id,
                                                            const Making& making) {
  if (registry_->Exists(id)) {  // an empty copy, of a space that is nowhere any more
    ASSIGN_OR_RETURN(const std::string away, registry_->MoveAway(id));
    context_.report(id, "empty_copy_moved", "no node had any entry of it; it lies in " + away);
  }
  ASSIGN_OR_RETURN(
      std::shared_ptr<space::Space> space,
      registry_->CreateFirst(id, making.settings, making.incarnation, making.record.epoch,
                             replication::EncodeRecord(making.record)));
  if (const auto runner = Find(id)) runner->Bind(space, /*created=*/true, making.lease);
  return space;
}

Result<v1::DeleteSpaceResponse> ReplicationImpl::DeleteSpace(const std::string& id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<CopyRunner> runner, Bound(id));
  // In whatever state the space is here: only who leads may say that it is gone.
  RETURN_IF_ERROR(runner->Admit(v1::DURABILITY_LOCAL).status());
  const Incarnation incarnation = runner->incarnation();
  ASSIGN_OR_RETURN(v1::DeleteSpaceResponse response, registry_->Delete(id));
  NoteDeleted(incarnation);
  if (outer_ != nullptr) outer_->Delete(id, incarnation);
  {
    MutexLock lock(mutex_);
    former_.push_back(runner);
    runners_.erase(id);
  }
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    if (peer != options_.me) SendDeleted(peer);
  }
  return response;
}

void ReplicationImpl::SendDeleted(size_t peer) {
  std::vector<Incarnation> deleted;
  {
    MutexLock lock(mutex_);
    deleted = context_.identity.deleted;
  }
  for (const Incarnation& incarnation : deleted) {
    SpaceMessage message;
    message.message.stamp = {incarnation, Epoch(), self_.incarnation};
    message.message.body = replication::Deleted();
    (void)transport_->Send(peer, Lane::kLive, std::move(message));
  }
}

// Whatever copy of it this node has goes; its name is not needed to find it.
void ReplicationImpl::RemoveCopy(const std::string&, Incarnation incarnation) {
  NoteDeleted(incarnation);
  for (const auto& runner : Runners()) {
    if (runner->incarnation() != incarnation) continue;
    const Status status = registry_->Remove(runner->name());
    context_.report(runner->name(), status.ok() ? "copy_removed" : "copy_not_removed",
                    status.ok() ? "its deletion was committed" : status.message());
    if (!status.ok()) continue;  // tried again by the timer
    MutexLock lock(mutex_);
    former_.push_back(runner);
    runners_.erase(runner->name());
  }
}

void ReplicationImpl::NoteDeleted(Incarnation incarnation) {
  MutexLock lock(mutex_);
  auto& deleted = context_.identity.deleted;
  if (std::find(deleted.begin(), deleted.end(), incarnation) != deleted.end()) return;
  deleted.push_back(incarnation);
  const Status status = SaveNodeIdentity(*context_.fs, context_.data_dir, context_.identity);
  if (!status.ok()) context_.report("", "node_meta_not_written", status.message());
}

bool ReplicationImpl::IsDeleted(Incarnation incarnation) const {
  MutexLock lock(mutex_);
  const auto& deleted = context_.identity.deleted;
  return std::find(deleted.begin(), deleted.end(), incarnation) != deleted.end();
}

}  // namespace engram::runtime
