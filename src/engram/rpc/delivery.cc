#include "engram/rpc/delivery.h"

#include "engram/record/compress.h"
#include "engram/rpc/frame.h"

namespace engram::rpc {

using runtime::Lane;

namespace {

// A compressed batch becomes the batch that the other node read from its log. One that was damaged
// on its way, or is no batch, stays as it is, and its space refuses it; a length that is not true
// is no accident.
Status Expand(runtime::SpaceMessage* message) {
  auto* entries = std::get_if<replication::Entries>(&message->message.body);
  if (entries == nullptr || entries->batch == nullptr ||
      record::CompressionOf(*entries->batch) == record::Compression::kNone) {
    return OkStatus();
  }
  Result<std::string> batch = record::ExpandBatch(*entries->batch, kBatchBytesMax);
  if (batch.ok()) {
    entries->batch = std::make_shared<const std::string>(*std::move(batch));
  } else if (batch.status().reason() == Reason::INVALID_BATCH_SIZE) {
    return batch.status();
  }
  return OkStatus();
}

}  // namespace

Delivery::Delivery(size_t peer, runtime::TransportListener& listener, size_t lane_bytes)
    : peer_(peer), listener_(listener), lane_bytes_(lane_bytes) {
  for (const Lane lane : {Lane::kLive, Lane::kBulk})
    threads_[static_cast<int>(lane)] = std::thread([this, lane] { Run(lane); });
}

Delivery::~Delivery() {
  Stop();
}

void Delivery::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Delivery::Up(const runtime::PeerIdentity& identity, const Wires& wires) {
  MutexLock lock(mutex_);
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].wire = wires[i];
    lanes_[i].paused = false;
  }
  notices_.push_back({identity, {}});
  changed_.notify_all();
}

void Delivery::Down(const Status& why) {
  MutexLock lock(mutex_);
  for (LaneState& lane : lanes_) {
    lane.wire = nullptr;
    lane.frames.clear();
    lane.bytes = 0;
    lane.writable = lane.paused = false;
  }
  // An Up that nobody heard of needs no Down.
  if (!notices_.empty() && notices_.back().identity.has_value()) {
    notices_.pop_back();
  } else {
    notices_.push_back({std::nullopt, why});
  }
  changed_.notify_all();
}

void Delivery::Push(const WirePtr& wire, grpc::ByteBuffer frame) {
  {
    MutexLock lock(mutex_);
    LaneState& lane = state(wire->lane);
    if (lane.wire != wire) return;
    lane.bytes += frame.Length();
    lane.frames.push_back(std::move(frame));
    lane.paused = lane.bytes >= lane_bytes_;
    changed_.notify_all();
    if (lane.paused) return;
  }
  wire->Read();
}

void Delivery::Writable(Lane lane) {
  MutexLock lock(mutex_);
  if (state(lane).wire == nullptr) return;
  state(lane).writable = true;
  changed_.notify_all();
}

bool Delivery::paused(Lane lane) const {
  MutexLock lock(mutex_);
  return state(lane).paused;
}

size_t Delivery::bytes_held() const {
  MutexLock lock(mutex_);
  size_t sum = 0;
  for (const LaneState& lane : lanes_) sum += lane.bytes + lane.telling;
  return sum;
}

void Delivery::Run(Lane lane) {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (MayTellNotice(lane)) {
      TellNotice();
    } else if (HasWork(lane)) {
      Work(lane);
    } else {
      changed_.wait(lock);
    }
  }
}

bool Delivery::MayTellNotice(Lane lane) const {
  return lane == Lane::kLive && !notices_.empty() && !state(Lane::kBulk).busy;
}

void Delivery::TellNotice() {
  const Notice notice = std::move(notices_.front());
  // An empty one stays in its place, so that nothing else is told meanwhile, and that a Down that
  // comes now does not take this Up for one that nobody heard of.
  notices_.front() = Notice();
  mutex_.unlock();
  if (notice.identity.has_value()) {
    listener_.OnPeerUp(peer_, *notice.identity);
  } else {
    listener_.OnPeerDown(peer_, notice.why);
  }
  mutex_.lock();
  notices_.pop_front();
  changed_.notify_all();
}

bool Delivery::HasWork(Lane lane) const {
  return notices_.empty() && (state(lane).writable || !state(lane).frames.empty());
}

void Delivery::Work(Lane lane) {
  LaneState& my = state(lane);
  const bool writable = my.writable;
  my.writable = false;
  const WirePtr wire = my.wire;
  grpc::ByteBuffer frame;
  if (!my.frames.empty()) {
    frame = std::move(my.frames.front());
    my.frames.pop_front();
    my.telling = frame.Length();
    my.bytes -= my.telling;
  }
  const bool resume = my.paused && my.bytes < lane_bytes_;
  if (resume) my.paused = false;
  my.busy = true;
  mutex_.unlock();
  if (resume) wire->Read();
  if (writable) listener_.OnWritable(peer_, lane);
  if (frame.Valid()) TellFrame(lane, wire, std::move(frame));
  mutex_.lock();
  state(lane).busy = false;
  state(lane).telling = 0;
  if (!notices_.empty()) changed_.notify_all();
}

void Delivery::TellFrame(Lane lane, const WirePtr& wire, grpc::ByteBuffer frame) {
  thread_local internal::v1::StreamMessage message;
  Status status = ParseFrame(&frame, &message);
  frame.Clear();
  if (status.ok()) status = TellMessages(lane, &message);
  if (!status.ok()) wire->Close(status);
}

Status Delivery::TellMessages(Lane lane, internal::v1::StreamMessage* message) {
  for (internal::v1::SpaceMessage& space : *message->mutable_spaces()) {
    if (OnlyNewerKnow(space)) continue;
    Result<runtime::SpaceMessage> decoded = Decode(std::move(space));
    if (!decoded.ok()) return decoded.status();
    RETURN_IF_ERROR(Expand(&*decoded));
    if (Interrupted()) return OkStatus();
    listener_.OnMessage(peer_, lane, std::move(*decoded));
  }
  return OkStatus();
}

bool Delivery::Interrupted() const {
  MutexLock lock(mutex_);
  return stopping_ || !notices_.empty();
}

}  // namespace engram::rpc
