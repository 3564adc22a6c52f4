// An episode on its way to become the new version of an id: what Remember, RememberBatch and Update
// have in common.
#pragma once

#include <string>
#include <vector>

#include "engram/model/episode.h"
#include "engram/space/operation.h"

namespace engram::space {

struct NewContent {
  v1::Episode episode;
  std::vector<v1::Warning> warnings;
  std::string encoded;   // the episode's bytes, made outside of the lock
  bool made_id = false;  // nobody else can have it
  IdHint hint;           // unless made_id
};

// What was decided about it.
struct ContentOutcome {
  Status refused;
  v1::WriteOutcome outcome = v1::WRITE_OUTCOME_UNSPECIFIED;
  IdState state;    // UNCHANGED: the version that stands
  int staged = -1;  // else: place of its entry
  uint64_t version = 0;
};

// Validates, resolves the time, embeds when the space does, makes an id when none was given, and
// encodes. `previous_time`: of the version that it changes, or null.
// `of_store`: made of a stored version, whose fields of newer versions stay.
Status PrepareContent(const Core& core, model::UtcTime now, const v1::EventTime* previous_time,
                      NewContent* content, bool of_store = false);
// Under the lock, with the state of its id: refuses, leaves alone, or stages a StoreRecord. Takes
// the episode when it stages.
ContentOutcome DecideContent(const Operation& operation, uint32_t item, uint32_t items,
                             model::UtcTime now, const IdState& state, NewContent* content,
                             Staged* staged);
// The record of the next version, without its episode.
pb::StoreRecord NextRecord(const IdState& state, model::UtcTime now, int place);
// Bytes of `rest`, which has no episode, with the episode of these bytes.
std::string EncodeStore(ByteView encoded_episode, const pb::StoreRecord& rest);
// The state of an id whose new content is at `place` of the staged entries.
IdState StagedState(const Staged& staged, int place);

v1::RememberResponse RememberReply(const Core& core, const Reached& reached,
                                   const pb::StoreRecord& record, Position position,
                                   v1::WriteOutcome outcome);

}  // namespace engram::space
