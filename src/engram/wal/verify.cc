#include <algorithm>

#include "engram/record/local.h"
#include "engram/wal/names.h"
#include "engram/wal/recovery.h"
#include "engram/wal/tool.h"
#include "engram/wal/walk.h"

namespace engram::wal {
namespace {

using record::EntryType;

std::string Verdict(const WalkSegment& segment) {
  return segment.last ? "damage before an offset that a mark says was synced, not a torn end: "
                        "nothing is cut"
                      : "damage inside a sealed segment, not a torn end: nothing is cut";
}

class Verifier : public WalkVisitor {
 public:
  explicit Verifier(VerifyReport* report) : report_(*report) {}

  Status OnSegment(const WalkSegment& segment) override {
    report_.segments.push_back({segment.name, segment.first, segment.first.prev(), 0, 0, 0});
    if (!segment.head) return OkStatus();
    const record::SegmentHeader& header = segment.head->header;
    if (report_.space.empty()) {
      report_.space = header.space;
      report_.cluster = header.cluster;
      report_.incarnation = header.incarnation;
    } else if (header.space != report_.space || header.cluster != report_.cluster ||
               header.incarnation != report_.incarnation) {
      DamageReport misplaced;
      misplaced.file = segment.path;
      misplaced.sequence = segment.first;
      misplaced.what =
          "a segment of space '" + header.space + "', cluster '" + header.cluster + "'";
      misplaced.verdict = "misplaced: the space is not opened until it is moved back";
      report_.damage.push_back(std::move(misplaced));
    }
    return OkStatus();
  }

  bool OnRecord(const WalkSegment&, const Record& record, const JoinState&) override {
    const Sequence first = FirstSequence(record);
    if (first.is_zero()) return true;
    SegmentReport& segment = report_.segments.back();
    Behind(first, record.offset);
    if (record.header.type == EntryType::kHole) {
      ++segment.holes;
      ++report_.holes;
      const auto hole = record::DecodeHole(record.payload);
      report_.last = segment.last = hole.ok() ? hole->last.sequence : first;
      return true;
    }
    ++segment.entries;
    if (report_.entries++ == 0) report_.first = first;
    report_.last = segment.last = first;
    if (record.header.type == EntryType::kEpochStart) {
      report_.epochs.push_back({record.header.epoch, first});
    }
    return true;
  }

  void OnDamage(const WalkSegment& segment, uint64_t offset, const Status& why,
                const JoinState& join) override {
    DamageReport damage;
    damage.file = segment.path;
    damage.offset = offset;
    damage.sequence = join.next;
    damage.what = why.message();
    const auto fact = [&](const char* key) {
      const auto it = why.metadata().find(key);
      return it == why.metadata().end() ? std::string() : it->second;
    };
    damage.expected = fact("expected");
    damage.actual = fact("actual");
    damage.good_before = report_.entries;
    damage.verdict = Verdict(segment);
    report_.damage.push_back(std::move(damage));
  }

  void OnTorn(const WalkSegment&, uint64_t, uint64_t bytes) override { report_.torn_bytes = bytes; }

  Status OnSegmentEnd(const WalkSegment&, uint64_t end, const JoinState&) override {
    report_.segments.back().bytes = end;
    report_.bytes += end;
    return OkStatus();
  }

 private:
  // An entry behind the newest damage.
  void Behind(Sequence sequence, uint64_t offset) {
    if (report_.damage.empty()) return;
    DamageReport& damage = report_.damage.back();
    if (!damage.next_sequence) {
      damage.next_sequence = sequence;
      damage.next_offset = offset;
    }
    ++damage.good_after;
  }

  VerifyReport& report_;
};

void AddMetaDamage(const std::string& path, const Status& why, VerifyReport* report) {
  DamageReport damage;
  damage.file = path;
  damage.what = why.message();
  damage.good_before = report->entries;
  damage.verdict = "this copy may be read, but takes no writes until it is repaired";
  report->damage.push_back(std::move(damage));
}

// What space.meta knows: nothing of it may be missing.
Status CheckMeta(env::FileSystem& fs, VerifyReport* report) {
  const std::string path = MetaPath(report->directory);
  const auto file = SpaceMetaFile::Open(fs, path, false);
  if (!file.ok()) {
    const Reason reason = file.status().reason();
    if (reason == Reason::UNSUPPORTED_VERSION) return file.status();
    AddMetaDamage(path, file.status(), report);
    return OkStatus();
  }
  const SpaceMeta& meta = file->meta();
  report->clean = meta.clean_end.has_value();
  if (meta.incarnation != report->incarnation && !report->space.empty()) {
    AddMetaDamage(path, Status(Reason::PERSISTENCE, "space.meta is of another incarnation"),
                  report);
  }
  Sequence known = meta.commit_hint.sequence;
  if (meta.clean_end) known = std::max(known, meta.clean_end->last.sequence);
  if (known > report->last && report->damage.empty()) {
    AddMetaDamage(
        report->segments.back().name,
        Status(Reason::CORRUPTION_DETECTED, "the log ends with sequence " + ToString(report->last) +
                                                ", space.meta knows of " + ToString(known)),
        report);
  }
  return OkStatus();
}

}  // namespace

Result<VerifyReport> Verify(env::FileSystem& fs, const std::string& directory) {
  VerifyReport report;
  report.directory = directory;
  Verifier verifier(&report);
  RETURN_IF_ERROR(Walk(fs, directory, &verifier));
  RETURN_IF_ERROR(CheckMeta(fs, &report));
  return report;
}

}  // namespace engram::wal
