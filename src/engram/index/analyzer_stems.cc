#include "engram/index/analyzer_stems.h"

#include <array>
#include <cstdint>
#include <cstring>

#include <libstemmer.h>

#include "engram/base/hash.h"
#include "engram/index/stop_words.h"

namespace engram::index {
namespace {
constexpr size_t kSlots = 4096;
constexpr size_t kCacheAfter = 64;  // words; a query or a name does not pay for a cache
}  // namespace

struct Stems::Slot {
  const char* stop = nullptr;  // into the list of stop words: the word is one of them
  uint8_t word_size = 0;
  uint8_t term_size = 0;
  std::array<char, 19> word;
  std::array<char, 19> term;

  bool Holds(std::string_view asked) const {
    return word_size == asked.size() && std::memcmp(word.data(), asked.data(), word_size) == 0;
  }
  Term Get() const { return {{stop != nullptr ? stop : term.data(), term_size}, stop != nullptr}; }
  void Set(std::string_view new_word, const Term& new_term) {
    if (new_term.text.size() > term.size()) return;
    stop = new_term.stop ? new_term.text.data() : nullptr;
    word_size = static_cast<uint8_t>(new_word.copy(word.data(), word.size()));
    term_size = static_cast<uint8_t>(new_term.text.copy(term.data(), term.size()));
  }
};

Stems::Stems(sb_stemmer* stemmer, bool stop_words) : stemmer_(stemmer), stop_words_(stop_words) {}
Stems::~Stems() {
  sb_stemmer_delete(stemmer_);
}

Stems::Term Stems::Find(std::string_view word) {
  if (stemmer_ == nullptr && !stop_words_) return {word};
  if (word.size() > sizeof(Slot::word) || ++asked_ < kCacheAfter) return Compute(word);
  if (slots_.empty()) slots_.resize(kSlots);
  Slot& slot = slots_[Hash64(word) % kSlots];
  if (slot.Holds(word)) return slot.Get();
  const Term term = Compute(word);
  slot.Set(word, term);
  return term;
}

Stems::Term Stems::Compute(std::string_view word) {
  if (stop_words_) {
    if (const std::string_view stop = FindEnglishStopWord(word); !stop.empty()) return {stop, true};
  }
  if (stemmer_ == nullptr) return {word};
  const sb_symbol* stem = sb_stemmer_stem(stemmer_, reinterpret_cast<const sb_symbol*>(word.data()),
                                          static_cast<int>(word.size()));
  const int size = stem == nullptr ? 0 : sb_stemmer_length(stemmer_);
  if (size <= 0) return {word};
  return {{reinterpret_cast<const char*>(stem), static_cast<size_t>(size)}};
}

}  // namespace engram::index
