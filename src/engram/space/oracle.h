// For tests: what a space must answer, from plain maps and brute force, written down as text; and
// the same text from a view. Wherever an entry lies, both must be equal to the byte.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engram/base/hash.h"
#include "engram/base/prng.h"
#include "engram/index/analyzer.h"
#include "engram/index/vectors.h"
#include "engram/model/episode.h"
#include "engram/model/filter.h"
#include "engram/space/view.h"

namespace engram::space {

struct KnownMemory {
  v1::Episode episode;  // as stored
  Sequence content;
  uint64_t version = 0;
  bool suppressed = false;
  model::UtcTime stored_at;
};

struct Oracle {
  std::map<std::string, KnownMemory> live;
  std::map<std::string, uint64_t> newest;  // version ever, deleted ones too
};

inline const std::vector<std::vector<std::string>>& Queries() {
  static const std::vector<std::vector<std::string>> queries = {
      {"train"}, {"munich", "train"}, {"tax", "walk", "isar"}, {"zeppelin"}, {"berlin"}};
  return queries;
}

inline std::vector<v1::Filter> Filters() {
  std::vector<v1::Filter> filters(10);
  filters[1].mutable_who()->add_any_of("ANNA");
  filters[2].mutable_tags()->add_none_of("red");
  filters[3].set_min_confidence(0.5f);
  filters[4].mutable_event_time()->set_text("2024-01/2024-06");
  filters[5].add_sessions("s1");
  filters[5].set_include_suppressed(true);
  filters[6].add_ids("id1"), filters[6].add_ids("id2"), filters[6].add_ids("id3");
  filters[7].add_where_location("Berlin");
  filters[7].mutable_who()->add_all_of("ben");
  (*filters[8].mutable_metadata())["k"] = "v1";
  filters[9].mutable_event_time()->set_text("2024");
  filters[9].set_include_undated(true);
  filters[9].mutable_tags()->add_any_of("blue");
  filters[9].add_sources("mail*");
  return filters;
}

inline std::string CosineText(float cosine) {
  char text[32];
  snprintf(text, sizeof(text), "%.9g", static_cast<double>(cosine));
  return text;
}

constexpr float kVectorQuery[] = {0.5f, -0.25f, 1.f, 0.125f};

std::string Describe(View& view);
std::string Describe(const Oracle& oracle, index::Analyzer& analyzer);
// An episode of every shape, with this id.
v1::Episode RandomEpisode(Prng& prng, const std::string& id);

}  // namespace engram::space
