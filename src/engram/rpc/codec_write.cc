// Values to protobuf.
#include "engram/rpc/codec.h"

namespace engram::rpc {

void Encode(const replication::Floors& floors, pb::Floors* out) {
  out->set_tombstone(floors.tombstone.value());
  out->set_compaction_epoch(floors.compaction.epoch.value());
  out->set_compaction_sequence(floors.compaction.sequence.value());
}

namespace {

// The newest rows of a list in log order.
template <class List>
size_t FirstToSend(const List& list) {
  return list.size() > kHistoryRowsMax ? list.size() - kHistoryRowsMax : 0;
}

// One overload for each alternative of replication::Body.
struct Writer {
  pb::SpaceMessage* out;

  void operator()(const replication::Open& open) {
    pb::OpenLog* to = out->mutable_open();
    to->set_id(open.id);
    for (size_t i = FirstToSend(open.history); i < open.history.size(); ++i) {
      pb::EpochBegin* row = to->add_history();
      row->set_epoch(open.history[i].epoch.value());
      row->set_first(open.history[i].first.value());
    }
    to->set_end_epoch(open.end.epoch.value());
    to->set_end_sequence(open.end.sequence.value());
    to->set_end_crc(open.end_crc);
    to->set_commit(open.commit.value());
    to->set_replicated_end(open.replicated_end.value());
    Encode(open.floors, to->mutable_floors());
    for (size_t i = FirstToSend(open.losses); i < open.losses.size(); ++i) {
      pb::StatedLossAt* row = to->add_losses();
      row->set_at(open.losses[i].at.value());
      row->set_after_epoch(open.losses[i].after.epoch.value());
      row->set_after_sequence(open.losses[i].after.sequence.value());
    }
  }

  void operator()(const replication::Entries& entries) {
    pb::Entries* to = out->mutable_entries();
    to->set_first(entries.first.value());
    to->set_last(entries.last.value());
    to->set_last_crc(entries.last_crc);
    to->set_commit(entries.commit.value());
    to->set_replicated_end(entries.replicated_end.value());
    to->set_end(entries.end.value());
    Encode(entries.floors, to->mutable_floors());
  }

  void operator()(const replication::Confirm& confirm) {
    out->mutable_confirm()->set_id(confirm.id);
  }

  void operator()(const replication::Joined& joined) {
    pb::Joined* to = out->mutable_joined();
    to->set_end_epoch(joined.end.epoch.value());
    to->set_end_sequence(joined.end.sequence.value());
    to->set_end_crc(joined.end_crc);
    to->set_durable(joined.durable.value());
    to->set_visible(joined.visible.value());
    to->set_id(joined.id);
    to->set_rewound(joined.rewound);
  }

  void operator()(const replication::Ack& ack) {
    out->mutable_ack()->set_durable(ack.durable.value());
    out->mutable_ack()->set_visible(ack.visible.value());
  }

  void operator()(const replication::Gap& gap) {
    out->mutable_gap()->set_expected(gap.expected.value());
  }

  void operator()(const replication::Refused& refused) {
    pb::Refused* to = out->mutable_refused();
    to->set_why(static_cast<pb::Refused::Why>(static_cast<int>(refused.why) + 1));
    to->set_promised(refused.promised.value());
    to->set_text(refused.text.substr(0, kTextBytesMax));
  }

  void operator()(const replication::Confirmed& confirmed) {
    out->mutable_confirmed()->set_id(confirmed.id);
    out->mutable_confirmed()->set_promised(confirmed.promised.value());
  }

  void operator()(const replication::Ask& ask) {
    out->mutable_ask()->set_round(ask.round);
    out->mutable_ask()->set_dry_run(ask.dry_run);
    out->mutable_ask()->set_handed_over(ask.handed_over);
  }

  void operator()(const replication::Answer& answer) {
    pb::Answer* to = out->mutable_answer();
    to->set_round(answer.round);
    to->set_granted(answer.granted);
    to->set_has_space(answer.has_space);
    to->set_fit(answer.fit);
    to->set_promised(answer.promised.value());
    to->set_end_epoch(answer.end.epoch.value());
    to->set_end_sequence(answer.end.sequence.value());
    to->set_floor(answer.floor.value());
    if (!answer.record.has_value()) return;
    to->set_record(replication::EncodeRecord(*answer.record));
    to->set_record_at(answer.record->at.value());
  }

  void operator()(const replication::HandOver& offer) {
    pb::HandOver* to = out->mutable_hand_over();
    to->set_end_epoch(offer.end.epoch.value());
    to->set_end_sequence(offer.end.sequence.value());
    to->set_within_ms(static_cast<uint32_t>(offer.within_ms));
  }

  void operator()(const replication::Deleted&) { out->mutable_deleted(); }

  void operator()(const replication::Page& page) {
    pb::Page* to = out->mutable_page();
    to->set_after(page.after);
    to->set_through(page.through);
    to->set_last(page.last);
    for (const replication::Summary& summary : page.spaces) {
      pb::Page::Summary* row = to->add_spaces();
      row->set_space(summary.space);
      row->set_incarnation(IdBytes(summary.incarnation));
      row->set_end_epoch(summary.end.epoch.value());
      row->set_end_sequence(summary.end.sequence.value());
      row->set_end_crc(summary.end_crc);
      row->set_clean(summary.clean);
    }
  }
};

}  // namespace

void Encode(const runtime::SpaceMessage& message, pb::SpaceMessage* out) {
  out->set_space(message.space);
  out->set_incarnation(IdBytes(message.message.stamp.space));
  out->set_epoch(message.message.stamp.epoch.value());
  out->set_sender(IdBytes(message.message.stamp.sender));
  std::visit(Writer{out}, message.message.body);
}

void Encode(const runtime::CopyStatus& status, pb::CopyStatus* out) {
  out->set_space(status.space);
  out->set_incarnation(IdBytes(status.incarnation));
  out->set_role(status.role);
  out->set_epoch(status.epoch.value());
  out->set_promised(status.promised.value());
  out->set_end_epoch(status.end.epoch.value());
  out->set_end_sequence(status.end.sequence.value());
  out->set_end_crc(status.end_crc);
  out->set_durable(status.durable.value());
  out->set_commit(status.commit.value());
  out->set_replicated_end(status.replicated_end.value());
  Encode(status.floors, out->mutable_floors());
  out->set_phase(status.phase);
  out->set_trouble(status.trouble.substr(0, kTextBytesMax));
  if (!status.record.has_value()) return;
  out->set_record(replication::EncodeRecord(*status.record));
  out->set_record_at(status.record->at.value());
}

}  // namespace engram::rpc
