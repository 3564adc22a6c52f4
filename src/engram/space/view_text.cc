#include <algorithm>
#include <unordered_map>

#include "engram/space/view_impl.h"

namespace engram::space {

struct ViewImpl::TextCounting {
  TextMatches matches;
  uint64_t terms = 0;                                   // with repeats, over all documents
  std::unordered_map<std::string_view, size_t> places;  // of the query's terms
};

// What the index knows, less the documents that ended since: their counts leave with the rows that
// are not live, their lengths are taken from their text.
Status ViewImpl::CountIndex(TextCounting* counting, std::span<const std::string> terms) {
  index::TextSnapshot& text = *snapshots_.text;
  TextMatches& matches = counting->matches;
  matches.documents = text.totals().documents;
  counting->terms = text.totals().terms;
  matches.document_counts.assign(terms.size(), 0);
  if (terms.empty()) return OkStatus();
  std::vector<uint64_t> ended(terms.size(), 0);
  RETURN_IF_ERROR(text.Search(terms, &matches.document_counts, [&](const index::TextHit& hit) {
    const auto row = Find(hit.content);
    if (!row.has_value() || !Live(*row)) {
      for (size_t i = 0; i < terms.size(); ++i) ended[i] += hit.counts[i] > 0 ? 1 : 0;
      return;
    }
    matches.hits.push_back({*row, hit.length, static_cast<uint32_t>(matches.counts.size())});
    matches.counts.insert(matches.counts.end(), hit.counts.begin(), hit.counts.end());
  }));
  for (size_t i = 0; i < terms.size(); ++i) matches.document_counts[i] -= ended[i];
  return OkStatus();
}

Status ViewImpl::CountTail(TextCounting* counting, std::span<const std::string> terms) {
  for (size_t i = 0; i < terms.size(); ++i) counting->places.emplace(terms[i], i);
  const index::IndexIdentity& indexed = snapshots_.text->identity();
  return ForEachAfter(indexed, [&](const TailEntryPtr& entry) -> Status {
    for (const Sequence ended : EndedBy(entry->change)) {
      if (ended > indexed.sequence) continue;  // came and went in the tail: never counted
      ASSIGN_OR_RETURN(const auto document, core_->TermsOf(ended));
      counting->terms -= document->length();
      --counting->matches.documents;
    }
    const pb::StoreRecord* content = entry->content();
    if (content == nullptr) return OkStatus();
    const auto row = Find(entry->sequence());
    if (!row.has_value() || !Live(*row)) return OkStatus();
    auto document = core_->documents.Find(entry->sequence());
    if (document == nullptr) {
      ASSIGN_OR_RETURN(document, core_->documents.Analyse(entry->sequence(),
                                                          index::SearchText(content->episode())));
    }
    return AddTailHit(*row, *document, counting);
  });
}

Status ViewImpl::AddTailHit(RowIndex row, const DocumentTerms& document, TextCounting* counting) {
  TextMatches& matches = counting->matches;
  ++matches.documents;
  counting->terms += document.length();
  const size_t first = matches.counts.size(), terms = matches.document_counts.size();
  matches.counts.resize(first + terms, 0);
  bool hit = false;
  document.ForEach([&](std::string_view term, uint32_t count) {
    const auto place = counting->places.find(term);
    if (place == counting->places.end()) return;
    hit = true;
    matches.counts[first + place->second] = count;
    ++matches.document_counts[place->second];
  });
  if (hit) {
    matches.hits.push_back({row, document.length(), static_cast<uint32_t>(first)});
  } else {
    matches.counts.resize(first);
  }
  return OkStatus();
}

Result<TextMatches> ViewImpl::SearchText(std::span<const std::string> terms) {
  TextCounting counting;
  RETURN_IF_ERROR(CountIndex(&counting, terms));
  RETURN_IF_ERROR(CountTail(&counting, terms));
  TextMatches& matches = counting.matches;
  if (matches.documents > 0) {
    matches.mean_length =
        static_cast<double>(counting.terms) / static_cast<double>(matches.documents);
  }
  return std::move(matches);
}

}  // namespace engram::space
