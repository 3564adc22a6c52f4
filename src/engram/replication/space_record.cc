#include "engram/replication/space_record.h"

#include "engram/internal/v1/log.pb.h"

namespace engram::replication {
namespace {

namespace pb = engram::internal::v1;

std::string BytesOf(const std::array<uint8_t, 16>& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void Fill(const Member& member, pb::NodeIncarnation* out) {
  out->set_node_id(BytesOf(member.id.bytes));
  out->set_incarnation(BytesOf(member.incarnation.bytes));
  out->set_name(member.node);
}

bool Take(const pb::NodeIncarnation& in, Member* member) {
  if (in.node_id().size() != 16 || in.incarnation().size() != 16) return false;
  std::copy(in.node_id().begin(), in.node_id().end(), member->id.bytes.begin());
  std::copy(in.incarnation().begin(), in.incarnation().end(), member->incarnation.bytes.begin());
  member->node = in.name();
  return true;
}

template <class List>
bool TakeAll(const List& list, Members* members) {
  for (const pb::NodeIncarnation& in : list) {
    Member member;
    if (!Take(in, &member)) return false;
    Add(members, member);
  }
  return true;
}

}  // namespace

std::string EncodeRecord(const SpaceRecord& record) {
  pb::EpochStartRecord out;
  out.set_epoch(record.epoch.value());
  Fill(record.primary, out.mutable_primary());
  out.set_fork_epoch(record.fork.epoch.value());
  out.set_fork_sequence(record.fork.sequence.value());
  for (const Member& member : record.in_sync) Fill(member, out.add_in_sync());
  for (const Member& member : record.voters) Fill(member, out.add_voters());
  if (record.loss_after.has_value()) {
    out.mutable_stated_loss()->set_after_epoch(record.loss_after->epoch.value());
    out.mutable_stated_loss()->set_after_sequence(record.loss_after->sequence.value());
    out.mutable_stated_loss()->set_why(record.loss_why);
  }
  if (record.handed_by.has_value()) Fill(*record.handed_by, out.mutable_handed_by());
  out.mutable_at()->set_seconds(record.wall_ns / 1'000'000'000);
  out.mutable_at()->set_nanos(static_cast<int32_t>(record.wall_ns % 1'000'000'000));
  return out.SerializeAsString();
}

Result<SpaceRecord> DecodeRecord(ByteView payload, Sequence at) {
  pb::EpochStartRecord in;
  SpaceRecord record;
  if (!in.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      !Take(in.primary(), &record.primary) || !TakeAll(in.in_sync(), &record.in_sync) ||
      !TakeAll(in.voters(), &record.voters) ||
      (in.has_handed_by() && !Take(in.handed_by(), &record.handed_by.emplace()))) {
    return Status(Reason::CORRUPTION_DETECTED, "an EpochStart entry cannot be read")
        .With("sequence", at.value());
  }
  record.epoch = Epoch(in.epoch());
  record.at = at;
  record.fork = {Epoch(in.fork_epoch()), Sequence(in.fork_sequence())};
  if (in.has_stated_loss()) {
    record.loss_after = Position{Epoch(in.stated_loss().after_epoch()),
                                 Sequence(in.stated_loss().after_sequence())};
    record.loss_why = in.stated_loss().why();
  }
  record.wall_ns = in.at().seconds() * 1'000'000'000 + in.at().nanos();
  return record;
}

}  // namespace engram::replication
