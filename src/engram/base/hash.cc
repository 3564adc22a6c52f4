#include "engram/base/hash.h"

#include <utility>

#include <isa-l/crc.h>
#include <xxhash.h>

#include "engram/base/check.h"

namespace engram {
namespace {
XXH3_state_t* State(void* state) {
  return static_cast<XXH3_state_t*>(state);
}
}  // namespace

uint32_t Crc32c(ByteView bytes, uint32_t crc_so_far) {
  // crc32_iscsi takes and returns the register, without the inversions of RFC 3720. It takes an
  // int for the length: longer inputs go in pieces.
  constexpr size_t kPiece = 1u << 30;
  uint32_t reg = ~crc_so_far;
  while (!bytes.empty()) {
    ByteView piece = bytes.substr(0, kPiece);
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    reg = crc32_iscsi(data, static_cast<int>(piece.size()), reg);
    bytes.remove_prefix(piece.size());
  }
  return ~reg;
}

uint64_t Hash64(ByteView bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Digester::Digester() : state_(XXH3_createState()) {
  ENGRAM_CHECK(state_ != nullptr);
  Reset();
}
Digester::~Digester() {
  XXH3_freeState(State(state_));
}
Digester::Digester(Digester&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
Digester& Digester::operator=(Digester&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
void Digester::Add(ByteView bytes) {
  XXH3_128bits_update(State(state_), bytes.data(), bytes.size());
}
Digest128 Digester::Get() const {
  XXH128_hash_t hash = XXH3_128bits_digest(State(state_));
  return {hash.high64, hash.low64};
}
void Digester::Reset() {
  XXH3_128bits_reset(State(state_));
}

}  // namespace engram
