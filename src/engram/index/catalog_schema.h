// The tables of catalog.db and its one line of state: identity and counts. Every transaction of the
// writer ends by writing that line, every snapshot begins by reading it.
//
//   meta      one row: format, incarnation, epoch, sequence, header CRC; counts
//   ids       id → content of the newest version (0: deleted), newest version number, last change
//   rows      content → row and names of a live memory (catalog_row.h)
//   old       (id, version) → content and storing time of versions that were replaced
//   postings  (block of contents, name, content) of live memories
//   keys      (idempotency key, item) → entry and digest
#pragma once

#include "engram/index/catalog.h"
#include "engram/index/sqlite.h"

namespace engram::index {

// Postings of 4,096 neighbouring contents lie together: a transaction then writes a hundred pages,
// not one page per name that it touches, and a query asks one block after the other.
inline int64_t BlockOf(uint64_t content) {
  return static_cast<int64_t>(content >> 12);
}

struct CatalogState {
  IndexIdentity identity;
  CatalogCounts counts;
};

// Makes the tables in an empty file; in one that has them checks format and incarnation.
// UNSUPPORTED_VERSION: written by a newer program. CORRUPTION_DETECTED: of another incarnation, or
// no catalog.
Status PrepareSchema(Connection& connection, Incarnation incarnation);

inline constexpr const char* kReadState =
    "SELECT incarnation, epoch, sequence, header_crc, live, suppressed, deleted, versions, vectors "
    "FROM meta";
inline constexpr const char* kWriteState =
    "UPDATE meta SET incarnation=?1, epoch=?2, sequence=?3, header_crc=?4, live=?5, suppressed=?6, "
    "deleted=?7, versions=?8, vectors=?9";

// `read` is a prepared kReadState, `write` a prepared kWriteState.
Result<CatalogState> ReadState(Statement& read);
Status WriteState(Statement& write, const CatalogState& state);

}  // namespace engram::index
