// What the tests of replication share: shipping records from one log into another, as batches, and
// comparing the two. For tests.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "engram/record/batch.h"
#include "engram/wal/log_test_kit.h"

namespace engram::wal {

// A batch and the records in it, which point into its bytes.
struct Shipment {
  std::string bytes;  // records only
  record::BatchHeader header;
  std::vector<record::BatchRecord> records;
  Cursor::Shipped last;
};

// Splits bytes that went through the wire's own encoding.
inline void Resplit(Shipment* shipment) {
  record::BatchHeader header = shipment->header;
  header.size = shipment->bytes.size();
  const std::string wire = record::EncodeBatch(header, shipment->bytes);
  const auto decoded = record::DecodeBatchHeader(wire, std::numeric_limits<uint64_t>::max());
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  const auto records = record::SplitBatch(*decoded, shipment->bytes);
  ASSERT_TRUE(records.ok()) << records.status().ToString();
  shipment->header = *decoded;
  shipment->records = *records;
}

// At most `most` records from `from` on; none at the end of the log.
inline Shipment Ship(Log& log, Sequence from, size_t most) {
  Shipment shipment;
  const auto cursor = log.NewCursor(from, ReadThrough::kAppended);
  while (shipment.header.count < most) {
    Cursor::Shipped what;
    const auto more = cursor->NextRecord(&shipment.bytes, &what);
    EXPECT_TRUE(more.ok()) << more.status().ToString();
    if (!more.ok() || !*more) break;
    if (shipment.header.count++ == 0) shipment.header.start = what.first;
    shipment.last = what;
    EXPECT_EQ(cursor->position(), what.last.next());
  }
  if (shipment.header.count > 0) Resplit(&shipment);
  return shipment;
}

inline Status Receive(Log& log, const Shipment& shipment) {
  return log.AppendReceived(shipment.records, nullptr);
}

// Every record of a log from `from` on, Holes included, as bytes.
inline std::string RawLog(Log& log, uint64_t from = 1) {
  return Ship(log, Sequence(from), std::numeric_limits<size_t>::max()).bytes;
}

}  // namespace engram::wal
