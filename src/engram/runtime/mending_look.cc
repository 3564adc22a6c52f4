// Looking at the files of a damaged log, with it open or closed, and opening it again.
#include <algorithm>

#include "engram/runtime/mending_case.h"
#include "engram/wal/names.h"
#include "engram/wal/tool.h"

namespace engram::runtime {

using cluster::Mender;

namespace {

constexpr Duration kOpenAgain = std::chrono::milliseconds(50);
constexpr Duration kLookAgain = std::chrono::seconds(1);
// A read that failed once is over when the log is opened again; what comes back is no such thing.
constexpr int kOpeningsMax = 3;

}  // namespace

// Of a log that was whole when it was opened.
std::optional<wal::EntryIdentity> MendingCase::EndOf(wal::Log& log) {
  const wal::Log::State state = log.state();
  if (!state.end_known || state.poisoned || log.durable_end() != log.end()) return std::nullopt;
  return log.end_identity();
}

std::optional<MendingCase::Facts> MendingCase::ReadFacts() {
  Facts facts;
  if (const std::shared_ptr<space::Space> space = registry_.FindOpen(space_)) {
    wal::Log& log = space->log();
    const wal::Log::State state = log.state();
    const wal::Log::Floors floors = log.floors();
    facts.open = true;
    facts.read_only = state.read_only;
    facts.why = state.why;
    facts.incarnation = log.incarnation();
    facts.history = log.history();
    facts.commit = log.committed_end();
    facts.floors = {floors.tombstone, floors.compaction};
    facts.end = EndOf(log);
    return facts;
  }
  const auto meta =
      wal::SpaceMetaFile::Open(*context_.fs, wal::MetaPath(directory_), /*writable=*/false);
  if (!meta.ok()) {
    MutexLock lock(mutex_);
    stuck_ = meta.status();
    return std::nullopt;
  }
  const wal::SpaceMeta& known = meta->meta();
  facts.incarnation = known.incarnation;
  facts.history = known.history;
  facts.commit = known.commit_hint.sequence;
  facts.floors = {known.tombstone_floor, known.compaction_floor};
  facts.end = wal::KnownEnd(*context_.fs, directory_);
  return facts;
}

Status MendingCase::LookAt(const Facts& facts, std::vector<Place>* found) {
  ASSIGN_OR_RETURN(const std::vector<Sequence> segments, wal::SegmentsOf(*context_.fs, directory_));
  for (const Sequence segment : segments) {
    if (!suspect_all_ && !suspects_.contains(segment)) continue;
    ASSIGN_OR_RETURN(const wal::SegmentCheck check,
                     wal::CheckSegment(*context_.fs, directory_, segment, facts.end,
                                       [this](uint64_t) { return !stopped_; }));
    for (const wal::Damage& damage : check.damage) {
      Place& place = found->emplace_back();
      place.damage = damage;
      place.since_wall_ns = context_.clock->WallNs();
    }
  }
  return OkStatus();
}

// The suspects stay suspects until nothing is found in them.
void MendingCase::Look() {
  ++question_;
  replacing_ = false;
  const std::optional<Facts> facts = ReadFacts();
  if (!facts.has_value()) return Complain("space.meta is unreadable");
  facts_ = *facts;
  std::vector<Place> found;
  if (const Status looked = LookAt(*facts, &found); !looked.ok()) {
    if (looked.reason() == Reason::SPACE_NOT_FOUND || stopped_) return;
    SetState("not mended yet: " + looked.message());
    Complain(looked.message());
    return PostAfter(kLookAgain, &MendingCase::Look);
  }
  if (context_.mutant == replication::Mutant::kMendGivesUp && !found.empty()) return GiveUp();
  NoteUnfit(*facts, found);
  SetPlaces(found);
  // It was written to until now: where it ends is known once it is not.
  if (!found.empty() && facts->open && !facts->read_only && !std::exchange(looked_again_, true)) {
    return Post(&MendingCase::Look);
  }
  Mender::Found bad{.bad = {}, .tombstone_floor = facts->floors.tombstone};
  asked_for_.clear();
  for (size_t i = 0; i < found.size(); ++i) {
    const wal::Damage& damage = found[i].damage;
    const bool hopeless = std::any_of(found.begin(), found.end(), [&](const Place& other) {
      return other.damage.segment == damage.segment && other.damage.open_end;
    });
    if (hopeless) continue;
    asked_for_.push_back(i);
    bad.bad.push_back({damage.first, damage.last});
  }
  if (found.empty()) return NothingFound(*facts);
  if (asked_for_.empty()) {
    return Complain(found.front().damage.file +
                    ": the end of the log is damaged, and nothing tells how many entries it had");
  }
  Take(bad);
}

// What rule 55 forbids, for those who want to see it noticed.
void MendingCase::GiveUp() {
  if (Appending()) return PostAfter(kOpenAgain, &MendingCase::Look);
  const Status given = registry_.WhileClosed(space_, [this](space::Space*) {
    return wal::Repair(*context_.fs, directory_, /*apply=*/true).status();
  });
  was_open_ = given.ok();
  suspects_.clear();
  End();
}

// From now on it is not promoted, and takes nothing.
void MendingCase::NoteUnfit(const Facts& facts, const std::vector<Place>& found) {
  if (found.empty()) return;
  const wal::Damage& damage = found.front().damage;
  if (!facts.read_only && !KnownDamage().has_value()) {  // else its log has told of it
    context_.report(
        space_, "corruption_found",
        damage.file + " at " + std::to_string(damage.offset) + ": " + damage.why.message());
  }
  if (context_.mutant == replication::Mutant::kDamagedStaysFit) return;
  const auto space = registry_.FindOpen(space_);
  if (space != nullptr && !facts.read_only) {
    space->log().NoteDamage(
        Status(Reason::CORRUPTION_DETECTED, damage.file + ": " + damage.why.message())
            .With("file", damage.file)
            .With("offset", damage.offset));
  }
  context_.unfit(space_);
}

// Either it was mended, or a read went wrong that goes right now: then the log, which trusts itself
// no more, is opened again.
void MendingCase::NothingFound(const Facts& facts) {
  const bool doubted = facts.open && facts.read_only;
  if (doubted && Appending()) return PostAfter(kOpenAgain, &MendingCase::Look);
  suspects_.clear();
  suspect_all_ = looked_again_ = false;
  if (!doubted) openings_ = 0;
  if (doubted && openings_ == kOpeningsMax) {
    Complain(facts.why.message());
    MutexLock lock(mutex_);
    stuck_ = facts.why;
    return;
  }
  if (doubted) {
    ++openings_;
    was_open_ = true;
    const Status closed = registry_.WhileClosed(space_, [](space::Space*) { return OkStatus(); });
    if (!closed.ok()) return;
  }
  if (mender_.idle()) return End();
  Take(Mender::Found{});
}

bool MendingCase::Appending() const {
  const std::shared_ptr<space::Space> space = registry_.FindOpen(space_);
  return space != nullptr && space->Appending();
}

// Whoever still uses what was closed keeps it from being opened.
void MendingCase::OpenAgain() {
  const auto opened = registry_.Get(space_);
  if (opened.ok() && (*opened)->NeedsReopening()) PostAfter(kOpenAgain, &MendingCase::OpenAgain);
}

}  // namespace engram::runtime
