// One row per memory in memory: what ranking and filters look at, without a read from disk. Rows
// are appended in log order and never change, but for two facts that change once or rarely: when
// the row died (replaced or deleted) and when it was suppressed or restored. Both are stamped with
// the sequence that did it, so that a reader at sequence V sees the table as it was at V while
// writers go on. About 100 bytes a row; rebuilt from the catalog when a space opens.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engram/base/types.h"
#include "engram/model/time.h"

namespace engram::space {

using RowIndex = uint32_t;

struct Row {
  Sequence content;           // entry of this version
  uint64_t version = 0;
  uint64_t id_hash = 0;       // Hash64 of the id
  uint64_t session_hash = 0;  // 0: no session
  uint64_t turn = 0;
  bool has_turn = false;
  bool has_vector = false;
  bool has_event_time = false;
  uint8_t memory_type = 0;
  float confidence = 1;
  float importance = 0.5f;
  float decay_rate = 1;
  model::TimeInterval event_time;
  model::UtcTime stored_at;
  model::UtcTime first_stored_at;
};

}  // namespace engram::space
