#include "engram/space/epoch.h"

namespace engram::space {
namespace {

void FillNode(const SpaceEnvironment& environment, pb::NodeIncarnation* node) {
  const auto bytes = [](const auto& id) {
    return std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  };
  node->set_node_id(bytes(environment.node_id));
  node->set_incarnation(bytes(environment.node_incarnation));
  node->set_name(environment.node_name);
}

}  // namespace

std::string EpochStartPayload(const SpaceEnvironment& environment, Epoch epoch, Position fork) {
  pb::EpochStartRecord record;
  record.set_epoch(epoch.value());
  FillNode(environment, record.mutable_primary());
  record.set_fork_epoch(fork.epoch.value());
  record.set_fork_sequence(fork.sequence.value());
  FillNode(environment, record.add_in_sync());
  FillNode(environment, record.add_voters());
  *record.mutable_at() = model::UtcTime::FromNs(environment.clock->WallNs()).ToProto();
  return model::Encode(record);
}

Result<TailEntryPtr> BeginNextEpoch(Core& core) {
  const Epoch epoch = core.log->promised().next();
  const Position fork{core.log->epoch(), core.log->end()};
  const std::string payload = EpochStartPayload(core.environment, epoch, fork);
  RETURN_IF_ERROR(core.log->BeginEpoch(epoch, payload));
  auto entry = std::make_shared<TailEntry>();
  entry->change.epoch = epoch;
  entry->change.sequence = core.log->history().back().first;
  ASSIGN_OR_RETURN(
      entry->change.decision,
      model::DecodeDecision(static_cast<uint32_t>(record::EntryType::kEpochStart), payload));
  return TailEntryPtr(std::move(entry));
}

}  // namespace engram::space
