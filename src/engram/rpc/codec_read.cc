// Protobuf to values, with every check of form.
#include <google/protobuf/unknown_field_set.h>

#include "engram/rpc/codec.h"

namespace engram::rpc {
namespace {

Status Malformed(const std::string& what) {
  return Status(Reason::INVALID_REQUEST, "A replication message is not valid: " + what)
      .Expected("a message of docs/replication-wire.md")
      .Suggest("run the same version of engram on every node");
}

Status OverLimit(const std::string& what, size_t actual, size_t limit) {
  return Status(Reason::TOO_LARGE, "A replication message has " + what + " over the limit.")
      .Expected("at most " + std::to_string(limit))
      .With("limit", limit)
      .With("actual", actual);
}

Position At(uint64_t epoch, uint64_t sequence) {
  return {Epoch(epoch), Sequence(sequence)};
}

Status Take(const pb::OpenLog& in, replication::Open* open) {
  if (in.history_size() > kHistoryRowsMax)
    return OverLimit("a history", in.history_size(), kHistoryRowsMax);
  if (in.losses_size() > kHistoryRowsMax)
    return OverLimit("a list of losses", in.losses_size(), kHistoryRowsMax);
  for (const pb::EpochBegin& row : in.history()) {
    const record::EpochBegin next{Epoch(row.epoch()), Sequence(row.first())};
    const bool first = open->history.empty();
    if (!first &&
        (next.epoch < open->history.back().epoch || next.first <= open->history.back().first))
      return Malformed("its history is not in order");
    open->history.push_back(next);
  }
  open->id = in.id();
  open->end = At(in.end_epoch(), in.end_sequence());
  if (!open->history.empty() && open->history.back().first > open->end.sequence)
    return Malformed("its history goes beyond its end");
  open->end_crc = in.end_crc();
  open->commit = Sequence(in.commit());
  open->replicated_end = Sequence(in.replicated_end());
  open->floors = Decode(in.floors());
  for (const pb::StatedLossAt& row : in.losses())
    open->losses.push_back({Sequence(row.at()), At(row.after_epoch(), row.after_sequence())});
  return OkStatus();
}

Status Take(pb::SpaceMessage& in, replication::Entries* entries) {
  const pb::Entries& from = in.entries();
  entries->first = Sequence(from.first());
  entries->last = Sequence(from.last());
  entries->last_crc = from.last_crc();
  entries->commit = Sequence(from.commit());
  entries->replicated_end = Sequence(from.replicated_end());
  entries->end = Sequence(from.end());
  entries->floors = Decode(from.floors());
  if (!in.has_batch()) return OkStatus();
  if (in.batch().size() > kBatchBytesMax)
    return OverLimit("a batch", in.batch().size(), kBatchBytesMax);
  if (entries->first.is_zero() || entries->last < entries->first)
    return Malformed("a batch without a range");
  entries->batch = std::make_shared<const std::string>(std::move(*in.mutable_batch()));
  return OkStatus();
}

Status Take(const pb::Refused& in, replication::Refused* refused) {
  if (in.why() < pb::Refused::STALE_EPOCH) return Malformed("a refusal without a cause");
  // A cause that only newer versions know: its text says it; nothing here can act on it.
  refused->why = in.why() > pb::Refused::BAD_EPOCH
                     ? replication::Refused::Why::kBroken
                     : static_cast<replication::Refused::Why>(in.why() - 1);
  refused->promised = Epoch(in.promised());
  if (in.text().size() > kTextBytesMax) return OverLimit("a text", in.text().size(), kTextBytesMax);
  refused->text = in.text();
  return OkStatus();
}

Status TakeRecord(const std::string& bytes, uint64_t at,
                  std::optional<replication::SpaceRecord>* record) {
  if (bytes.size() > kRecordBytesMax) return OverLimit("a record", bytes.size(), kRecordBytesMax);
  ASSIGN_OR_RETURN(*record, replication::DecodeRecord(bytes, Sequence(at)));
  return OkStatus();
}

Status Take(const pb::Answer& in, replication::Answer* answer) {
  answer->round = in.round();
  answer->granted = in.granted();
  answer->has_space = in.has_space();
  answer->fit = in.fit();
  answer->promised = Epoch(in.promised());
  answer->end = At(in.end_epoch(), in.end_sequence());
  answer->floor = Sequence(in.floor());
  if (!in.has_record()) return OkStatus();
  return TakeRecord(in.record(), in.record_at(), &answer->record);
}

void Take(const pb::Joined& in, replication::Joined* joined) {
  joined->end = At(in.end_epoch(), in.end_sequence());
  joined->end_crc = in.end_crc();
  joined->durable = Sequence(in.durable());
  joined->visible = Sequence(in.visible());
  joined->id = in.id();
  joined->rewound = in.rewound();
}

Status CheckName(const std::string& name) {
  if (name.empty()) return Malformed("it names no space");
  if (name.size() > kNameBytesMax) return OverLimit("a name", name.size(), kNameBytesMax);
  return OkStatus();
}

Status Take(const pb::Page& in, replication::Page* page) {
  if (in.spaces_size() > kPageRowsMax)
    return OverLimit("a page of spaces", in.spaces_size(), kPageRowsMax);
  for (const std::string* name : {&in.after(), &in.through()}) {
    if (!name->empty()) RETURN_IF_ERROR(CheckName(*name));
  }
  page->after = in.after();
  page->through = in.through();
  page->last = in.last();
  for (const pb::Page::Summary& row : in.spaces()) {
    RETURN_IF_ERROR(CheckName(row.space()));
    if (!page->spaces.empty() && row.space() <= page->spaces.back().space)
      return Malformed("its spaces are not in order");
    replication::Summary& summary = page->spaces.emplace_back();
    summary.space = row.space();
    if (!TakeId(row.incarnation(), &summary.incarnation))
      return Malformed("an identity that does not have 16 bytes");
    summary.end = At(row.end_epoch(), row.end_sequence());
    summary.end_crc = row.end_crc();
    summary.clean = row.clean();
  }
  return OkStatus();
}

Status TakeBody(pb::SpaceMessage& in, replication::Body* body) {
  if (in.has_batch() && !in.has_entries()) return Malformed("a batch without entries");
  switch (in.body_case()) {
    case pb::SpaceMessage::kOpen:
      return Take(in.open(), &body->emplace<replication::Open>());
    case pb::SpaceMessage::kEntries:
      return Take(in, &body->emplace<replication::Entries>());
    case pb::SpaceMessage::kConfirm:
      *body = replication::Confirm{in.confirm().id()};
      return OkStatus();
    case pb::SpaceMessage::kJoined:
      Take(in.joined(), &body->emplace<replication::Joined>());
      return OkStatus();
    case pb::SpaceMessage::kAck:
      *body = replication::Ack{Sequence(in.ack().durable()), Sequence(in.ack().visible())};
      return OkStatus();
    case pb::SpaceMessage::kGap:
      *body = replication::Gap{Sequence(in.gap().expected())};
      return OkStatus();
    case pb::SpaceMessage::kRefused:
      return Take(in.refused(), &body->emplace<replication::Refused>());
    case pb::SpaceMessage::kConfirmed:
      *body = replication::Confirmed{in.confirmed().id(), Epoch(in.confirmed().promised())};
      return OkStatus();
    case pb::SpaceMessage::kAsk:
      *body = replication::Ask{in.ask().round(), in.ask().dry_run(), in.ask().handed_over()};
      return OkStatus();
    case pb::SpaceMessage::kAnswer:
      return Take(in.answer(), &body->emplace<replication::Answer>());
    case pb::SpaceMessage::kHandOver:
      *body = replication::HandOver{At(in.hand_over().end_epoch(), in.hand_over().end_sequence()),
                                    in.hand_over().within_ms()};
      return OkStatus();
    case pb::SpaceMessage::kDeleted:
      *body = replication::Deleted();
      return OkStatus();
    case pb::SpaceMessage::kPage:
      return Take(in.page(), &body->emplace<replication::Page>());
    case pb::SpaceMessage::BODY_NOT_SET:
      return Malformed("it says nothing that this version knows");
  }
  return Malformed("it says nothing that this version knows");
}

}  // namespace

replication::Floors Decode(const pb::Floors& in) {
  return {Sequence(in.tombstone()), At(in.compaction_epoch(), in.compaction_sequence())};
}

bool OnlyNewerKnow(const pb::SpaceMessage& in) {
  return in.body_case() == pb::SpaceMessage::BODY_NOT_SET &&
         !in.GetReflection()->GetUnknownFields(in).empty();
}

Result<runtime::SpaceMessage> Decode(pb::SpaceMessage&& in) {
  const bool of_node = in.has_deleted() || in.has_page();  // of no one space
  if (!of_node || !in.space().empty()) RETURN_IF_ERROR(CheckName(in.space()));
  runtime::SpaceMessage out;
  replication::Stamp& stamp = out.message.stamp;
  if (!TakeId(in.incarnation(), &stamp.space) || !TakeId(in.sender(), &stamp.sender))
    return Malformed("an identity that does not have 16 bytes");
  stamp.epoch = Epoch(in.epoch());
  RETURN_IF_ERROR(TakeBody(in, &out.message.body));
  out.space = std::move(*in.mutable_space());
  return out;
}

Result<runtime::CopyStatus> Decode(const pb::CopyStatus& in) {
  RETURN_IF_ERROR(CheckName(in.space()));
  runtime::CopyStatus out;
  if (!TakeId(in.incarnation(), &out.incarnation))
    return Malformed("an identity that does not have 16 bytes");
  out.space = in.space();
  out.role = in.role();
  out.epoch = Epoch(in.epoch());
  out.promised = Epoch(in.promised());
  out.end = At(in.end_epoch(), in.end_sequence());
  out.end_crc = in.end_crc();
  out.durable = Sequence(in.durable());
  out.commit = Sequence(in.commit());
  out.replicated_end = Sequence(in.replicated_end());
  out.floors = Decode(in.floors());
  out.phase = in.phase();
  out.trouble = in.trouble();
  if (!in.record().empty()) RETURN_IF_ERROR(TakeRecord(in.record(), in.record_at(), &out.record));
  return out;
}

}  // namespace engram::rpc
