// The second half of the analyzer: from a folded word to its term. Remembers what it was asked,
// since a language repeats itself: a hit costs a hash and a comparison, Snowball costs much more.
// Used by one thread at a time.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

struct sb_stemmer;

namespace engram::index {

class Stems {
 public:
  // `stemmer` may be null (words are terms); `stop_words`: the English ones are told apart.
  Stems(sb_stemmer* stemmer, bool stop_words);
  ~Stems();
  Stems(const Stems&) = delete;
  Stems& operator=(const Stems&) = delete;

  struct Term {
    std::string_view text;  // valid until the next call; of a stop word for ever
    bool stop = false;
  };
  Term Find(std::string_view word);

 private:
  struct Slot;
  Term Compute(std::string_view word);

  sb_stemmer* stemmer_;
  bool stop_words_;
  std::vector<Slot> slots_;  // a direct-mapped cache, made when it pays
  size_t asked_ = 0;
};

}  // namespace engram::index
