#include "engram/index/analyzer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <libstemmer.h>
#include <utf8proc.h>

#include "engram/index/analyzer_stems.h"
#include "engram/index/analyzer_words.h"
#include "engram/model/time.h"

namespace engram::index {
namespace {

constexpr std::string_view kSimple = "simple";
constexpr std::string_view kEnglish = "english";
constexpr int kRulesVersion = 1;  // rises with every change of ours that gives other terms

std::vector<std::string_view> KnownNames() {
  std::vector<std::string_view> names = {kSimple};
  for (const char** name = sb_stemmer_list(); *name != nullptr; ++name) names.push_back(*name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string Joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

// Terms of a document: of a line, what is left without stop words, or these when that is nothing.
class DocumentSink : public WordSink {
 public:
  DocumentSink(Stems& stems, std::vector<std::string>* terms) : stems_(stems), terms_(*terms) {}

  void OnWord(std::string_view folded, std::string_view) override {
    const Stems::Term term = stems_.Find(folded);
    if (!term.stop) return OnPiece(term.text);
    if (!line_has_content_) stop_words_.push_back(term.text);
  }
  void OnPiece(std::string_view term) override {
    line_has_content_ = true;
    terms_.emplace_back(term);
  }
  void OnLineEnd() override {
    if (!line_has_content_) terms_.insert(terms_.end(), stop_words_.begin(), stop_words_.end());
    line_has_content_ = false;
    stop_words_.clear();
  }

 private:
  Stems& stems_;
  std::vector<std::string>& terms_;
  std::vector<std::string_view> stop_words_;  // of this line; they point into the list
  bool line_has_content_ = false;
};

// Strings without repeats, in order of first use.
class UniqueList {
 public:
  bool Add(std::string_view key, std::string_view item) {
    if (!seen_.emplace(key).second) return false;
    items_.emplace_back(item);
    return true;
  }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  std::vector<std::string> Take() { return std::move(items_); }

 private:
  std::unordered_set<std::string> seen_;
  std::vector<std::string> items_;
};

class QuerySink : public WordSink {
 public:
  explicit QuerySink(Stems& stems) : stems_(stems) {}

  void OnWord(std::string_view folded, std::string_view typed) override {
    const Stems::Term term = stems_.Find(folded);
    if (!term.stop) return OnPiece(term.text);
    if (stop_words_.Add(term.text, term.text)) stop_words_typed_.emplace_back(typed);
  }
  void OnPiece(std::string_view term) override { terms_.Add(term, term); }
  void OnLineEnd() override {}

  Analyzer::Query Take() {
    Analyzer::Query query;
    if (terms_.empty()) {
      query.terms = stop_words_.Take();
    } else {
      query.terms = terms_.Take();
      query.dropped = std::move(stop_words_typed_);
    }
    query.cut = query.terms.size() > Analyzer::kMaxQueryTerms;
    if (query.cut) query.terms.resize(Analyzer::kMaxQueryTerms);
    return query;
  }

 private:
  Stems& stems_;
  UniqueList terms_, stop_words_;
  std::vector<std::string> stop_words_typed_;
};

class TermAnalyzer : public Analyzer {
 public:
  TermAnalyzer(std::string_view name, sb_stemmer* stemmer)
      : name_(name), stems_(stemmer, name == kEnglish) {}

  std::vector<std::string> Analyze(std::string_view text) override {
    std::vector<std::string> terms;
    terms.reserve(text.size() / 6 + 1);
    DocumentSink sink(stems_, &terms);
    scanner_.Scan(text, sink);
    return terms;
  }
  Query AnalyzeQuery(std::string_view text) override {
    QuerySink sink(stems_);
    scanner_.Scan(text, sink);
    return sink.Take();
  }
  std::string signature() const override {
    return name_ + "/" + std::to_string(kRulesVersion) + "/unicode " + utf8proc_unicode_version();
  }

 private:
  const std::string name_;
  Stems stems_;
  WordScanner scanner_;
};

void AddLine(std::string_view line, std::string* text) {
  if (line.empty()) return;
  if (!text->empty()) text->push_back('\n');
  text->append(line);
}

}  // namespace

Status Analyzer::CheckName(std::string_view name) {
  const std::vector<std::string_view> known = KnownNames();
  if (std::find(known.begin(), known.end(), name) != known.end()) return OkStatus();
  return Status(Reason::CONFIGURATION, "no analyzer \"" + std::string(name.substr(0, 64)) + "\"")
      .Expected("one of " + Joined(known))
      .Suggest("use english, simple, or the language that most of the texts are in")
      .Example("analyzer = \"english\"")
      .With("analyzer", std::string(name.substr(0, 64)));
}

Result<std::unique_ptr<Analyzer>> Analyzer::Make(std::string_view name) {
  RETURN_IF_ERROR(CheckName(name));
  sb_stemmer* stemmer = nullptr;
  if (name != kSimple) {
    stemmer = sb_stemmer_new(std::string(name).c_str(), "UTF_8");
    if (stemmer == nullptr) {
      return Status(Reason::CONFIGURATION,
                    "Snowball could not start its stemmer \"" + std::string(name) + "\"");
    }
  }
  return std::unique_ptr<Analyzer>(std::make_unique<TermAnalyzer>(name, stemmer));
}

std::string SearchText(const engram::v1::Episode& episode) {
  std::string text;
  AddLine(episode.what(), &text);
  AddLine(episode.why(), &text);
  AddLine(episode.how(), &text);
  for (const std::string& tag : episode.tags()) AddLine(tag, &text);
  for (const std::string& name : episode.who()) AddLine(name, &text);
  AddLine(episode.where_location(), &text);
  if (episode.has_event_time()) AddLine(model::TimeInWords(episode.event_time()), &text);
  return text;
}

}  // namespace engram::index
