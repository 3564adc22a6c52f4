// The View of one space: see view.h. Holds the catalog and text snapshots, the row table as of its
// visible end, and the slice of the tail between them. Used by one thread.
//
// Whatever lies above `visible_` is masked here, and here alone: snapshots are taken before the
// visible end is read, so they never know more than the view shows; rows carry the sequences at
// which they came and went; the vector file may run ahead and is asked about live rows only.
#pragma once

#include <memory>
#include <unordered_map>

#include "engram/space/core.h"

namespace engram::space {

class ViewImpl : public View {
 public:
  // `core` is kept alive (it is the space). The pass keeps indexes from being replaced.
  static Result<std::unique_ptr<ViewImpl>> Make(std::shared_ptr<Core> core);
  ~ViewImpl() override;

  const std::string& space() const override { return core_->id; }
  Incarnation incarnation() const override { return core_->incarnation; }
  const v1::SpaceSettings& settings() const override { return core_->settings; }
  Epoch epoch() const override { return visible_.epoch; }
  Sequence visible_through() const override { return visible_.sequence; }
  std::map<std::string, uint64_t> IndexedThrough() const override;

  size_t rows() const override { return row_count_; }
  const Row& row(RowIndex row) const override { return rows_->row(row); }
  bool Live(RowIndex row) const override {
    return row < row_count_ && rows_->LiveAt(row, visible_.sequence);
  }
  bool Suppressed(RowIndex row) const override {
    return rows_->SuppressedAt(row, visible_.sequence);
  }
  std::optional<RowIndex> Find(Sequence content) const override {
    return rows_->Find(content, row_count_);
  }
  Result<std::optional<IdLookup>> FindId(std::string_view id) override;
  void Neighbours(RowIndex row, int steps, std::vector<RowIndex>* before,
                  std::vector<RowIndex>* after) const override {
    rows_->Neighbours(row, steps, row_count_, visible_.sequence, before, after);
  }

  Result<RowSet> Select(const model::ResolvedFilter& filter) override;
  Result<model::Facets> FacetsOf(RowIndex row) override;
  Result<TextMatches> SearchText(std::span<const std::string> terms) override;
  Result<std::vector<Near>> Nearest(std::span<const float> query, size_t limit,
                                    const RowSet& keep) override;
  Result<std::optional<float>> CosineOf(RowIndex row, std::span<const float> query) override;
  std::vector<RowIndex> VectorSample(size_t limit) const override;

  Result<internal::v1::StoreRecord> Load(RowIndex row) override;
  Result<std::vector<Version>> History(std::string_view id) override;
  Result<std::vector<std::string>> SimilarIds(std::string_view id, size_t limit) override;
  Result<v1::Episode> LoadEpisode(RowIndex row, bool with_embedding) override;

 private:
  ViewImpl(std::shared_ptr<Core> core, Gate::Pass pass)
      : core_(std::move(core)), pass_(std::move(pass)), rows_(core_->rows) {}

  // The entry of a row's content; kept for the next time.
  Result<TailEntryPtr> EntryOf(RowIndex row);
  // Entries that the index at `identity` has not reached, as far as this view shows them.
  Status ForEachAfter(const index::IndexIdentity& identity,
                      const std::function<Status(const TailEntryPtr&)>& visit) const {
    return core_->ForEachChange(identity.sequence, visible_.sequence, slice_, visit);
  }

  // view_text.cc
  struct TextCounting;
  Status CountIndex(TextCounting* counting, std::span<const std::string> terms);
  Status CountTail(TextCounting* counting, std::span<const std::string> terms);
  Status AddTailHit(RowIndex row, const DocumentTerms& document, TextCounting* counting);

  // view_filter.cc
  using Contents = Result<std::vector<Sequence>>;
  RowSet RowsOf(const std::vector<Sequence>& contents) const;
  Status Require(const Contents& contents, std::optional<RowSet>* set) const;
  Status RequireNames(const model::ResolvedFilter& filter, std::optional<RowSet>* set);
  Status RequireOthers(const model::ResolvedFilter& filter, std::optional<RowSet>* set);
  Status SelectIndexed(const model::ResolvedFilter& filter, RowSet* out);
  Status SelectTail(const model::ResolvedFilter& filter, RowSet* out);

  float CosineFor(const pb::StoreRecord& record, std::span<const float> query) const;

  const std::shared_ptr<Core> core_;
  const Gate::Pass pass_;
  const std::shared_ptr<RowTable> rows_;
  Snapshots snapshots_;
  index::IndexIdentity vectors_at_;
  Position visible_;
  size_t row_count_ = 0;
  TailSlice slice_;
  std::unordered_map<RowIndex, TailEntryPtr> entries_;
  // Cosines of the query asked about last.
  std::vector<float> query_;
  std::unordered_map<RowIndex, std::optional<float>> cosines_;
};

}  // namespace engram::space
