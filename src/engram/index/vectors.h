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
  float cosine = 0;  // by codes
  float error = 0;   // the cosine in float32 is at most this far away
};

class VectorIndex {
 public:
  // Opens or makes the file. A damaged file, one of another incarnation, dimension or version is an
  // error, after which the caller may Destroy it and open again.
  static Result<std::unique_ptr<VectorIndex>> Open(env::FileSystem& fs, const std::string& path,
                                                   Incarnation incarnation, uint32_t dimension);
  static Status Destroy(env::FileSystem& fs, const std::string& path);
  virtual ~VectorIndex() = default;  // flushes, if it can
  virtual IndexIdentity identity() const = 0;
  // Appends and moves the identity; scans that begin later see it. Synced now and then (4 MiB or
  // 4,096 entries), so after a crash the file stands at some earlier identity, whole. DIMENSION_
  // MISMATCH changes nothing; after an error of the file system the call may be repeated, but after
  // a failed sync the index refuses all changes until it is opened again.
  virtual Status Apply(std::span<const VectorAdd> added, const IndexIdentity& through) = 0;
  // Makes what was applied durable.
  virtual Status Flush() = 0;
  virtual uint64_t size() const = 0;
  // Scans all codes on this thread; `keep` says whether a content may be in the answer (may be
  // null; asked only about what could be in it). Returns, unordered, everything that may be among
  // the `limit` nearest by float32, given the errors: order it by Cosine, and the first `limit` are
  // exact. Empty for a query of another dimension.
  virtual std::vector<VectorHit> Nearest(std::span<const float> query, size_t limit,
                                         const std::function<bool(Sequence)>& keep) = 0;
  virtual uint64_t bytes() const = 0;         // of the file
  virtual uint64_t memory_bytes() const = 0;  // of the codes in memory
};

// Cosine, −1 … 1, in a fixed order of sums: the same bits on every machine. 0 when one of them has
// no direction. Both have the same size.
float Cosine(std::span<const float> a, std::span<const float> b);

inline constexpr uint32_t kHashedDimension = 768;
// The built-in embedder "hashed": words and character trigrams hashed into 768 signed buckets.
// Lexical: it helps with misspellings and knows no meaning. The same bits on every machine. Text
// without words gives an empty vector.
std::vector<float> HashedEmbedding(std::string_view text);

}  // namespace engram::index
