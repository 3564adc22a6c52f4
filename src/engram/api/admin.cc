#include "engram/api/admin.h"

#include <utility>

#include "engram/api/replica_state.h"
#include "engram/api/request_checks.h"
#include "engram/cluster/static_store.h"
#include "engram/model/episode.h"
#include "engram/runtime/node.h"
#include "engram/runtime/replication.h"

namespace engram::api {
namespace {

constexpr std::chrono::milliseconds kSwitchoverMost(4000);

Status NoOtherNodes() {
  return Status(Reason::CONFIGURATION, "This is a single node: it has no other copies.")
      .Expected("a server with cluster.mode = static or etcd")
      .Suggest("engram status shows what a single node has");
}

Status NotFromHere() {
  return Status(Reason::PERMISSION_DENIED, "Operators' calls are taken from this machine alone.")
      .Expected("a caller on loopback, while the server has no keys")
      .Suggest("run the command on the server's machine");
}

Status OtherNode(const std::string& asked, const std::string& node) {
  return Status(Reason::INVALID_REQUEST, "This server is node '" + node + "', not '" + asked + "'.")
      .Expected("a promotion to be asked of the node that shall lead")
      .Suggest("name the server of that node with --server")
      .With("field", "node");
}

Status UnknownNode(const std::string& name, const Nodes& nodes, const char* field) {
  std::string known;
  for (const auto& [address, peer] : nodes) known += (known.empty() ? "" : ", ") + address.name;
  return Status(Reason::REPLICA_NOT_FOUND, "There is no node '" + name + "'.")
      .Expected("one of " + known)
      .With("field", field);
}

bool Known(const std::string& name, const Nodes& nodes) {
  for (const auto& [address, peer] : nodes) {
    if (address.name == name) return true;
  }
  return false;
}

Status CheckConfirmed(const admin_v1::PromoteRequest& request, const std::string& space) {
  if (!request.force() || request.dry_run() || request.confirm_space() == space) return OkStatus();
  return Status(Reason::INVALID_REQUEST, "A forced promotion wants the space's name twice.")
      .Expected("confirm_space equal to the space")
      .Suggest("something may be lost: see what a dry run says first")
      .With("field", "confirm_space");
}

class AdminImpl : public Admin {
 public:
  AdminImpl(runtime::Node& node, runtime::Replication* replication)
      : node_(node), replication_(replication) {}

  void GetCluster(const CallContext& context, admin_v1::GetClusterRequest request,
                  Reply<admin_v1::GetClusterResponse> reply) override {
    if (Status bad = CheckCaller(context); !bad.ok()) return reply(bad);
    OnReader(std::move(reply), [this, space = request.memory_space_id()] {
      return DescribeCluster(node_, replication_, space);
    });
  }

  void Promote(const CallContext& context, admin_v1::PromoteRequest request,
               Reply<admin_v1::PromoteResponse> reply) override {
    runtime::PromoteCommand command;
    if (Status bad = ReadCommand(context, request, &command); !bad.ok()) return reply(bad);
    RunPromotion(std::move(command), std::move(reply));
  }

  void Switchover(const CallContext& context, admin_v1::SwitchoverRequest request,
                  Reply<admin_v1::SwitchoverResponse> reply) override {
    runtime::SwitchCommand command;
    if (Status bad = ReadCommand(context, request, &command); !bad.ok()) return reply(bad);
    RunSwitchover(std::move(command), std::move(reply));
  }

  void RemoveReplica(const CallContext& context, admin_v1::RemoveReplicaRequest request,
                     Reply<admin_v1::PromoteResponse> reply) override {
    runtime::PromoteCommand command;
    if (Status bad = ReadCommand(context, request, &command); !bad.ok()) return reply(bad);
    RunPromotion(std::move(command), std::move(reply));
  }

  void Explain(const CallContext& context, admin_v1::ExplainRequest request,
               Reply<admin_v1::ExplainResponse> reply) override {
    const Result<std::string> space = CheckCall(context, request.memory_space_id());
    if (!space.ok()) return reply(space.status());
    OnReader(std::move(reply), [this, space = *space]() -> Result<admin_v1::ExplainResponse> {
      ASSIGN_OR_RETURN(const admin_v1::GetClusterResponse cluster,
                       DescribeCluster(node_, replication_, space));
      admin_v1::ExplainResponse response;
      *response.mutable_space() = cluster.spaces(0);
      for (std::string& line : ExplainInWords(response.space(), cluster, node_.clock().WallNs())) {
        response.add_words(std::move(line));
      }
      return response;
    });
  }

