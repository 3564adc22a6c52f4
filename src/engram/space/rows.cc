#include "engram/space/rows.h"

#include <bit>

#include "engram/base/check.h"
#include "engram/base/hash.h"
#include "engram/model/decay.h"
#include "engram/model/episode.h"

namespace engram::space {
namespace {

SessionIndex::Key KeyOf(const Row& row, RowIndex index) {
  SessionIndex::Key key;
  key.turn = row.has_turn ? row.turn + 1 : 0;
  if (row.has_turn && key.turn == 0) key.turn = row.turn;  // the largest turn stays the largest
  if (row.has_event_time) key.time = row.event_time.start;
  key.row = index;
  return key;
}

}  // namespace

Row RowOf(const internal::v1::StoreRecord& record, Sequence content) {
  const v1::Episode& episode = record.episode();
  Row row;
  row.content = content;
  row.version = record.version();
  row.id_hash = Hash64(episode.id());
  row.session_hash = episode.session().empty() ? 0 : Hash64(episode.session());
  row.has_turn = episode.has_turn();
  row.turn = episode.turn();
  row.has_vector = episode.embedding_size() > 0;
  row.stored_at = model::UtcTime::FromProto(record.stored_at());
  row.first_stored_at = model::UtcTime::FromProto(record.first_stored_at());
  row.confidence = model::ConfidenceOf(episode);
  row.importance = model::ImportanceOf(episode);
  row.decay_rate = model::DecayRateOf(episode);
  const bool typed = episode.memory_type() != v1::MEMORY_TYPE_UNSPECIFIED;
  row.memory_type = static_cast<uint8_t>(typed ? episode.memory_type() : v1::MEMORY_TYPE_EPISODIC);
  const auto interval = model::IntervalOf(episode.event_time());
  row.has_event_time = interval.has_value();
  if (interval.has_value()) row.event_time = *interval;
  return row;
}

RowTable::~RowTable() {
  size_t left = size_.load();
  for (size_t i = 0; i < kChunks; ++i) {
    Slot* slots = chunks_[i].slots.load();
    for (size_t j = 0; j < std::min(left, SizeOf(i)); ++j) slots[j].~Slot();
    left -= std::min(left, SizeOf(i));
    ::operator delete(slots);
    delete[] chunks_[i].contents.load();
  }
}

RowTable::Place RowTable::PlaceOf(size_t row) {
  const size_t chunk = static_cast<size_t>(std::bit_width(row >> kFirstBits));
  return {chunk, chunk == 0 ? row : row - (size_t{1} << (kFirstBits + chunk - 1))};
}

RowTable::Slot& RowTable::SlotAt(size_t row) const {
  const Place place = PlaceOf(row);
  return chunks_[place.chunk].slots.load(std::memory_order_acquire)[place.offset];
}

uint64_t RowTable::ContentAt(size_t row) const {
  const Place place = PlaceOf(row);
  return chunks_[place.chunk].contents.load(std::memory_order_acquire)[place.offset];
}

void RowTable::MakeChunk(size_t chunk) {
  // Raw memory: pages that no row has reached yet cost nothing.
  auto* slots = static_cast<Slot*>(::operator new(SizeOf(chunk) * sizeof(Slot)));
  chunks_[chunk].contents.store(new uint64_t[SizeOf(chunk)], std::memory_order_release);
  chunks_[chunk].slots.store(slots, std::memory_order_release);
}

RowIndex RowTable::Append(const Row& row) {
  const size_t index = size_.load(std::memory_order_relaxed);
  ENGRAM_CHECK(index < kNoRow);
  ENGRAM_CHECK(index == 0 || ContentAt(index - 1) < row.content.value());
  const Place place = PlaceOf(index);
  if (place.offset == 0) MakeChunk(place.chunk);
  Slot* slot = new (&SlotAt(index)) Slot();
  slot->row = row;
  chunks_[place.chunk].contents.load(std::memory_order_relaxed)[place.offset] = row.content.value();
  size_.store(index + 1, std::memory_order_release);
  const auto result = static_cast<RowIndex>(index);
  Link(result);
  if (row.session_hash != 0) sessions_.Add(row.session_hash, KeyOf(row, result));
  return result;
}

void RowTable::Kill(RowIndex row, Sequence at) {
  uint64_t alive = 0;
  SlotAt(row).dead_at.compare_exchange_strong(alive, at.value(), std::memory_order_release);
}

void RowTable::SetSuppressed(RowIndex row, bool suppressed, Sequence at) {
  Slot& slot = SlotAt(row);
  const Suppression* before = slot.suppression.load(std::memory_order_relaxed);
  suppressions_.push_back({at.value(), suppressed, before});
  slot.suppression.store(&suppressions_.back(), std::memory_order_release);
}

size_t RowTable::CountThrough(Sequence visible) const {
  size_t count = size();
  while (count > 0 && ContentAt(count - 1) > visible.value()) --count;
  return count;
}

bool RowTable::SuppressedAt(RowIndex row, Sequence visible) const {
  const Suppression* node = SlotAt(row).suppression.load(std::memory_order_acquire);
  while (node != nullptr && node->at > visible.value()) node = node->before;
  return node != nullptr && node->suppressed;
}

std::optional<RowIndex> RowTable::Find(Sequence content, size_t rows) const {
  const uint64_t wanted = content.value();
  if (rows == 0 || wanted < ContentAt(0) || wanted > ContentAt(rows - 1)) return std::nullopt;
  size_t low = 0, high = rows;  // contents[low] <= wanted; contents[high], if any, is above it
  // Most entries of a log are contents, so sequence and row run nearly alike: guess, then widen.
  const double span = static_cast<double>(ContentAt(rows - 1) - ContentAt(0)) + 1;
  size_t at = static_cast<size_t>(static_cast<double>(wanted - ContentAt(0)) / span *
                                  static_cast<double>(rows));
  at = std::min(at, rows - 1);
  if (ContentAt(at) <= wanted) {
    low = at;
    for (size_t step = 1; at + step < rows; step *= 2) {
      if (ContentAt(at + step) > wanted) {
        high = at + step;
        break;
      }
      low = at + step;
    }
  } else {
    high = at;
    for (size_t step = 1; step <= at; step *= 2) {
      if (ContentAt(at - step) <= wanted) {
        low = at - step;
        break;
      }
      high = at - step;
    }
  }
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (ContentAt(middle) <= wanted ? low : high) = middle;
  }
  if (ContentAt(low) != wanted) return std::nullopt;
  return static_cast<RowIndex>(low);
}

