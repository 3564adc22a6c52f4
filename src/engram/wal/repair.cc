// Repair: the good records of each damaged segment, copied verbatim, with a Hole for each run that
// is lost. Files are replaced whole: link the damaged one into quarantine, write the new one under
// a temporary name, sync, rename, sync the directory. Each step can be repeated.
#include <algorithm>

#include "engram/record/local.h"
#include "engram/wal/names.h"
#include "engram/wal/recovery.h"
#include "engram/wal/tool.h"
#include "engram/wal/walk.h"

namespace engram::wal {
namespace {

using record::EntryType;

std::string HoleRecord(Sequence first, Position last, uint32_t last_crc) {
  record::EntryHeader header;
  header.type = EntryType::kHole;
  std::string out;
  record::AppendEntry(&header, record::Encode(record::Hole{first, last, last_crc}), &out);
  return out;
}

// Collects, segment by segment, what a repaired one would hold.
class Repairer : public WalkVisitor {
 public:
  Repairer(env::FileSystem& fs, std::string directory, bool apply, RepairReport* report)
      : fs_(fs), directory_(std::move(directory)), apply_(apply), report_(*report) {}

  Status OnSegment(const WalkSegment& segment) override {
    if (!segment.head && !cluster_known_) {
      return Status(Reason::CORRUPTION_DETECTED,
                    "the head of the first segment is lost: nothing says whose log this is")
          .Suggest("fetch the space from another copy")
          .With("file", segment.path);
    }
    Sequence next = position_.sequence.next();
    if (segment.head) {
      header_ = segment.head->header;
      cluster_known_ = true;
      if (header_.first > next) RETURN_IF_ERROR(Bridge(next));
    } else {
      header_.first = segment.first;
      header_.previous = {position_.epoch, segment.first.prev()};
      header_.previous_crc = chain_;
    }
    position_ = header_.previous;
    chain_ = header_.previous_crc;
    bytes_ = EncodeSegmentHead(header_, 0);
    damaged_ = !segment.head;
    return OkStatus();
  }

  bool OnRecord(const WalkSegment&, const Record& record, const JoinState&) override {
    const Sequence first = FirstSequence(record);
    if (first.is_zero()) return true;
    damage_at_end_ = false;
    if (first > position_.sequence.next()) FillTo(first, record);
    char head[record::kHeaderSize];
    record::EntryHeader header = record.header;
    record::EncodeHeader(&header, head);
    bytes_.append(head, record::kHeaderSize);
    bytes_.append(record.payload);
    if (record.header.type == EntryType::kHole) {
      const auto hole = record::DecodeHole(record.payload);
      position_ = hole->last;
      chain_ = hole->last_crc;
    } else {
      ++report_.entries_kept;
      position_ = {record.header.epoch, record.header.sequence};
      chain_ = record.header.header_crc;
    }
    return true;
  }

  void OnDamage(const WalkSegment&, uint64_t, const Status&, const JoinState&) override {
    damaged_ = damage_at_end_ = true;
  }

  Status OnSegmentEnd(const WalkSegment& segment, uint64_t, const JoinState&) override {
    if (pending_ && damaged_pending_) RETURN_IF_ERROR(Replace(*pending_, pending_bytes_));
    pending_ = segment;
    pending_bytes_ = std::move(bytes_);
    pending_first_ = header_.first;
    damaged_pending_ = damaged_;
    return OkStatus();
  }

  // After the walk: the last segment.
  Status Finish() {
    if (!pending_ || !damaged_pending_) return OkStatus();
    report_.end_lost = damage_at_end_;
    return Replace(*pending_, pending_bytes_);
  }

  Position position() const { return position_; }
  uint32_t chain() const { return chain_; }
  const record::SegmentHeader& header() const { return header_; }

 private:
  // A run that is lost inside a segment. The chain of the entry behind it says what CRC the last
  // one had; of a Hole nothing says it, and nothing needs it.
  void FillTo(Sequence next, const Record& record) {
    const bool is_hole = record.header.type == EntryType::kHole;
    AppendHole(next, is_hole ? 0 : record.header.chain, &bytes_);
  }

  void AppendHole(Sequence next, uint32_t crc, std::string* bytes) {
    const Sequence first = position_.sequence.next();
    *bytes += HoleRecord(first, {position_.epoch, next.prev()}, crc);
    report_.entries_lost += next.value() - first.value();
    report_.steps.push_back("give up sequences " + ToString(first) + " to " +
                            ToString(next.prev()));
  }

  // The end of the segment before, or a whole file, is lost: a Hole up to this segment's first.
  Status Bridge(Sequence next) {
    if (pending_ && damaged_pending_) {
      AppendHole(header_.first, header_.previous_crc, &pending_bytes_);
      return OkStatus();
    }
    record::SegmentHeader missing = header_;
    missing.first = next;
    missing.previous = position_;
    missing.previous_crc = chain_;
    std::string bytes = EncodeSegmentHead(missing, 0);
    AppendHole(header_.first, header_.previous_crc, &bytes);
    const std::string path = SegmentPath(directory_, next);
    report_.steps.push_back("write " + path + ", which is missing");
    return apply_ ? env::ReplaceFile(fs_, path, bytes) : OkStatus();
  }

