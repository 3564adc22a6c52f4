#include "engram/record/local.h"

#include <algorithm>

#include "engram/internal/v1/log.pb.h"

namespace engram::record {
namespace {

namespace pb = engram::internal::v1;

template <class Message>
Result<Message> Parse(ByteView payload, const char* name) {
  Message message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Status(Reason::CORRUPTION_DETECTED, std::string("not a ") + name);
  }
  return message;
}

Status Contradiction(const char* name) {
  return Status(Reason::CORRUPTION_DETECTED, std::string("a ") + name + " that contradicts itself");
}

}  // namespace

std::string Encode(const SegmentHeader& value) {
  pb::SegmentHeaderRecord m;
  m.set_format_version(value.format_version);
  m.set_cluster(value.cluster);
  m.set_space(value.space);
  m.set_incarnation(value.incarnation.bytes.data(), value.incarnation.bytes.size());
  m.set_nonce(value.nonce);
  m.set_first_sequence(value.first.value());
  m.set_previous_epoch(value.previous.epoch.value());
  m.set_previous_sequence(value.previous.sequence.value());
  m.set_previous_crc(value.previous_crc);
  return m.SerializeAsString();
}

std::string Encode(const SyncMark& value) {
  pb::SyncMarkRecord m;
  m.set_nonce(value.nonce);
  m.set_synced_offset(value.synced_offset);
  m.set_commit(value.commit.value());
  return m.SerializeAsString();
}

std::string Encode(const Hole& value) {
  pb::HoleRecord m;
  m.set_first(value.first.value());
  m.set_last(value.last.sequence.value());
  m.set_last_epoch(value.last.epoch.value());
  m.set_last_crc(value.last_crc);
  return m.SerializeAsString();
}

std::string Encode(const CompactionMarker& value) {
  pb::CompactionMarkerRecord m;
  m.set_first_sequence(value.first.value());
  m.set_last_sequence(value.last.value());
  m.set_entries_kept(value.entries_kept);
  m.set_bytes_reclaimed(value.bytes_reclaimed);
  m.set_digest_high(value.digest.high);
  m.set_digest_low(value.digest.low);
  return m.SerializeAsString();
}

std::string Encode(const Checkpoint& value) {
  pb::CheckpointRecord m;
  m.set_first_sequence(value.first.value());
  m.set_last_sequence(value.last.value());
  m.set_digest_high(value.digest.high);
  m.set_digest_low(value.digest.low);
  return m.SerializeAsString();
}

Result<SegmentHeader> DecodeSegmentHeader(ByteView payload) {
  ASSIGN_OR_RETURN(auto m, Parse<pb::SegmentHeaderRecord>(payload, "SegmentHeader"));
  if (m.format_version() != kFormatVersion) {
    return Status(Reason::UNSUPPORTED_VERSION,
                  "a segment of format version " + std::to_string(m.format_version()))
        .Expected("version " + std::to_string(kFormatVersion))
        .Suggest("open it with the engram that wrote it, or a newer one")
        .With("version", uint64_t{m.format_version()});
  }
  SegmentHeader value;
  if (m.incarnation().size() != value.incarnation.bytes.size() || m.first_sequence() == 0 ||
      m.previous_sequence() != m.first_sequence() - 1) {
    return Contradiction("SegmentHeader");
  }
  value.cluster = m.cluster();
  value.space = m.space();
  std::copy(m.incarnation().begin(), m.incarnation().end(), value.incarnation.bytes.begin());
  value.nonce = m.nonce();
  value.first = Sequence(m.first_sequence());
  value.previous = {Epoch(m.previous_epoch()), Sequence(m.previous_sequence())};
  value.previous_crc = m.previous_crc();
  return value;
}

Result<SyncMark> DecodeSyncMark(ByteView payload) {
  ASSIGN_OR_RETURN(auto m, Parse<pb::SyncMarkRecord>(payload, "SyncMark"));
  return SyncMark{m.nonce(), m.synced_offset(), Sequence(m.commit())};
}

Result<Hole> DecodeHole(ByteView payload) {
  ASSIGN_OR_RETURN(auto m, Parse<pb::HoleRecord>(payload, "Hole"));
  if (m.first() == 0 || m.last() < m.first()) return Contradiction("Hole");
  return Hole{Sequence(m.first()), {Epoch(m.last_epoch()), Sequence(m.last())}, m.last_crc()};
}

Result<CompactionMarker> DecodeCompactionMarker(ByteView payload) {
  ASSIGN_OR_RETURN(auto m, Parse<pb::CompactionMarkerRecord>(payload, "CompactionMarker"));
  if (m.first_sequence() == 0 || m.last_sequence() < m.first_sequence()) {
    return Contradiction("CompactionMarker");
  }
  return CompactionMarker{Sequence(m.first_sequence()),
                          Sequence(m.last_sequence()),
                          m.entries_kept(),
                          m.bytes_reclaimed(),
                          {m.digest_high(), m.digest_low()}};
}

Result<Checkpoint> DecodeCheckpoint(ByteView payload) {
  ASSIGN_OR_RETURN(auto m, Parse<pb::CheckpointRecord>(payload, "Checkpoint"));
  if (m.first_sequence() == 0 || m.last_sequence() < m.first_sequence()) {
    return Contradiction("Checkpoint");
  }
  return Checkpoint{
      Sequence(m.first_sequence()), Sequence(m.last_sequence()), {m.digest_high(), m.digest_low()}};
}

}  // namespace engram::record