  void ListQuarantine(const CallContext& context, admin_v1::ListQuarantineRequest request,
                      Reply<admin_v1::ListQuarantineResponse> reply) override {
    if (Status bad = CheckReplicated(context); !bad.ok()) return reply(bad);
    OnReader(std::move(reply), [this, space = request.memory_space_id()] {
      return FilesOf(space.empty() ? node_.spaces().Ids("", "", node_.spaces().known())
                                   : std::vector<std::string>{space});
    });
  }

  void ShowQuarantine(const CallContext& context, admin_v1::ShowQuarantineRequest request,
                      Reply<admin_v1::ShowQuarantineResponse> reply) override {
    const Result<std::string> space = CheckCall(context, request.memory_space_id());
    if (!space.ok()) return reply(space.status());
    OnReader(std::move(reply), [this, space = *space, request = std::move(request)] {
      return EntriesOf(space, request);
    });
  }

  // In parts that take well below a second of a disk, so that no call waits long.
  void VerifyLog(const CallContext& context, admin_v1::VerifyLogRequest request,
                 Reply<admin_v1::VerifyLogResponse> reply) override {
    if (Status bad = CheckCaller(context); !bad.ok()) return reply(bad);
    const Result<std::string> space = ResolveSpace(context, request.memory_space_id());
    if (!space.ok()) return reply(space.status());
    OnReader(std::move(reply), [this, space = *space, from = Sequence(request.from())] {
      return ReadThrough(space, from);
    });
  }

  void ReplayQuarantine(const CallContext& context, admin_v1::ReplayQuarantineRequest request,
                        Reply<admin_v1::ReplayQuarantineResponse> reply) override {
    const Result<std::string> space = CheckCall(context, request.memory_space_id());
    if (!space.ok()) return reply(space.status());
    OnReader(std::move(reply), [this, space = *space, request = std::move(request)] {
      return WriteAgain(space, request);
    });
  }

 private:
  static Status CheckCaller(const CallContext& context) {
    return context.principal.loopback ? OkStatus() : NotFromHere();
  }
  Status CheckReplicated(const CallContext& context) const {
    RETURN_IF_ERROR(CheckCaller(context));
    return replication_ == nullptr ? NoOtherNodes() : OkStatus();
  }
  Result<std::string> CheckCall(const CallContext& context, const std::string& field) const {
    RETURN_IF_ERROR(CheckReplicated(context));
    return ResolveSpace(context, field);
  }

  Status ReadCommand(const CallContext& context, const admin_v1::PromoteRequest& request,
                     runtime::PromoteCommand* command) const {
    ASSIGN_OR_RETURN(command->space, CheckCall(context, request.memory_space_id()));
    if (!request.node().empty() && request.node() != node_.name()) {
      return OtherNode(request.node(), node_.name());
    }
    const Nodes nodes = replication_->Nodes();
    if (const std::string& stopped = request.primary_is_stopped(); !stopped.empty()) {
      if (!Known(stopped, nodes)) return UnknownNode(stopped, nodes, "primary_is_stopped");
      command->stopped = stopped;
    }
    RETURN_IF_ERROR(CheckConfirmed(request, command->space));
    command->force = request.force();
    command->dry_run = request.dry_run();
    return OkStatus();
  }

  Status ReadCommand(const CallContext& context, const admin_v1::RemoveReplicaRequest& request,
                     runtime::PromoteCommand* command) const {
    ASSIGN_OR_RETURN(command->space, CheckCall(context, request.memory_space_id()));
    const Nodes nodes = replication_->Nodes();
    if (!Known(request.node(), nodes)) return UnknownNode(request.node(), nodes, "node");
    if (request.node() == node_.name()) {
      return Status(Reason::INVALID_REQUEST, "A node does not remove itself.")
          .Suggest("ask the primary of the space, or promote another node first")
          .With("field", "node");
    }
    command->remove = request.node();
    command->dry_run = request.dry_run();
    return OkStatus();
  }

  Status ReadCommand(const CallContext& context, const admin_v1::SwitchoverRequest& request,
                     runtime::SwitchCommand* command) const {
    ASSIGN_OR_RETURN(command->space, CheckCall(context, request.memory_space_id()));
    const Nodes nodes = replication_->Nodes();
    if (!Known(request.node(), nodes)) return UnknownNode(request.node(), nodes, "node");
    command->to = request.node();
    command->dry_run = request.dry_run();
    const std::chrono::milliseconds asked(request.within_ms());
    if (asked > kSwitchoverMost) {
      return Status(Reason::INVALID_REQUEST, "Writes cannot be held for so long.")
          .Expected("within_ms of at most " + std::to_string(kSwitchoverMost.count()))
          .Suggest("wait until the node has caught up: a switchover takes far less then")
          .With("field", "within_ms")
          .With("actual", uint64_t{request.within_ms()});
    }
    if (asked.count() > 0) command->within = asked;
    return OkStatus();
  }

