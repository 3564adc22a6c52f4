// A view: one space as it was at one sequence, and it stays so while the view lives, whatever is
// written or indexed meanwhile; closing the space and rebuilding its indexes wait for it. It hides
// where things lie: rows in memory, postings in the catalog, documents in text.db, codes in
// vectors.bin, and the tail that no index has reached give one answer. Used by one thread; cheap to
// make (two SQLite read transactions, kept for the next view when nothing was indexed meanwhile).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/internal/v1/log.pb.h"
#include "engram/model/filter.h"
#include "engram/space/rows.h"

namespace engram::space {

// A set of rows, one bit each.
class RowSet {
 public:
  explicit RowSet(size_t rows, bool all = false)
      : words_((rows + 63) / 64, all ? ~0ull : 0), rows_(rows) {}
  bool Has(RowIndex row) const { return row < rows_ && (words_[row / 64] >> (row % 64) & 1) != 0; }
  void Add(RowIndex row) { words_[row / 64] |= 1ull << (row % 64); }
  void Remove(RowIndex row) { words_[row / 64] &= ~(1ull << (row % 64)); }
  size_t rows() const { return rows_; }
  size_t Count() const;
  void Intersect(const RowSet& other);

 private:
  std::vector<uint64_t> words_;
  size_t rows_;
};

// Answer of a text search: counts, from which recall computes BM25. `documents` and `mean_length`
// are over every memory that is not deleted, suppressed ones too, whatever a filter says.
struct TextMatches {
  uint64_t documents = 0;
  double mean_length = 0;
  std::vector<uint64_t> document_counts;  // per term
  struct Hit {
    RowIndex row;
    uint32_t length;
    uint32_t first_count;  // counts[first_count + term]
  };
  std::vector<Hit> hits;  // live rows only, in row order
  std::vector<uint32_t> counts;
};

struct IdLookup {
  uint64_t version = 0;  // newest ever used
  bool deleted = false;
  bool suppressed = false;
  std::optional<RowIndex> row;  // of the newest version, unless deleted
};

class View {
 public:
  virtual ~View() = default;

  virtual const std::string& space() const = 0;
  virtual Incarnation incarnation() const = 0;
  virtual const engram::v1::SpaceSettings& settings() const = 0;
  virtual Epoch epoch() const = 0;  // of the entry at visible_through
  virtual Sequence visible_through() const = 0;
  virtual std::map<std::string, uint64_t> IndexedThrough() const = 0;  // catalog, text, vectors

  // Rows 0 … rows() - 1, in order of content sequence; dead ones are among them.
  virtual size_t rows() const = 0;
  virtual const Row& row(RowIndex row) const = 0;
  virtual bool Live(RowIndex row) const = 0;  // newest version, not deleted
  virtual bool Suppressed(RowIndex row) const = 0;
  virtual std::optional<RowIndex> Find(Sequence content) const = 0;
  virtual Result<std::optional<IdLookup>> FindId(std::string_view id) = 0;

  // Up to `steps` neighbours of the same session on each side, nearest first, in the order (turn,
  // event time, sequence); only live rows that are not suppressed. None without a session.
  virtual void Neighbours(RowIndex row, int steps, std::vector<RowIndex>* before,
                          std::vector<RowIndex>* after) const = 0;

  // Live rows that pass the filter (suppression included).
  virtual Result<RowSet> Select(const model::ResolvedFilter& filter) = 0;
  // Everything that a filter may ask about one row.
  virtual Result<model::Facets> FacetsOf(RowIndex row) = 0;

  // Terms are analysed already. Index and tail together.
  virtual Result<TextMatches> SearchText(std::span<const std::string> terms) = 0;
  // Exact: the `limit` rows of `keep` with the highest float32 cosine to `query` (length of the
  // space's dimension), best first, ties by lower row.
  struct Near {
    RowIndex row;
    float cosine;
  };
  virtual Result<std::vector<Near>> Nearest(std::span<const float> query, size_t limit,
                                            const RowSet& keep) = 0;
  // float32 cosine of one row; nullopt without a vector.
  virtual Result<std::optional<float>> CosineOf(RowIndex row, std::span<const float> query) = 0;
  // Up to `limit` live rows with a vector, those with the smallest id hash.
  virtual std::vector<RowIndex> VectorSample(size_t limit) const = 0;

  // The logged record of a row; CORRUPTION_DETECTED and others when it cannot be read.
  virtual Result<internal::v1::StoreRecord> Load(RowIndex row) = 0;
  // Every version of an id that the log still has, newest first.
  struct Version {
    internal::v1::StoreRecord record;
    Sequence sequence;
    Epoch epoch;
  };
  virtual Result<std::vector<Version>> History(std::string_view id) = 0;
  virtual Result<std::vector<std::string>> SimilarIds(std::string_view id, size_t limit) = 0;
  // Output: the episode with its `stored` filled.
  virtual Result<engram::v1::Episode> LoadEpisode(RowIndex row, bool with_embedding) = 0;
};

}  // namespace engram::space
