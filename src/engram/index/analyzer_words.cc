#include "engram/index/analyzer_words.h"

#include <algorithm>
#include <array>

#include <utf8proc.h>

namespace engram::index {
namespace {

// What a byte of ASCII is: a separator, part of another encoding, or a word's character, folded.
constexpr char kSeparator = 0;
constexpr char kNotAscii = 1;

constexpr std::array<char, 256> MakeFoldTable() {
  std::array<char, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = static_cast<char>(c);
  for (int c = 'a'; c <= 'z'; ++c) table[c] = static_cast<char>(c);
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = static_cast<char>(c - 'A' + 'a');
  for (int c = 128; c < 256; ++c) table[c] = kNotAscii;
  return table;
}
constexpr std::array<char, 256> kFold = MakeFoldTable();
inline char FoldByte(char byte) {
  return kFold[static_cast<uint8_t>(byte)];
}

struct Range {
  int32_t first, last;
};
// Scripts without spaces between words. Half-width and compatibility forms are folded away before.
constexpr Range kSpaceless[] = {
    {0x0E00, 0x0E7F},   {0x0E80, 0x0EFF},   {0x1000, 0x109F}, {0x1780, 0x17FF}, {0x2E80, 0x2FDF},
    {0x3005, 0x3007},   {0x3021, 0x3029},   {0x3041, 0x309F}, {0x30A1, 0x30FF}, {0x31F0, 0x31FF},
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA9E0, 0xA9FF}, {0xAA60, 0xAA7F}, {0xF900, 0xFAFF},
    {0x1B000, 0x1B16F}, {0x20000, 0x3FFFF},
};
bool IsSpaceless(int32_t point) {
  if (point < kSpaceless[0].first) return false;
  return std::ranges::any_of(kSpaceless, [point](const Range& range) {
    return range.first <= point && point <= range.last;
  });
}

enum class Kind : uint8_t { kBreak, kWord, kMark, kPair, kSymbol };
constexpr int32_t kFirstEmoji = 0x2600;  // below are arrows, frames and signs of technical texts

Kind KindOf(int32_t point) {
  if (point < 128) return FoldByte(static_cast<char>(point)) ? Kind::kWord : Kind::kBreak;
  const utf8proc_category_t category = utf8proc_category(point);
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return IsSpaceless(point) ? Kind::kPair : Kind::kWord;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return point != 0x3007 ? Kind::kWord : Kind::kPair;  // the ideographic zero
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return IsSpaceless(point) ? Kind::kPair : Kind::kMark;
    case UTF8PROC_CATEGORY_SO:
      return point >= kFirstEmoji ? Kind::kSymbol : Kind::kBreak;
    default:
      return Kind::kBreak;
  }
}

struct Utf8Char {
  char bytes[4];
  size_t size;
  std::string_view view() const { return {bytes, size}; }
};
Utf8Char Encode(int32_t point) {
  Utf8Char c;
  c.size = static_cast<size_t>(
      utf8proc_encode_char(point, reinterpret_cast<utf8proc_uint8_t*>(c.bytes)));
  return c;
}

// Puts code points together to words and pairs.
class Assembler {
 public:
  explicit Assembler(WordSink& sink) : sink_(sink) {}

  void Add(Kind kind, const Utf8Char& c) {
    switch (kind) {
      case Kind::kBreak:
        return End();
      case Kind::kWord:
        return AddToWord(c);
      case Kind::kMark:
        return AddMark(c);
      case Kind::kPair:
        return AddToRun(c);
      case Kind::kSymbol:
        End();
        return sink_.OnPiece(c.view());
    }
  }
  void End() {
    if (state_ == State::kWord) sink_.OnWord(bytes_, bytes_);
    if (state_ == State::kRun) sink_.OnPiece(bytes_);
    state_ = State::kNone;
    bytes_.clear();
    full_ = false;
  }

 private:
  enum class State : uint8_t { kNone, kWord, kRun };

