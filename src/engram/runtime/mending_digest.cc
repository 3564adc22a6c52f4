// Two copies of a range have different digests: this one reads its own segments, and has every
// other copy read its own by asking for the range, in parts that are compared entry by entry.
// Whoever comes across damage on the way mends it; what is good and yet different is told to a
// person.
#include <algorithm>

#include "engram/runtime/fetched.h"
#include "engram/runtime/mending_case.h"

namespace engram::runtime {

using replication::EntryRange;

namespace {

constexpr uint64_t kPartEntries = 256;
constexpr uint64_t kPartBytes = 64u << 20;

}  // namespace

void MendingCase::TellDigestDiffers(EntryRange range) {
  strand_->Post([self = shared_from_this(), range] {
    if (self->stopped_ || std::exchange(self->comparing_, true)) return;
    self->busy_ = true;
    const auto segments = wal::SegmentsOf(*self->context_.fs, self->directory_);
    for (size_t i = 0; segments.ok() && i < segments->size(); ++i) {
      const bool before = i + 1 < segments->size() && (*segments)[i + 1] <= range.first;
      if (!before && (*segments)[i] <= range.last) self->suspects_.insert((*segments)[i]);
    }
    self->Look();
    self->ReadAtOthers(range, 0);
  });
}

// From `peer` on; whoever is not connected is passed over.
void MendingCase::ReadAtOthers(EntryRange range, size_t peer) {
  while (peer < context_.nodes.size() && (peer == context_.me || !context_.connected(peer))) ++peer;
  if (peer >= context_.nodes.size()) {
    comparing_ = false;
    return;
  }
  const Sequence last(std::min(range.last.value(), range.first.value() + kPartEntries - 1));
  context_.fetch(peer, {space_, facts_.incarnation, range.first, last}, kPartBytes,
                 [weak = weak_from_this(), range, peer](Result<FetchAnswer> answer) {
                   const auto self = weak.lock();
                   if (self == nullptr || self->stopped_) return;
                   self->strand_->Post([self, range, peer, answer = std::move(answer)]() mutable {
                     if (!self->stopped_) self->OnRead(range, peer, std::move(answer));
                   });
                 });
}

void MendingCase::OnRead(EntryRange range, size_t peer, Result<FetchAnswer> answer) {
  if (!answer.ok()) {
    context_.report(space_, "digest_range_unread", answer.status().message());
    return ReadAtOthers(range, peer + 1);
  }
  const Sequence last(std::min(range.last.value(), range.first.value() + kPartEntries - 1));
  const Result<Fetched> fetched = CheckFetched(answer->records, {range.first, last});
  if (!fetched.ok()) {
    context_.report(space_, "digest_range_unread", Giver(peer) + ": " + fetched.status().message());
    return ReadAtOthers(range, peer + 1);
  }
  CompareWithOwn(answer->records, {range.first, fetched->last}, peer);
  if (fetched->last >= range.last) return ReadAtOthers(range, peer + 1);
  ReadAtOthers({fetched->last.next(), range.last}, peer);
}

void MendingCase::CompareWithOwn(const std::string& records, EntryRange range, size_t peer) {
  const std::shared_ptr<space::Space> space = registry_.FindOpen(space_);
  if (space == nullptr) return;
  const auto cursor = space->log().NewCursor(range.first, wal::ReadThrough::kAppended);
  std::string own;
  for (Sequence next = range.first; next <= range.last;) {
    wal::Cursor::Shipped what;
    const Result<bool> more = cursor->NextRecord(&own, &what);
    if (!more.ok() || !*more) return;  // its own damage is told of by its log
    next = what.last.next();
  }
  if (own == records) return;
  context_.report(space_, "copies_differ",
                  "entries " + ToString(range.first) + " to " + ToString(range.last) +
                      " are good here and at " + Giver(peer) + ", and not the same");
}

}  // namespace engram::runtime
