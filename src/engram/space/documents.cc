#include "engram/space/documents.h"

#include <algorithm>

namespace engram::space {
namespace {

void AppendNumber(std::string* out, uint32_t number) {
  for (; number >= 128; number >>= 7) out->push_back(static_cast<char>(number | 128));
  out->push_back(static_cast<char>(number));
}

}  // namespace

DocumentTerms::DocumentTerms(std::vector<std::string> terms)
    : length_(static_cast<uint32_t>(terms.size())) {
  std::sort(terms.begin(), terms.end());
  for (size_t i = 0; i < terms.size();) {
    size_t next = i;
    while (next < terms.size() && terms[next] == terms[i]) ++next;
    AppendNumber(&packed_, static_cast<uint32_t>(next - i));
    AppendNumber(&packed_, static_cast<uint32_t>(terms[i].size()));
    packed_ += terms[i];
    i = next;
  }
  packed_.shrink_to_fit();
}

uint32_t DocumentTerms::NumberAt(size_t* at) const {
  uint32_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(packed_[(*at)++]);
    number |= static_cast<uint32_t>(byte & 127) << shift;
    if (byte < 128) return number;
  }
}

void Documents::Clear() {
  MutexLock lock(mutex_);
  kept_.clear();
  bytes_ = 0;
}

std::shared_ptr<const DocumentTerms> Documents::Find(Sequence content) const {
  MutexLock lock(mutex_);
  const auto found = kept_.find(content.value());
  return found == kept_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<const DocumentTerms>> Documents::Analyse(Sequence content,
                                                                std::string_view text) {
  ASSIGN_OR_RETURN(std::unique_ptr<index::Analyzer> analyzer, TakeAnalyzer());
  auto terms = std::make_shared<const DocumentTerms>(analyzer->Analyze(text));
  MutexLock lock(mutex_);
  spare_.push_back(std::move(analyzer));
  if (bytes_ > kMaxBytes) {
    kept_.clear();
    bytes_ = 0;
  }
  if (kept_.emplace(content.value(), terms).second) bytes_ += terms->bytes() + 64;
  return terms;
}

Result<std::unique_ptr<index::Analyzer>> Documents::TakeAnalyzer() {
  {
    MutexLock lock(mutex_);
    if (!spare_.empty()) {
      std::unique_ptr<index::Analyzer> analyzer = std::move(spare_.back());
      spare_.pop_back();
      return analyzer;
    }
  }
  return index::Analyzer::Make(analyzer_);
}

}  // namespace engram::space
