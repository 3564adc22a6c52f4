// The first half of the analyzer: from any bytes to folded words, pairs and symbols.
//
// A word is a run of letters, digits and marks (Unicode categories L, N, M; a mark cannot begin
// one). Scripts that are written without spaces (Han, Hiragana, Katakana, Thai, Lao, Burmese,
// Khmer) give overlapping pairs of characters, a single character itself. Emoji are terms of their
// own. Everything is NFKC with case folded (Unicode Standard Annex 15; utf8proc). Bytes that are
// not UTF-8 separate words, as punctuation does. A WordScanner is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace engram::index {

// Longer words are cut, at a character: nobody types them, and data in base 64 has no end.
inline constexpr size_t kMaxTermBytes = 128;

// What a text consists of, in its order. The views live during the call.
class WordSink {
 public:
  virtual ~WordSink() = default;
  // `typed` is the word as it stood in the text, or folded where Unicode moved the borders.
  virtual void OnWord(std::string_view folded, std::string_view typed) = 0;
  // A pair, a single character of such a script, or a symbol: a term as it is.
  virtual void OnPiece(std::string_view term) = 0;
  virtual void OnLineEnd() = 0;  // at every '\n' and at the end of the text
};

class WordScanner {
 public:
  void Scan(std::string_view text, WordSink& sink);

 private:
  size_t ScanChunk(std::string_view text, size_t start, WordSink& sink);
  void ScanUnicode(std::string_view chunk, WordSink& sink);
  bool Fold(std::string_view chunk);
  void EmitFolded(WordSink& sink);

  std::vector<int32_t> points_;  // of the chunk, folded
  size_t point_count_ = 0;
};

}  // namespace engram::index
