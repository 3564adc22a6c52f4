#include "engram/wal/records.h"

#include <algorithm>
#include <cstring>

#include "engram/record/local.h"

namespace engram::wal {
namespace {

using record::EntryType;
using record::kHeaderSize;

ReadOutcome Bad(Status why) {
  return {ReadOutcome::Kind::kBad, {}, std::move(why)};
}

Status JoinHole(const Record& record, JoinState* state) {
  ASSIGN_OR_RETURN(const record::Hole hole, record::DecodeHole(record.payload));
  if (hole.first != state->next || hole.last.epoch < state->epoch) {
    return Status(Reason::SEQUENCE_GAP, "a Hole from sequence " + ToString(hole.first))
        .Expected("sequence " + ToString(state->next));
  }
  *state = {hole.last.sequence.next(), true, hole.last_crc, hole.last.epoch};
  return OkStatus();
}

Status JoinEntry(const record::EntryHeader& header, JoinState* state) {
  if (header.sequence != state->next) {
    return Status(Reason::SEQUENCE_GAP, "sequence " + ToString(header.sequence))
        .Expected("sequence " + ToString(state->next));
  }
  if (header.epoch < state->epoch) {
    return Status(Reason::CORRUPTION_DETECTED, "epoch " + ToString(header.epoch))
        .Expected("at least epoch " + ToString(state->epoch));
  }
  if (state->chain_known && header.chain != state->chain) {
    return Status(Reason::CORRUPTION_DETECTED,
                  "chain " + Hex(header.chain, 8) + " of sequence " + ToString(header.sequence))
        .Expected(Hex(state->chain, 8) + ", the header checksum of the entry before it")
        .With("expected", Hex(state->chain, 8))
        .With("actual", Hex(header.chain, 8));
  }
  *state = {header.sequence.next(), true, header.header_crc, header.epoch};
  return OkStatus();
}

// First place in `bytes` where the magic stands or may begin; npos when nowhere.
size_t FindMagic(ByteView bytes, size_t from) {
  char magic[4];
  StoreLe<uint32_t>(magic, record::kMagic);
  return bytes.find(ByteView(magic, 4), from);
}

constexpr size_t kSearchChunk = 1u << 20;

}  // namespace

Result<ByteView> FileSource::View(uint64_t offset, size_t size) {
  if (offset >= size_) return ByteView();
  size = static_cast<size_t>(std::min<uint64_t>(size, size_ - offset));
  if (offset < base_ || offset + size > base_ + buffer_.size()) {
    const auto want =
        static_cast<size_t>(std::min<uint64_t>(std::max(size, buffer_bytes_), size_ - offset));
    buffer_.resize(want);
    base_ = offset;
    ASSIGN_OR_RETURN(const size_t got, file_.ReadAt(offset, buffer_.data(), want));
    buffer_.resize(got);
    size = std::min(size, got);
  }
  return ByteView(buffer_).substr(static_cast<size_t>(offset - base_), size);
}

Sequence FirstSequence(const Record& record) {
  if (record.header.type != EntryType::kHole) return record.header.sequence;
  const auto hole = record::DecodeHole(record.payload);
  return hole.ok() ? hole->first : Sequence();
}

Result<ReadOutcome> ReadRecord(ByteSource& source, uint64_t offset) {
  ASSIGN_OR_RETURN(ByteView bytes, source.View(offset, kHeaderSize));
  if (bytes.empty()) return ReadOutcome{};
  if (AllZero(bytes)) return ReadOutcome{ReadOutcome::Kind::kZeros, {}, OkStatus()};
  const auto header = record::DecodeHeader(bytes);
  if (!header.ok()) return Bad(header.status());
  const size_t size = kHeaderSize + header->payload_size;
  ASSIGN_OR_RETURN(bytes, source.View(offset, size));
  const ByteView payload = bytes.substr(std::min(bytes.size(), kHeaderSize));
  if (Status status = record::CheckPayload(*header, payload); !status.ok()) {
    ReadOutcome bad = Bad(std::move(status));
    if (payload.size() == header->payload_size) bad.record = {offset, *header, payload};
    return bad;
  }
  return ReadOutcome{ReadOutcome::Kind::kRecord, {offset, *header, payload}, OkStatus()};
}

Status Join(const Record& record, JoinState* state) {
  if (record.header.type == EntryType::kHole) return JoinHole(record, state);
  if (!record::IsNumbered(record.header.type)) return OkStatus();
  return JoinEntry(record.header, state);
}

Status SearchRecords(FileSource& source, uint64_t from,
                     const std::function<bool(const Record&)>& visit) {
  while (true) {
    // Records mostly follow one another: a look at the header keeps what is buffered.
    ASSIGN_OR_RETURN(ByteView bytes, source.View(from, kHeaderSize));
    if (bytes.size() < kHeaderSize) return OkStatus();
    if (FindMagic(bytes.substr(0, 4), 0) != 0) {
      ASSIGN_OR_RETURN(bytes, source.View(from, kSearchChunk));
      const size_t at = FindMagic(bytes, 0);
      if (at == ByteView::npos) {
        from += bytes.size() - 3;  // the magic may begin in the last three bytes
        continue;
      }
      from += at;
    }
    ASSIGN_OR_RETURN(const ReadOutcome outcome, ReadRecord(source, from));
    if (outcome.kind != ReadOutcome::Kind::kRecord) {
      ++from;
      continue;
    }
    const uint64_t end = outcome.record.end();
    if (!visit(outcome.record)) return OkStatus();
    from = end;
  }
}

Result<bool> OnlyZeros(FileSource& source, uint64_t from) {
  while (true) {
    ASSIGN_OR_RETURN(const ByteView bytes, source.View(from, kSearchChunk));
    if (bytes.empty()) return true;
    if (!AllZero(bytes)) return false;
    from += bytes.size();
  }
}

}  // namespace engram::wal
