// For tests: what a catalog must answer, kept in plain maps, and random changes to feed both with.
// Slow and obvious on purpose.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engram/base/prng.h"
#include "engram/index/catalog.h"
#include "engram/model/decay.h"
#include "engram/model/filter.h"

namespace engram::index {

class CatalogOracle {
 public:
  struct Version {
    Sequence content;
    model::pb::StoreRecord record;
  };
  struct Id {
    std::vector<Version> versions;  // oldest first; empty when deleted
    uint64_t last_version = 0;
    bool suppressed = false;
    Sequence changed;
    bool deleted() const { return versions.empty(); }
  };

  void Apply(const model::Change& change) {
    if (const auto* store = std::get_if<model::pb::StoreRecord>(&change.decision)) {
      Store(*store, change.sequence, true);
    } else if (const auto* update = std::get_if<model::pb::UpdateRecord>(&change.decision)) {
      if (update->has_content()) Store(update->content(), change.sequence, false);
      if (update->has_state()) {
        for (const std::string& id : update->ids()) {
          Suppress(id, update->state().suppressed(), change.sequence);
        }
      }
      Key(update->key(), change.sequence);
    } else if (const auto* gone = std::get_if<model::pb::DeleteRecord>(&change.decision)) {
      for (int i = 0; i < gone->ids_size(); ++i)
        Delete(gone->ids(i), gone->versions(i), change.sequence);
      Key(gone->key(), change.sequence);
    }
  }

  std::map<std::string, Id> ids;
  std::map<std::string, std::map<uint32_t, KeyState>> keys;

 private:
  void Store(const model::pb::StoreRecord& record, Sequence sequence, bool revive) {
    Id& id = ids[record.episode().id()];
    id.versions.push_back({sequence, record});
    id.last_version = std::max(id.last_version, record.version());
    id.suppressed = id.suppressed && !revive;
    id.changed = sequence;
    Key(record.key(), sequence);
  }
  void Suppress(const std::string& id, bool suppressed, Sequence sequence) {
    const auto known = ids.find(id);
    if (known == ids.end() || known->second.deleted()) return;
    known->second.suppressed = suppressed;
    known->second.changed = sequence;
  }
  void Delete(const std::string& name, uint64_t version, Sequence sequence) {
    Id& id = ids[name];
    id.versions.clear();
    id.suppressed = false;
    id.last_version = std::max(id.last_version, version);
    id.changed = sequence;
  }
  void Key(const model::pb::IdempotencyKey& key, Sequence sequence) {
    if (key.key().empty()) return;
    keys[key.key()][key.item()] = {sequence, key.request_digest(), key.item(),
                                   std::max(1u, key.items())};
  }
};

// Random changes as a space would log them: few ids and few names, so that they meet often.
class ChangeMaker {
 public:
  // Odd seeds begin where one block of postings ends.
  explicit ChangeMaker(uint64_t seed, uint64_t ids = 40)
      : prng_(seed), ids_(ids), sequence_(seed % 2 == 0 ? 0 : (2 << 12) - 60) {}

  // The next change; `oracle` must have all changes before it.
  model::Change Next(const CatalogOracle& oracle) {
    model::Change change;
    change.sequence = Sequence(++sequence_);
    change.epoch = Epoch(1);
    change.header_crc = static_cast<uint32_t>(sequence_ * 7919);
    const uint64_t dice = prng_.Below(20);
    if (dice < 11)
      change.decision = Store(oracle);
    else if (dice < 13)
      change.decision = Content(oracle);
    else if (dice < 16)
      change.decision = State();
    else if (dice < 18)
      change.decision = Delete(oracle);
    else if (dice < 19)
      change.decision = Access();
    else
      change.decision = model::pb::CheckpointRecord();
    return change;
  }

  std::string RandomId() { return "id-" + std::to_string(prng_.Below(ids_)); }
  Prng& prng() { return prng_; }

 private:
  std::string Pick(const char* kind, uint64_t of) { return kind + std::to_string(prng_.Below(of)); }

