#include <algorithm>

#include "engram/runtime/replication_impl.h"

namespace engram::runtime {

using replication::Answer;
using replication::Ask;
using replication::Open;
using replication::Refused;
using replication::Stamp;

namespace {

constexpr Duration kTickEvery = std::chrono::milliseconds(50);
constexpr Duration kMakeAgain = std::chrono::seconds(1);  // asked of a store outside
constexpr Duration kOpenAgain = std::chrono::milliseconds(100);
constexpr uint64_t kTicksOfIdle = 20;
constexpr Duration kCensusFor = std::chrono::seconds(3);

}  // namespace

ReplicationImpl::ReplicationImpl(ReplicationOptions options, ReplicationContext context)
    : options_(std::move(options)), context_(std::move(context)), contacts_(options_.nodes.size()) {
  self_ = {context_.node_name, context_.identity.incarnation, context_.identity.id};
}

ReplicationImpl::~ReplicationImpl() {
  Stop();
}

Result<std::unique_ptr<ReplicationImpl>> ReplicationImpl::Make(ReplicationOptions options,
                                                               ReplicationContext context) {
  std::unique_ptr<ReplicationImpl> impl(
      new ReplicationImpl(std::move(options), std::move(context)));
  impl->bulk_ = std::make_shared<BulkTurns>(*impl->context_.executor, *impl->context_.clock,
                                            impl->options_.catch_up_rate);
  if (impl->options_.make_store) {
    ASSIGN_OR_RETURN(impl->outer_, impl->MakeOuter());
  }
  ASSIGN_OR_RETURN(impl->transport_, impl->options_.make_transport(
                                         impl->self_.id, impl->self_.incarnation, impl.get()));
  return impl;
}

Result<std::unique_ptr<OuterConfiguration>> ReplicationImpl::MakeOuter() {
  ASSIGN_OR_RETURN(std::unique_ptr<ConfigStore> store, options_.make_store());
  OuterOptions outer;
  for (const NodeAddress& node : options_.nodes) outer.nodes.push_back(node.name);
  outer.me = options_.me;
  outer.self = self_;
  outer.replication = options_.nodes[options_.me].replication;
  outer.lease_ttl = options_.lease_ttl;
  outer.lease_margin = options_.lease_margin;
  outer.may_wait = context_.may_wait;
  outer.mutant = options_.mutant;
  // Not on a thread of the store: a step may wait for a disk.
  auto changed = [this] {
    context_.executor->Post([this] {
      for (const auto& runner : Runners()) runner->OnLeaseChanged();
    });
  };
  return std::make_unique<OuterConfiguration>(std::move(store), *context_.clock, *context_.executor,
                                              std::move(outer), std::move(changed));
}

std::optional<StoreState> ReplicationImpl::Store() const {
  if (outer_ == nullptr) return std::nullopt;
  const LeaseKeeper& lease = outer_->lease();
  return StoreState{outer_->Describe(), lease.left(), lease.losses(), lease.trouble()};
}

Status ReplicationImpl::Start(space::Registry& registry) {
  registry_ = &registry;
  started_ = true;
  RETURN_IF_ERROR(transport_->Start(*this));
  if (outer_ != nullptr) outer_->Start();
  for (const auto& runner : Runners()) BindSoon(runner->name());
  ScheduleTick();
  return OkStatus();
}

void ReplicationImpl::Stop() {
  if (stopped_.exchange(true)) return;
  if (started_) transport_->Stop();
  if (outer_ != nullptr) outer_->Stop();
}

RunnerContext ReplicationImpl::ContextOfRunners() {
  RunnerContext context;
  context.options = &options_;
  context.clock = context_.clock;
  context.entropy = context_.entropy;
  context.executor = context_.executor;
  context.bulk = bulk_.get();
  context.transport = transport_.get();
  context.outer = outer_.get();
  context.registry = registry_;
  context.contacts = &contacts_;
  context.self = self_;
  context.report = context_.report;
  context.fail_all = [this](const Status& why) {
    context_.executor->Post([this, why] {
      for (const auto& runner : Runners()) runner->OnFailed(why);
    });
  };
  context.deleted = [this](const std::string& space, Incarnation incarnation) {
    context_.executor->Post([this, space, incarnation] { RemoveCopy(space, incarnation); });
  };
  return context;
}

std::shared_ptr<CopyRunner> ReplicationImpl::RunnerOf(const std::string& space) {
  MutexLock lock(mutex_);
  std::shared_ptr<CopyRunner>& runner = runners_[space];
  if (runner == nullptr) runner = std::make_shared<CopyRunner>(ContextOfRunners(), space);
  return runner;
}

std::shared_ptr<CopyRunner> ReplicationImpl::Find(const std::string& space) const {
  MutexLock lock(mutex_);
  const auto it = runners_.find(space);
  return it == runners_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<CopyRunner>> ReplicationImpl::Runners() const {
  std::vector<std::shared_ptr<CopyRunner>> all;
  MutexLock lock(mutex_);
  for (const auto& [name, runner] : runners_) all.push_back(runner);
  return all;
}

space::Committer* ReplicationImpl::CommitterFor(const std::string& space, wal::Log& log) {
  const std::shared_ptr<CopyRunner> runner = RunnerOf(space);
  runner->Attach(log);
  {
    MutexLock lock(mutex_);
    summaries_.erase(space);
  }
  bool creating = false;
  {
    MutexLock lock(mutex_);
    creating = creating_.contains(space);
  }
  // Who makes it binds it; else whoever opened it need not know of this.
  if (started_ && !creating) BindSoon(space);
  return runner.get();
}

void ReplicationImpl::BindSoon(const std::string& space) {
  context_.executor->Post([this, space] {
    if (stopped_) return;
    if (const auto open = registry_->FindOpen(space)) {
      if (const auto runner = Find(space)) runner->Bind(open, /*created=*/false);
      return;
    }
    // It failed as soon as it was opened: opened again, but not as fast as the disk fails.
    context_.executor->PostAfter(kOpenAgain, [this, space] {
      if (!stopped_) (void)Bound(space);
    });
  });
}

Result<std::shared_ptr<CopyRunner>> ReplicationImpl::Bound(const std::string& space) {
  Result<std::shared_ptr<space::Space>> opened = registry_->Get(space);
  if (!opened.ok() && opened.status().reason() == Reason::SPACE_NOT_FOUND &&
      registry_->Exists(space)) {
    (void)registry_->Remove(space);  // its deletion was committed, and not finished
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<space::Space> open, std::move(opened));
  std::shared_ptr<CopyRunner> runner = Find(space);
  if (runner == nullptr) {
    return Status(Reason::RECOVERING, "The space '" + space + "' is being opened.");
  }
  if (IsDeleted(open->incarnation())) {
    context_.executor->Post(
        [this, space, incarnation = open->incarnation()] { RemoveCopy(space, incarnation); });
  }
  runner->Bind(open, /*created=*/false);
  return runner;
}

void ReplicationImpl::ScheduleTick() {
  context_.executor->PostAfter(kTickEvery, [this] {
    if (stopped_) return;
    TickAll();
    ScheduleTick();
  });
}

void ReplicationImpl::TickAll() {
  for (size_t peer = 0; peer < contacts_.size(); ++peer) {
    if (peer != options_.me) contacts_[peer] = transport_->peer(peer).last_contact.ns;
  }
  // A thousand idle spaces must cost next to nothing.
  const bool all = ++ticks_ % kTicksOfIdle == 0;
  for (const auto& runner : Runners()) {
    if ((all || runner->busy()) && runner->bound()) runner->Tick();
    // One that began to lead while the lease changed was not told.
    if (all && outer_ != nullptr) runner->OnLeaseChanged();
    if (all && IsDeleted(runner->incarnation())) {
      context_.executor->Post(
          [this, incarnation = runner->incarnation()] { RemoveCopy("", incarnation); });
    }
  }
  std::vector<std::string> late;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, census] : censuses_) {
      if (outer_ != nullptr) continue;  // the store answers, or says that it cannot
      if (context_.clock->Now() - census->began >= kCensusFor) late.push_back(id);
    }
  }
  for (const std::string& id : late) EndCensus(id);
  if (!HasEntries("default")) EnsureDefault();
}

