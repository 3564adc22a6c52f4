#include "engram/model/text.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#include <utf8proc.h>

#include "engram/model/episode.h"

namespace engram::model {
namespace {

// Length of the valid sequence at the start of `text`, whose first byte is not ASCII; 0 if invalid.
size_t SequenceLength(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t first = byte(0);
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  uint8_t second = byte(1);
  bool bad = (first == 0xe0 && second < 0xa0) ||  // overlong
             (first == 0xed && second > 0x9f) ||  // surrogate
             (first == 0xf0 && second < 0x90) ||  // overlong
             (first == 0xf4 && second > 0x8f);    // above U+10FFFF
  return bad ? 0 : length;
}

// Eight ASCII characters, none of them NUL.
bool IsPlainWord(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  uint64_t high = word & 0x8080808080808080;
  uint64_t zero = (word - 0x0101010101010101) & ~word & 0x8080808080808080;
  return (high | zero) == 0;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

std::string FoldAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string FoldUnicode(std::string_view text) {
  auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE |
                                                UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
  utf8proc_uint8_t* folded = nullptr;
  auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                             static_cast<utf8proc_ssize_t>(text.size()), &folded, options);
  if (length < 0) return std::string(text);  // not UTF-8: compared as bytes
  std::string out(reinterpret_cast<char*>(folded), static_cast<size_t>(length));
  std::free(folded);
  return out;
}

// White space that is left after NFKC: ASCII, next line, Ogham space, line and paragraph separator.
size_t SpaceAtStart(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r')) return 1;
  for (std::string_view space : {"\u0085", "\u1680", "\u2028", "\u2029"}) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

size_t SpaceAtEnd(std::string_view text) {
  for (size_t size = 1; size <= 3 && size <= text.size(); ++size) {
    if (SpaceAtStart(text.substr(text.size() - size)) == size) return size;
  }
  return 0;
}

// Three rows of the table are enough: a swap looks two back.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above.back();
}

}  // namespace

bool IsCleanUtf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (text.size() - at >= 8 && IsPlainWord(text.data() + at)) {
      at += 8;
      continue;
    }
    if (text[at] == '\0') return false;
    size_t length = (text[at] & 0x80) == 0 ? 1 : SequenceLength(text.substr(at));
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool HasControlCharacter(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xa0)
      return true;
  }
  return false;
}

std::string Shorten(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  size_t end = limit;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  if (word.size() > 64) return best;
  for (std::string_view name : known) {
    size_t distance = EditDistance(word, name);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

std::string Fold(std::string_view text) {
  std::string out = IsAscii(text) ? FoldAscii(text) : FoldUnicode(text);
  std::string_view view = out;
  while (size_t space = SpaceAtStart(view)) view.remove_prefix(space);
  while (size_t space = SpaceAtEnd(view)) view.remove_suffix(space);
  if (view.size() == out.size()) return out;
  return std::string(view);
}

}  // namespace engram::model
