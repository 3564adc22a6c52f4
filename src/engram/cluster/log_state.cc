#include "engram/cluster/log_state.h"

#include <algorithm>

namespace engram::cluster {

const SpaceRecord* NewestRecord(const LogState& log, Sequence through) {
  for (size_t i = log.records.size(); i-- > 0;) {
    if (log.records[i].at <= through) return &log.records[i];
  }
  return nullptr;
}

record::History HistoryOf(const LogState& log) {
  record::History history;
  history.reserve(log.records.size());
  for (const SpaceRecord& record : log.records) history.push_back({record.epoch, record.at});
  return history;
}

std::vector<replication::StatedLoss> LossesOf(const LogState& log) {
  std::vector<replication::StatedLoss> losses;
  for (const SpaceRecord& record : log.records) {
    if (record.loss_after.has_value()) losses.push_back({record.at, *record.loss_after});
  }
  return losses;
}

void CutTo(Position end, uint32_t crc, LogState* log) {
  log->end = end;
  log->end_crc = crc;
  log->durable = std::min(log->durable, end.sequence);
  log->commit = std::min(log->commit, end.sequence);
  std::erase_if(log->records, [&](const SpaceRecord& record) { return record.at > end.sequence; });
}

}  // namespace engram::cluster
