#include "engram/recall/brute_force.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace engram::recall {
namespace {

using Entry = OracleView::Entry;

class Brute {
 public:
  Brute(const std::vector<Entry>& entries, const v1::SpaceSettings& settings,
        const v1::RecallRequest& request, model::UtcTime now)
      : entries_(entries), settings_(settings), request_(request), now_(now) {
    const v1::Ranking& r = request.ranking();
    text_weight_ = r.has_text_weight() ? r.text_weight() : 1.0;
    vector_weight_ = r.has_vector_weight() ? r.vector_weight() : 1.0;
    step_ = r.has_context_step() ? r.context_step() : 0.5;
    session_ = r.has_session_weight() ? r.session_weight() : 0.3;
    prior_ = r.has_prior_strength() ? r.prior_strength() : 0.3;
    confidence_ = r.has_confidence_weight() ? r.confidence_weight() : 0.25;
  }

  BruteAnswer Run() {
    MakeText();
    MakeBackground();
    for (size_t i = 0; i < entries_.size(); ++i) direct_.push_back(Direct(entries_[i]));
    BruteAnswer answer;
    const auto filter = model::ResolveFilter(request_.filter(), settings_.time_zone()).value();
    std::vector<std::pair<BruteResult, const Entry*>> found;
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      if (!entry.live || (entry.suppressed && !filter.include_suppressed)) continue;
      if (!model::Matches(filter, entry.facets)) continue;
      const BruteResult result = Score(i);
      if (result.score <= 0) continue;
      ++answer.matching;
      if (result.relevance < request_.min_relevance()) continue;
      answer.best_relevance = std::max(answer.best_relevance, result.relevance);
      found.emplace_back(result, &entry);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      if (std::abs(a.first.score - b.first.score) > 1e-7) return a.first.score > b.first.score;
      if (std::abs(a.first.direct - b.first.direct) > 1e-7) return a.first.direct > b.first.direct;
      const auto time = [](const Entry* entry) {
        return entry->facets.event_time.value_or(model::TimeInterval{model::kMinTime, {}});
      };
      const auto first = time(a.second), second = time(b.second);
      if (first.start != second.start) return first.start > second.start;
      if (first.end != second.end) return first.end > second.end;
      return a.first.id < b.first.id;
    });
    const size_t most = request_.max_results() == 0 ? 10 : request_.max_results();
    for (size_t i = 0; i < std::min(most, found.size()); ++i) {
      answer.results.push_back(found[i].first);
    }
    return answer;
  }

 private:
  bool FilterOnly() const {
    const v1::Query& q = request_.query();
    return q.text().empty() && q.embedding().empty() && !q.has_around() && q.who().empty() &&
           q.where_location().empty();
  }

  void MakeText() {
    auto analyzer = index::Analyzer::Make(settings_.analyzer()).value();
    terms_ = analyzer->AnalyzeQuery(request_.query().text()).terms;
    double documents = 0;
    for (const Entry& entry : entries_) {
      if (!entry.live) continue;
      documents += 1;
      mean_length_ += static_cast<double>(entry.terms.size());
    }
    mean_length_ = documents > 0 ? mean_length_ / documents : 0;
    for (const std::string& term : terms_) {
      double holding = 0;
      for (const Entry& entry : entries_) {
        holding += entry.live && std::count(entry.terms.begin(), entry.terms.end(), term) > 0;
      }
      idf_.push_back(std::log(1 + (documents - holding + 0.5) / (holding + 0.5)));
    }
  }

  double Cosine(const Entry& entry) const {
    double dot = 0, a = 0, b = 0;
    for (int i = 0; i < request_.query().embedding_size(); ++i) {
      const double x = entry.record.episode().embedding(i), y = request_.query().embedding(i);
      dot += x * y, a += x * x, b += y * y;
    }
    return dot / std::sqrt(a) / std::sqrt(b);
  }

  void MakeBackground() {
    if (request_.query().embedding().empty()) return;
    std::map<uint64_t, const Entry*> by_hash;
    for (const Entry& entry : entries_) {
      if (entry.live && entry.row.has_vector) by_hash[entry.row.id_hash] = &entry;
    }
    if (by_hash.size() < 8) return;
    double sum = 0, count = 0;
    for (const auto& [hash, entry] : by_hash) {
      if (count == 256) break;
      sum += Cosine(*entry);
      count += 1;
    }
    background_ = sum / count;
  }

  double Text(const Entry& entry) const {
    double bm25 = 0, ideal = 0;
    for (size_t t = 0; t < terms_.size(); ++t) {
      const double tf =
          static_cast<double>(std::count(entry.terms.begin(), entry.terms.end(), terms_[t]));
      const double length = static_cast<double>(entry.terms.size()) / mean_length_;
      bm25 += idf_[t] * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length));
      ideal += idf_[t];
    }
    return ideal > 0 ? std::min(1.0, bm25 / ideal) : 0;
  }

  static double Seconds(model::UtcTime time) {
    return static_cast<double>(time.seconds) + time.nanos * 1e-9;
  }

  double Time(const Entry& entry) const {
    if (!entry.facets.event_time) return 0;
    const auto cue = model::ResolveRange(request_.query().around(), settings_.time_zone()).value();
    const double start = Seconds(cue.start), end = Seconds(cue.end);
    const double first = Seconds(entry.facets.event_time->start);
    const double last = Seconds(entry.facets.event_time->end);
    const double gap = std::max({0.0, start - last, first - end});
    return 1 / (1 + gap / std::max(3600.0, end - start));
  }

  double People(const Entry& entry) const {
    std::set<std::string> asked;
    for (const std::string& name : request_.query().who()) asked.insert(model::Fold(name));
    double there = 0;
    for (const std::string& name : asked) {
      there += std::count(entry.facets.who.begin(), entry.facets.who.end(), name) > 0;
    }
    return there / static_cast<double>(asked.size());
  }

  static std::vector<std::string> Levels(const std::string& place) {
    std::vector<std::string> levels(1);
    for (char letter : place) {
      if (letter == '/') {
        levels.emplace_back();
      } else {
        levels.back() += letter;
      }
    }
    return levels;
  }

  double Place(const Entry& entry) const {
    const auto asked = Levels(model::Fold(request_.query().where_location()));
    const auto there = Levels(entry.facets.place);
    size_t equal = 0;
    while (equal < asked.size() && equal < there.size() && asked[equal] == there[equal]) ++equal;
    return static_cast<double>(equal) / static_cast<double>(asked.size());
  }

  double Direct(const Entry& entry) const {
    if (!entry.live) return 0;
    if (FilterOnly()) return 1;
    const v1::Query& q = request_.query();
    double sum = 0, weights = 0;
    const auto add = [&](double weight, double n) { sum += weight * n, weights += weight; };
    if (!q.text().empty()) add(text_weight_, Text(entry));
    if (!q.embedding().empty() && entry.row.has_vector) {
      const double n = (Cosine(entry) - background_) / (1 - background_);
      add(vector_weight_, std::clamp(n, 0.0, 1.0));
    }
    if (q.has_around()) add(0.3, Time(entry));
    if (!q.who().empty()) add(0.3, People(entry));
    if (!q.where_location().empty()) add(0.3, Place(entry));
    return weights > 0 ? sum / weights : 0;
  }

  BruteResult Score(size_t i) const {
    const Entry& entry = entries_[i];
    BruteResult result{entry.facets.id, direct_[i], direct_[i], direct_[i]};
    if (!FilterOnly()) AddContext(i, &result);
    const space::Row& row = entry.row;
    model::UtcTime use = row.first_stored_at;
    if (entry.facets.event_time) use = std::min(use, entry.facets.event_time->start);
    if (entry.facets.event_time && entry.facets.event_time->start > now_) use = now_;
    const double activation =
        model::Activation(model::Decay::kPower, {use, use, 1}, row.decay_rate, now_);
    const double prior = (0.5 * activation + 0.25 * row.importance + confidence_ * row.confidence) /
                         (0.75 + confidence_);
    result.score *= 1 - prior_ + prior_ * prior;
    return result;
  }

  void AddContext(size_t i, BruteResult* result) const {
    const uint64_t session = entries_[i].row.session_hash;
    double best = direct_[i];
    if (session != 0) {
      std::vector<size_t> order;
      for (size_t j = 0; j < entries_.size(); ++j) {
        const Entry& other = entries_[j];
        if (other.row.session_hash != session) continue;
        if (j != i && (!other.live || other.suppressed)) continue;
        best = std::max(best, direct_[j]);
        order.push_back(j);
      }
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        const auto key = [&](size_t j) {
          const space::Row& row = entries_[j].row;
          return std::pair(row.has_turn ? static_cast<int64_t>(row.turn) : -1,
                           row.has_event_time ? row.event_time.start : model::kMinTime);
        };
        return key(a) < key(b);
      });
      const auto at = std::find(order.begin(), order.end(), i) - order.begin();
      for (const int offset : {-1, 1, -2, 2}) {
        const auto place = at + offset;
        if (place < 0 || place >= std::ssize(order)) continue;
        const double lent = direct_[order[place]] * (std::abs(offset) == 1 ? step_ : step_ * step_);
        result->score += lent;
        result->relevance = std::max(result->relevance, lent);
      }
    }
    result->score += session_ * best;
    result->relevance = std::max(result->relevance, session_ * best);
  }

  const std::vector<Entry>& entries_;
  const v1::SpaceSettings& settings_;
  const v1::RecallRequest& request_;
  const model::UtcTime now_;
  double text_weight_, vector_weight_, step_, session_, prior_, confidence_;
  std::vector<std::string> terms_;
  std::vector<double> idf_;
  double mean_length_ = 0, background_ = 0;
  std::vector<double> direct_;
};

}  // namespace

