// One consistent state of the catalog, read through a reader of the pool.
#include <algorithm>

#include "engram/index/catalog_reader.h"
#include "engram/index/catalog_row.h"
#include "engram/index/catalog_schema.h"
#include "engram/index/catalog_similar.h"

namespace engram::index {
namespace {

uint64_t Unsigned(int64_t value) {
  return static_cast<uint64_t>(value);
}

void SortUnique(std::vector<Sequence>* contents) {
  std::sort(contents->begin(), contents->end());
  contents->erase(std::unique(contents->begin(), contents->end()), contents->end());
}

// The least string that is greater than every one that begins with `prefix`.
std::string After(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

class Snapshot : public CatalogSnapshot {
 public:
  Snapshot(std::shared_ptr<CatalogReaderPool> pool, std::unique_ptr<CatalogReader> reader)
      : pool_(std::move(pool)), reader_(std::move(reader)) {}
  ~Snapshot() override {
    if (!reader_->commit.Run().ok()) reader_ = nullptr;
    pool_->Give(std::move(reader_));
  }

  Status Begin() {
    RETURN_IF_ERROR(reader_->begin.Run());
    ASSIGN_OR_RETURN(state_, ReadState(reader_->state));
    return OkStatus();
  }

  const IndexIdentity& identity() const override { return state_.identity; }
  Result<CatalogCounts> Counts() override { return state_.counts; }
  Result<std::optional<IdState>> FindId(std::string_view id) override;
  Result<std::vector<KeyState>> FindKey(std::string_view key) override;
  Result<std::vector<VersionState>> History(std::string_view id) override;
  Status ForEachLive(const std::function<Status(const LiveRow&)>& row) override;

  Result<std::vector<Sequence>> WithPeople(std::span<const std::string> any_of) override {
    return WithNames(NameKind::kPerson, any_of);
  }
  Result<std::vector<Sequence>> WithTags(std::span<const std::string> any_of) override {
    return WithNames(NameKind::kTag, any_of);
  }
  Result<std::vector<Sequence>> InPlaces(std::span<const std::string> any_of) override;
  Result<std::vector<Sequence>> InSessions(std::span<const std::string> any_of) override {
    return WithNames(NameKind::kSession, any_of);
  }
  Result<std::vector<Sequence>> WithMetadata(std::string_view key, std::string_view value) override;
  Result<std::vector<Sequence>> FromSources(std::span<const std::string> any_of) override;
  Result<std::vector<Sequence>> WithIds(std::span<const std::string> ids) override;
  Result<Names> NamesOf(Sequence content) override;
  Result<std::vector<std::string>> SimilarIds(std::string_view id, size_t limit) override {
    return FindSimilarIds(*reader_, id, limit);
  }

 private:
  Result<std::vector<Sequence>> WithNames(NameKind kind, std::span<const std::string> any_of);
  Status AddNamed(const std::string& name, std::vector<Sequence>* contents);
  Status AddPrefixed(const std::string& prefix, std::vector<Sequence>* contents);
  Status AddFromBlocks(Statement& postings, std::vector<Sequence>* contents);

  std::shared_ptr<CatalogReaderPool> pool_;
  std::unique_ptr<CatalogReader> reader_;
  CatalogState state_;
};

// Resets a statement when a loop over its rows is left early.
class AtEndReset {
 public:
  explicit AtEndReset(Statement& statement) : statement_(statement) {}
  ~AtEndReset() { statement_.Reset(); }

 private:
  Statement& statement_;
};

Result<std::optional<IdState>> Snapshot::FindId(std::string_view id) {
  Statement& find = reader_->find_id;
  ASSIGN_OR_RETURN(const bool found, find.BindText(1, id).Step());
  if (!found) return std::optional<IdState>();
  const AtEndReset at_end(find);
  IdState state;
  state.content = Sequence(Unsigned(find.Int(0)));
  state.version = Unsigned(find.Int(1));
  state.changed = Sequence(Unsigned(find.Int(2)));
  state.deleted = state.content.is_zero();
  if (state.deleted) return std::optional<IdState>(state);
  ASSIGN_OR_RETURN(const LiveRow row, DecodeRow(state.content, find.Blob(3)));
  state.suppressed = row.suppressed;
  state.changed = row.changed;
  state.stored_at = row.stored_at;
  state.first_stored_at = row.first_stored_at;
  return std::optional<IdState>(state);
}

Result<std::vector<KeyState>> Snapshot::FindKey(std::string_view key) {
  Statement& find = reader_->find_key;
  find.BindText(1, key);
  std::vector<KeyState> items;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, find.Step());
    if (!row) break;
    items.push_back({Sequence(Unsigned(find.Int(0))), Unsigned(find.Int(1)),
                     static_cast<uint32_t>(find.Int(2)), static_cast<uint32_t>(find.Int(3))});
  }
  // A key used again, once it was forgotten, leaves items of the longer batch before.
  if (!items.empty()) {
    const Sequence first = items.front().sequence;
    std::erase_if(items, [first](const KeyState& item) { return item.sequence < first; });
  }
  return items;
}

Result<std::vector<VersionState>> Snapshot::History(std::string_view id) {
  std::vector<VersionState> versions;
  ASSIGN_OR_RETURN(const std::optional<IdState> newest, FindId(id));
  if (!newest.has_value() || newest->deleted) return versions;
  versions.push_back({newest->version, newest->content, newest->stored_at});
  Statement& history = reader_->history;
  history.BindText(1, id);
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, history.Step());
    if (!row) return versions;
    versions.push_back({Unsigned(history.Int(0)),
                        Sequence(Unsigned(history.Int(1))),
                        {history.Int(2), static_cast<int32_t>(history.Int(3))}});
  }
}

