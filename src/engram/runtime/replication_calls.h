// What a node answers about its copies, to other nodes and to tools, outside of the streams: how
// they stand, a range of entries for repair, a batch by hand. The runtime implements it, engram/rpc
// calls it, on threads of its own that may block.
//
// Thread-safe: calls come at once from several threads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/bytes.h"
#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/replication/space_record.h"
#include "engram/replication/verdict.h"

namespace engram::runtime {

struct CopyStatus {
  std::string space;  // name
  Incarnation incarnation;
  std::string role;  // primary, candidate, replica
  Epoch epoch;
  Epoch promised;
  Position end;
  uint32_t end_crc = 0;
  Sequence durable;
  Sequence commit;
  Sequence replicated_end;
  replication::Floors floors;
  std::string phase;                               // normal, rewinding, catching_up
  std::optional<replication::SpaceRecord> record;  // newest EpochStart
  std::string trouble;                             // why the log takes nothing; empty: it does
};

struct FetchCall {
  std::string space;
  Incarnation incarnation;
  Sequence first, last;
};

// What another copy gave for a range: records that nobody has checked yet, and the floors of its
// log, read after them.
struct FetchAnswer {
  std::string records;
  replication::Floors floors;
};

// Takes the next bytes of the answer; blocks until they are on their way. False: the caller went
// away, and nothing more is wanted.
using FetchSink = std::function<bool(ByteView records)>;

struct ShipBatchCall {
  std::string space;
  Epoch epoch;
  Incarnation sender;  // of the node
  std::string batch;   // header and records (record/batch.h), unchecked
};

struct ShipBatchAnswer {
  Sequence applied;  // log end
  Sequence durable;
};

class ReplicationCalls {
 public:
  virtual ~ReplicationCalls() = default;
  // Of one space, or of all when `space` is empty. SPACE_NOT_FOUND.
  virtual Result<std::vector<CopyStatus>> GetStatus(const std::string& space) = 0;
  // Verbatim records and Holes that cover `first` to `last`, from this copy's log at or below its
  // commit, in one or more calls of `sink`; then the floors of the log. SPACE_NOT_FOUND,
  // SEQUENCE_GAP (not there, or not committed), CORRUPTION_DETECTED.
  virtual Result<replication::Floors> Fetch(const FetchCall& call, const FetchSink& sink) = 0;
  // Appends as a batch of the stream would be, under the same fences. STALE_EPOCH, SEQUENCE_GAP,
  // the reasons of DecodeBatchHeader and SplitBatch.
  virtual Result<ShipBatchAnswer> ShipBatch(ShipBatchCall call) = 0;
};

}  // namespace engram::runtime
