#include "engram/recall/legs.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engram/index/vectors.h"

namespace engram::recall {
namespace {

using space::RowIndex;

// Nearest vectors taken in a space too large to take all; 200 find what all would find.
constexpr size_t kLeastNearest = 200;
constexpr size_t kNearestPerResult = 20;
constexpr double kLeastTimeScale = 3600;

double SecondsBetween(model::UtcTime early, model::UtcTime late) {
  return static_cast<double>(late.seconds - early.seconds) + (late.nanos - early.nanos) * 1e-9;
}

void AddUnit(const google::protobuf::RepeatedField<float>& values, std::vector<float>* sum) {
  double squares = 0;
  for (float value : values) squares += static_cast<double>(value) * value;
  if (squares == 0) return;
  const double length = std::sqrt(squares);
  sum->resize(values.size());
  for (int i = 0; i < values.size(); ++i) (*sum)[i] += static_cast<float>(values[i] / length);
}

bool AllNull(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return value == 0; });
}

}  // namespace

Result<std::unique_ptr<Legs>> Legs::Make(space::View& view, const Question& question,
                                         const space::RowSet& keep) {
  std::unique_ptr<Legs> legs(new Legs(view, question));
  ASSIGN_OR_RETURN(Like like, legs->LoadLiked());
  RETURN_IF_ERROR(legs->AskText(like));
  RETURN_IF_ERROR(legs->AskVector(like, keep));
  if (question.around) legs->Ask(Leg::kTime);
  RETURN_IF_ERROR(legs->AskPeople());
  RETURN_IF_ERROR(legs->AskPlace());
  RETURN_IF_ERROR(legs->CheckWeights());
  return legs;
}

Result<Legs::Like> Legs::LoadLiked() {
  Like like;
  for (const std::string& id : question_.query.like_ids()) {
    ASSIGN_OR_RETURN(std::optional<space::IdLookup> found, view_.FindId(id));
    if (!found || !found->row) {
      return Status(Reason::MEMORY_NOT_FOUND, "There is no memory '" + id + "' to find more like.")
          .With("space", view_.space())
          .With("id", id)
          .With("field", "query.like_ids");
    }
    liked_.push_back(*found->row);
    ASSIGN_OR_RETURN(v1::Episode episode, view_.LoadEpisode(*found->row, true));
    if (!episode.what().empty()) like.texts.push_back(episode.what());
    AddUnit(episode.embedding(), &like.vector);
  }
  if (AllNull(like.vector)) like.vector.clear();
  return like;
}

Status Legs::AskText(const Like& like) {
  const std::string& text = question_.query.text();
  if (text.empty() && like.texts.empty()) return OkStatus();
  ASSIGN_OR_RETURN(text_, TextLeg::Search(view_, text, like.texts));
  if (text_->terms().empty()) return OkStatus();  // "?!" asks for nothing that text could have
  Ask(Leg::kText);
  text_shares_.resize(view_.rows());
  for (const auto& hit : text_->hits()) text_shares_[hit.row] = text_->Share(hit);
  return OkStatus();
}

Status Legs::AskVector(const Like& like, const space::RowSet& keep) {
  std::vector<float> query(question_.query.embedding().begin(), question_.query.embedding().end());
  if (query.empty()) query = like.vector;
  if (query.empty() && !question_.query.text().empty()) {
    if (view_.settings().embedder() == "hashed") {
      query = index::HashedEmbedding(question_.query.text());
      if (AllNull(query)) query.clear();
    } else {
      query_not_embedded_ = !view_.VectorSample(1).empty();
    }
  }
  if (query.empty()) return OkStatus();
  Ask(Leg::kVector);
  vector_ = std::make_unique<VectorLeg>(view_, std::move(query));
  return vector_->Search(keep, std::max(kLeastNearest, kNearestPerResult * question_.depth));
}

Status Legs::AskPeople() {
  if (question_.query.who().empty()) return OkStatus();
  v1::Filter asked;
  *asked.mutable_who()->mutable_any_of() = question_.query.who();
  ASSIGN_OR_RETURN(model::ResolvedFilter names, model::ResolveFilter(asked, ""));
  std::vector<std::string> who = std::move(names.who.any_of);
  std::sort(who.begin(), who.end());
  who.erase(std::unique(who.begin(), who.end()), who.end());
  for (std::string& name : who) {
    model::ResolvedFilter filter;
    filter.who.any_of.push_back(std::move(name));
    filter.include_suppressed = filter.include_superseded = true;
    ASSIGN_OR_RETURN(space::RowSet rows, view_.Select(filter));
    people_.push_back(std::move(rows));
  }
  if (!people_.empty()) Ask(Leg::kPeople);
  return OkStatus();
}

