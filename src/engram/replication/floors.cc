#include "engram/replication/floors.h"

#include <algorithm>

#include "engram/record/batch.h"

namespace engram::replication {

LogFloors BeginAtOne(Epoch epoch, const Floors& primary) {
  // Where no tombstone ever went there is nothing to remember.
  if (primary.tombstone.is_zero()) return {};
  return {{}, epoch, primary.tombstone};
}

std::optional<LogFloors> TakeBatch(const LogFloors& own, Sequence end, Epoch epoch,
                                   const Floors& primary, bool holes, Mutant mutant) {
  const bool begun = own.begun_epoch == epoch && own.begun_floor == primary.tombstone;
  LogFloors next = own;
  if (holes) {
    const bool above = primary.tombstone > end && !begun;
    if (above && mutant != Mutant::kHolesUnchecked) return std::nullopt;
    if (mutant != Mutant::kFloorNotInherited) {
      next.floors.tombstone = std::max(own.floors.tombstone, primary.tombstone);
    }
    const bool stated = !own.floors.compaction.sequence.is_zero();
    if (!stated || mutant != Mutant::kCompactionFloorStatedOnce) {
      next.floors.compaction = std::max(own.floors.compaction, primary.compaction);
    }
  }
  if (!begun && mutant != Mutant::kBegunInAnyEpoch) {
    next.begun_epoch = Epoch();
    next.begun_floor = Sequence();
  }
  return next;
}

Result<Sequence> HolesThrough(ByteView batch) {
  Sequence through;
  if (batch.size() < record::kBatchHeaderSize) return through;
  ByteView records = record::BatchRecords(batch);
  while (records.size() >= record::kHeaderSize) {
    const auto type = LoadLe<uint32_t>(records.data() + record::offset::kType);
    const auto size = LoadLe<uint32_t>(records.data() + record::offset::kPayloadSize);
    if (size > records.size() - record::kHeaderSize) break;
    if (type == static_cast<uint32_t>(record::EntryType::kHole)) {
      const ByteView payload = records.substr(record::kHeaderSize, size);
      ASSIGN_OR_RETURN(const record::Hole hole, record::DecodeHole(payload));
      through = std::max(through, hole.last.sequence);
    }
    records.remove_prefix(record::kHeaderSize + size);
  }
  return through;
}

}  // namespace engram::replication
