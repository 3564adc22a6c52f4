#include "engram/runtime/mending_case.h"

#include <algorithm>
#include <utility>

#include "engram/runtime/fetched.h"
#include "engram/wal/names.h"

namespace engram::runtime {

using cluster::Mender;
using replication::EntryRange;

namespace {

constexpr Duration kTickEvery = std::chrono::milliseconds(500);
constexpr Duration kReplaceAgain = std::chrono::milliseconds(5);
// Beside the bytes of the damaged file: records that a longer range brings along.
constexpr uint64_t kBytesBeside = 32u << 20;

cluster::MendOptions OptionsOf(const MendingContext& context) {
  return {.nodes = std::max<size_t>(1, context.nodes.size()),
          .me = context.me,
          .mutant = context.mutant};
}

std::string Entries(Sequence first, Sequence last) {
  if (last < first) return "bytes of its own";
  if (first == last) return "entry " + ToString(first);
  return "entries " + ToString(first) + " to " + ToString(last);
}

}  // namespace

MendingCase::MendingCase(const MendingContext& context, space::Registry& registry,
                         std::string space)
    : context_(context),
      registry_(registry),
      space_(std::move(space)),
      directory_(env::JoinPath(context.spaces_directory, space_)),
      strand_(std::make_shared<Strand>(*context.executor)),
      mender_(OptionsOf(context)) {
  for (size_t peer = 0; peer < context_.nodes.size(); ++peer) {
    if (peer == context_.me || !context_.connected(peer)) continue;
    (void)mender_.Step(context_.clock->Now(), Mender::PeerUp{peer});
  }
}

void MendingCase::Post(void (MendingCase::*work)()) {
  strand_->Post([self = shared_from_this(), work] {
    if (!self->stopped_) (self.get()->*work)();
  });
}

void MendingCase::PostAfter(Duration delay, void (MendingCase::*work)()) {
  context_.executor->PostAfter(delay, [weak = weak_from_this(), work] {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) self->Post(work);
  });
}

void MendingCase::Tell(const Status& why) {
  std::optional<Sequence> segment;
  if (const auto file = why.metadata().find("file"); file != why.metadata().end()) {
    segment = wal::ParseSegmentName(file->second.substr(file->second.rfind('/') + 1));
  }
  busy_ = true;
  strand_->Post([self = shared_from_this(), segment] {
    if (self->stopped_) return;
    // A log that is opened again and again tells of the same damage again and again.
    const bool known =
        segment.has_value() ? self->suspects_.contains(*segment) : self->suspect_all_;
    if (known && !self->mender_.idle()) return;
    if (segment.has_value()) {
      self->suspects_.insert(*segment);
    } else {
      self->suspect_all_ = true;
    }
    self->Look();
  });
}

void MendingCase::OnPeer(size_t peer, bool up) {
  strand_->Post([self = shared_from_this(), peer, up] {
    if (self->stopped_) return;
    up ? self->Take(Mender::PeerUp{peer}) : self->Take(Mender::PeerDown{peer});
  });
}

void MendingCase::Take(const Mender::Event& event) {
  const Mender::Effects effects = mender_.Step(context_.clock->Now(), event);
  if (!mender_.idle()) SetState(mender_.Describe());
  if (effects.alarm.has_value()) Complain(*effects.alarm);
  if (effects.ask.has_value()) return AskFor(*effects.ask);
  if (effects.replace) {
    replacing_ = true;
    return Replace();
  }
  if (effects.look) return Look();
  if (effects.done) return End();
  // Somebody who comes up is asked at once; time alone helps only where there is somebody.
  if (!mender_.idle() && context_.nodes.size() > 1 && !ticking_) {
    ticking_ = true;
    PostAfter(kTickEvery, &MendingCase::Tick);
  }
}

void MendingCase::Tick() {
  ticking_ = false;
  if (!mender_.idle()) Take(Mender::Tick{});
}

void MendingCase::AskFor(const Mender::Ask& ask) {
  const uint64_t question = ++question_;
  uint64_t bytes = kBytesBeside;
  {
    MutexLock lock(mutex_);
    const auto file =
        context_.fs->Open(places_[asked_for_[ask.index]].damage.file, env::OpenMode::kRead);
    if (file.ok()) {
      if (const auto size = (*file)->Size(); size.ok()) bytes += *size;
    }
  }
  const FetchCall call{space_, facts_.incarnation, ask.range.first, ask.range.last};
  context_.fetch(ask.peer, call, bytes,
                 [weak = weak_from_this(), question, ask](Result<FetchAnswer> answer) {
                   const auto self = weak.lock();
                   if (self == nullptr || self->stopped_) return;
                   self->strand_->Post([self, question, ask, answer = std::move(answer)]() mutable {
                     if (!self->stopped_) self->OnAnswer(question, ask, std::move(answer));
                   });
                 });
}

void MendingCase::OnAnswer(uint64_t question, const Mender::Ask& ask, Result<FetchAnswer> answer) {
  if (question != question_) return;
  std::string why;
  if (!answer.ok()) {
    why = answer.status().message();
  } else {
    why = TakeAnswer(ask, *std::move(answer));
    if (!why.empty()) why = Giver(ask.peer) + ": " + why;
  }
  Take(Mender::Answered{ask.peer, why.empty(), why});
}

// Why not; empty when it was taken.
std::string MendingCase::TakeAnswer(const Mender::Ask& ask, FetchAnswer answer) {
  const Result<Fetched> fetched = CheckFetched(answer.records, ask.range);
  if (!fetched.ok()) return fetched.status().message();
  const replication::DamagedLog own{facts_.history, facts_.commit, facts_.floors};
  std::string why =
      replication::WhyNotTaken(own, answer.floors, ask.range, fetched->holes, context_.mutant);
  if (!why.empty()) return why;
  MutexLock lock(mutex_);
  Place& place = places_[asked_for_[ask.index]];
  place.patch = wal::Patch{ask.range.first, fetched->last, std::move(answer.records)};
  place.floors = answer.floors;
  place.holes = fetched->holes;
  place.giver = Giver(ask.peer);
  return "";
}

