// Checksums and digests. CRC32C (Castagnoli, RFC 3720) guards every header and payload; XXH3
// (xxhash.com) is for digests and hash tables, where speed matters and an adversary does not.
#pragma once

#include <array>
#include <cstdint>

#include "engram/base/bytes.h"

namespace engram {

// CRC32C of `bytes`, as RFC 3720 finishes it. Crc32c(b, Crc32c(a)) == Crc32c(ab).
uint32_t Crc32c(ByteView bytes, uint32_t crc_so_far = 0);

uint64_t Hash64(ByteView bytes, uint64_t seed = 0);

struct Digest128 {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Digest128&) const = default;
};

// A running XXH3-128 of everything added.
class Digester {
 public:
  Digester();
  ~Digester();
  Digester(Digester&& other) noexcept;
  Digester& operator=(Digester&& other) noexcept;
  void Add(ByteView bytes);
  Digest128 Get() const;
  void Reset();

 private:
  void* state_;
};

}  // namespace engram
