#include "engram/space/core.h"

#include <algorithm>

namespace engram::space {

Result<std::shared_ptr<TailEntry>> DecodeEntry(const record::Entry& entry) {
  auto decoded = std::make_shared<TailEntry>();
  model::Change& change = decoded->change;
  change.sequence = entry.header.sequence;
  change.epoch = entry.header.epoch;
  change.header_crc = entry.header.header_crc;
  ASSIGN_OR_RETURN(change.decision,
                   model::DecodeDecision(static_cast<uint32_t>(entry.header.type), entry.payload));
  return decoded;
}

void Core::Apply(TailEntryPtr entry) {
  const model::Decision& decision = entry->change.decision;
  if (const pb::StoreRecord* content = entry->content()) {
    ApplyContent(entry, *content);
  } else if (const auto* update = std::get_if<pb::UpdateRecord>(&decision)) {
    ApplyState(entry, *update);
  } else if (std::holds_alternative<pb::DeleteRecord>(decision)) {
    for (const Sequence content : EndedBy(entry->change)) End(content, entry->sequence());
    deleted += static_cast<uint64_t>(std::get<pb::DeleteRecord>(decision).ids_size());
  } else if (const auto* settings = std::get_if<pb::SettingsRecord>(&decision)) {
    if (settings->deleted()) gone = true;
  }
  tail.Push(std::move(entry));
}

void Core::ApplyContent(const TailEntryPtr& entry, const pb::StoreRecord& record) {
  bool hidden = false;
  for (const Sequence before : EndedBy(entry->change)) {
    const auto old = rows->Find(before, rows->size());
    // An update of named fields keeps the state; writing an id again makes it visible.
    const bool keeps_state = !std::holds_alternative<pb::StoreRecord>(entry->change.decision);
    hidden = keeps_state && old.has_value() && rows->SuppressedAt(*old, entry->sequence());
    End(before, entry->sequence());
  }
  const RowIndex row = rows->Append(RowOf(record, entry->sequence()));
  ++live;
  if (rows->row(row).has_vector) {
    ++live_vectors;
    last_vector_change_ = entry->sequence().value();
  }
  if (record.created() && record.version() > 1) --deleted;
  if (!hidden) return;
  rows->SetSuppressed(row, true, entry->sequence());
  ++suppressed;
}

void Core::ApplyState(const TailEntryPtr& entry, const pb::UpdateRecord& record) {
  if (!record.has_state()) return;
  for (const uint64_t content : record.contents()) {
    const auto row = rows->Find(Sequence(content), rows->size());
    if (!row.has_value() || !rows->LiveAt(*row, entry->sequence())) continue;
    if (rows->SuppressedAt(*row, entry->sequence()) == record.state().suppressed()) continue;
    rows->SetSuppressed(*row, record.state().suppressed(), entry->sequence());
    suppressed += record.state().suppressed() ? 1 : -1;
  }
}

void Core::End(Sequence content, Sequence by) {
  const auto row = rows->Find(content, rows->size());
  if (!row.has_value() || !rows->LiveAt(*row, by)) return;
  if (rows->SuppressedAt(*row, by)) --suppressed;
  if (rows->row(*row).has_vector) {
    --live_vectors;
    last_vector_change_ = by.value();
  }
  --live;
  rows->Kill(*row, by);
}

Result<TailEntryPtr> Core::EntryAt(Sequence sequence) {
  if (TailEntryPtr entry = tail.Find(sequence)) return entry;
  ASSIGN_OR_RETURN(const record::Entry entry, log->Read(sequence));
  ASSIGN_OR_RETURN(TailEntryPtr decoded, DecodeEntry(entry));
  return decoded;
}

Result<std::shared_ptr<const pb::StoreRecord>> Core::RecordAt(Sequence content) {
  ASSIGN_OR_RETURN(const TailEntryPtr entry, EntryAt(content));
  if (const pb::StoreRecord* record = entry->content()) {
    return std::shared_ptr<const pb::StoreRecord>(entry, record);
  }
  return Status(Reason::CORRUPTION_DETECTED, "An entry of the log is no episode.")
      .Expected("the episode that the catalog knows there")
      .Suggest("engram index rebuild builds the catalog again from the log")
      .With("space", id)
      .With("sequence", content.value());
}

Result<std::shared_ptr<const DocumentTerms>> Core::TermsOf(Sequence content) {
  if (auto kept = documents.Find(content)) return kept;
  ASSIGN_OR_RETURN(const auto record, RecordAt(content));
  return documents.Analyse(content, index::SearchText(record->episode()));
}

Status Core::ForEachChange(Sequence after, Sequence through, const TailSlice& slice,
                           const std::function<Status(const TailEntryPtr&)>& visit) {
  if (after.next() < slice.first()) {
    const Sequence last = std::min(through, slice.first().prev());
    const std::unique_ptr<wal::Cursor> cursor = log->NewCursor(after.next());
    for (;;) {
      ASSIGN_OR_RETURN(const std::optional<record::Entry> entry, cursor->Next());
      if (!entry.has_value() || entry->header.sequence > last) break;
      ASSIGN_OR_RETURN(const TailEntryPtr decoded, DecodeEntry(*entry));
      RETURN_IF_ERROR(visit(decoded));
    }
    after = last;
  }
  return slice.ForEach(after, through, visit);
}

Epoch Core::EpochAt(Sequence sequence) const {
  Epoch epoch;
  for (const wal::EpochBegin& begin : log->history()) {
    if (begin.first <= sequence) epoch = begin.epoch;
  }
  return epoch;
}

namespace {

// By id hash, the smallest first.
std::vector<RowIndex> TakeVectorSample(const RowTable& table, size_t rows, Sequence visible,
                                       size_t limit) {
  using Candidate = std::pair<uint64_t, RowIndex>;
  std::vector<Candidate> smallest;  // a heap, largest first
  for (RowIndex row = 0; row < rows && limit > 0; ++row) {
    const Row& facts = table.row(row);
    if (!facts.has_vector || !table.LiveAt(row, visible)) continue;
    const Candidate candidate{facts.id_hash, row};
    if (smallest.size() == limit) {
      if (!(candidate < smallest.front())) continue;
      std::pop_heap(smallest.begin(), smallest.end());
      smallest.pop_back();
    }
    smallest.push_back(candidate);
    std::push_heap(smallest.begin(), smallest.end());
  }
  std::sort(smallest.begin(), smallest.end());
  std::vector<RowIndex> sample;
  for (const Candidate& candidate : smallest) sample.push_back(candidate.second);
  return sample;
}

}  // namespace

void Core::SetRows(std::shared_ptr<RowTable> table) {
  MutexLock lock(sample_mutex_);
  sample_ = Sample();
  rows = std::move(table);
}

std::vector<RowIndex> Core::VectorSample(const RowTable& table, size_t rows, Sequence visible,
                                         size_t limit) {
  const uint64_t at = last_vector_change_.load();
  const bool current = at <= visible.value();  // what changed later the view does not show
  if (current) {
    MutexLock lock(sample_mutex_);
    if (sample_.table == &table && sample_.at == at && sample_.limit == limit) return sample_.rows;
  }
  std::vector<RowIndex> sample = TakeVectorSample(table, rows, visible, limit);
  if (current) {
    MutexLock lock(sample_mutex_);
    sample_ = {&table, at, limit, sample};
  }
  return sample;
}

bool Core::TakeCharge(uint64_t bytes) {
  const uint64_t now = charged.load();
  // What is alone in the tail may always go in, or it never could.
  if (now != 0 && now + bytes > environment.tail_bytes_max) return false;
  if (environment.tails != nullptr && !environment.tails->TryTake(bytes)) return false;
  charged += bytes;
  return true;
}

void Core::MustCharge(uint64_t bytes) {
  charged += bytes;
  if (environment.tails != nullptr) environment.tails->Take(bytes);
}

void Core::GiveCharge(uint64_t bytes) {
  if (bytes == 0) return;
  charged -= bytes;
  if (environment.tails != nullptr) environment.tails->Give(bytes);
}

void Core::TrimTail(bool pressed) {
  Sequence floor = catalog->identity().sequence;
  if (!pressed) {
    floor = std::min({floor, text->identity().sequence, vectors->identity().sequence});
  }
  GiveCharge(tail.TrimThrough(floor));
}

Status SpaceIsDeleted(const std::string& id) {
  return Status(Reason::SPACE_NOT_FOUND, "The space '" + id + "' was deleted.").With("space", id);
}

Result<Gate::Pass> Core::Enter() {
  ASSIGN_OR_RETURN(Gate::Pass pass, gate.Enter());
  if (gone.load()) return SpaceIsDeleted(id);
  if (ready.load()) return pass;
  return Status(Reason::RECOVERING, "No entry has arrived yet at this copy of '" + id + "'.")
      .Expected("the space's first entries, from its primary")
      .Suggest("ask another node, or wait: engram replicas shows how far it is")
      .With("space", id)
      .With("retry_after_ms", uint64_t{1000});
}

Result<Snapshots> Core::TakeSnapshots() {
  const Sequence catalog_at = catalog->identity().sequence, text_at = text->identity().sequence;
  {
    MutexLock lock(snapshots_mutex_);
    while (!spare_.empty()) {
      Snapshots spare = std::move(spare_.back());
      spare_.pop_back();
      if (spare.catalog->identity().sequence == catalog_at &&
          spare.text->identity().sequence == text_at) {
        return spare;
      }
    }
  }
  Snapshots fresh;
  ASSIGN_OR_RETURN(fresh.catalog, catalog->NewSnapshot());
  ASSIGN_OR_RETURN(fresh.text, text->NewSnapshot());
  return fresh;
}

void Core::ReturnSnapshots(Snapshots snapshots) {
  constexpr size_t kSpare = 8;
  if (snapshots.catalog->identity() != catalog->identity()) return;
  if (snapshots.text->identity() != text->identity()) return;
  MutexLock lock(snapshots_mutex_);
  if (spare_.size() < kSpare) spare_.push_back(std::move(snapshots));
}

void Core::DropSpareSnapshots() {
  std::vector<Snapshots> dropped;
  MutexLock lock(snapshots_mutex_);
  dropped.swap(spare_);
}

void Core::Report(std::string_view event, std::string_view detail) const {
  if (environment.observer != nullptr) environment.observer->OnEvent(id, event, detail);
}

}  // namespace engram::space
