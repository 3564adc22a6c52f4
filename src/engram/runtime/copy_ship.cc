// Reading the log for a replica, and sending it. What is new lies in the log's memory and is read
// at once; old parts are read on the executor, so that they hold nobody up.
#include "engram/base/hash.h"
#include "engram/runtime/copy_runner.h"

namespace engram::runtime {

using replication::Entries;

void CopyRunner::DoShip(const cluster::ShipOrder& order,
                        const std::shared_ptr<space::Space>& space) {
  PeerLog& peer = peer_logs_[order.peer];
  if (peer.reading) return;  // goes on when that is done
  if (!order.catching_up) return ReadAndSend(order, space);
  peer.reading = true;
  context_.bulk->Ask([self = shared_from_this(), order, space](BulkTurns::Done done) {
    self->Run([self, order, space, done = std::move(done)] {
      const uint64_t before = self->counts_.bytes_sent;
      self->TakeTurn(order, space);
      done(self->counts_.bytes_sent - before);
    });
  });
}

// While it waited for its turn the replica may have gone, or may have been told to go on elsewhere.
void CopyRunner::TakeTurn(cluster::ShipOrder order, const std::shared_ptr<space::Space>& space) {
  peer_logs_[order.peer].reading = false;
  {
    MutexLock lock(mutex_);
    const cluster::PeerView peer = copy_->peer(order.peer);
    if (copy_->role() != cluster::Role::kPrimary || !peer.joined) return;
    order.from = peer.sent.next();
  }
  ReadAndSend(order, space);
}

void CopyRunner::ReadAndSend(const cluster::ShipOrder& order,
                             const std::shared_ptr<space::Space>& space) {
  PeerLog& peer = peer_logs_[order.peer];
  if (peer.cursor == nullptr || peer.next != order.from) {
    peer.cursor = space->log().NewCursor(order.from, wal::ReadThrough::kAppended);
    peer.next = order.from;
  }
  uint64_t count = 0;
  Result<Entries> entries = ReadBatch(order, space->log(), &count);
  if (!entries.ok()) {
    peer = PeerLog();
    ++counts_.batches_failed;
    return Fail(entries.status());
  }
  if (entries->batch == nullptr) return;  // what was there is read
  replication::Stamp stamp;
  {
    MutexLock lock(mutex_);
    if (copy_->role() != cluster::Role::kPrimary) return;
    stamp = {copy_->log().space, copy_->epoch(), context_.self.incarnation};
    entries->commit = copy_->commit();
    entries->replicated_end = copy_->replicated_end();
    entries->end = copy_->log().end.sequence;
    entries->floors = copy_->log().floors.floors;
  }
  const uint64_t bytes = entries->batch->size();
  const Sequence last = entries->last;
  const Lane lane = order.catching_up ? Lane::kBulk : Lane::kLive;
  if (!context_.transport->Send(order.peer, lane, {name_, {stamp, *std::move(entries)}})) {
    ++counts_.batches_failed;
    peer = PeerLog();
    return Step(cluster::Shipped{order.peer, Sequence(), 0});
  }
  peer.next = last.next();
  ++counts_.batches_sent;
  counts_.entries_sent += count;
  counts_.bytes_sent += bytes;
  counts_.last_batch_bytes = bytes;
  if (order.catching_up) counts_.caught_up_entries += count;
  Step(cluster::Shipped{order.peer, last, bytes});
}

Result<Entries> CopyRunner::ReadBatch(const cluster::ShipOrder& order, wal::Log& log,
                                      uint64_t* count) {
  PeerLog& peer = peer_logs_[order.peer];
  const uint64_t most =
      order.catching_up ? UINT32_MAX : std::max<uint64_t>(1, context_.options->batch_entries);
  std::string records;
  Entries entries;
  while (*count < most && records.size() < order.bytes) {
    wal::Cursor::Shipped what;
    ASSIGN_OR_RETURN(const bool more, peer.cursor->NextRecord(&records, &what));
    if (!more) break;
    if ((*count)++ == 0) entries.first = what.first;
    entries.last = what.last;
    entries.last_crc = what.crc;
  }
  if (*count == 0) return entries;
  record::BatchHeader header;
  header.primary = context_.self.id;
  header.space = log.incarnation();
  header.start = entries.first;
  header.count = static_cast<uint32_t>(*count);
  header.size = records.size();
  entries.batch = std::make_shared<const std::string>(record::EncodeBatch(header, records));
  return entries;
}

}  // namespace engram::runtime
