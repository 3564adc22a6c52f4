#include "engram/wal/disk_gate.h"

#include "engram/internal/v1/log.pb.h"

namespace engram::wal {
namespace {

constexpr uint64_t kAskEveryBytes = 1u << 20;
constexpr int64_t kAskEveryNs = 100'000'000;

}  // namespace

Status DiskGate::Full(uint64_t free) {
  full_ = true;
  return Status(Reason::DISK_FULL,
                "the disk of the log has " + std::to_string(free) + " bytes left")
      .Expected("more than " + std::to_string(options_.min_free_bytes))
      .Suggest("free some space; writes resume by themselves, deletes and reads go on")
      .With("path", options_.directory)
      .With("free_bytes", free);
}

Status DiskGate::Admit(uint64_t bytes, bool frees_space, int64_t now_ns) {
  const int64_t age = now_ns - asked_ns_;
  if (!known_ || full_ || admitted_ >= kAskEveryBytes || age > kAskEveryNs || age < 0) {
    ASSIGN_OR_RETURN(const env::DiskSpace space, options_.fs->Space(options_.directory));
    known_ = true;
    free_ = space.free_bytes;
    admitted_ = 0;
    asked_ns_ = now_ns;
  }
  const uint64_t reserve = std::min(options_.reserve_bytes, options_.min_free_bytes);
  const uint64_t untouchable = options_.min_free_bytes - (frees_space ? reserve : 0);
  if (free_ < untouchable + admitted_ + bytes) return Full(free_ - std::min(free_, admitted_));
  if (!frees_space) full_ = false;
  admitted_ += bytes;
  return OkStatus();
}

Status DiskGate::Refused(const Status& why) {
  full_ = true;
  return why.Annotate("the log cannot grow");
}

bool FreesSpace(const Draft& draft) {
  switch (draft.type) {
    case record::EntryType::kMemoryDelete:
    case record::EntryType::kEpochStart:
    case record::EntryType::kSpaceSettings:
    case record::EntryType::kCheckpoint:
      return true;
    case record::EntryType::kMemoryUpdate:
      break;
    default:
      return false;
  }
  internal::v1::UpdateRecord update;
  return update.ParseFromString(draft.payload) && update.has_state() && update.state().suppressed();
}

}  // namespace engram::wal
