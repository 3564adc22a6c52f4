#include "engram/rpc/link.h"

#include <vector>

#include "engram/obs/log.h"

namespace engram::rpc {
namespace {

constexpr size_t kFrameBytes = 1 << 20;

}  // namespace

void Link::Attach(const WirePtr& wire, record::CompressionSet readable) {
  MutexLock lock(mutex_);
  readable_ = readable;
  wire_ = wire;
  began_ = options_.clock->Now();
}

void Link::Detach() {
  MutexLock lock(mutex_);
  wire_ = nullptr;
  waiting_.clear();
  turns_.clear();
  bytes_ = writing_ = 0;
  busy_ = refused_ = false;
}

std::shared_ptr<const std::string> Link::Shrink(
    const std::shared_ptr<const std::string>& batch) const {
  if (batch == nullptr || record::CompressionOf(*batch) != record::Compression::kNone) return batch;
  std::optional<std::string> smaller =
      record::CompressBatch(*batch, record::Choose(options_.compression, readable_, *batch));
  if (!smaller.has_value()) return batch;
  return std::make_shared<const std::string>(*std::move(smaller));
}

bool Link::Send(const runtime::SpaceMessage& message) {
  {
    MutexLock lock(mutex_);
    if (wire_ == nullptr) return false;
    if (bytes_ >= options_.queue_bytes) {
      refused_ = true;
      return false;
    }
  }
  const std::shared_ptr<const std::string> batch = BatchOf(message);
  Parcel parcel = MakeParcel(message, Shrink(batch));
  const size_t size = parcel.bytes();
  if (size > options_.message_bytes) {
    obs::Log(obs::Level::kError, "replication_message_too_large",
             {{"space", message.space}, {"bytes", size}, {"limit", options_.message_bytes}});
    return true;
  }
  MutexLock lock(mutex_);
  if (wire_ == nullptr) return false;
  if (!HasRoom(message.space, size)) {
    refused_ = true;
    return false;
  }
  bytes_ += size;
  if (batch != nullptr) {
    bytes_raw_ += batch->size();
    bytes_sent_ += parcel.batch->size();
  }
  Queue(message.space, std::move(parcel));
  if (!busy_) Pump();
  return true;
}

void Link::OnWritten(const WirePtr& wire) {
  bool room = false;
  {
    MutexLock lock(mutex_);
    if (wire_ != wire) return;
    bytes_ -= writing_;
    writing_ = 0;
    busy_ = false;
    room = refused_ && bytes_ <= options_.queue_bytes / 2;
    if (room) refused_ = false;
    Pump();
  }
  if (room) writable_();
}

void Link::Heartbeat(Instant now, Duration every) {
  MutexLock lock(mutex_);
  if (wire_ == nullptr || busy_ || now - began_ < every) return;
  pb::StreamMessage message;
  message.mutable_heartbeat();
  Write(FrameOf(message), 0);
}

bool Link::Stuck(Instant now, Duration limit) const {
  MutexLock lock(mutex_);
  return wire_ != nullptr && busy_ &&
         now - began_ > limit + std::chrono::seconds(writing_ / kFrameBytes);
}

// A single message always finds room in an empty queue, and one of each space in its share.
bool Link::HasRoom(const std::string& space, size_t bytes) const {
  if (bytes_ > 0 && bytes_ + bytes > options_.queue_bytes) return false;
  const auto it = waiting_.find(space);
  return it == waiting_.end() || it->second.bytes + bytes <= options_.queue_bytes / 2;
}

void Link::Queue(const std::string& space, Parcel parcel) {
  const auto [it, fresh] = waiting_.try_emplace(space);
  if (fresh) turns_.push_back(space);
  it->second.bytes += parcel.bytes();
  it->second.parcels.push_back(std::move(parcel));
}

Parcel Link::TakeNext() {
  const auto it = waiting_.find(turns_.front());
  Waiting& waiting = it->second;
  Parcel parcel = std::move(waiting.parcels.front());
  waiting.parcels.pop_front();
  waiting.bytes -= parcel.bytes();
  if (waiting.parcels.empty()) {
    waiting_.erase(it);
  } else {
    turns_.push_back(std::move(turns_.front()));
  }
  turns_.pop_front();
  return parcel;
}

void Link::Pump() {
  std::vector<Parcel> parcels;
  size_t bytes = 0;
  while (!turns_.empty()) {
    const size_t next = waiting_.at(turns_.front()).parcels.front().bytes();
    if (bytes > 0 && bytes + next > kFrameBytes) break;
    bytes += next;
    parcels.push_back(TakeNext());
  }
  if (!parcels.empty()) Write(FrameOf(parcels), bytes);
}

void Link::Write(grpc::ByteBuffer frame, size_t bytes) {
  busy_ = true;
  writing_ = bytes;
  began_ = options_.clock->Now();
  wire_->Write(std::move(frame));
}

}  // namespace engram::rpc
