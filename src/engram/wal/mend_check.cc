// Finding damage: one segment at a time, with what the segments beside it say about its borders.
#include <algorithm>

#include "engram/record/local.h"
#include "engram/wal/mend.h"
#include "engram/wal/names.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

using record::EntryType;
using Pace = std::function<bool(uint64_t)>;

// Tells of the bytes that go through it.
class PacedSource : public FileSource {
 public:
  PacedSource(env::File& file, uint64_t size, const Pace& pace)
      : FileSource(file, size), pace_(pace) {}
  Result<ByteView> View(uint64_t offset, size_t size) override {
    const uint64_t end = offset + size;
    if (pace_ && end > told_ + kStep) {
      if (!pace_(end - told_)) return Status(Reason::SHUTTING_DOWN, "the check was ended");
      told_ = end;
    }
    return FileSource::View(offset, size);
  }

 private:
  static constexpr uint64_t kStep = 256u << 10;
  const Pace& pace_;
  uint64_t told_ = 0;
};

class Checker {
 public:
  Checker(std::string path, FileSource& source, bool last, SegmentCheck* check)
      : path_(std::move(path)), source_(source), last_(last), check_(*check) {}

  Status Run(const Result<SegmentHead>& head);
  // Entries up to the one before `next` have to be there, the last with this CRC.
  void Border(Sequence next, std::optional<uint32_t> crc);

 private:
  Result<bool> IsEnd(const ReadOutcome& outcome);
  // False: nothing good is left.
  Result<bool> StepOver(const ReadOutcome& bad, const Status& why);
  bool Continues(const Record& record, const JoinState& expected) const;
  void Note(Sequence first, Sequence last, const Status& why);

  const std::string path_;
  FileSource& source_;
  const bool last_;
  SegmentCheck& check_;
  std::optional<uint64_t> nonce_;
  JoinState join_;
  uint64_t offset_ = 0;
};

// Places that follow one upon another are one.
void Checker::Note(Sequence first, Sequence last, const Status& why) {
  std::vector<Damage>& all = check_.damage;
  const bool goes_on = !all.empty() && all.back().last >= all.back().first && first <= last &&
                       all.back().last.next() == first;
  if (goes_on) {
    all.back().last = last;
  } else {
    all.push_back({check_.first, path_, offset_, first, last, why});
  }
}

Status Checker::Run(const Result<SegmentHead>& head) {
  bool more = true;
  if (head.ok()) {
    nonce_ = head->header.nonce;
    join_ = {head->header.first, true, head->header.previous_crc, head->header.previous.epoch};
    offset_ = head->size;
  } else {
    join_ = {check_.first, false, 0, Epoch()};
    ASSIGN_OR_RETURN(more, StepOver(ReadOutcome(), head.status()));
  }
  while (more) {
    ASSIGN_OR_RETURN(const ReadOutcome outcome, ReadRecord(source_, offset_));
    Status why = outcome.why;
    if (outcome.kind == ReadOutcome::Kind::kRecord) {
      why = Join(outcome.record, &join_);
      if (why.ok()) {
        offset_ = outcome.record.end();
        continue;
      }
    }
    if (!why.ok() && why.reason() == Reason::UNSUPPORTED_VERSION) return why.Annotate(path_);
    ASSIGN_OR_RETURN(const bool end, IsEnd(outcome));
    if (end) break;
    if (why.ok()) why = Status(Reason::CORRUPTION_DETECTED, "zeros where entries were written");
    ASSIGN_OR_RETURN(more, StepOver(outcome, why));
  }
  check_.bytes = offset_;
  check_.last = join_.next.prev();
  return OkStatus();
}

// The end of the records: of the file, or zeros; in the last segment also what no mark claims.
Result<bool> Checker::IsEnd(const ReadOutcome& outcome) {
  if (outcome.kind == ReadOutcome::Kind::kEnd) return true;
  if (!last_) return OnlyZeros(source_, offset_);
  if (!nonce_.has_value()) return false;
  ASSIGN_OR_RETURN(const bool claimed, IsClaimedSynced(source_, offset_, *nonce_));
  return !claimed;
}

// A Hole does not say what was before it: what is lost then reaches through it.
bool Checker::Continues(const Record& record, const JoinState& expected) const {
  if (!record::IsNumbered(record.header.type)) return false;
  if (record.header.sequence < expected.next || record.header.epoch < expected.epoch) return false;
  return record.header.sequence > expected.next || !expected.chain_known ||
         record.header.chain == expected.chain;
}