  void RunSwitchover(runtime::SwitchCommand command, Reply<admin_v1::SwitchoverResponse> reply) {
    node_.readers().Post([this, command = std::move(command), reply = std::move(reply)] {
      const Instant begun = node_.clock().Now();
      replication_->SwitchOver(command,
                               [this, command, begun, reply](Result<cluster::SwitchReport> report) {
                                 if (!report.ok()) return reply(report.status());
                                 admin_v1::SwitchoverResponse response = ToProto(*report);
                                 response.set_memory_space_id(command.space);
                                 response.set_dry_run(command.dry_run);
                                 response.set_from(node_.name());
                                 response.set_to(command.to);
                                 *response.mutable_took() = ToProto(node_.clock().Now() - begun);
                                 reply(std::move(response));
                               });
    });
  }

  void RunPromotion(runtime::PromoteCommand command, Reply<admin_v1::PromoteResponse> reply) {
    node_.readers().Post([this, command = std::move(command), reply = std::move(reply)] {
      const Result<runtime::SpaceState> before = replication_->StateOf(command.space);
      if (!before.ok()) return reply(before.status());
      const Instant begun = node_.clock().Now();
      replication_->Promote(command, [this, before = *before, command, begun,
                                      reply](Result<cluster::PromotionReport> report) {
        if (!report.ok()) return reply(report.status());
        const Instant now = node_.clock().Now();
        admin_v1::PromoteResponse response =
            ToProto(*report, replication_->Nodes(), replication_->options().me, now);
        response.set_memory_space_id(command.space);
        response.set_node(node_.name());
        response.set_dry_run(command.dry_run);
        response.set_primary_before(before.record ? before.record->primary.node : before.primary);
        response.set_epoch_before(before.record ? before.record->epoch.value()
                                                : before.epoch.value());
        *response.mutable_took() = ToProto(now - begun);
        reply(std::move(response));
      });
    });
  }

  Result<admin_v1::VerifyLogResponse> ReadThrough(const std::string& space, Sequence from) {
    ASSIGN_OR_RETURN(const runtime::CheckedPart part, node_.scrub().CheckPart(space, from));
    admin_v1::VerifyLogResponse response;
    response.set_segments(part.segments);
    response.set_entries(part.entries);
    response.set_bytes(part.bytes);
    response.set_bytes_total(part.bytes_total);
    response.set_last(part.last.value());
    response.set_next(part.next.value());
    for (const runtime::DamagedRange& range : part.damage) {
      *response.add_damage() = ToProto(range);
    }
    return response;
  }

  Result<admin_v1::ListQuarantineResponse> FilesOf(const std::vector<std::string>& spaces) {
    admin_v1::ListQuarantineResponse response;
    for (const std::string& space : spaces) {
      ASSIGN_OR_RETURN(const std::vector<runtime::QuarantineInfo> files,
                       replication_->ListQuarantine(space));
      for (const runtime::QuarantineInfo& info : files) {
        admin_v1::QuarantineFile* file = response.add_files();
        file->set_memory_space_id(info.space);
        file->set_file(info.file);
        file->set_epoch(info.epoch.value());
        file->set_first(info.first.value());
        file->set_last(info.last.value());
        file->set_entries(info.entries);
        file->set_bytes(info.bytes);
        file->set_replayed(info.replayed);
      }
    }
    return response;
  }

  Result<admin_v1::ReplayQuarantineResponse> WriteAgain(
      const std::string& space, const admin_v1::ReplayQuarantineRequest& request) {
    admin_v1::ReplayQuarantineResponse response;
    if (request.entries().empty()) {
      RETURN_IF_ERROR(replication_->MarkReplayed(space, request.file()));
      return response;
    }
    std::vector<runtime::QuarantineEntry> entries;
    for (const admin_v1::QuarantineEntry& from : request.entries()) {
      runtime::QuarantineEntry& entry = entries.emplace_back();
      entry.sequence = Sequence(from.sequence());
      entry.epoch = Epoch(from.epoch());
      entry.type = from.type();
      entry.checksum = from.checksum();
      entry.record = from.record();
    }
    ASSIGN_OR_RETURN(const uint64_t written, replication_->ReplayQuarantine(space, entries));
    response.set_written(written);
    return response;
  }

