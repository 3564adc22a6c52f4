#include "engram/internal/v1/log.pb.h"
#include "engram/record/local.h"
#include "engram/wal/tool.h"
#include "engram/wal/walk.h"

namespace engram::wal {
namespace {

using record::EntryType;
namespace pb = engram::internal::v1;

class Dumper : public WalkVisitor {
 public:
  explicit Dumper(const std::function<bool(const DumpRecord&)>& visit) : visit_(visit) {}
  bool OnRecord(const WalkSegment& segment, const Record& record, const JoinState&) override {
    return visit_({segment.name, record.offset, record.header, record.payload});
  }

 private:
  const std::function<bool(const DumpRecord&)>& visit_;
};

class DigestVisitor : public WalkVisitor {
 public:
  DigestVisitor(Sequence first, Sequence last) : first_(first), last_(last) {}

  bool OnRecord(const WalkSegment&, const Record& record, const JoinState&) override {
    const Sequence sequence = FirstSequence(record);
    if (sequence.is_zero() || sequence < first_) return true;
    if (!last_.is_zero() && sequence > last_) return false;
    if (record.header.type == EntryType::kHole) {
      ++report_.holes;
      return true;
    }
    if (report_.entries++ == 0) report_.first = sequence;
    report_.last = sequence;
    char crc[4];
    StoreLe<uint32_t>(crc, record.header.header_crc);
    digester_.Add(ByteView(crc, sizeof(crc)));
    return true;
  }
  void OnDamage(const WalkSegment& segment, uint64_t offset, const Status& why,
                const JoinState& join) override {
    const bool inside = join.next >= first_ && (last_.is_zero() || join.next <= last_);
    if (!inside || !damage_.ok()) return;
    damage_ = Status(Reason::CORRUPTION_DETECTED, "no digest: " + segment.name + " at " +
                                                      std::to_string(offset) + ": " + why.message())
                  .With("file", segment.path)
                  .With("offset", offset);
  }
  Result<DigestReport> Get() {
    RETURN_IF_ERROR(damage_);
    report_.digest = digester_.Get();
    return report_;
  }

 private:
  const Sequence first_, last_;
  Digester digester_;
  DigestReport report_;
  Status damage_;
};

std::string Of(const pb::StoreRecord& store) {
  return store.episode().id() + " version " + std::to_string(store.version());
}

std::string DescribeUpdate(const pb::UpdateRecord& update) {
  const auto ids = std::to_string(update.ids_size()) + " ids";
  if (update.has_content()) return "content of " + Of(update.content());
  if (update.has_state()) {
    return std::string(update.state().suppressed() ? "suppressed " : "visible again ") + ids;
  }
  return "use of " + std::to_string(update.access().items_size()) + " ids";
}

template <class Message, class Fn>
std::string Parsed(ByteView payload, Fn describe) {
  Message message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return "payload is not a message of this type";
  }
  return describe(message);
}

std::string Range(uint64_t first, uint64_t last) {
  return std::to_string(first) + " to " + std::to_string(last);
}

std::string DescribePayload(EntryType type, ByteView payload) {
  switch (type) {
    case EntryType::kEpisodeStore:
      return Parsed<pb::StoreRecord>(payload, [](const auto& m) { return Of(m); });
    case EntryType::kMemoryUpdate:
      return Parsed<pb::UpdateRecord>(payload, [](const auto& m) { return DescribeUpdate(m); });
    case EntryType::kMemoryDelete:
      return Parsed<pb::DeleteRecord>(
          payload, [](const auto& m) { return std::to_string(m.ids_size()) + " ids"; });
    case EntryType::kConsolidation:
      return Parsed<pb::ConsolidationRecord>(
          payload, [](const auto& m) { return std::to_string(m.made_size()) + " made"; });
    case EntryType::kCheckpoint:
      return Parsed<pb::CheckpointRecord>(payload, [](const auto& m) {
        return "of " + Range(m.first_sequence(), m.last_sequence()) + ", digest " +
               Hex(m.digest_high(), 16) + Hex(m.digest_low(), 16);
      });
    case EntryType::kCompactionMarker:
      return Parsed<pb::CompactionMarkerRecord>(payload, [](const auto& m) {
        return "of " + Range(m.first_sequence(), m.last_sequence()) + ", " +
               std::to_string(m.entries_kept()) + " kept";
      });
    case EntryType::kEpochStart:
      return Parsed<pb::EpochStartRecord>(payload, [](const auto& m) {
        return "epoch " + std::to_string(m.epoch()) + " of " + m.primary().name();
      });
    case EntryType::kSegmentHeader:
      return Parsed<pb::SegmentHeaderRecord>(payload, [](const auto& m) {
        return "space " + m.space() + " from " + std::to_string(m.first_sequence());
      });
    case EntryType::kHole:
      return Parsed<pb::HoleRecord>(payload,
                                    [](const auto& m) { return Range(m.first(), m.last()); });
    case EntryType::kSyncMark:
      return Parsed<pb::SyncMarkRecord>(payload, [](const auto& m) {
        return "synced through " + std::to_string(m.synced_offset()) + ", commit " +
               std::to_string(m.commit());
      });
    case EntryType::kSpaceSettings:
      return Parsed<pb::SettingsRecord>(
          payload, [](const auto& m) { return m.deleted() ? "deleted" : "settings"; });
  }
  return "";
}

}  // namespace

Status Dump(env::FileSystem& fs, const std::string& directory,
            const std::function<bool(const DumpRecord&)>& visit) {
  Dumper dumper(visit);
  return Walk(fs, directory, &dumper);
}

std::string Describe(const record::EntryHeader& header, ByteView payload) {
  return std::string(record::Name(header.type)) + " " + DescribePayload(header.type, payload);
}

Result<DigestReport> DigestOf(env::FileSystem& fs, const std::string& directory, Sequence first,
                              Sequence last) {
  DigestVisitor visitor(first, last);
  RETURN_IF_ERROR(Walk(fs, directory, &visitor));
  return visitor.Get();
}

}  // namespace engram::wal
