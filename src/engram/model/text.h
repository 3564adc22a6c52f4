// Text as the store takes it: valid UTF-8 without NUL. And small helps for error texts. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace engram::model {

// RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF; and no NUL. Fast for ASCII.
bool IsCleanUtf8(std::string_view text);
// C0, DEL or C1. `text` is valid UTF-8.
bool HasControlCharacter(std::string_view text);
// At most `limit` bytes, cut between two characters and marked with an ellipsis.
std::string Shorten(std::string_view text, size_t limit = 64);
// The known name with the smallest edit distance (put in, leave out, replace, swap two neighbours),
// if that is at most a third of the word's length; one edit is always forgiven. "" when none is
// near.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace engram::model
