// A checksum in every page of a database file: SQLite leaves the last eight bytes of each page to
// the VFS (its "reserved bytes"), and we keep XXH3-64 of the page and its place there. A page that
// rotted on the disk, or was written to a wrong place, is an error when it is read, not a wrong
// answer. The WAL has checksums of its own, checked when it is recovered. Pure.
#pragma once

#include <cstdint>

#include "engram/base/bytes.h"

namespace engram::index {

inline constexpr size_t kPageBytes = 4096;
inline constexpr int kPageReserved = 8;

// True when SQLite reads or writes a page as a whole there.
inline bool IsPage(uint64_t offset, size_t size) {
  return size == kPageBytes && offset % kPageBytes == 0;
}

// Fills the last eight bytes of a page that belongs at `offset`.
void SealPage(char* page, uint64_t offset);
// True for a sealed page, and for one that was never written (zeros).
bool PageIntact(const char* page, uint64_t offset);

}  // namespace engram::index