// The first primary makes `default`, when every other node has said that it does not have it.
void ReplicationImpl::EnsureDefault() {
  if (!WaitingFor().empty() || making_default_.exchange(true)) return;
  CreateSpaceAsync("default", context_.space_defaults, [this](const auto& made) {
    if (!made.ok() && made.status().reason() != Reason::SPACE_EXISTS) {
      context_.report("default", "space_not_made", made.status().message());
    }
    // Where another node has it this one waits to be told of it.
    if (made.ok() || outer_ == nullptr) return void(making_default_ = false);
    context_.executor->PostAfter(kMakeAgain, [this] { making_default_ = false; });
  });
}

std::string ReplicationImpl::WaitingFor() {
  if (registry_ == nullptr || HasEntries("default")) return "";
  const bool mine = options_.nodes[options_.me].name == options_.first_primary;
  if (outer_ != nullptr) {
    if (!mine && !options_.first_primary.empty()) return options_.first_primary;
    return outer_->lease().number() != 0 ? "" : "a lease in the configuration store";
  }
  if (!mine) return options_.first_primary;
  std::string silent;
  for (size_t peer = 0; peer < options_.nodes.size(); ++peer) {
    if (peer == options_.me || transport_->peer(peer).connected) continue;
    silent += (silent.empty() ? "" : ", ") + options_.nodes[peer].name;
  }
  return silent;
}

