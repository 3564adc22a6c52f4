#include "engram/space/tail.h"

#include <algorithm>

#include "engram/base/check.h"

namespace engram::space {
namespace {

// `replaces` of a record in the entry at `sequence`.
Sequence Replaced(const pb::StoreRecord& record, Sequence sequence) {
  const int64_t replaces = record.replaces();
  if (replaces >= 0) return Sequence(static_cast<uint64_t>(replaces));
  return Sequence(sequence.value() - static_cast<uint64_t>(-replaces));
}

}  // namespace

const pb::StoreRecord* ContentOf(const model::Change& change) {
  if (const auto* store = std::get_if<pb::StoreRecord>(&change.decision)) return store;
  const auto* update = std::get_if<pb::UpdateRecord>(&change.decision);
  return update != nullptr && update->has_content() ? &update->content() : nullptr;
}

std::vector<Sequence> EndedBy(const model::Change& change) {
  std::vector<Sequence> ended;
  if (const pb::StoreRecord* content = ContentOf(change)) {
    const Sequence replaced = Replaced(*content, change.sequence);
    if (!replaced.is_zero()) ended.push_back(replaced);
  } else if (const auto* deleted = std::get_if<pb::DeleteRecord>(&change.decision)) {
    for (const uint64_t content : deleted->contents()) ended.push_back(Sequence(content));
  }
  return ended;
}

const pb::IdempotencyKey* KeyOf(const model::Change& change) {
  const pb::IdempotencyKey* key = nullptr;
  if (const auto* store = std::get_if<pb::StoreRecord>(&change.decision)) key = &store->key();
  if (const auto* update = std::get_if<pb::UpdateRecord>(&change.decision)) key = &update->key();
  if (const auto* deleted = std::get_if<pb::DeleteRecord>(&change.decision)) key = &deleted->key();
  return key == nullptr || key->key().empty() ? nullptr : key;
}

void Tail::Push(TailEntryPtr entry) {
  MutexLock lock(mutex_);
  const uint64_t sequence = entry->sequence().value();
  ENGRAM_CHECK(sequence > end_.value());
  const bool room = !blocks_.empty() && sequence == end_.value() + 1 &&
                    sequence - blocks_.back()->first < Block::kSize;
  if (!room) {
    blocks_.push_back(std::make_shared<Block>());
    blocks_.back()->first = sequence;
  }
  bytes_ += entry->bytes;
  ++entries_;
  end_ = entry->sequence();
  blocks_.back()->entries[sequence - blocks_.back()->first] = std::move(entry);
}

uint64_t Tail::TrimThrough(Sequence through) {
  MutexLock lock(mutex_);
  through = std::min(through, end_);
  uint64_t freed = 0;
  // Whole blocks only: slices read the others. The charge of a block goes with it.
  while (!blocks_.empty()) {
    const Block& block = *blocks_.front();
    const uint64_t next = blocks_.size() > 1 ? blocks_[1]->first : end_.value() + 1;
    const bool full = blocks_.size() > 1 || next - block.first == Block::kSize;
    if (next - 1 > through.value() || (!full && through < end_)) break;
    for (uint64_t i = 0; i < next - block.first && i < Block::kSize; ++i) {
      if (block.entries[i] == nullptr) continue;
      freed += block.entries[i]->bytes;
      --entries_;
    }
    trimmed_ = Sequence(next - 1);
    blocks_.pop_front();
  }
  bytes_ -= freed;
  return freed;
}

TailEntryPtr Tail::Find(Sequence sequence) const {
  MutexLock lock(mutex_);
  const auto after = std::upper_bound(
      blocks_.begin(), blocks_.end(), sequence.value(),
      [](uint64_t wanted, const std::shared_ptr<Block>& block) { return wanted < block->first; });
  if (after == blocks_.begin() || sequence > end_) return nullptr;
  const Block& block = **std::prev(after);
  const uint64_t offset = sequence.value() - block.first;
  return offset < Block::kSize ? block.entries[offset] : nullptr;
}

TailSlice Tail::After(Sequence after) const {
  MutexLock lock(mutex_);
  TailSlice slice;
  slice.first_ = trimmed_.next();
  for (const auto& block : blocks_) {
    if (block->first + Block::kSize > after.value() + 1) slice.blocks_.push_back(block);
  }
  return slice;
}

Sequence Tail::trimmed_through() const {
  MutexLock lock(mutex_);
  return trimmed_;
}

uint64_t Tail::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

size_t Tail::entries() const {
  MutexLock lock(mutex_);
  return entries_;
}

void Tail::Reset(Sequence begin_after) {
  MutexLock lock(mutex_);
  blocks_.clear();
  trimmed_ = end_ = begin_after;
  bytes_ = 0;
  entries_ = 0;
}

}  // namespace engram::space
