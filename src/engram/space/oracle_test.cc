#include "engram/space/oracle.h"

#include <gtest/gtest.h>

namespace engram::space {
namespace {

// Everything the two descriptions have in common: the answers of one side, as text.
struct Answers {
  std::string text;
  void Add(const std::string& line) { text += line + "\n"; }
};

std::string IdOf(View& view, RowIndex row) {
  auto record = view.Load(row);
  EXPECT_TRUE(record.ok()) << record.status().ToString();
  return record.ok() ? record->episode().id() : "?";
}

std::string Line(const KnownMemory& memory) {
  return memory.episode.id() + " v" + std::to_string(memory.version) + " @" +
         ToString(memory.content) + (memory.suppressed ? " hidden " : " ") + memory.episode.what() +
         " " + model::FormatUtc(memory.stored_at) + " " +
         std::to_string(Hash64(memory.episode.event_time().SerializeAsString()));
}

void DescribeText(View& view, Answers* out) {
  for (const auto& query : Queries()) {
    auto matches = view.SearchText(query);
    ASSERT_TRUE(matches.ok()) << matches.status().ToString();
    std::string line = "text " + query[0] + " of " + std::to_string(matches->documents) + " mean " +
                       std::to_string(matches->mean_length) + ":";
    for (uint64_t count : matches->document_counts) line += " n" + std::to_string(count);
    for (const auto& hit : matches->hits) {
      line += " " + IdOf(view, hit.row) + "/" + std::to_string(hit.length);
      for (size_t i = 0; i < query.size(); ++i) {
        line += "," + std::to_string(matches->counts[hit.first_count + i]);
      }
    }
    out->Add(line);
  }
}

void DescribeSets(View& view, Answers* out) {
  const std::vector<v1::Filter> filters = Filters();
  for (size_t f = 0; f < filters.size(); ++f) {
    auto resolved = model::ResolveFilter(filters[f], "UTC");
    ASSERT_TRUE(resolved.ok()) << resolved.status().ToString();
    auto set = view.Select(*resolved);
    ASSERT_TRUE(set.ok()) << set.status().ToString();
    std::string line = "filter " + std::to_string(f) + ":";
    for (RowIndex row = 0; row < view.rows(); ++row) {
      if (set->Has(row)) line += " " + IdOf(view, row);
    }
    out->Add(line);
  }
}

void DescribeVectors(View& view, Answers* out) {
  for (size_t limit : {2, 50}) {
    auto near = view.Nearest(kVectorQuery, limit, RowSet(view.rows(), true));
    ASSERT_TRUE(near.ok()) << near.status().ToString();
    std::string line = "near:";
    for (const auto& n : *near) line += " " + IdOf(view, n.row) + "=" + CosineText(n.cosine);
    out->Add(line);
  }
  std::string line = "sample:";
  for (RowIndex row : view.VectorSample(5)) line += " " + IdOf(view, row);
  out->Add(line);
}

bool Earlier(const KnownMemory* a, const KnownMemory* b) {
  const auto key = [](const KnownMemory* m) {
    const auto interval = model::IntervalOf(m->episode.event_time());
    return std::tuple(m->episode.has_turn(), m->episode.turn(),
                      interval.has_value() ? interval->start : model::kMinTime, m->content);
  };
  return key(a) < key(b);
}

std::vector<const KnownMemory*> InOrder(const Oracle& oracle) {
  std::vector<const KnownMemory*> memories;
  for (const auto& [id, memory] : oracle.live) memories.push_back(&memory);
  std::sort(memories.begin(), memories.end(),
            [](const auto* a, const auto* b) { return a->content < b->content; });
  return memories;
}

void DescribeText(const Oracle& oracle, index::Analyzer& analyzer, Answers* out) {
  for (const auto& query : Queries()) {
    uint64_t terms = 0;
    std::vector<uint64_t> documents(query.size(), 0);
    std::string hits;
    for (const KnownMemory* memory : InOrder(oracle)) {
      const auto words = analyzer.Analyze(index::SearchText(memory->episode));
      terms += words.size();
      std::string counts;
      bool hit = false;
      for (size_t i = 0; i < query.size(); ++i) {
        const auto count = std::count(words.begin(), words.end(), query[i]);
        hit = hit || count > 0;
        documents[i] += count > 0 ? 1 : 0;
        counts += "," + std::to_string(count);
      }
      if (hit) hits += " " + memory->episode.id() + "/" + std::to_string(words.size()) + counts;
    }
    const double mean = oracle.live.empty() ? 0 : static_cast<double>(terms) / oracle.live.size();
    std::string line = "text " + query[0] + " of " + std::to_string(oracle.live.size()) + " mean " +
                       std::to_string(mean) + ":";
    for (uint64_t count : documents) line += " n" + std::to_string(count);
    out->Add(line + hits);
  }
}

void DescribeSets(const Oracle& oracle, Answers* out) {
  const std::vector<v1::Filter> filters = Filters();
  for (size_t f = 0; f < filters.size(); ++f) {
    auto resolved = *model::ResolveFilter(filters[f], "UTC");
    std::string line = "filter " + std::to_string(f) + ":";
    for (const KnownMemory* memory : InOrder(oracle)) {
      const auto facets = model::FacetsOf(memory->episode, memory->stored_at);
      if (!model::Matches(resolved, facets)) continue;
      if (memory->suppressed && !resolved.include_suppressed) continue;
      line += " " + memory->episode.id();
    }
    out->Add(line);
  }
}

void DescribeVectors(const Oracle& oracle, Answers* out) {
  std::vector<std::pair<float, const KnownMemory*>> near;
  std::vector<std::pair<uint64_t, const KnownMemory*>> sample;
  for (const KnownMemory* memory : InOrder(oracle)) {
    const auto& values = memory->episode.embedding();
    if (values.empty()) continue;
    near.emplace_back(index::Cosine({values.data(), 4}, kVectorQuery), memory);
    sample.emplace_back(Hash64(memory->episode.id()), memory);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::sort(sample.begin(), sample.end());
  for (size_t limit : {2, 50}) {
    std::string line = "near:";
    for (size_t i = 0; i < std::min(limit, near.size()); ++i) {
      line += " " + near[i].second->episode.id() + "=" + CosineText(near[i].first);
    }
    out->Add(line);
  }
  std::string line = "sample:";
  for (size_t i = 0; i < std::min<size_t>(5, sample.size()); ++i) {
    line += " " + sample[i].second->episode.id();
  }
  out->Add(line);
}

std::string Neighbours(const Oracle& oracle, const KnownMemory& center) {
  std::vector<const KnownMemory*> session;
  for (const auto& [id, memory] : oracle.live) {
    const bool same = memory.episode.session() == center.episode.session();
    if (!center.episode.session().empty() && same && (!memory.suppressed || &memory == &center)) {
      session.push_back(&memory);
    }
  }
  std::sort(session.begin(), session.end(), Earlier);
  const auto here = std::find(session.begin(), session.end(), &center);
  std::string line = " before";
  if (here == session.end()) return " before after";
  for (auto at = here; at != session.begin() && here - at < 2;) {
    line += " " + (*--at)->episode.id();
  }
  line += " after";
  for (auto at = here + 1; at != session.end() && at - here <= 2; ++at) {
    line += " " + (*at)->episode.id();
  }
  return line;
}

}  // namespace

std::string Describe(View& view) {
  Answers out;
  for (RowIndex row = 0; row < view.rows(); ++row) {
    if (!view.Live(row)) continue;
    auto episode = view.LoadEpisode(row, true);
    EXPECT_TRUE(episode.ok()) << episode.status().ToString();
    KnownMemory memory{*episode, view.row(row).content, view.row(row).version, view.Suppressed(row),
                       view.row(row).stored_at};
    std::vector<RowIndex> before, after;
    view.Neighbours(row, 2, &before, &after);
    std::string line = Line(memory) + " before";
    for (RowIndex other : before) line += " " + IdOf(view, other);
    line += " after";
    for (RowIndex other : after) line += " " + IdOf(view, other);
    out.Add(line);
  }
  for (int i = 0; i < 25; ++i) {
    auto found = view.FindId("id" + std::to_string(i));
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    if (!found->has_value()) continue;
    out.Add("id" + std::to_string(i) + " newest " + std::to_string((*found)->version) +
            ((*found)->deleted      ? " deleted"
             : (*found)->suppressed ? " hidden"
                                    : ""));
    auto history = view.History("id" + std::to_string(i));
    EXPECT_TRUE(history.ok()) << history.status().ToString();
    EXPECT_EQ(history->empty(), (*found)->deleted);
  }
  DescribeText(view, &out);
  DescribeSets(view, &out);
  DescribeVectors(view, &out);
  return out.text;
}

std::string Describe(const Oracle& oracle, index::Analyzer& analyzer) {
  Answers out;
  for (const KnownMemory* memory : InOrder(oracle)) {
    out.Add(Line(*memory) + Neighbours(oracle, *memory));
  }
  for (int i = 0; i < 25; ++i) {
    const std::string id = "id" + std::to_string(i);
    const auto newest = oracle.newest.find(id);
    if (newest == oracle.newest.end()) continue;
    const auto live = oracle.live.find(id);
    out.Add(id + " newest " + std::to_string(newest->second) +
            (live == oracle.live.end() ? " deleted"
             : live->second.suppressed ? " hidden"
                                       : ""));
  }
  DescribeText(oracle, analyzer, &out);
  DescribeSets(oracle, &out);
  DescribeVectors(oracle, &out);
  return out.text;
}

v1::Episode RandomEpisode(Prng& prng, const std::string& id) {
  constexpr const char* kWords[] = {"train", "munich", "tax",    "walk",
                                    "isar",  "anna",   "berlin", "rain"};
  v1::Episode episode;
  episode.set_id(id);
  std::string what;
  for (uint64_t i = 1 + prng.Below(6); i > 0; --i) what += std::string(kWords[prng.Below(8)]) + " ";
  episode.set_what(what);
  if (prng.OneIn(2)) episode.add_who(prng.OneIn(2) ? "Anna" : "Ben");
  if (prng.OneIn(3)) episode.add_tags(prng.OneIn(2) ? "Red" : "blue");
  if (prng.OneIn(3)) episode.set_where_location(prng.OneIn(2) ? "Berlin/Office" : "Munich");
  if (prng.OneIn(2)) episode.set_session("s" + std::to_string(prng.Below(3)));
  if (prng.OneIn(3)) episode.set_turn(prng.Below(6));
  if (prng.OneIn(4)) episode.set_source(prng.OneIn(2) ? "mail:7" : "chat");
  if (prng.OneIn(4)) (*episode.mutable_metadata())["k"] = "v" + std::to_string(prng.Below(3));
  if (prng.OneIn(3))
    episode.mutable_encoding_confidence()->set_value(static_cast<float>(prng.Unit()));
  const uint64_t time = prng.Below(4);
  if (time == 0)
    episode.mutable_event_time()->set_text("2024-0" + std::to_string(1 + prng.Below(9)));
  if (time == 1) episode.mutable_event_time()->set_text("unknown");
  if (prng.OneIn(2)) {
    for (int i = 0; i < 4; ++i) episode.add_embedding(static_cast<float>(prng.Unit() - 0.5));
  }
  return episode;
}

}  // namespace engram::space
