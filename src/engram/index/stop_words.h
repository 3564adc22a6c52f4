// The English words that carry no meaning of their own. Ours, about 150: articles, pronouns,
// prepositions, auxiliary verbs, question words, and the stumps that contractions leave when a word
// ends at its apostrophe ("don't": don, t). Words that are names as well (May, Don) are not in it.
#pragma once

#include <string_view>

namespace engram::index {

// `word` is folded. The view that is returned lives for ever; empty when it is no stop word.
std::string_view FindEnglishStopWord(std::string_view word);

}  // namespace engram::index