  void Append(const Utf8Char& c) {
    full_ = full_ || bytes_.size() + c.size > kMaxTermBytes;
    if (!full_) bytes_.append(c.bytes, c.size);
  }
  void AddToWord(const Utf8Char& c) {
    if (state_ == State::kRun) End();
    state_ = State::kWord;
    Append(c);
  }
  void AddMark(const Utf8Char& c) {
    if (state_ != State::kNone) Append(c);
  }
  // bytes_ holds the last character of the run, or the last two.
  void AddToRun(const Utf8Char& c) {
    if (state_ == State::kWord) End();
    if (state_ == State::kRun && second_ > 0) {
      sink_.OnPiece(bytes_);
      bytes_.erase(0, second_);
      full_ = false;
    }
    second_ = state_ == State::kRun ? bytes_.size() : 0;
    state_ = State::kRun;
    Append(c);
  }

  WordSink& sink_;
  State state_ = State::kNone;
  std::string bytes_;
  size_t second_ = 0;  // where the second character of a pair begins; 0 = there is but one
  bool full_ = false;
};

constexpr auto kNfkcCasefold = static_cast<utf8proc_option_t>(
    UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);

// Length of the longest valid prefix.
size_t ValidPrefix(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    utf8proc_int32_t point;
    const utf8proc_ssize_t size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data() + at),
                         static_cast<utf8proc_ssize_t>(bytes.size() - at), &point);
    if (size <= 0) break;
    at += static_cast<size_t>(size);
  }
  return at;
}

}  // namespace

void WordScanner::Scan(std::string_view text, WordSink& sink) {
  size_t at = 0;
  while (at < text.size()) {
    if (FoldByte(text[at]) != kSeparator) {
      at = ScanChunk(text, at, sink);
      continue;
    }
    if (text[at] == '\n') sink.OnLineEnd();
    ++at;
  }
  sink.OnLineEnd();
}

// A chunk ends before a separator of ASCII; normalising it alone gives what normalising the whole
// text gives, because no such character composes to a letter. Returns where it ends.
size_t WordScanner::ScanChunk(std::string_view text, size_t start, WordSink& sink) {
  char word[kMaxTermBytes];
  size_t size = 0;
  size_t end = start;
  bool ascii = true;
  for (; end < text.size(); ++end) {
    const char folded = FoldByte(text[end]);
    if (folded == kSeparator) break;
    ascii = ascii && folded != kNotAscii;
    if (size < kMaxTermBytes) word[size++] = folded;
  }
  const std::string_view chunk = text.substr(start, end - start);
  if (ascii) {
    sink.OnWord({word, size}, chunk);
  } else {
    ScanUnicode(chunk, sink);
  }
  return end;
}

void WordScanner::ScanUnicode(std::string_view chunk, WordSink& sink) {
  while (!chunk.empty()) {
    const size_t valid = ValidPrefix(chunk);
    if (valid > 0 && Fold(chunk.substr(0, valid))) EmitFolded(sink);
    chunk.remove_prefix(std::min(chunk.size(), valid + 1));  // and the byte that is not UTF-8
  }
}

bool WordScanner::Fold(std::string_view chunk) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(chunk.data());
  const auto size = static_cast<utf8proc_ssize_t>(chunk.size());
  if (points_.size() < chunk.size() + 32) points_.resize(chunk.size() + 32);
  utf8proc_ssize_t needed;
  while ((needed = utf8proc_decompose(
              bytes, size, points_.data(), static_cast<utf8proc_ssize_t>(points_.size()),
              kNfkcCasefold)) > static_cast<utf8proc_ssize_t>(points_.size())) {
    points_.resize(static_cast<size_t>(needed));  // some letters stand for a whole phrase
  }
  if (needed < 0) return false;
  const utf8proc_ssize_t composed = utf8proc_normalize_utf32(points_.data(), needed, kNfkcCasefold);
  point_count_ = static_cast<size_t>(std::max<utf8proc_ssize_t>(composed, 0));
  return composed >= 0;
}

void WordScanner::EmitFolded(WordSink& sink) {
  Assembler assembler(sink);
  for (size_t i = 0; i < point_count_; ++i) {
    assembler.Add(KindOf(points_[i]), Encode(points_[i]));
  }
  assembler.End();
}

}  // namespace engram::index