void ReplicationImpl::OnPeerUp(size_t peer, const PeerIdentity& identity) {
  context_.report("", "peer_up", options_.nodes[peer].name);
  const bool unnoticed = options_.mutant == replication::Mutant::kReconnectUnnoticed;
  for (const auto& runner : Runners()) {
    if (!unnoticed) runner->OnPeerUp(peer, identity.incarnation);
  }
  context_.mending->OnPeerUp(peer);
  SendDeleted(peer);
  context_.executor->Post([this, peer] { SendPages(peer); });
}

void ReplicationImpl::LookAt(const std::string& space) {
  const std::shared_ptr<CopyRunner> runner = Find(space);
  if (runner != nullptr && runner->bound()) runner->Tick();
}

void ReplicationImpl::OnPeerDown(size_t peer, const Status& why) {
  context_.report("", "peer_down", options_.nodes[peer].name + ": " + why.message());
  for (const auto& runner : Runners()) runner->OnPeerDown(peer);
  context_.mending->OnPeerDown(peer);
}

void ReplicationImpl::OnWritable(size_t peer, Lane) {
  for (const auto& runner : Runners()) {
    if (runner->bound()) runner->OnWritable(peer);
  }
}

void ReplicationImpl::OnMessage(size_t peer, Lane lane, SpaceMessage message) {
  if (stopped_) return;
  if (const auto* page = std::get_if<replication::Page>(&message.message.body)) {
    return context_.executor->Post([this, page = *page] { ComparePage(page); });
  }
  if (AnswerCensus(peer, message)) return;
  const std::shared_ptr<CopyRunner> runner = Find(message.space);
  const bool here = runner != nullptr && runner->bound() &&
                    runner->incarnation() == message.message.stamp.space &&
                    !std::holds_alternative<replication::Deleted>(message.message.body);
  if (here) return runner->OnMessage(peer, lane, std::move(message.message));
  context_.executor->Post([this, peer, lane, message = std::move(message)]() mutable {
    if (!stopped_) OpenUnbound(peer, lane, std::move(message));
  });
}

// An empty copy was made for a primary, or for a promise: when no node has more than that, the
// space is nowhere. One that is not open yet may have entries.
bool ReplicationImpl::HasEntries(const std::string& space) {
  if (!registry_->Exists(space)) return false;
  const std::shared_ptr<CopyRunner> runner = Find(space);
  return runner == nullptr || !runner->bound() || !runner->empty();
}

// Questions about a space that is to be made name no incarnation.
bool ReplicationImpl::AnswerCensus(size_t peer, const SpaceMessage& message) {
  const Stamp& stamp = message.message.stamp;
  if (!stamp.space.is_zero()) return false;
  if (const auto* answer = std::get_if<Answer>(&message.message.body)) {
    {
      MutexLock lock(mutex_);
      const auto it = censuses_.find(message.space);
      if (it == censuses_.end() || it->second->round != answer->round) return true;
      it->second->answers[peer] = answer->has_space;
      if (it->second->answers.size() + 1 < options_.nodes.size()) return true;
    }
    EndCensus(message.space);
    return true;
  }
  const auto* ask = std::get_if<Ask>(&message.message.body);
  if (ask == nullptr) return true;
  Answer answer;
  answer.round = ask->round;
  answer.granted = true;
  {
    MutexLock lock(mutex_);
    answer.has_space = creating_.contains(message.space);
  }
  answer.has_space = answer.has_space || HasEntries(message.space);
  if (registry_->Exists(message.space)) {  // once it is open this node can say more
    context_.executor->Post([this, id = message.space] {
      if (!stopped_) (void)Bound(id);
    });
  }
  Reply(peer, message, Incarnation(), std::move(answer));
  return true;
}