void RowTable::Neighbours(RowIndex index, int steps, size_t rows, Sequence visible,
                          std::vector<RowIndex>* before, std::vector<RowIndex>* after) const {
  const Row& center = row(index);
  if (center.session_hash == 0) return;
  const auto wanted = [&](RowIndex other) {
    return other < rows && LiveAt(other, visible) && !SuppressedAt(other, visible);
  };
  sessions_.Neighbours(center.session_hash, KeyOf(center, index), steps, wanted, before, after);
}

RowIndex RowTable::NewestWith(uint64_t id_hash) const {
  MutexLock lock(ids_mutex_);
  return ids_.empty() ? kNoRow : ids_[Probe(id_hash)];
}

size_t RowTable::Probe(uint64_t id_hash) const {
  const size_t mask = ids_.size() - 1;
  size_t at = id_hash & mask;
  while (ids_[at] != kNoRow && row(ids_[at]).id_hash != id_hash) at = (at + 1) & mask;
  return at;
}

void RowTable::Link(RowIndex index) {
  MutexLock lock(ids_mutex_);
  if ((ids_used_ + 1) * 3 > ids_.size() * 2) GrowIds();
  RowIndex& newest = ids_[Probe(row(index).id_hash)];
  if (newest == kNoRow) ++ids_used_;
  SlotAt(index).previous = newest;
  newest = index;
}

void RowTable::GrowIds() {
  const std::vector<RowIndex> old = std::move(ids_);
  ids_.assign(std::max<size_t>(64, old.size() * 2), kNoRow);
  for (const RowIndex row_index : old) {
    if (row_index != kNoRow) ids_[Probe(row(row_index).id_hash)] = row_index;
  }
}

}  // namespace engram::space
