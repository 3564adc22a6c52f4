// For tests: a view over episodes in plain vectors, without log, index or tail. Everything is
// answered by looking at every episode, so it is slow and evidently right: what the real view has
// to agree with, and a space that tests can fill in a line.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engram/base/hash.h"
#include "engram/index/analyzer.h"
#include "engram/model/decay.h"
#include "engram/model/episode.h"
#include "engram/space/view.h"

namespace engram::recall {

class OracleView : public space::View {
 public:
  explicit OracleView(v1::SpaceSettings settings = {})
      : settings_(model::WithDefaults(std::move(settings))) {
    analyzer_ = index::Analyzer::Make(settings_.analyzer()).value();
  }

  struct Entry {
    internal::v1::StoreRecord record;
    space::Row row;
    model::Facets facets;
    std::vector<std::string> terms;
    bool live = true;
    bool suppressed = false;
    bool unreadable = false;
  };

  // ---- writing ----
  Status Remember(v1::Episode episode, model::UtcTime at) {
    model::PrepareContext context{"test", &settings_, at};
    std::vector<v1::Warning> warnings;
    RETURN_IF_ERROR(model::PrepareEpisode(context, &episode, &warnings));
    Entry entry;
    entry.record.set_version(1);
    *entry.record.mutable_first_stored_at() = at.ToProto();
    if (Entry* old = Newest(episode.id())) {
      entry.record.set_version(old->record.version() + 1);
      if (old->live) *entry.record.mutable_first_stored_at() = old->record.first_stored_at();
      old->live = false;
    }
    *entry.record.mutable_stored_at() = at.ToProto();
    *entry.record.mutable_episode() = std::move(episode);
    Index(&entry);
    entries_.push_back(std::move(entry));
    return OkStatus();
  }
  void Suppress(const std::string& id) { Newest(id)->suppressed = true, ++sequence_; }
  void Delete(const std::string& id) { Newest(id)->live = false, ++sequence_; }
  void Damage(const std::string& id) { Newest(id)->unreadable = true; }
  const std::vector<Entry>& entries() const { return entries_; }
  v1::SpaceSettings* mutable_settings() { return &settings_; }

  // ---- space::View ----
  const std::string& space() const override { return name_; }
  Incarnation incarnation() const override { return Incarnation(); }
  const v1::SpaceSettings& settings() const override { return settings_; }
  Epoch epoch() const override { return Epoch(1); }
  Sequence visible_through() const override { return Sequence(sequence_); }
  std::map<std::string, uint64_t> IndexedThrough() const override { return {}; }
  size_t rows() const override { return entries_.size(); }
  const space::Row& row(space::RowIndex row) const override { return entries_[row].row; }
  bool Live(space::RowIndex row) const override { return entries_[row].live; }
  bool Suppressed(space::RowIndex row) const override { return entries_[row].suppressed; }
  std::optional<space::RowIndex> Find(Sequence content) const override {
    for (space::RowIndex row = 0; row < entries_.size(); ++row) {
      if (entries_[row].row.content == content) return row;
    }
    return std::nullopt;
  }
  Result<std::optional<space::IdLookup>> FindId(std::string_view id) override {
    for (size_t row = entries_.size(); row-- > 0;) {
      const Entry& entry = entries_[row];
      if (entry.facets.id != id) continue;
      space::IdLookup found{entry.record.version(), !entry.live, entry.suppressed, std::nullopt};
      if (entry.live) found.row = static_cast<space::RowIndex>(row);
      return std::optional(found);
    }
    return std::optional<space::IdLookup>();
  }
  void Neighbours(space::RowIndex row, int steps, std::vector<space::RowIndex>* before,
                  std::vector<space::RowIndex>* after) const override {
    if (entries_[row].row.session_hash == 0) return;
    std::vector<space::RowIndex> session;
    for (space::RowIndex other = 0; other < entries_.size(); ++other) {
      const Entry& entry = entries_[other];
      const bool speaks = entry.live && !entry.suppressed;
      if (entry.row.session_hash == entries_[row].row.session_hash && (speaks || other == row)) {
        session.push_back(other);
      }
    }
    std::sort(session.begin(), session.end(),
              [&](auto a, auto b) { return SessionKey(a) < SessionKey(b); });
    const auto at = std::find(session.begin(), session.end(), row) - session.begin();
    for (int h = 1; h <= steps && at - h >= 0; ++h) before->push_back(session[at - h]);
    for (int h = 1; h <= steps && at + h < std::ssize(session); ++h) {
      after->push_back(session[at + h]);
    }
  }
  Result<space::RowSet> Select(const model::ResolvedFilter& filter) override {
    space::RowSet rows(entries_.size());
    for (space::RowIndex row = 0; row < entries_.size(); ++row) {
      const Entry& entry = entries_[row];
      if (!entry.live || (entry.suppressed && !filter.include_suppressed)) continue;
      if (model::Matches(filter, entry.facets)) rows.Add(row);
    }
    return rows;
  }
  Result<model::Facets> FacetsOf(space::RowIndex row) override { return entries_[row].facets; }
  Result<space::TextMatches> SearchText(std::span<const std::string> terms) override {
    space::TextMatches matches;
    matches.document_counts.resize(terms.size());
    uint64_t length = 0;
    for (space::RowIndex row = 0; row < entries_.size(); ++row) {
      const Entry& entry = entries_[row];
      if (!entry.live) continue;
      ++matches.documents;
      length += entry.terms.size();
      std::vector<uint32_t> counts;
      for (const std::string& term : terms) {
        counts.push_back(std::count(entry.terms.begin(), entry.terms.end(), term));
      }
      if (std::all_of(counts.begin(), counts.end(), [](uint32_t n) { return n == 0; })) continue;
      for (size_t i = 0; i < terms.size(); ++i) matches.document_counts[i] += counts[i] > 0;
      matches.hits.push_back({row, static_cast<uint32_t>(entry.terms.size()),
                              static_cast<uint32_t>(matches.counts.size())});
      matches.counts.insert(matches.counts.end(), counts.begin(), counts.end());
    }
    if (matches.documents > 0) {
      matches.mean_length = static_cast<double>(length) / static_cast<double>(matches.documents);
    }
    return matches;
  }
  Result<std::vector<Near>> Nearest(std::span<const float> query, size_t limit,
                                    const space::RowSet& keep) override {
    std::vector<Near> near;
    for (space::RowIndex row = 0; row < entries_.size(); ++row) {
      if (!keep.Has(row) || !entries_[row].live || !entries_[row].row.has_vector) continue;
      near.push_back({row, Cosine(row, query)});
    }
    std::stable_sort(near.begin(), near.end(),
                     [](const Near& a, const Near& b) { return a.cosine > b.cosine; });
    if (near.size() > limit) near.resize(limit);
    return near;
  }
  Result<std::optional<float>> CosineOf(space::RowIndex row,
                                        std::span<const float> query) override {
    if (!entries_[row].row.has_vector) return std::optional<float>();
    return std::optional(Cosine(row, query));
  }
  std::vector<space::RowIndex> VectorSample(size_t limit) const override {
    std::vector<space::RowIndex> rows;
    for (space::RowIndex row = 0; row < entries_.size(); ++row) {
      if (entries_[row].live && entries_[row].row.has_vector) rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end(),
              [&](auto a, auto b) { return entries_[a].row.id_hash < entries_[b].row.id_hash; });
    if (rows.size() > limit) rows.resize(limit);
    return rows;
  }
  Result<internal::v1::StoreRecord> Load(space::RowIndex row) override {
    if (entries_[row].unreadable) return Status(Reason::CORRUPTION_DETECTED, "damaged");
    return entries_[row].record;
  }
  Result<std::vector<Version>> History(std::string_view id) override {
    std::vector<Version> versions;
    for (size_t row = entries_.size(); row-- > 0;) {
      const Entry& entry = entries_[row];
      if (entry.facets.id == id) versions.push_back({entry.record, entry.row.content, Epoch(1)});
    }
    return versions;
  }
  Result<std::vector<std::string>> SimilarIds(std::string_view, size_t) override {
    return std::vector<std::string>();
  }
  Result<v1::Episode> LoadEpisode(space::RowIndex row, bool with_embedding) override {
    ASSIGN_OR_RETURN(internal::v1::StoreRecord record, Load(row));
    v1::Episode episode = record.episode();
    if (!with_embedding) episode.clear_embedding();
    episode.mutable_stored()->set_version(record.version());
    episode.mutable_stored()->set_sequence(entries_[row].row.content.value());
    episode.mutable_stored()->set_epoch(1);
    *episode.mutable_stored()->mutable_stored_at() = record.stored_at();
    *episode.mutable_stored()->mutable_first_stored_at() = record.first_stored_at();
    episode.mutable_stored()->set_suppressed(entries_[row].suppressed);
    return episode;
  }

