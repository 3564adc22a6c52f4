#include "engram/runtime/fetched.h"

#include "engram/wal/records.h"

namespace engram::runtime {
namespace {

class StringSource : public wal::ByteSource {
 public:
  explicit StringSource(const std::string& bytes) : bytes_(bytes) {}
  Result<ByteView> View(uint64_t offset, size_t size) override {
    if (offset >= bytes_.size()) return ByteView();
    return ByteView(bytes_).substr(static_cast<size_t>(offset), size);
  }

 private:
  const std::string& bytes_;
};

}  // namespace

Result<Fetched> CheckFetched(const std::string& records, replication::EntryRange range) {
  StringSource source(records);
  wal::JoinState join{.next = range.first, .chain_known = false, .chain = 0, .epoch = Epoch()};
  Fetched fetched;
  for (uint64_t at = 0; at < records.size();) {
    ASSIGN_OR_RETURN(const wal::ReadOutcome outcome, wal::ReadRecord(source, at));
    if (outcome.kind == wal::ReadOutcome::Kind::kBad) return outcome.why;
    if (outcome.kind != wal::ReadOutcome::Kind::kRecord) {
      return Status(Reason::CORRUPTION_DETECTED, "the records end inside of one");
    }
    const wal::Record& record = outcome.record;
    if (wal::FirstSequence(record).is_zero()) {
      return Status(Reason::CORRUPTION_DETECTED, "a record that belongs to the other log alone");
    }
    RETURN_IF_ERROR(wal::Join(record, &join));
    fetched.holes = fetched.holes || record.header.type == record::EntryType::kHole;
    at = record.end();
  }
  fetched.last = join.next.prev();
  if (fetched.last >= range.last) return fetched;
  return Status(Reason::SEQUENCE_GAP, "the records end with entry " + ToString(fetched.last))
      .Expected("entry " + ToString(range.last));
}

}  // namespace engram::runtime
