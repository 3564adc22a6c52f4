#include "engram/index/catalog_row.h"

#include <bit>

#include "engram/base/bytes.h"
#include "engram/base/hash.h"
#include "engram/model/decay.h"
#include "engram/model/filter.h"

namespace engram::index {
namespace {

constexpr uint8_t kHasTurn = 1, kSuppressed = 2, kHasVector = 4, kHasEventTime = 8;

uint8_t FlagsOf(const LiveRow& row) {
  return static_cast<uint8_t>((row.has_turn ? kHasTurn : 0) | (row.suppressed ? kSuppressed : 0) |
                              (row.has_vector ? kHasVector : 0) |
                              (row.has_event_time ? kHasEventTime : 0));
}

void AppendFloat(std::string* out, float value) {
  AppendLe(out, std::bit_cast<uint32_t>(value));
}
float LoadFloat(const char* in) {
  return std::bit_cast<float>(LoadLe<uint32_t>(in));
}

model::UtcTime LoadTime(const char* row, size_t seconds_at, size_t nanos_at) {
  return {static_cast<int64_t>(LoadLe<uint64_t>(row + seconds_at)),
          static_cast<int32_t>(LoadLe<uint32_t>(row + nanos_at))};
}

Status Damaged(const char* what) {
  return Status(Reason::CORRUPTION_DETECTED, std::string("the catalog holds ") + what)
      .Suggest("the catalog is derived from the log: remove it and it is built again");
}

void AddNames(const model::Facets& facets, std::vector<std::string>* names) {
  for (const std::string& who : facets.who) names->push_back(NameOf(NameKind::kPerson, who));
  for (const std::string& tag : facets.tags) names->push_back(NameOf(NameKind::kTag, tag));
  if (!facets.place.empty()) names->push_back(NameOf(NameKind::kPlace, facets.place));
  if (!facets.session.empty()) names->push_back(NameOf(NameKind::kSession, facets.session));
  if (!facets.source.empty()) names->push_back(NameOf(NameKind::kSource, facets.source));
  for (const auto& [key, value] : facets.metadata) names->push_back(MetadataName(key, value));
}

}  // namespace

void EncodeRow(const LiveRow& row, std::string* out) {
  out->clear();
  AppendLe(out, FlagsOf(row));
  AppendLe(out, row.memory_type);
  AppendLe(out, uint16_t{0});
  for (const float value : {row.confidence, row.importance, row.decay_rate})
    AppendFloat(out, value);
  for (const uint64_t value :
       {row.version, row.id_hash, row.session_hash, row.turn, row.changed.value()}) {
    AppendLe(out, value);
  }
  const model::UtcTime times[] = {row.event_time.start, row.event_time.end, row.stored_at,
                                  row.first_stored_at};
  for (const model::UtcTime& time : times) AppendLe(out, static_cast<uint64_t>(time.seconds));
  for (const model::UtcTime& time : times) AppendLe(out, static_cast<uint32_t>(time.nanos));
}

Result<LiveRow> DecodeRow(Sequence content, ByteView bytes) {
  if (bytes.size() != kRowBytes) return Damaged("a row of a wrong length");
  const char* in = bytes.data();
  const auto flags = static_cast<uint8_t>(in[0]);
  if (flags > 15 || LoadLe<uint16_t>(in + 2) != 0) return Damaged("a row that it cannot read");
  LiveRow row;
  row.content = content;
  row.has_turn = (flags & kHasTurn) != 0;
  row.suppressed = (flags & kSuppressed) != 0;
  row.has_vector = (flags & kHasVector) != 0;
  row.has_event_time = (flags & kHasEventTime) != 0;
  row.memory_type = static_cast<uint8_t>(in[1]);
  row.confidence = LoadFloat(in + 4);
  row.importance = LoadFloat(in + 8);
  row.decay_rate = LoadFloat(in + 12);
  row.version = LoadLe<uint64_t>(in + 16);
  row.id_hash = LoadLe<uint64_t>(in + 24);
  row.session_hash = LoadLe<uint64_t>(in + 32);
  row.turn = LoadLe<uint64_t>(in + 40);
  row.changed = Sequence(LoadLe<uint64_t>(in + 48));
  row.event_time = {LoadTime(in, 56, 88), LoadTime(in, 64, 92)};
  row.stored_at = LoadTime(in, 72, 96);
  row.first_stored_at = LoadTime(in, 80, 100);
  return row;
}

std::string NameOf(NameKind kind, std::string_view text) {
  std::string name(1, static_cast<char>(kind));
  return name.append(text);
}

std::string MetadataName(std::string_view key, std::string_view value) {
  std::string name = NameOf(NameKind::kMetadata, key);
  return name.append(1, '\0').append(value);
}

void EncodeNames(const std::vector<std::string>& names, std::string* out) {
  out->clear();
  for (const std::string& name : names) {
    AppendLe(out, static_cast<uint32_t>(name.size()));
    out->append(name);
  }
}

Result<std::vector<std::string>> DecodeNames(ByteView bytes) {
  std::vector<std::string> names;
  while (!bytes.empty()) {
    if (bytes.size() < 4) return Damaged("names that are cut short");
    const size_t length = LoadLe<uint32_t>(bytes.data());
    bytes.remove_prefix(4);
    if (length == 0 || length > bytes.size()) return Damaged("names that are cut short");
    names.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return names;
}

CatalogEntry EntryOf(const engram::internal::v1::StoreRecord& record, Sequence content) {
  const engram::v1::Episode& episode = record.episode();
  CatalogEntry entry;
  LiveRow& row = entry.row;
  row.content = row.changed = content;
  row.version = record.version();
  row.id_hash = Hash64(episode.id());
  row.session_hash = episode.session().empty() ? 0 : Hash64(episode.session());
  row.has_turn = episode.has_turn();
  row.turn = episode.turn();
  row.has_vector = episode.embedding_size() > 0;
  row.stored_at = model::UtcTime::FromProto(record.stored_at());
  row.first_stored_at = model::UtcTime::FromProto(record.first_stored_at());
  row.confidence = model::ConfidenceOf(episode);
  row.importance = model::ImportanceOf(episode);
  row.decay_rate = model::DecayRateOf(episode);
  const model::Facets facets = model::FacetsOf(episode, row.stored_at);
  row.memory_type = static_cast<uint8_t>(facets.type);
  row.has_event_time = facets.event_time.has_value();
  if (facets.event_time.has_value()) row.event_time = *facets.event_time;
  AddNames(facets, &entry.names);
  return entry;
}

}  // namespace engram::index