  model::pb::StoreRecord Store(const CatalogOracle& oracle) {
    model::pb::StoreRecord record;
    Fill(RandomId(), record.mutable_episode());
    const auto known = oracle.ids.find(record.episode().id());
    record.set_version(known == oracle.ids.end() ? 1 : known->second.last_version + 1);
    record.mutable_stored_at()->set_seconds(1'000'000 + static_cast<int64_t>(sequence_));
    record.mutable_stored_at()->set_nanos(7);
    record.mutable_first_stored_at()->set_seconds(1'000'000);
    if (prng_.OneIn(3)) Key(record.mutable_key());
    return record;
  }

  void Fill(const std::string& id, engram::v1::Episode* episode) {
    episode->set_id(id);
    episode->set_what("it happened");
    for (uint64_t i = prng_.Below(3); i > 0; --i) episode->add_who(Pick("Person ", 5));
    for (uint64_t i = prng_.Below(3); i > 0; --i) episode->add_tags(Pick("tag", 4));
    if (prng_.OneIn(2)) episode->set_where_location(Pick("City ", 2) + "/" + Pick("Room ", 3));
    if (prng_.OneIn(4)) episode->set_where_location(Pick("City ", 3));
    if (prng_.OneIn(2)) episode->set_session(Pick("chat-", 4));
    if (prng_.OneIn(2)) episode->set_turn(prng_.Below(100));
    if (prng_.OneIn(3)) episode->set_source(Pick("file:", 3) + "#" + Pick("", 4));
    if (prng_.OneIn(3)) (*episode->mutable_metadata())[Pick("key", 2)] = Pick("value", 2);
    if (prng_.OneIn(2)) episode->add_embedding(1);
    if (prng_.OneIn(2)) episode->set_importance(0.25f);
    if (prng_.OneIn(4)) episode->set_memory_type(engram::v1::MEMORY_TYPE_SEMANTIC);
    episode->mutable_encoding_confidence()->set_value(0.75f);
    engram::v1::EventTime* time = episode->mutable_event_time();
    time->set_precision(engram::v1::TIME_PRECISION_UNKNOWN);
    if (prng_.OneIn(4)) return;
    time->set_precision(engram::v1::TIME_PRECISION_DAY);
    time->mutable_start()->set_seconds(86400 * static_cast<int64_t>(prng_.Below(1000)) - 4'000'000);
    time->mutable_end()->set_seconds(time->start().seconds() + 86400);
  }

  model::pb::UpdateRecord Content(const CatalogOracle& oracle) {
    model::pb::UpdateRecord record;
    *record.mutable_content() = Store(oracle);
    record.mutable_content()->clear_key();
    record.add_ids(record.content().episode().id());
    if (prng_.OneIn(2)) Key(record.mutable_key());
    return record;
  }

  model::pb::UpdateRecord State() {
    model::pb::UpdateRecord record;
    for (uint64_t i = prng_.Below(3); i < 3; ++i) record.add_ids(RandomId());
    record.mutable_state()->set_suppressed(prng_.OneIn(2));
    if (prng_.OneIn(2)) Key(record.mutable_key());
    return record;
  }

  model::pb::DeleteRecord Delete(const CatalogOracle& oracle) {
    model::pb::DeleteRecord record;
    const std::string id = RandomId();
    const auto known = oracle.ids.find(id);
    record.add_ids(id);
    record.add_versions(known == oracle.ids.end() ? 0 : known->second.last_version);
    if (prng_.OneIn(2)) Key(record.mutable_key());
    return record;
  }

  model::pb::UpdateRecord Access() {
    model::pb::UpdateRecord record;
    record.mutable_access()->add_items()->set_id(RandomId());
    return record;
  }

  void Key(model::pb::IdempotencyKey* key) {
    key->set_key("key-" + std::to_string(sequence_));
    key->set_request_digest(~prng_.Next());
  }

  Prng prng_;
  const uint64_t ids_;
  uint64_t sequence_;
};

inline IndexIdentity IdentityAt(Incarnation incarnation, const model::Change& change) {
  return {incarnation, change.epoch, change.sequence, change.header_crc};
}

}  // namespace engram::index
