// The two blobs of a live memory in catalog.db: its row, of fixed layout, which the row table in
// memory is rebuilt from; and its names, which its postings can be found again by. Pure.
//
// A posting is one name of one live memory. Its first byte is the kind of name; the rest is the
// folded text, so that equal names of one kind lie side by side and a prefix is a range.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engram/index/catalog.h"
#include "engram/internal/v1/log.pb.h"

namespace engram::index {

// Row, 104 bytes, little-endian:
//   0 u8 flags (1 turn, 2 suppressed, 4 vector, 8 event time)   1 u8 memory type   2 u16 zero
//   4 f32 confidence   8 f32 importance   12 f32 decay rate   16 u64 version   24 u64 id hash
//  32 u64 session hash   40 u64 turn   48 u64 changed
//  56 i64 event start   64 i64 event end   72 i64 stored   80 i64 first stored   (seconds)
//  88 u32 event start   92 u32 event end   96 u32 stored   100 u32 first stored  (nanoseconds)
inline constexpr size_t kRowBytes = 104;

void EncodeRow(const LiveRow& row, std::string* out);
// CORRUPTION_DETECTED when it is no row.
Result<LiveRow> DecodeRow(Sequence content, ByteView bytes);

enum class NameKind : char {
  kPerson = 'p',
  kTag = 't',
  kPlace = 'l',
  kSession = 's',
  kSource = 'o',
  kMetadata = 'm',  // key, NUL, value
};

std::string NameOf(NameKind kind, std::string_view text);
std::string MetadataName(std::string_view key, std::string_view value);

// Names, each as u32 length and bytes.
void EncodeNames(const std::vector<std::string>& names, std::string* out);
Result<std::vector<std::string>> DecodeNames(ByteView bytes);

// What a logged record says: its row (not suppressed, changed = content) and its names.
struct CatalogEntry {
  LiveRow row;
  std::vector<std::string> names;
};
CatalogEntry EntryOf(const engram::internal::v1::StoreRecord& record, Sequence content);

}  // namespace engram::index