  Status Replace(const WalkSegment& segment, const std::string& bytes) {
    const std::string kept =
        env::JoinPath(QuarantineDirectory(directory_), "damaged-" + segment.name);
    report_.steps.push_back("keep the damaged file as " + kept);
    report_.steps.push_back("write " + segment.path + " anew, " + std::to_string(bytes.size()) +
                            " bytes");
    if (!apply_) return OkStatus();
    RETURN_IF_ERROR(fs_.CreateDirectories(QuarantineDirectory(directory_)));
    ASSIGN_OR_RETURN(const bool saved, fs_.Exists(kept));
    if (!saved) RETURN_IF_ERROR(fs_.HardLink(segment.path, kept));
    RETURN_IF_ERROR(fs_.SyncDirectory(QuarantineDirectory(directory_)));
    RETURN_IF_ERROR(fs_.Remove(IndexPath(directory_, segment.first)));
    return env::ReplaceFile(fs_, segment.path, bytes);
  }

  env::FileSystem& fs_;
  const std::string directory_;
  const bool apply_;
  RepairReport& report_;
  record::SegmentHeader header_;
  bool cluster_known_ = false;
  bool damaged_ = false;
  bool damage_at_end_ = false;
  std::string bytes_;
  Position position_;  // of the last entry kept or bridged
  uint32_t chain_ = 0;
  // The segment before: written only when it is known what follows it.
  std::optional<WalkSegment> pending_;
  std::string pending_bytes_;
  Sequence pending_first_;
  bool damaged_pending_ = false;
};

// space.meta must not know of more than there is, and must be readable.
Status RepairMeta(env::FileSystem& fs, const VerifyReport& found, const Repairer& repaired,
                  RepairReport* report, bool apply) {
  const std::string path = MetaPath(found.directory);
  auto file = SpaceMetaFile::Open(fs, path, apply);
  SpaceMeta meta;
  if (file.ok()) {
    meta = file->meta();
    const Position end = repaired.position();
    const bool knows_more = meta.commit_hint.sequence > end.sequence || meta.clean_end ||
                            (!meta.history.empty() && meta.history.back().first > end.sequence);
    if (!knows_more) return OkStatus();
    meta.clean_end.reset();
    meta.commit_hint = std::min(meta.commit_hint, end);
    std::erase_if(meta.history, [&](const EpochBegin& e) { return e.first > end.sequence; });
  } else {
    meta.incarnation = repaired.header().incarnation;
    meta.history = found.epochs;
    if (meta.history.size() > kHistoryMax) {
      meta.history.erase(meta.history.begin(), meta.history.end() - kHistoryMax);
    }
    meta.promised = found.epochs.empty() ? Epoch() : found.epochs.back().epoch;
  }
  report->steps.push_back("write " + path + (file.ok() ? "" : " anew: its promises are forgotten"));
  if (!apply) return OkStatus();
  if (file.ok()) return file->Write(meta);
  ASSIGN_OR_RETURN(auto made, SpaceMetaFile::Create(fs, path + ".tmp", meta));
  RETURN_IF_ERROR(fs.Rename(path + ".tmp", path));
  return fs.SyncDirectory(found.directory);
}

}  // namespace

Result<RepairReport> Repair(env::FileSystem& fs, const std::string& directory, bool apply) {
  RepairReport report;
  ASSIGN_OR_RETURN(const VerifyReport found, Verify(fs, directory));
  if (found.good()) {
    report.entries_kept = found.entries;
    return report;
  }
  for (const DamageReport& damage : found.damage) {
    if (damage.verdict.starts_with("misplaced")) {
      return Status(Reason::PERSISTENCE, damage.file + " is " + damage.what)
          .Suggest("move it back to where it came from; repair does not touch it")
          .With("file", damage.file);
    }
  }
  Repairer repairer(fs, directory, apply, &report);
  RETURN_IF_ERROR(Walk(fs, directory, &repairer));
  RETURN_IF_ERROR(repairer.Finish());
  RETURN_IF_ERROR(RepairMeta(fs, found, repairer, &report, apply));
  report.applied = apply;
  if (!apply) return report;
  ASSIGN_OR_RETURN(const VerifyReport after, Verify(fs, directory));
  if (after.good()) return report;
  return Status(Reason::CORRUPTION_DETECTED,
                "still damaged after the repair: " + after.damage.front().what)
      .Suggest("fetch the space from another copy; the damaged files are in quarantine")
      .With("file", after.damage.front().file)
      .With("offset", after.damage.front().offset);
}

}  // namespace engram::wal
