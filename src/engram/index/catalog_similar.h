// Ids like one that does not exist, for "did you mean": live ones that begin with it, or that one
// edit (a character put in, left out, replaced, or two swapped) turns into it. Reads a bounded
// number of rows, whatever the size of the catalog.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engram/index/catalog_reader.h"

namespace engram::index {

Result<std::vector<std::string>> FindSimilarIds(CatalogReader& reader, std::string_view id,
                                                size_t limit);

// One edit at most turns `a` into `b`. Bytes, not characters: good enough for ids.
bool WithinOneEdit(std::string_view a, std::string_view b);

}  // namespace engram::index