void ReplicationImpl::Reply(size_t peer, const SpaceMessage& to, Incarnation space,
                            replication::Body body) {
  SpaceMessage reply;
  reply.space = to.space;
  reply.message.stamp = {space, to.message.stamp.epoch, self_.incarnation};
  reply.message.body = std::move(body);
  (void)transport_->Send(peer, Lane::kLive, std::move(reply));
}

void ReplicationImpl::OpenUnbound(size_t peer, Lane lane, SpaceMessage message) {
  const Incarnation incarnation = message.message.stamp.space;
  const replication::Body& body = message.message.body;
  if (std::holds_alternative<replication::Deleted>(body)) {
    return RemoveCopy(message.space, incarnation);
  }
  if (IsDeleted(incarnation)) {
    return Reply(peer, message, incarnation, replication::Deleted());
  }
  const bool opens = std::holds_alternative<Open>(body);
  if (!registry_->Exists(message.space)) {
    const auto* ask = std::get_if<Ask>(&body);
    const bool forgets = options_.mutant == replication::Mutant::kAskWithoutPromise;
    if (ask != nullptr && (ask->dry_run || forgets)) {
      Answer answer;
      answer.round = ask->round;
      answer.granted = true;
      return Reply(peer, message, incarnation, std::move(answer));
    }
    // A promise needs a place where it is kept: an Open of an earlier epoch may come behind it.
    if (!opens && ask == nullptr) return;
    const auto made = registry_->CreateCopy(message.space, incarnation);
    if (!made.ok() && made.status().reason() != Reason::SPACE_EXISTS) {
      return context_.report(message.space, "copy_not_made", made.status().message());
    }
    context_.report(message.space, "copy_made", "for " + options_.nodes[peer].name);
  }
  const auto runner = Bound(message.space);
  if (!runner.ok()) {
    return Reply(
        peer, message, incarnation,
        Refused{.why = Refused::Why::kBroken, .promised = {}, .text = runner.status().message()});
  }
  if ((*runner)->incarnation() != incarnation) {
    if (!opens) return;
    // A deleted one makes room; the primary opens again in a while.
    if (IsDeleted((*runner)->incarnation())) {
      return RemoveCopy(message.space, (*runner)->incarnation());
    }
    return TakeForeign(peer, lane, std::move(message));
  }
  (*runner)->OnMessage(peer, lane, std::move(message.message));
}

// This node has another space of the name. One that is led here stays; a mere copy is moved away,
// never overwritten.
void ReplicationImpl::TakeForeign(size_t peer, Lane lane, SpaceMessage message) {
  const std::string& space = message.space;
  const auto state = StateOf(space);
  const bool led = state.ok() && state->role != cluster::Role::kReplica;
  const bool followed = state.ok() && !state->primary.empty();
  if (led || followed) {
    bool news = false;
    {
      MutexLock lock(mutex_);
      const Instant now = context_.clock->Now();
      const auto [it, fresh] = foreign_.try_emplace(space, now);
      news = fresh || now - it->second > std::chrono::minutes(1);
      if (news) it->second = now;
    }
    if (news) {
      RunnerOf(space)->CountAlarm();
      context_.report(space, "foreign_space",
                      options_.nodes[peer].name + " leads another space of this name");
    }
    return Reply(peer, message, message.message.stamp.space,
                 Refused{.why = Refused::Why::kForeign, .promised = {}, .text = {}});
  }
  const auto moved = registry_->MoveAway(space);
  if (!moved.ok()) return context_.report(space, "foreign_space", moved.status().message());
  RunnerOf(space)->CountAlarm();
  context_.report(space, "foreign_space_moved",
                  "another space of this name was here; it lies in " + *moved);
  OpenUnbound(peer, lane, std::move(message));
}

std::vector<std::pair<NodeAddress, PeerState>> ReplicationImpl::Nodes() const {
  std::vector<std::pair<NodeAddress, PeerState>> nodes;
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    PeerState state;
    if (place == options_.me) {
      state.connected = true;
      state.identity = PeerIdentity{self_.id, self_.incarnation, 1, {}};
      state.last_contact = context_.clock->Now();
    } else {
      state = transport_->peer(place);
    }
    nodes.emplace_back(options_.nodes[place], std::move(state));
  }
  return nodes;
}

std::optional<size_t> ReplicationImpl::PlaceOf(const std::string& node) const {
  for (size_t place = 0; place < options_.nodes.size(); ++place) {
    if (options_.nodes[place].name == node) return place;
  }
  return std::nullopt;
}

std::string ReplicationImpl::DirectoryOf(const std::string& space) const {
  return env::JoinPath(env::JoinPath(context_.data_dir, "spaces"), space);
}

}  // namespace engram::runtime