// Goes on where the bad record's own header says, if that is good, else at the next good entry.
Result<bool> Checker::StepOver(const ReadOutcome& bad, const Status& why) {
  JoinState behind = join_;
  const record::EntryHeader& header = bad.record.header;
  if (bad.kind == ReadOutcome::Kind::kBad && record::IsNumbered(header.type) &&
      header.sequence == join_.next && Join(bad.record, &behind).ok()) {
    Note(header.sequence, header.sequence, why);
    join_ = behind;
    offset_ = bad.record.end();
    return true;
  }
  const uint64_t from = offset_;
  std::optional<Sequence> next;
  uint64_t end = 0;
  RETURN_IF_ERROR(SearchRecords(source_, from, [&](const Record& record) {
    if (!Continues(record, join_)) return true;
    behind = {record.header.sequence.next(), true, record.header.header_crc, record.header.epoch};
    next = record.header.sequence;
    end = record.end();
    return false;
  }));
  if (!next.has_value()) {
    // How far it reaches, its border will say.
    Note(join_.next, join_.next.prev(), why);
    check_.damage.back().open_end = true;
    return false;
  }
  Note(join_.next, next->prev(), why);
  join_ = behind;
  offset_ = end;
  return true;
}

void Checker::Border(Sequence next, std::optional<uint32_t> crc) {
  if (last_ && join_.next > next) return;  // it was appended to meanwhile
  for (Damage& damage : check_.damage) damage.open_end = false;
  check_.last = next.prev();
  const bool joins = join_.next == next && (!crc || !join_.chain_known || join_.chain == *crc);
  if (joins) return;
  const Status why(Reason::CORRUPTION_DETECTED,
                   join_.next == next ? "the segment behind it does not chain to it"
                                      : "the segment ends before sequence " + ToString(next));
  auto& all = check_.damage;
  if (!all.empty() && all.back().first == join_.next && all.back().last < all.back().first) {
    all.back().last = next.prev();
  } else {
    Note(join_.next, next.prev(), why);
  }
}

}  // namespace

Result<std::vector<Sequence>> SegmentsOf(env::FileSystem& fs, const std::string& directory) {
  const Status none =
      Status(Reason::SPACE_NOT_FOUND, "no log in " + directory).With("path", directory);
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(SegmentDirectory(directory)));
  if (!exists) return none;
  ASSIGN_OR_RETURN(const auto names, fs.List(SegmentDirectory(directory)));
  std::vector<Sequence> firsts;
  for (const std::string& name : names) {
    if (const auto first = ParseSegmentName(name)) firsts.push_back(*first);
  }
  std::sort(firsts.begin(), firsts.end());
  if (firsts.empty()) return none;
  return firsts;
}

Result<SegmentCheck> CheckSegment(env::FileSystem& fs, const std::string& directory,
                                  Sequence segment, const std::optional<EntryIdentity>& end,
                                  const Pace& pace) {
  ASSIGN_OR_RETURN(const std::vector<Sequence> all, SegmentsOf(fs, directory));
  const auto above = std::upper_bound(all.begin(), all.end(), segment);
  SegmentCheck check;
  check.first = segment;
  if (above != all.end()) check.next = *above;
  const std::string path = SegmentPath(directory, segment);
  ASSIGN_OR_RETURN(const auto file, fs.Open(path, env::OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  Result<SegmentHead> head = ReadSegmentHead(*file);
  if (!head.ok() && (head.status().reason() == Reason::UNSUPPORTED_VERSION ||
                     head.status().reason() == Reason::IO)) {
    return head.status().Annotate(path);
  }
  if (head.ok() && head->header.first != segment) {
    head = Status(Reason::CORRUPTION_DETECTED, "the file's name and its head differ");
  }
  PacedSource source(*file, size, pace);
  Checker checker(path, source, check.next.is_zero(), &check);
  RETURN_IF_ERROR(checker.Run(head));
  if (!check.next.is_zero()) {
    ASSIGN_OR_RETURN(const auto behind,
                     fs.Open(SegmentPath(directory, check.next), env::OpenMode::kRead));
    const Result<SegmentHead> next = ReadSegmentHead(*behind);
    checker.Border(check.next, next.ok() ? std::optional(next->header.previous_crc) : std::nullopt);
  } else if (end.has_value() && end->sequence >= segment) {
    checker.Border(end->sequence.next(), end->header_crc);
  }
  return check;
}

}  // namespace engram::wal
