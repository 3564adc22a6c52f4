// The five legs over the rows of a view: n of each leg and row, and F, their weighted mean over the
// legs asked for that a row can have. Made once per request; used by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/recall/question.h"
#include "engram/recall/text_leg.h"
#include "engram/recall/vector_leg.h"

namespace engram::recall {

class Legs {
 public:
  // `keep`: rows that pass the filter. INVALID_CUE when every leg asked for has weight 0;
  // MEMORY_NOT_FOUND for an unknown id in like_ids.
  static Result<std::unique_ptr<Legs>> Make(space::View& view, const Question& question,
                                            const space::RowSet& keep);

  bool asked(Leg leg) const { return asked_[static_cast<size_t>(leg)]; }
  bool CanHave(Leg leg, space::RowIndex row) const {
    return asked(leg) && (leg != Leg::kVector || view_.row(row).has_vector);
  }
  bool text_only() const {
    return std::count(asked_.begin(), asked_.end(), true) == 1 && asked(Leg::kText);
  }
  double weight(Leg leg) const { return question_.weights.of(leg); }
  double WeightsOf(space::RowIndex row) const;      // Σ w over the legs it can have
  float Share(Leg leg, space::RowIndex row) const;  // n
  double Raw(Leg leg, space::RowIndex row) const;   // BM25, cosine, seconds, people, levels
  float Direct(space::RowIndex row) const;          // F
  uint64_t CountMatching(Leg leg) const;            // rows with n > 0
  // 1 for the row with the highest n, equals sharing a rank; 0 when n is 0.
  uint32_t RankOf(Leg leg, space::RowIndex row) const;

  const TextLeg* text() const { return text_.get(); }  // null: not asked for
  VectorLeg* vector() { return vector_.get(); }
  const VectorLeg* vector() const { return vector_.get(); }
  bool query_not_embedded() const { return query_not_embedded_; }
  // Rows of like_ids: they do not answer themselves.
  const std::vector<space::RowIndex>& liked() const { return liked_; }
  size_t people_asked() const { return people_.size(); }
  size_t levels_asked() const { return levels_.size(); }

 private:
  Legs(space::View& view, const Question& question) : view_(view), question_(question) {}
  struct Like {
    std::vector<std::string> texts;
    std::vector<float> vector;  // sum of unit vectors
  };
  Result<Like> LoadLiked();
  Status AskText(const Like& like);
  Status AskVector(const Like& like, const space::RowSet& keep);
  Status AskPeople();
  Status AskPlace();
  Status CheckWeights() const;
  float TimeShare(space::RowIndex row) const;
  std::optional<double> GapOf(space::RowIndex row) const;  // seconds
  void Ask(Leg leg) { asked_[static_cast<size_t>(leg)] = true; }
  const std::vector<float>& SortedShares(Leg leg) const;

  space::View& view_;
  const Question& question_;
  std::array<bool, kLegCount> asked_{};
  std::unique_ptr<TextLeg> text_;
  std::vector<float> text_shares_;  // by row
  std::unique_ptr<VectorLeg> vector_;
  std::vector<space::RowSet> people_;  // one set for each asked person
  std::vector<space::RowSet> levels_;  // rows below each leading part of the asked place
  std::vector<space::RowIndex> liked_;
  bool query_not_embedded_ = false;
  mutable std::array<std::optional<std::vector<float>>, kLegCount> sorted_;
};

}  // namespace engram::recall
