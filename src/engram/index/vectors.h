// The vectors of one space: unit vectors as int8 codes with a scale each, appended flat to
// vectors.bin and scanned exactly. Codes find candidates; float32 from the log orders them, so the
// answer is that of a float32 scan. Derived, safe to delete.
//
// One writer; scans run beside it on what was there when they began.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/file_system.h"
#include "engram/index/identity.h"

namespace engram::index {

struct VectorAdd {
  Sequence content;
  std::span<const float> values;  // as the episode has them; normalised inside
};

struct VectorHit {
  Sequence content;
  float cosine = 0;  // by codes, within VectorIndex::kCosineError of the float32 cosine
};

class VectorIndex {
 public:
  // Largest difference between a cosine by codes and the one in float32; a test holds it.
  static constexpr float kCosineError = 0.02f;

  static Result<std::unique_ptr<VectorIndex>> Open(env::FileSystem& fs, const std::string& path,
                                                   Incarnation incarnation, uint32_t dimension);
  static Status Destroy(env::FileSystem& fs, const std::string& path);
  virtual ~VectorIndex() = default;
  virtual IndexIdentity identity() const = 0;
  // Appends and moves the identity; what was appended after the stored identity is ignored at the
  // next opening.
  virtual Status Apply(std::span<const VectorAdd> added, const IndexIdentity& through) = 0;
  virtual uint64_t size() const = 0;
  // Scans all codes with up to `threads` threads; `keep` says whether a content may be in the
  // answer (may be null). Returns the `limit` nearest and all others within 2 · kCosineError of the
  // last of these, unordered.
  virtual std::vector<VectorHit> Nearest(std::span<const float> query, size_t limit,
                                         const std::function<bool(Sequence)>& keep) = 0;
  virtual uint64_t bytes() const = 0;
};

// Cosine in float32, accumulated in a fixed order: equal on every machine with the same kernel.
float Cosine(std::span<const float> a, std::span<const float> b);
// The built-in embedder "hashed": words and character trigrams hashed into 768 signed buckets.
// Lexical: it helps with misspellings and knows no meaning. Empty text gives an empty vector.
std::vector<float> HashedEmbedding(std::string_view text);

}  // namespace engram::index