 private:
  Entry* Newest(std::string_view id) {
    for (size_t i = entries_.size(); i-- > 0;) {
      if (entries_[i].facets.id == id) return &entries_[i];
    }
    return nullptr;
  }
  void Index(Entry* entry) {
    const v1::Episode& episode = entry->record.episode();
    const auto stored_at = model::UtcTime::FromProto(entry->record.stored_at());
    entry->facets = model::FacetsOf(episode, stored_at);
    entry->terms = analyzer_->Analyze(index::SearchText(episode));
    space::Row& row = entry->row;
    row.content = Sequence(++sequence_);
    row.version = entry->record.version();
    row.id_hash = Hash64(episode.id());
    row.session_hash = episode.session().empty() ? 0 : Hash64(episode.session());
    row.turn = episode.turn();
    row.has_turn = episode.has_turn();
    row.has_vector = episode.embedding_size() > 0;
    row.has_event_time = entry->facets.event_time.has_value();
    if (row.has_event_time) row.event_time = *entry->facets.event_time;
    row.memory_type = static_cast<uint8_t>(entry->facets.type);
    row.confidence = entry->facets.confidence;
    row.importance = entry->facets.importance;
    row.decay_rate = model::DecayRateOf(episode);
    row.stored_at = stored_at;
    row.first_stored_at = model::UtcTime::FromProto(entry->record.first_stored_at());
  }
  std::tuple<uint64_t, model::UtcTime, Sequence> SessionKey(space::RowIndex index) const {
    const space::Row& row = entries_[index].row;
    return {row.has_turn ? row.turn + 1 : 0,
            row.has_event_time ? row.event_time.start : model::kMinTime, row.content};
  }
  float Cosine(space::RowIndex row, std::span<const float> query) const {
    const auto& vector = entries_[row].record.episode().embedding();
    double dot = 0, a = 0, b = 0;
    for (size_t i = 0; i < query.size(); ++i) {
      dot += double{vector[i]} * query[i];
      a += double{vector[i]} * vector[i];
      b += double{query[i]} * query[i];
    }
    return static_cast<float>(dot / std::sqrt(a * b));
  }

  const std::string name_ = "test";
  v1::SpaceSettings settings_;
  std::unique_ptr<index::Analyzer> analyzer_;
  std::vector<Entry> entries_;
  uint64_t sequence_ = 2;
};

}  // namespace engram::recall