BruteAnswer BruteForce(const std::vector<OracleView::Entry>& entries,
                       const v1::SpaceSettings& settings, const v1::RecallRequest& request,
                       model::UtcTime now) {
  return Brute(entries, settings, request, now).Run();
}

void ExpectEqualRanking(const v1::RecallResponse& reply, const BruteAnswer& expected) {
  ASSERT_EQ(reply.memories_size(), static_cast<int>(expected.results.size()));
  std::map<std::string, double> scores;
  for (const BruteResult& result : expected.results) scores[result.id] = result.score;
  const double last = expected.results.empty() ? 0 : expected.results.back().score;
  for (int i = 0; i < reply.memories_size(); ++i) {
    const v1::Memory& memory = reply.memories(i);
    const BruteResult& same_place = expected.results[i];
    EXPECT_NEAR(memory.score(), same_place.score, 1e-5) << "place " << i;
    if (std::abs(memory.score() - last) > 1e-5) {
      ASSERT_TRUE(scores.count(memory.id())) << memory.id();
    }
    if (scores.count(memory.id())) {
      EXPECT_NEAR(memory.score(), scores[memory.id()], 1e-5);
    }
    if (memory.id() == same_place.id) {
      EXPECT_NEAR(memory.relevance(), same_place.relevance, 1e-5) << memory.id();
    }
  }
  EXPECT_EQ(reply.metadata().total_activated(), static_cast<int>(expected.matching));
  EXPECT_EQ(reply.no_match(), expected.best_relevance < 0.3);
}

}  // namespace engram::recall
