// One write on its way: prepared, looked up, decided, answered. The writer drives it; each kind of
// write (remember.cc, update.cc, forget.cc) says what the steps mean. A step may run again when
// what it looked at has changed before it could be decided.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engram/space/core.h"
#include "engram/space/group.h"
#include "engram/space/ids.h"
#include "engram/wal/log.h"

namespace engram::space {

// What a decision is going to append, and the states of ids that follow from it.
struct Staged {
  std::vector<std::shared_ptr<TailEntry>> entries;
  std::vector<wal::Draft> drafts;
  std::unordered_map<std::string, IdState> ids;
  uint64_t created = 0, removed = 0;  // memories
  uint64_t bytes = 0;                 // of the payloads

  // Returns the place of the entry.
  int Add(record::EntryType type, model::Decision decision, std::string payload);
  // Payload of the newest entry, whose decision was changed.
  void Replace(std::string payload);
};

// Decides about ids on behalf of an operation: what is appended, with what is staged on top.
class IdView {
 public:
  IdView(const IdTable& ids, const Staged& staged) : ids_(ids), staged_(staged) {}
  std::optional<IdState> Resolve(const std::string& id, const IdHint& hint) const {
    const auto staged = staged_.ids.find(id);
    return staged != staged_.ids.end() ? std::optional(staged->second) : ids_.Resolve(id, hint);
  }

 private:
  const IdTable& ids_;
  const Staged& staged_;
};

struct Verdict {
  enum Kind { kStale, kRefused, kSettled, kWrite };
  Kind kind = kWrite;
  Status why;                    // kRefused; kSettled: what it found forbids it
  std::shared_ptr<Group> after;  // kSettled: nothing to write, but true only once this is durable

  static Verdict Stale() { return {kStale, {}, nullptr}; }
  static Verdict Refused(Status why) { return {kRefused, std::move(why), nullptr}; }
  static Verdict Settled(std::shared_ptr<Group> after) { return {kSettled, {}, std::move(after)}; }
  // A refusal tells of what it rests on, which is as safe as the answer says, as any other.
  static Verdict Settled(std::shared_ptr<Group> after, Status why) {
    return {kSettled, std::move(why), std::move(after)};
  }
  static Verdict Write() { return {}; }
};

// What a write is to wait for, and how the copies of the space stood when it came in.
struct Asked {
  v1::Durability level = v1::DURABILITY_LOCAL;
  uint32_t wanted_copies = 1, copies_in_sync = 1;
};
// What it has come to when it is answered.
struct Reached {
  v1::Durability durability = v1::DURABILITY_LOCAL;
  uint32_t durable_copies = 1, wanted_copies = 1;
  bool degraded = false;
};

class Operation {
 public:
  virtual ~Operation() = default;
  // ---- filled in by the writer ----
  Asked asked;  // before anything else
  // Of a batch of which the log has only the beginning: before Decide, the item to go on with;
  // before Answer, the entries of the items ahead of it.
  uint32_t first_item = 0;
  std::vector<TailEntryPtr> earlier;

  virtual const v1::WriteOptions& options() const = 0;
  // Of the request without its options; asked for when there is a key.
  virtual uint64_t request_digest() const = 0;
  // Without the lock; may read files.
  virtual Status Look(const IdTable& ids) = 0;
  // Under the lock; must be short. `staged` is empty.
  virtual Verdict Decide(const IdTable& ids, Staged* staged) = 0;
  // Answers, without the lock: an error, or what was decided. `group` has the entries with their
  // sequences; null when nothing was written.
  virtual void Refuse(const Status& why) = 0;
  virtual void Answer(const Group* group, const Reached& reached) = 0;
  // Answers as the first request with this key was answered, from the entries that it wrote.
  virtual void Repeat(const std::vector<TailEntryPtr>& entries, const Reached& reached) = 0;
};

Status CheckOptions(const v1::WriteOptions& options);
// What is asked for, by the call or else by the space. `copies`: it has others.
Result<v1::Durability> LevelOf(const v1::WriteOptions& options, const v1::SpaceSettings& settings,
                               bool copies);
// create_only and if_version against what is known of the id.
Status CheckCondition(const v1::WriteOptions& options, const std::string& id, const IdState& state);
Status NoSuchMemory(const Core& core, const std::string& id);
void FillKey(const Operation& operation, uint32_t item, uint32_t items, pb::IdempotencyKey* key);
// The newer of two groups; null is oldest.
std::shared_ptr<Group> Later(std::shared_ptr<Group> a, std::shared_ptr<Group> b);

// What a reply says of an entry.
v1::WriteResult ResultOf(const Core& core, const Reached& reached, Position position,
                         v1::WriteOutcome outcome);
// Of a call that found nothing to write: what it found is visible. Of validate_only: no position.
v1::WriteResult NothingWritten(const Core& core, const v1::WriteOptions& options,
                               const Reached& reached, v1::WriteOutcome outcome);
void FillStored(const pb::StoreRecord& record, Position position, v1::StoredInfo* stored);

}  // namespace engram::space