void MendingCase::Replace() {
  if (!replacing_) return;
  if (Appending()) return PostAfter(kReplaceAgain, &MendingCase::Replace);
  replacing_ = false;
  const Status status =
      registry_.WhileClosed(space_, [this](space::Space* closed) { return WriteAnew(closed); });
  if (!status.ok() && status.reason() == Reason::SPACE_NOT_FOUND) return End();
  if (status.ok()) return Look();
  // What tells of a lost head is the segment before it, which may be damaged and not known to be.
  if (status.reason() == Reason::CORRUPTION_DETECTED && !std::exchange(suspect_all_, true)) {
    return Look();
  }
  Take(Mender::NotReplaced{status.message()});
  OpenAgain();
}

// Nobody has the log open meanwhile.
Status MendingCase::WriteAnew(space::Space* closed) {
  was_open_ = was_open_ || closed != nullptr;
  if (closed != nullptr) facts_.end = EndOf(closed->log());
  if (!facts_.end.has_value()) facts_.end = wal::KnownEnd(*context_.fs, directory_);
  std::map<Sequence, wal::MendRequest> requests;
  wal::Log::Floors floors;
  {
    MutexLock lock(mutex_);
    for (const size_t index : asked_for_) {
      const Place& place = places_[index];
      wal::MendRequest& request = requests[place.damage.segment];
      request.segment = place.damage.segment;
      request.end = facts_.end;
      request.commit = facts_.commit;
      if (!place.patch.has_value()) continue;
      request.patches.push_back(*place.patch);
      const replication::Floors raised = replication::FloorsAfter(
          {floors.tombstone, floors.compaction}, place.floors, place.holes);
      floors.tombstone = raised.tombstone;
      floors.compaction = raised.compaction;
    }
  }
  RETURN_IF_ERROR(wal::RaiseFloors(*context_.fs, directory_, floors));
  for (const auto& [segment, request] : requests) {
    const Status written =
        wal::MendSegment(*context_.fs, *context_.clock, *context_.entropy, directory_, request);
    if (!written.ok()) return written.Annotate(wal::SegmentName(segment));
  }
  wrote_ = true;
  TellMended();
  // Whoever opens the log now opens a good one.
  SetPlaces({});
  return OkStatus();
}

void MendingCase::TellMended() {
  std::vector<std::string> lines;
  {
    MutexLock lock(mutex_);
    for (const size_t index : asked_for_) {
      const Place& place = places_[index];
      const wal::Damage& damage = place.damage;
      if (place.patch) mended_entries_ += damage.last.value() + 1 - damage.first.value();
      lines.push_back(Entries(damage.first, damage.last) + " of " +
                      wal::SegmentName(damage.segment) +
                      (place.giver.empty() ? "" : ", fetched from " + place.giver));
    }
  }
  for (const std::string& line : lines) context_.report(space_, "mended", line);
}

// Nothing is damaged, as far as it was looked at.
void MendingCase::End() {
  SetPlaces({});
  SetState("");
  ++question_;
  {
    MutexLock lock(mutex_);
    stuck_.reset();
  }
  complaint_.clear();
  if (std::exchange(was_open_, false)) OpenAgain();
  busy_ = false;
  if (std::exchange(wrote_, false)) context_.mended(space_);
}

// The same is told once.
void MendingCase::Complain(const std::string& what) {
  if (std::exchange(complaint_, what) != what) context_.report(space_, "not_mended", what);
}

void MendingCase::SetPlaces(std::vector<Place> places) {
  MutexLock lock(mutex_);
  for (Place& place : places) {
    for (const Place& known : places_) {
      if (known.damage.segment == place.damage.segment && known.damage.first == place.damage.first)
        place.since_wall_ns = known.since_wall_ns;
    }
  }
  places_ = std::move(places);
}

void MendingCase::SetState(std::string state) {
  MutexLock lock(mutex_);
  state_ = std::move(state);
}

std::optional<Status> MendingCase::KnownDamage() const {
  MutexLock lock(mutex_);
  if (places_.empty()) return std::nullopt;
  const wal::Damage& damage = places_.front().damage;
  return Status(Reason::CORRUPTION_DETECTED,
                damage.file + " at " + std::to_string(damage.offset) + ": " + damage.why.message())
      .Suggest("it is mended from another copy, if there is one; see engram cluster explain")
      .With("file", damage.file)
      .With("offset", damage.offset)
      .With("sequence", damage.first.value());
}

std::vector<DamagedRange> MendingCase::Describe() const {
  std::vector<DamagedRange> all;
  MutexLock lock(mutex_);
  for (const Place& place : places_) {
    const wal::Damage& damage = place.damage;
    all.push_back({wal::SegmentName(damage.segment), damage.offset, damage.first, damage.last,
                   damage.why.message(), place.since_wall_ns,
                   damage.open_end ? "nothing tells how many entries were there; begin this copy "
                                     "again with an empty directory"
                                   : state_});
  }
  if (all.empty() && stuck_.has_value()) {
    DamagedRange& range = all.emplace_back();
    const auto file = stuck_->metadata().find("file");
    if (file != stuck_->metadata().end()) {
      range.file = file->second.substr(file->second.rfind('/') + 1);
    }
    range.first = Sequence(1);
    range.why = stuck_->message();
    range.state = "cannot be mended by itself; begin this copy again with an empty directory";
  }
  return all;
}

}  // namespace engram::runtime
