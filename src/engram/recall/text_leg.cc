#include "engram/recall/text_leg.h"

#include <algorithm>
#include <map>

#include "engram/recall/bm25.h"

namespace engram::recall {
namespace {

// Of the terms of `like` episodes; more of them only add noise and time.
constexpr size_t kLikeTerms = 25;

struct Counted {
  std::vector<std::string> terms;
  std::vector<uint32_t> counts;
};

// The terms of some texts with how often they occur, the frequent ones first; at most 256.
Counted CountTerms(index::Analyzer& analyzer, const std::vector<std::string>& texts) {
  constexpr size_t kMost = 256;
  std::map<std::string, uint32_t> counts;
  for (const std::string& text : texts) {
    for (std::string& term : analyzer.Analyze(text)) ++counts[std::move(term)];
  }
  std::vector<std::pair<std::string, uint32_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (order.size() > kMost) order.resize(kMost);
  Counted counted;
  for (auto& [term, count] : order) {
    counted.terms.push_back(std::move(term));
    counted.counts.push_back(count);
  }
  return counted;
}

}  // namespace

Result<std::unique_ptr<index::Analyzer>> AnalyzerOf(const space::View& view) {
  const std::string& name = view.settings().analyzer();
  return index::Analyzer::Make(name.empty() ? "english" : name);
}

Result<std::unique_ptr<TextLeg>> TextLeg::Search(space::View& view, const std::string& text,
                                                 const std::vector<std::string>& like) {
  ASSIGN_OR_RETURN(std::unique_ptr<index::Analyzer> analyzer, AnalyzerOf(view));
  auto leg = std::make_unique<TextLeg>();
  Counted counted;
  if (!text.empty()) {
    index::Analyzer::Query query = analyzer->AnalyzeQuery(text);
    counted.terms = std::move(query.terms);
    leg->dropped_ = std::move(query.dropped);
    leg->cut_ = query.cut;
  } else {
    counted = CountTerms(*analyzer, like);
  }
  if (counted.terms.empty()) return leg;
  ASSIGN_OR_RETURN(leg->matches_, view.SearchText(counted.terms));
  for (size_t i = 0; i < counted.terms.size(); ++i) {
    const uint64_t documents = leg->matches_.document_counts[i];
    leg->terms_.push_back(
        {std::move(counted.terms[i]), Idf(leg->matches_.documents, documents), documents, i});
  }
  if (text.empty()) leg->KeepTelling(counted.counts);
  for (const Term& term : leg->terms_) leg->ideal_ += term.idf;
  return leg;
}

void TextLeg::KeepTelling(const std::vector<uint32_t>& counts) {
  const auto value = [&](const Term& term) { return term.idf * counts[term.column]; };
  std::stable_sort(terms_.begin(), terms_.end(),
                   [&](const Term& a, const Term& b) { return value(a) > value(b); });
  if (terms_.size() > kLikeTerms) terms_.resize(kLikeTerms);
}

double TextLeg::Part(const space::TextMatches::Hit& hit, const Term& term) const {
  return Bm25Part(term.idf, Count(hit, term), hit.length, matches_.mean_length);
}

double TextLeg::Bm25(const space::TextMatches::Hit& hit) const {
  double sum = 0;
  for (const Term& term : terms_) sum += Part(hit, term);
  return sum;
}

float TextLeg::Share(const space::TextMatches::Hit& hit) const {
  return ideal_ > 0 ? static_cast<float>(std::min(1.0, Bm25(hit) / ideal_)) : 0.0f;
}

const space::TextMatches::Hit* TextLeg::Find(space::RowIndex row) const {
  const auto& hits = matches_.hits;
  const auto found =
      std::lower_bound(hits.begin(), hits.end(), row,
                       [](const auto& hit, space::RowIndex at) { return hit.row < at; });
  return found != hits.end() && found->row == row ? &*found : nullptr;
}

}  // namespace engram::recall
