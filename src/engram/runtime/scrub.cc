#include "engram/runtime/scrub.h"

#include <algorithm>

#include "engram/wal/names.h"

namespace engram::runtime {
namespace {

constexpr Duration kFirstPass = std::chrono::minutes(1);
constexpr uint64_t kPartBytes = 64u << 20;  // of CheckPart

Status NoSuchSpace(const std::string& space) {
  return Status(Reason::SPACE_NOT_FOUND, "There is no space '" + space + "' on this node.")
      .Suggest("engram space list shows the spaces")
      .With("space", space);
}

}  // namespace

Scrub::Scrub(const ScrubOptions& options, const MendingContext& files, Mending& mending,
             space::Registry& registry, bool may_wait)
    : options_(options),
      fs_(*files.fs),
      clock_(*files.clock),
      executor_(*files.executor),
      spaces_directory_(files.spaces_directory),
      mending_(mending),
      registry_(registry),
      may_wait_(may_wait) {}

Scrub::~Scrub() {
  Stop();
}

void Scrub::Start() {
  if (options_.rate == 0) return;
  const Duration first = std::min(options_.every, kFirstPass);
  pass_began_ = clock_.Now() - (options_.every - first);
  MutexLock lock(mutex_);
  PostStep(first, /*resting=*/true);
}

void Scrub::Stop() {
  stopped_ = true;
  MutexLock lock(mutex_);
  changed_.notify_all();
}

void Scrub::Soon(const std::string& space) {
  MutexLock lock(mutex_);
  if (stopped_ || options_.rate == 0) return;
  if (std::find(soon_.begin(), soon_.end(), space) == soon_.end()) soon_.push_back(space);
  if (resting_) PostStep(Duration(), /*resting=*/false);
}

void Scrub::PostStep(Duration delay, bool resting) {
  resting_ = resting;
  const uint64_t turn = ++turn_;
  executor_.PostAfter(delay, [this, turn] {
    if (!stopped_) Step(turn);
  });
}

void Scrub::Step(uint64_t turn) {
  {
    MutexLock lock(mutex_);
    if (turn != turn_) return;
    resting_ = false;
  }
  if (left_.empty() && !Choose()) {
    const Duration rest = pass_began_ + options_.every - clock_.Now();
    MutexLock lock(mutex_);
    const bool asked = !soon_.empty();
    return PostStep(asked ? Duration() : std::max(rest, Duration()), !asked);
  }
  if (!left_.empty()) {
    const Sequence segment = left_.back();
    left_.pop_back();
    CheckSealed(segment);
  }
  const Duration wait = TimeOf(std::exchange(owed_, 0));
  MutexLock lock(mutex_);
  PostStep(wait, /*resting=*/false);
}

// What was asked for first; then the pass, when it is its time.
bool Scrub::Choose() {
  bool asked = false;
  {
    MutexLock lock(mutex_);
    if (asked = !soon_.empty(); asked) {
      space_ = soon_.front();
      soon_.erase(soon_.begin());
    }
  }
  if (!asked) {
    if (after_.empty()) {
      if (clock_.Now() < pass_began_ + options_.every) return false;
      pass_began_ = clock_.Now();
    }
    const std::vector<std::string> next = registry_.Ids("", after_, 1);
    if (next.empty()) return after_.clear(), false;
    space_ = after_ = next.front();
  }
  auto segments = wal::SegmentsOf(fs_, DirectoryOf(space_));
  if (!segments.ok()) return true;  // it is gone meanwhile
  left_.assign(segments->rbegin() + 1, segments->rend());
  return true;
}

void Scrub::CheckSealed(Sequence segment) {
  if (mending_.Busy(space_)) return;
  uint64_t told = 0;
  const auto check = CheckTwice(space_, segment, [this, &told](uint64_t bytes) {
    told += bytes;
    return Pace(bytes);
  });
  if (check.ok() && check->bytes > told) (void)Pace(check->bytes - told);
  // Whatever was removed, or cut to be the last one, is no business of scrubbing any more.
  if (!check.ok() || check->damage.empty() || check->next.is_zero()) return;
  mending_.Tell(space_, Status(Reason::CORRUPTION_DETECTED, "found by scrubbing")
                            .With("file", check->damage.front().file));
}

// A rewind may cut what is being read.
Result<wal::SegmentCheck> Scrub::CheckTwice(const std::string& space, Sequence segment,
                                            const std::function<bool(uint64_t)>& pace) {
  const std::string directory = DirectoryOf(space);
  const auto end = wal::KnownEnd(fs_, directory);
  auto check = wal::CheckSegment(fs_, directory, segment, end, pace);
  if (!check.ok() || check->damage.empty()) return check;
  return wal::CheckSegment(fs_, directory, segment, end, pace);
}

Duration Scrub::TimeOf(uint64_t bytes) const {
  if (options_.rate == 0) return Duration();
  return Duration(
      static_cast<int64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(options_.rate)));
}

bool Scrub::Pace(uint64_t bytes) {
  bytes_ += bytes;
  owed_ += bytes;
  if (may_wait_) {
    MutexLock lock(mutex_);
    changed_.wait_for(lock, TimeOf(std::exchange(owed_, 0)), [this] { return stopped_.load(); });
  }
  return !stopped_;
}

Result<CheckedPart> Scrub::CheckPart(const std::string& space, Sequence from) {
  if (!registry_.Exists(space)) return NoSuchSpace(space);
  const std::string directory = DirectoryOf(space);
  ASSIGN_OR_RETURN(const std::vector<Sequence> segments, wal::SegmentsOf(fs_, directory));
  CheckedPart part;
  for (const Sequence segment : segments) {
    ASSIGN_OR_RETURN(const auto file,
                     fs_.Open(wal::SegmentPath(directory, segment), env::OpenMode::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    part.bytes_total += size;
    if (segment < from) continue;
    if (part.bytes >= kPartBytes) {
      if (part.next.is_zero()) part.next = segment;
      continue;
    }
    ASSIGN_OR_RETURN(const wal::SegmentCheck check,
                     CheckTwice(space, segment, [this](uint64_t) { return !stopped_; }));
    ++part.segments;
    part.bytes += size;
    part.last = check.last;
    if (check.last >= check.first) part.entries += check.last.value() + 1 - check.first.value();
    for (const wal::Damage& damage : check.damage) {
      part.damage.push_back({wal::SegmentName(segment),
                             damage.offset,
                             damage.first,
                             damage.last,
                             damage.why.message(),
                             clock_.WallNs(),
                             {}});
    }
    if (check.damage.empty()) continue;
    mending_.Tell(space, Status(Reason::CORRUPTION_DETECTED, "found by verifying")
                             .With("file", check.damage.front().file));
  }
  return part;
}

}  // namespace engram::runtime