Status Snapshot::ForEachLive(const std::function<Status(const LiveRow&)>& row) {
  Statement& live = reader_->live;
  const AtEndReset at_end(live);
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, live.Step());
    if (!found) return OkStatus();
    ASSIGN_OR_RETURN(const LiveRow decoded,
                     DecodeRow(Sequence(Unsigned(live.Int(0))), live.Blob(1)));
    RETURN_IF_ERROR(row(decoded));
  }
}

Status Snapshot::AddNamed(const std::string& name, std::vector<Sequence>* contents) {
  reader_->posting.BindText(2, name);
  return AddFromBlocks(reader_->posting, contents);
}

Status Snapshot::AddPrefixed(const std::string& prefix, std::vector<Sequence>* contents) {
  const std::string after = After(prefix);
  reader_->postings_within.BindText(2, prefix).BindText(3, after);
  return AddFromBlocks(reader_->postings_within, contents);
}

Status Snapshot::AddFromBlocks(Statement& postings, std::vector<Sequence>* contents) {
  const int64_t last = BlockOf(state_.identity.sequence.value());
  for (int64_t block = 0; block <= last; ++block) {
    postings.Bind(1, block);
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, postings.Step());
      if (!row) break;
      contents->emplace_back(Unsigned(postings.Int(0)));
    }
  }
  return OkStatus();
}

Result<std::vector<Sequence>> Snapshot::WithNames(NameKind kind,
                                                  std::span<const std::string> any_of) {
  std::vector<Sequence> contents;
  for (const std::string& text : any_of) RETURN_IF_ERROR(AddNamed(NameOf(kind, text), &contents));
  SortUnique(&contents);
  return contents;
}

Result<std::vector<Sequence>> Snapshot::InPlaces(std::span<const std::string> any_of) {
  std::vector<Sequence> contents;
  for (const std::string& place : any_of) {
    const std::string name = NameOf(NameKind::kPlace, place);
    RETURN_IF_ERROR(AddNamed(name, &contents));
    RETURN_IF_ERROR(AddPrefixed(name + "/", &contents));
  }
  SortUnique(&contents);
  return contents;
}

Result<std::vector<Sequence>> Snapshot::WithMetadata(std::string_view key, std::string_view value) {
  std::vector<Sequence> contents;
  RETURN_IF_ERROR(AddNamed(MetadataName(key, value), &contents));
  SortUnique(&contents);
  return contents;
}

Result<std::vector<Sequence>> Snapshot::FromSources(std::span<const std::string> any_of) {
  std::vector<Sequence> contents;
  for (const std::string& source : any_of) {
    std::string name = NameOf(NameKind::kSource, source);
    if (name.back() != '*') {
      RETURN_IF_ERROR(AddNamed(name, &contents));
      continue;
    }
    name.pop_back();
    RETURN_IF_ERROR(AddPrefixed(name, &contents));
  }
  SortUnique(&contents);
  return contents;
}

Result<std::vector<Sequence>> Snapshot::WithIds(std::span<const std::string> ids) {
  std::vector<Sequence> contents;
  for (const std::string& id : ids) {
    ASSIGN_OR_RETURN(const std::optional<IdState> state, FindId(id));
    if (state.has_value() && !state->deleted) contents.push_back(state->content);
  }
  SortUnique(&contents);
  return contents;
}

Result<CatalogSnapshot::Names> Snapshot::NamesOf(Sequence content) {
  Statement& find = reader_->names;
  ASSIGN_OR_RETURN(const bool found, find.Bind(1, static_cast<int64_t>(content.value())).Step());
  if (!found) {
    return Status(Reason::MEMORY_NOT_FOUND, "no live memory has its content at this entry")
        .With("sequence", content.value());
  }
  const AtEndReset at_end(find);
  ASSIGN_OR_RETURN(const std::vector<std::string> encoded, DecodeNames(find.Blob(0)));
  Names names;
  for (const std::string& name : encoded) {
    const auto kind = static_cast<NameKind>(name.front());
    if (kind == NameKind::kPerson) names.who.push_back(name.substr(1));
    if (kind == NameKind::kTag) names.tags.push_back(name.substr(1));
    if (kind == NameKind::kPlace) names.place = name.substr(1);
  }
  return names;
}

}  // namespace

Result<std::unique_ptr<CatalogSnapshot>> MakeCatalogSnapshot(
    std::shared_ptr<CatalogReaderPool> pool) {
  ASSIGN_OR_RETURN(std::unique_ptr<CatalogReader> reader, pool->Take());
  auto snapshot = std::make_unique<Snapshot>(std::move(pool), std::move(reader));
  RETURN_IF_ERROR(snapshot->Begin());
  return std::unique_ptr<CatalogSnapshot>(std::move(snapshot));
}

}  // namespace engram::index
