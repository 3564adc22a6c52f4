// Reading one segment from its head on: the part of recovery that verify and repair share.
#include "engram/record/local.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

using record::EntryType;

// A local record in the middle of a segment; numbered ones and Holes are Join's.
Status CheckLocal(const Record& record, const SegmentHead& head, ScanEnd* end) {
  switch (record.header.type) {
    case EntryType::kSegmentHeader:
      return Status(Reason::CORRUPTION_DETECTED, "a SegmentHeader inside of a segment");
    case EntryType::kCompactionMarker:
      if (record.offset == head.size) return OkStatus();
      return Status(Reason::CORRUPTION_DETECTED, "a CompactionMarker inside of a segment");
    case EntryType::kSyncMark: {
      ASSIGN_OR_RETURN(const auto mark, record::DecodeSyncMark(record.payload));
      if (mark.nonce != head.header.nonce || mark.synced_offset > record.offset) {
        return Status(Reason::CORRUPTION_DETECTED, "a SyncMark of another segment");
      }
      end->marked = std::max(end->marked, mark.synced_offset);
      end->commit = std::max(end->commit, mark.commit);
      return OkStatus();
    }
    default:
      return OkStatus();
  }
}

void TakeEntry(const Record& record, ScanEnd* end) {
  if (record.header.type == EntryType::kHole) {
    end->last = {end->join.epoch, end->join.next.prev(), end->join.chain};
  } else if (record::IsNumbered(record.header.type)) {
    end->last = {record.header.epoch, record.header.sequence, record.header.header_crc};
  }
}

}  // namespace

Result<ScanEnd> ScanSegment(FileSource& source, const SegmentHead& head,
                            const std::function<void(const Record&)>& visit) {
  const auto& previous = head.header.previous;
  ScanEnd end;
  end.join = {head.header.first, true, head.header.previous_crc, previous.epoch};
  end.last = {previous.epoch, previous.sequence, head.header.previous_crc};
  end.offset = head.size;
  while (true) {
    ASSIGN_OR_RETURN(const ReadOutcome outcome, ReadRecord(source, end.offset));
    end.kind = outcome.kind;
    end.why = outcome.why;
    if (outcome.kind != ReadOutcome::Kind::kRecord) return end;
    Status fits = CheckLocal(outcome.record, head, &end);
    if (fits.ok()) fits = Join(outcome.record, &end.join);
    if (!fits.ok()) {
      end.kind = ReadOutcome::Kind::kBad;
      end.why = fits;
      return end;
    }
    TakeEntry(outcome.record, &end);
    if (visit) visit(outcome.record);
    end.offset = outcome.record.end();
  }
}

Result<bool> IsClaimedSynced(FileSource& source, uint64_t from, uint64_t nonce) {
  bool claimed = false;
  RETURN_IF_ERROR(SearchRecords(source, from, [&](const Record& record) {
    if (record.header.type != EntryType::kSyncMark) return true;
    const auto mark = record::DecodeSyncMark(record.payload);
    claimed = mark.ok() && mark->nonce == nonce && mark->synced_offset > from;
    return !claimed;
  }));
  return claimed;
}

}  // namespace engram::wal
