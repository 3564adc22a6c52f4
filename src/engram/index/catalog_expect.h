// For tests: every question that a snapshot answers, asked and compared with the oracle.
#pragma once

#include <gtest/gtest.h>

#include "engram/base/hash.h"
#include "engram/index/catalog_oracle.h"

namespace engram::index {

// Contents of live memories that please.
template <class Pleases>
std::vector<Sequence> LiveWhere(const CatalogOracle& oracle, Pleases pleases) {
  std::vector<Sequence> contents;
  for (const auto& [name, id] : oracle.ids) {
    if (id.deleted()) continue;
    const CatalogOracle::Version& newest = id.versions.back();
    if (pleases(model::FacetsOf(newest.record.episode(), {}))) contents.push_back(newest.content);
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

inline bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// NOLINTNEXTLINE
#define EXPECT_CONTENTS(result, expected)         \
  do {                                            \
    const auto contents_ = (result);              \
    ASSERT_TRUE(contents_.ok());                  \
    EXPECT_EQ(*contents_, (expected)) << #result; \
  } while (0)

inline void ExpectNames(CatalogSnapshot& snapshot, const CatalogOracle& oracle) {
  using F = const model::Facets&;
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i);
    const std::vector<std::string> who = {model::Fold("Person " + n), model::Fold("Person 0")};
    EXPECT_CONTENTS(snapshot.WithPeople(who), LiveWhere(oracle, [&](F f) {
                      return Has(f.who, who[0]) || Has(f.who, who[1]);
                    }));
    const std::vector<std::string> tag = {model::Fold("tag" + n)};
    EXPECT_CONTENTS(snapshot.WithTags(tag),
                    LiveWhere(oracle, [&](F f) { return Has(f.tags, tag[0]); }));
    const std::vector<std::string> place = {model::Fold("City " + n)};
    EXPECT_CONTENTS(snapshot.InPlaces(place),
                    LiveWhere(oracle, [&](F f) { return model::PlaceWithin(f.place, place[0]); }));
    const std::vector<std::string> session = {"chat-" + n};
    EXPECT_CONTENTS(snapshot.InSessions(session),
                    LiveWhere(oracle, [&](F f) { return f.session == session[0]; }));
    const std::vector<std::string> source = {"file:" + n + "#1"}, sources = {"file:" + n + "*"};
    EXPECT_CONTENTS(snapshot.FromSources(source),
                    LiveWhere(oracle, [&](F f) { return f.source == source[0]; }));
    EXPECT_CONTENTS(snapshot.FromSources(sources),
                    LiveWhere(oracle, [&](F f) { return f.source.starts_with("file:" + n); }));
    EXPECT_CONTENTS(snapshot.WithMetadata("key1", "value" + n), LiveWhere(oracle, [&](F f) {
                      return std::count(f.metadata.begin(), f.metadata.end(),
                                        std::pair<std::string, std::string>("key1", "value" + n)) >
                             0;
                    }));
  }
}

inline void ExpectId(CatalogSnapshot& snapshot, const std::string& name,
                     const CatalogOracle::Id& id) {
  SCOPED_TRACE(name);
  const auto found = snapshot.FindId(name);
  ASSERT_TRUE(found.ok() && found->has_value());
  const IdState& state = **found;
  EXPECT_EQ(state.version, id.last_version);
  EXPECT_EQ(state.deleted, id.deleted());
  EXPECT_EQ(state.suppressed, id.suppressed);
  EXPECT_EQ(state.changed, id.changed);
  EXPECT_EQ(state.content, id.deleted() ? Sequence(0) : id.versions.back().content);
  const auto history = snapshot.History(name);
  ASSERT_TRUE(history.ok());
  ASSERT_EQ(history->size(), id.versions.size());
  for (size_t i = 0; i < history->size(); ++i) {
    const CatalogOracle::Version& expected = id.versions[id.versions.size() - 1 - i];
    EXPECT_EQ((*history)[i].version, expected.record.version());
    EXPECT_EQ((*history)[i].content, expected.content);
    EXPECT_EQ((*history)[i].stored_at, model::UtcTime::FromProto(expected.record.stored_at()));
  }
}

inline void ExpectRow(const LiveRow& row, const std::string& name, const CatalogOracle::Id& id) {
  SCOPED_TRACE(name);
  const model::pb::StoreRecord& record = id.versions.back().record;
  const engram::v1::Episode& episode = record.episode();
  const model::Facets facets = model::FacetsOf(episode, {});
  EXPECT_EQ(row.id_hash, Hash64(name));
  EXPECT_EQ(row.session_hash, episode.session().empty() ? 0 : Hash64(episode.session()));
  EXPECT_EQ(row.version, record.version());
  EXPECT_EQ(row.has_turn, episode.has_turn());
  EXPECT_EQ(row.turn, episode.turn());
  EXPECT_EQ(row.suppressed, id.suppressed);
  EXPECT_EQ(row.changed, id.changed);
  EXPECT_EQ(row.has_vector, episode.embedding_size() > 0);
  EXPECT_EQ(row.has_event_time, facets.event_time.has_value());
  EXPECT_EQ(row.event_time, facets.event_time.value_or(model::TimeInterval()));
  EXPECT_EQ(row.stored_at, model::UtcTime::FromProto(record.stored_at()));
  EXPECT_EQ(row.first_stored_at, model::UtcTime::FromProto(record.first_stored_at()));
  EXPECT_EQ(row.confidence, facets.confidence);
  EXPECT_EQ(row.importance, facets.importance);
  EXPECT_EQ(row.decay_rate, model::DecayRateOf(episode));
  EXPECT_EQ(row.memory_type, static_cast<uint8_t>(facets.type));
}

inline void ExpectRows(CatalogSnapshot& snapshot, const CatalogOracle& oracle) {
  std::map<Sequence, std::string> names;
  CatalogCounts expected;
  for (const auto& [name, id] : oracle.ids) {
    expected.versions += id.versions.size();
    expected.deleted += id.deleted() ? 1 : 0;
    expected.suppressed += id.suppressed ? 1 : 0;
    if (id.deleted()) continue;
    names[id.versions.back().content] = name;
    expected.vectors += id.versions.back().record.episode().embedding_size() > 0 ? 1 : 0;
  }
  expected.live = names.size();
  auto next = names.begin();
  ASSERT_TRUE(snapshot
                  .ForEachLive([&](const LiveRow& row) {
                    EXPECT_NE(next, names.end());
                    EXPECT_EQ(row.content, next->first);
                    ExpectRow(row, next->second, oracle.ids.at(next->second));
                    const model::Facets facets = model::FacetsOf(
                        oracle.ids.at(next->second).versions.back().record.episode(), {});
                    const auto named = snapshot.NamesOf(row.content);
                    EXPECT_TRUE(named.ok());
                    EXPECT_EQ(named->who, facets.who);
                    EXPECT_EQ(named->tags, facets.tags);
                    EXPECT_EQ(named->place, facets.place);
                    ++next;
                    return OkStatus();
                  })
                  .ok());
  EXPECT_EQ(next, names.end());
  const auto counts = snapshot.Counts();
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts->live, expected.live);
  EXPECT_EQ(counts->suppressed, expected.suppressed);
  EXPECT_EQ(counts->deleted, expected.deleted);
  EXPECT_EQ(counts->versions, expected.versions);
  EXPECT_EQ(counts->vectors, expected.vectors);
}

inline void ExpectEqual(CatalogSnapshot& snapshot, const CatalogOracle& oracle) {
  std::vector<std::string> ids;
  for (const auto& [name, id] : oracle.ids) {
    ExpectId(snapshot, name, id);
    ids.push_back(name);
  }
  EXPECT_CONTENTS(snapshot.WithIds(ids),
                  LiveWhere(oracle, [](const model::Facets&) { return true; }));
  for (const auto& [name, items] : oracle.keys) {
    const auto found = snapshot.FindKey(name);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->size(), items.size());
    for (const KeyState& item : *found) {
      const KeyState& expected = items.at(item.item);
      EXPECT_EQ(item.sequence, expected.sequence);
      EXPECT_EQ(item.request_digest, expected.request_digest);
      EXPECT_EQ(item.items, expected.items);
    }
  }
  ExpectRows(snapshot, oracle);
  ExpectNames(snapshot, oracle);
}

}  // namespace engram::index
