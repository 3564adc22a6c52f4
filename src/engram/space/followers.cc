#include <algorithm>
#include <unordered_map>

#include "engram/space/indexer.h"

namespace engram::space {

Result<bool> Follower::Step(Sequence through) {
  const Sequence after = identity().sequence;
  if (after >= through) return false;
  ASSIGN_OR_RETURN(const std::vector<TailEntryPtr> entries, NextSlice(after, through));
  if (entries.empty()) return false;
  const Sequence last = entries.back()->sequence();
  ASSIGN_OR_RETURN(const auto entry, core_.log->IdentityAt(last));
  if (!entry.has_value()) {
    return Status(Reason::STORAGE, "An entry that is visible is not in the log.")
        .With("sequence", last.value());
  }
  RETURN_IF_ERROR(
      Apply(entries, {core_.incarnation, entry->epoch, entry->sequence, entry->header_crc}));
  return last < through;
}

Result<std::vector<TailEntryPtr>> Follower::NextSlice(Sequence after, Sequence through) {
  const TailSlice slice = core_.tail.After(after);
  if (after.next() < slice.first()) return FromLog(after, through);
  cursor_ = nullptr;
  std::vector<TailEntryPtr> entries;
  const Sequence last(std::min(through.value(), after.value() + this->slice()));
  RETURN_IF_ERROR(slice.ForEach(after, last, [&](const TailEntryPtr& entry) {
    entries.push_back(entry);
    return OkStatus();
  }));
  // A hole longer than a slice: the cursor finds what comes after it.
  return entries.empty() ? FromLog(after, through) : std::move(entries);
}

Result<std::vector<TailEntryPtr>> Follower::FromLog(Sequence after, Sequence through) {
  constexpr size_t kBytes = 8u << 20;
  if (cursor_ == nullptr || cursor_->position() != after.next()) {
    cursor_ = core_.log->NewCursor(after.next());
  }
  std::vector<TailEntryPtr> entries;
  size_t bytes = 0;
  while (entries.size() < slice() && bytes < kBytes && cursor_->position() <= through) {
    Result<std::optional<record::Entry>> entry = cursor_->Next();
    if (!entry.ok()) cursor_ = nullptr;
    RETURN_IF_ERROR(entry.status());
    if (!entry->has_value() || (*entry)->header.sequence > through) break;
    bytes += (*entry)->payload.size();
    ASSIGN_OR_RETURN(TailEntryPtr decoded, DecodeEntry(**entry));
    entries.push_back(std::move(decoded));
  }
  if (!entries.empty() && cursor_->position() > entries.back()->sequence().next()) {
    cursor_ = nullptr;  // it has read beyond what was asked for
  }
  return entries;
}

namespace {

class CatalogFollower : public Follower {
 public:
  using Follower::Follower;
  const char* name() const override { return "catalog"; }
  size_t slice() const override { return 4096; }
  index::IndexIdentity identity() const override { return core_.catalog->identity(); }

  Status Apply(const std::vector<TailEntryPtr>& entries,
               const index::IndexIdentity& through) override {
    std::vector<model::Change> changes;
    changes.reserve(entries.size());
    for (const TailEntryPtr& entry : entries) changes.push_back(entry->change);
    core_.DropSpareSnapshots();
    return core_.catalog->Apply(changes, through);
  }
};

class VectorFollower : public Follower {
 public:
  using Follower::Follower;
  const char* name() const override { return "vectors"; }
  size_t slice() const override { return 4096; }
  index::IndexIdentity identity() const override { return core_.vectors->identity(); }

  Status Apply(const std::vector<TailEntryPtr>& entries,
               const index::IndexIdentity& through) override {
    std::vector<index::VectorAdd> added;
    for (const TailEntryPtr& entry : entries) {
      const pb::StoreRecord* content = entry->content();
      if (content == nullptr || content->episode().embedding_size() == 0) continue;
      const auto& values = content->episode().embedding();
      added.push_back({entry->sequence(), {values.data(), static_cast<size_t>(values.size())}});
    }
    return core_.vectors->Apply(added, through);
  }
};

class TextFollower : public Follower {
 public:
  using Follower::Follower;
  const char* name() const override { return "text"; }
  size_t slice() const override { return 1024; }
  index::IndexIdentity identity() const override { return core_.text->identity(); }

  Status Apply(const std::vector<TailEntryPtr>& entries,
               const index::IndexIdentity& through) override {
    std::vector<index::TextChange> changes;
    std::unordered_map<uint64_t, size_t> added;  // by content, of this slice
    for (const TailEntryPtr& entry : entries) {
      for (const Sequence ended : EndedBy(entry->change)) {
        const auto fresh = added.find(ended.value());
        if (fresh == added.end()) {
          RETURN_IF_ERROR(Remove(ended, &changes));
        } else {
          changes[fresh->second].content = Sequence();  // came and went: not worth adding
        }
      }
      const pb::StoreRecord* content = entry->content();
      if (content == nullptr) continue;
      added[entry->sequence().value()] = changes.size();
      changes.push_back({false, entry->sequence(), index::SearchText(content->episode())});
    }
    std::erase_if(changes, [](const index::TextChange& c) { return c.content.is_zero(); });
    core_.DropSpareSnapshots();
    return core_.text->Apply(changes, through);
  }

 private:
  Status Remove(Sequence content, std::vector<index::TextChange>* changes) {
    const auto record = core_.RecordAt(content);
    // Compacted away, so it was never added by this pass over the log.
    if (!record.ok() && record.status().reason() == Reason::MEMORY_NOT_FOUND) return OkStatus();
    RETURN_IF_ERROR(record.status());
    changes->push_back({true, content, index::SearchText((*record)->episode())});
    return OkStatus();
  }
};

}  // namespace

std::unique_ptr<Follower> MakeCatalogFollower(Core& core) {
  return std::make_unique<CatalogFollower>(core);
}
std::unique_ptr<Follower> MakeTextFollower(Core& core) {
  return std::make_unique<TextFollower>(core);
}
std::unique_ptr<Follower> MakeVectorFollower(Core& core) {
  return std::make_unique<VectorFollower>(core);
}

}  // namespace engram::space
