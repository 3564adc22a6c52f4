#include <algorithm>

#include "engram/space/view_impl.h"

namespace engram::space {

float ViewImpl::CosineFor(const pb::StoreRecord& record, std::span<const float> query) const {
  const auto& values = record.episode().embedding();
  return index::Cosine({values.data(), static_cast<size_t>(values.size())}, query);
}

Result<std::vector<View::Near>> ViewImpl::Nearest(std::span<const float> query, size_t limit,
                                                  const RowSet& keep) {
  // Read before the scan: the scan sees this much at least.
  const index::IndexIdentity scanned = core_->vectors->identity();
  const auto wanted = [&](RowIndex row) { return keep.Has(row) && Live(row); };
  // With the cosine by codes, for when the entry cannot be read: then it is found all the same, and
  // reported where it would be shown.
  std::vector<Near> candidates;
  const auto hits = core_->vectors->Nearest(query, limit, [&](Sequence content) {
    const auto row = Find(content);
    return row.has_value() && wanted(*row);
  });
  for (const index::VectorHit& hit : hits) {
    if (hit.content <= scanned.sequence) candidates.push_back({*Find(hit.content), hit.cosine});
  }
  if (scanned.sequence < visible_.sequence) {
    RETURN_IF_ERROR(ForEachAfter(scanned, [&](const TailEntryPtr& entry) {
      const pb::StoreRecord* content = entry->content();
      if (content == nullptr || content->episode().embedding_size() == 0) return OkStatus();
      const auto row = Find(entry->sequence());
      if (row.has_value() && wanted(*row)) candidates.push_back({*row, 0});
      return OkStatus();
    }));
  }
  std::vector<Near> near;
  for (const auto& [row, by_codes] : candidates) {
    const auto cosine = CosineOf(row, query);
    if (!cosine.ok() && cosine.status().code() != Code::DATA_LOSS) return cosine.status();
    const std::optional<float> value = cosine.ok() ? *cosine : by_codes;
    if (value.has_value()) near.push_back({row, *value});
  }
  std::sort(near.begin(), near.end(), [](const Near& a, const Near& b) {
    return a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row;
  });
  if (near.size() > limit) near.resize(limit);
  return near;
}

Result<std::optional<float>> ViewImpl::CosineOf(RowIndex row, std::span<const float> query) {
  if (!rows_->row(row).has_vector) return std::optional<float>();
  if (!std::equal(query.begin(), query.end(), query_.begin(), query_.end())) {
    query_.assign(query.begin(), query.end());
    cosines_.clear();
  }
  if (const auto known = cosines_.find(row); known != cosines_.end()) return known->second;
  ASSIGN_OR_RETURN(const TailEntryPtr entry, EntryOf(row));
  std::optional<float> cosine;
  if (entry->content()->episode().embedding_size() == static_cast<int>(query.size())) {
    cosine = CosineFor(*entry->content(), query);
  }
  cosines_[row] = cosine;
  return cosine;
}

}  // namespace engram::space