  Result<admin_v1::ShowQuarantineResponse> EntriesOf(
      const std::string& space, const admin_v1::ShowQuarantineRequest& request) {
    admin_v1::ShowQuarantineResponse response;
    ASSIGN_OR_RETURN(const runtime::QuarantinePart part,
                     replication_->ShowQuarantine(space, request.file(), Sequence(request.from()),
                                                  request.with_records()));
    response.set_next(part.next.value());
    for (const runtime::QuarantineEntry& from : part.entries) {
      admin_v1::QuarantineEntry* entry = response.add_entries();
      entry->set_sequence(from.sequence.value());
      entry->set_epoch(from.epoch.value());
      entry->set_memory_id(from.memory_id);
      entry->set_kind(from.kind);
      entry->set_content(from.content);
      entry->set_replayed(from.replayed);
      entry->set_type(from.type);
      entry->set_checksum(from.checksum);
      entry->set_record(from.record);
    }
    return response;
  }

  template <class Response, class Work>
  void OnReader(Reply<Response> reply, Work work) {
    node_.readers().Post(
        [reply = std::move(reply), work = std::move(work)]() mutable { reply(work()); });
  }

  runtime::Node& node_;
  runtime::Replication* const replication_;
};

void FillDamage(runtime::Node& node, admin_v1::GetClusterResponse* response) {
  for (admin_v1::SpaceState& space : *response->mutable_spaces()) {
    for (const runtime::DamagedRange& range : node.mending().DamageOf(space.memory_space_id())) {
      *space.add_damage() = ToProto(range);
    }
  }
}

// Of a space without other copies.
admin_v1::SpaceState StateAlone(space::Space& space, const std::string& node) {
  admin_v1::SpaceState state;
  state.set_memory_space_id(space.id());
  state.set_role("primary");
  state.set_primary(node);
  state.set_copies_in_sync(1);
  state.set_copies_wanted(1);
  state.set_min_in_sync(1);
  if (const Result<v1::SpaceStatus> status = space.GetStatus(); status.ok()) {
    state.set_epoch(status->epoch());
    state.set_log_end(status->log_end());
    state.set_durable_through(status->durable_through());
    state.set_committed_through(status->committed_through());
    state.set_serving(status->state() == "ok");
    state.set_writes_local(status->state() == "ok");
    state.set_why_not(status->state_reason());
  }
  return state;
}

Result<admin_v1::GetClusterResponse> DescribeSingle(runtime::Node& node, const std::string& space) {
  admin_v1::GetClusterResponse response;
  response.set_node(node.name());
  response.set_mode("single");
  admin_v1::NodeState* me = response.add_nodes();
  me->set_name(node.name());
  me->set_me(true);
  me->set_connected(true);
  std::vector<std::shared_ptr<space::Space>> spaces;
  if (space.empty()) {
    spaces = node.spaces().Opened();
  } else {
    ASSIGN_OR_RETURN(spaces.emplace_back(), node.spaces().Get(space));
  }
  for (const auto& open : spaces) *response.add_spaces() = StateAlone(*open, node.name());
  FillDamage(node, &response);
  return response;
}

}  // namespace

const char* ModeOf(runtime::Replication* replication) {
  if (replication == nullptr) return "single";
  return replication->Store().has_value() ? "etcd" : "static";
}

std::unique_ptr<Admin> Admin::Make(runtime::Node& node, runtime::Replication* replication) {
  return std::make_unique<AdminImpl>(node, replication);
}

Result<admin_v1::GetClusterResponse> DescribeCluster(runtime::Node& node,
                                                     runtime::Replication* replication,
                                                     const std::string& space) {
  if (replication == nullptr) return DescribeSingle(node, space);
  admin_v1::GetClusterResponse response;
  response.set_node(node.name());
  response.set_mode(ModeOf(replication));
  if (const std::optional<runtime::StoreState> store = replication->Store()) {
    admin_v1::ConfigurationStore& out = *response.mutable_store();
    out.set_store(store->store);
    *out.mutable_lease() = ToProto(store->lease_left);
    out.set_lease_losses(store->lease_losses);
    out.set_why(store->trouble);
  }
  const Instant now = node.clock().Now();
  for (const auto& [address, peer] : replication->Nodes()) {
    *response.add_nodes() = ToProto(address, peer, address.name == node.name(), now);
  }
  if (!space.empty()) {
    ASSIGN_OR_RETURN(const runtime::SpaceState state, replication->StateOf(space));
    *response.add_spaces() = ToProto(state);
  } else {
    for (const runtime::SpaceState& state : replication->Spaces()) {
      *response.add_spaces() = ToProto(state);
    }
  }
  FillDamage(node, &response);
  return response;
}

}  // namespace engram::api