Status Legs::AskPlace() {
  if (question_.query.where_location().empty()) return OkStatus();
  v1::Filter asked;
  asked.add_where_location(question_.query.where_location());
  ASSIGN_OR_RETURN(model::ResolvedFilter places, model::ResolveFilter(asked, ""));
  if (places.places.empty()) return OkStatus();
  const std::string& place = places.places.front();
  for (size_t end = place.find('/');; end = place.find('/', end + 1)) {
    model::ResolvedFilter filter;
    filter.places.push_back(place.substr(0, end));
    filter.include_suppressed = filter.include_superseded = true;
    ASSIGN_OR_RETURN(space::RowSet rows, view_.Select(filter));
    levels_.push_back(std::move(rows));
    if (end == std::string::npos) break;
  }
  Ask(Leg::kPlace);
  return OkStatus();
}

Status Legs::CheckWeights() const {
  bool any = false;
  for (Leg leg : kLegs) {
    if (asked(leg) && weight(leg) > 0) return OkStatus();
    any = any || asked(leg);
  }
  if (!any) return OkStatus();
  return Status(Reason::INVALID_CUE, "Everything that the query asks for has weight 0.")
      .Expected("a weight above 0 for one of the legs asked for")
      .Suggest("leave the weights out to use the space's")
      .With("field", "ranking");
}

double Legs::WeightsOf(RowIndex row) const {
  double sum = 0;
  for (Leg leg : kLegs) {
    if (CanHave(leg, row)) sum += weight(leg);
  }
  return sum;
}

std::optional<double> Legs::GapOf(RowIndex row) const {
  const space::Row& facts = view_.row(row);
  if (!facts.has_event_time) return std::nullopt;
  if (facts.event_time.end <= question_.around->start) {
    return SecondsBetween(facts.event_time.end, question_.around->start);
  }
  if (facts.event_time.start >= question_.around->end) {
    return SecondsBetween(question_.around->end, facts.event_time.start);
  }
  return 0.0;
}

float Legs::TimeShare(RowIndex row) const {
  const std::optional<double> gap = GapOf(row);
  if (!gap) return 0;
  const double length = SecondsBetween(question_.around->start, question_.around->end);
  return static_cast<float>(1 / (1 + *gap / std::max(kLeastTimeScale, length)));
}

float Legs::Share(Leg leg, RowIndex row) const {
  const auto count_in = [&](const std::vector<space::RowSet>& sets) {
    return static_cast<float>(std::count_if(sets.begin(), sets.end(),
                                            [&](const auto& set) { return set.Has(row); })) /
           static_cast<float>(sets.size());
  };
  switch (leg) {
    case Leg::kText:
      return text_shares_[row];
    case Leg::kVector:
      return vector_->Share(row);
    case Leg::kTime:
      return TimeShare(row);
    case Leg::kPeople:
      return count_in(people_);
    case Leg::kPlace:
      return count_in(levels_);
  }
  return 0;
}

double Legs::Raw(Leg leg, RowIndex row) const {
  switch (leg) {
    case Leg::kText: {
      const auto* hit = text_->Find(row);
      return hit != nullptr ? text_->Bm25(*hit) : 0;
    }
    case Leg::kVector:
      return vector_->CosineOf(row).value_or(0);
    case Leg::kTime:
      return GapOf(row).value_or(-1);  // -1: event time unknown
    case Leg::kPeople:
      return std::round(Share(leg, row) * static_cast<double>(people_.size()));
    case Leg::kPlace:
      return std::round(Share(leg, row) * static_cast<double>(levels_.size()));
  }
  return 0;
}

float Legs::Direct(RowIndex row) const {
  double sum = 0, weights = 0;
  for (Leg leg : kLegs) {
    if (!CanHave(leg, row)) continue;
    sum += weight(leg) * Share(leg, row);
    weights += weight(leg);
  }
  return weights > 0 ? static_cast<float>(sum / weights) : 0.0f;
}

const std::vector<float>& Legs::SortedShares(Leg leg) const {
  std::optional<std::vector<float>>& sorted = sorted_[static_cast<size_t>(leg)];
  if (sorted) return *sorted;
  sorted.emplace();
  for (RowIndex row = 0; row < view_.rows(); ++row) {
    if (!view_.Live(row) || !CanHave(leg, row)) continue;
    if (const float share = Share(leg, row); share > 0) sorted->push_back(share);
  }
  std::sort(sorted->begin(), sorted->end(), std::greater<>());
  return *sorted;
}

uint64_t Legs::CountMatching(Leg leg) const {
  return SortedShares(leg).size();
}

uint32_t Legs::RankOf(Leg leg, RowIndex row) const {
  const float share = Share(leg, row);
  if (share <= 0) return 0;
  const std::vector<float>& sorted = SortedShares(leg);
  const auto first = std::lower_bound(sorted.begin(), sorted.end(), share, std::greater<>());
  return static_cast<uint32_t>(first - sorted.begin()) + 1;
}

}  // namespace engram::recall
