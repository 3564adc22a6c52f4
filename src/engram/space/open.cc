// Opening a space: its log first, then its indexes, held against the log; then the rows, from the
// catalog, and the entries that the catalog has not reached, which become the tail.

#include <algorithm>

#include "engram/model/episode.h"
#include "engram/space/space_impl.h"

namespace engram::space {
namespace {

// Up to these the rest of the log is taken into the tail; what is more goes to the catalog first.
constexpr uint64_t kReplayEntries = 20'000;
constexpr size_t kReplayBytes = 16u << 20;

Row FromCatalog(const index::LiveRow& live) {
  Row row;
  row.content = live.content;
  row.version = live.version;
  row.id_hash = live.id_hash;
  row.session_hash = live.session_hash;
  row.turn = live.turn;
  row.has_turn = live.has_turn;
  row.has_vector = live.has_vector;
  row.has_event_time = live.has_event_time;
  row.memory_type = live.memory_type;
  row.confidence = live.confidence;
  row.importance = live.importance;
  row.decay_rate = live.decay_rate;
  row.event_time = live.event_time;
  row.stored_at = live.stored_at;
  row.first_stored_at = live.first_stored_at;
  return row;
}

template <class Index, class Open, class Destroy, class Follows>
Status OpenIndex(Core& core, const char* name, const Open& open, const Destroy& destroy,
                 const Follows& follows, std::unique_ptr<Index>* index) {
  Result<std::unique_ptr<Index>> opened = open();
  if (opened.ok() && follows((*opened)->identity())) {
    *index = *std::move(opened);
    return OkStatus();
  }
  const std::string why = opened.ok() ? "it does not follow the log" : opened.status().message();
  core.Report("index_rebuilt", std::string(name) + ": " + why);
  if (opened.ok()) std::unique_ptr<Index>(*std::move(opened)).reset();
  RETURN_IF_ERROR(destroy());
  ASSIGN_OR_RETURN(*index, open());
  return OkStatus();
}

}  // namespace

Status NoSuchSpace(const std::string& id) {
  return Status(Reason::SPACE_NOT_FOUND, "There is no space '" + id + "'.")
      .Expected("a space that was created")
      .Suggest("create it: writing to a space does not make it")
      .Example("engram space create " + id)
      .With("space", id);
}

wal::LogOptions LogOptionsOf(const SpaceEnvironment& environment, const std::string& id,
                             const std::string& directory) {
  wal::LogOptions options = environment.log;
  options.fs = environment.fs;
  options.clock = environment.clock;
  options.entropy = environment.entropy;
  options.executor = environment.flushers;
  options.observer =
      environment.observer == nullptr ? nullptr : environment.observer->LogObserverFor(id);
  options.directory = directory;
  options.cluster = environment.cluster;
  options.space = id;
  options.commit_is_durable = environment.committer_for == nullptr;
  return options;
}

Status SpaceImpl::Start(std::unique_ptr<wal::Log> log, bool epoch_begun) {
  core_.log = std::move(log);
  core_.epoch_begun = epoch_begun;
  core_.incarnation = core_.log->incarnation();
  if (const auto& known_damage = core_.environment.known_damage; known_damage != nullptr) {
    if (const auto why = known_damage(core_.id)) core_.log->NoteDamage(*why);
  }
  const auto& committer_for = core_.environment.committer_for;
  if (committer_for != nullptr) core_.committer = committer_for(core_.id, *core_.log);
  if (core_.committer == nullptr) core_.log->SetCommit(core_.log->end());
  core_.SetRows(std::make_shared<RowTable>());
  const bool empty_copy = core_.committer != nullptr && core_.log->end() < Sequence(2);
  if (!empty_copy) {
    RETURN_IF_ERROR(SetUp());
    if (core_.committer != nullptr && epoch_begun) RETURN_IF_ERROR(writer_.TakeOver(false));
  }
  if (core_.committer != nullptr && !epoch_begun) applier_.Resume();
  return OkStatus();
}

Status SpaceImpl::SetUp() {
  RETURN_IF_ERROR(ReadSettings());
  core_.documents.SetAnalyzer(core_.settings.analyzer());
  RETURN_IF_ERROR(OpenIndexes());
  if (core_.committer != nullptr) {
    // What an index has reached was committed when it took it.
    core_.log->SetCommit(
        std::max({core_.catalog->identity().sequence, core_.text->identity().sequence,
                  core_.vectors->identity().sequence}));
  }
  RETURN_IF_ERROR(CheckNotDeleted());
  const Sequence end = core_.log->committed_end();
  RETURN_IF_ERROR(CatchUpCatalog(end, nullptr));
  RETURN_IF_ERROR(LoadRows(end));
  indexer_.Resume();
  indexer_.Kick(/*at_once=*/true);
  return OkStatus();
}

Status SpaceImpl::ReadSettings() {
  // Second entry of every log, and never changed since: who knows them reads them no more.
  if (settings_known_) return OkStatus();
  ASSIGN_OR_RETURN(const record::Entry entry, core_.log->Read(Sequence(2)));
  ASSIGN_OR_RETURN(const TailEntryPtr decoded, DecodeEntry(entry));
  const auto* record = std::get_if<pb::SettingsRecord>(&decoded->change.decision);
  if (record == nullptr) {
    return Status(Reason::CORRUPTION_DETECTED, "The second entry of the log has no settings.")
        .Expected("a SpaceSettings entry")
        .With("space", core_.id)
        .With("sequence", uint64_t{2});
  }
  MutexLock lock(settings_mutex_);
  settings_known_ = true;
  core_.settings = model::WithDefaults(record->settings());
  core_.created_at = model::UtcTime::FromProto(record->created_at());
  return OkStatus();
}

Status SpaceImpl::CheckNotDeleted() {
  // A deletion is the last word of a space; a Checkpoint may stand behind it.
  Sequence at = core_.log->committed_end();
  for (int i = 0; i < 2 && !at.is_zero(); ++i, at = at.prev()) {
    const auto entry = core_.log->Read(at);
    if (!entry.ok() || entry->header.type != record::EntryType::kSpaceSettings) continue;
    ASSIGN_OR_RETURN(const TailEntryPtr decoded, DecodeEntry(*entry));
    const auto* record = std::get_if<pb::SettingsRecord>(&decoded->change.decision);
    if (record != nullptr && record->deleted()) return SpaceIsDeleted(core_.id);
  }
  return OkStatus();
}

std::string SpaceImpl::IndexPath(const char* name) const {
  return env::JoinPath(core_.directory, name);
}

bool SpaceImpl::Follows(const index::IndexIdentity& identity) {
  if (identity.sequence.is_zero()) return true;
  if (identity.incarnation != core_.incarnation) return false;
  if (identity.sequence > core_.log->end()) return false;
  const auto entry = core_.log->IdentityAt(identity.sequence);
  return entry.ok() && entry->has_value() &&
         **entry == wal::EntryIdentity{identity.epoch, identity.sequence, identity.header_crc};
}

Status SpaceImpl::OpenIndexes() {
  env::FileSystem& fs = *core_.environment.fs;
  const std::string catalog = IndexPath("catalog.db"), text = IndexPath("text.db"),
                    vectors = IndexPath("vectors.bin");
  const auto follows = [this](const index::IndexIdentity& identity) { return Follows(identity); };
  RETURN_IF_ERROR(OpenIndex(
      core_, "catalog", [&] { return index::Catalog::Open(fs, catalog, core_.incarnation); },
      [&] { return index::Catalog::Destroy(fs, catalog); }, follows, &core_.catalog));
  RETURN_IF_ERROR(OpenIndex(
      core_, "text",
      [&] {
        return index::TextIndex::Open(fs, text, core_.incarnation, core_.settings.analyzer());
      },
      [&] { return index::TextIndex::Destroy(fs, text); }, follows, &core_.text));
  return OpenIndex(
      core_, "vectors",
      [&] {
        return index::VectorIndex::Open(fs, vectors, core_.incarnation, core_.settings.dimension());
      },
      [&] { return index::VectorIndex::Destroy(fs, vectors); }, follows, &core_.vectors);
}

Result<bool> SpaceImpl::ReadRest(Sequence end, std::vector<TailEntryPtr>* entries) {
  const Sequence from = core_.catalog->identity().sequence.next();
  if (from.value() + kReplayEntries <= end.value()) return false;
  const std::unique_ptr<wal::Cursor> cursor = core_.log->NewCursor(from);
  size_t bytes = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<record::Entry> entry, cursor->Next());
    if (!entry.has_value() || entry->header.sequence > end) return true;
    bytes += entry->payload.size();
    if (bytes > kReplayBytes) return false;
    ASSIGN_OR_RETURN(TailEntryPtr decoded, DecodeEntry(*entry));
    entries->push_back(std::move(decoded));
  }
}

Status SpaceImpl::CatchUpCatalog(Sequence end,
                                 const std::function<void(uint64_t, uint64_t)>& progress) {
  std::vector<TailEntryPtr> rest;
  ASSIGN_OR_RETURN(const bool little, ReadRest(end, &rest));
  if (little && progress == nullptr) return OkStatus();
  const std::unique_ptr<Follower> follower = MakeCatalogFollower(core_);
  core_.tail.Reset(end);  // the follower reads the log itself
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, follower->Step(end));
    if (progress) progress(follower->identity().sequence.value(), end.value());
  }
  return OkStatus();
}

Status SpaceImpl::LoadRows(Sequence end) {
  auto rows = std::make_shared<RowTable>();
  ASSIGN_OR_RETURN(const auto snapshot, core_.catalog->NewSnapshot());
  RETURN_IF_ERROR(snapshot->ForEachLive([&](const index::LiveRow& live) {
    const RowIndex row = rows->Append(FromCatalog(live));
    if (live.suppressed) rows->SetSuppressed(row, true, live.changed);
    return OkStatus();
  }));
  ASSIGN_OR_RETURN(const index::CatalogCounts counts, snapshot->Counts());
  core_.live = counts.live;
  core_.suppressed = counts.suppressed;
  core_.deleted = counts.deleted;
  core_.live_vectors = counts.vectors;
  core_.deleted_before_open = counts.deleted > 0;
  core_.SetRows(std::move(rows));
  const index::IndexIdentity at = snapshot->identity();
  core_.tail.Reset(at.sequence);
  writer_.CatalogReached(at.sequence);
  std::vector<TailEntryPtr> rest;
  ASSIGN_OR_RETURN(const bool all, ReadRest(end, &rest));
  if (!all) return Status(Reason::PERSISTENCE, "The catalog could not catch up with the log.");
  core_.ready = true;  // before who waits for a visible end takes a view
  core_.visible.Advance(std::max(core_.visible.Get(), {at.epoch, at.sequence}));
  writer_.Replay(std::move(rest));
  return OkStatus();
}

Status SpaceImpl::ReplaceIndexes(Sequence end,
                                 const std::function<void(uint64_t, uint64_t)>& progress) {
  RETURN_IF_ERROR(DestroyIndexes());
  RETURN_IF_ERROR(OpenIndexes());
  core_.GiveCharge(core_.tail.bytes());
  RETURN_IF_ERROR(CatchUpCatalog(end, progress));
  return LoadRows(end);
}

Status SpaceImpl::DestroyIndexes() {
  env::FileSystem& fs = *core_.environment.fs;
  CloseIndexes();
  RETURN_IF_ERROR(index::Catalog::Destroy(fs, IndexPath("catalog.db")));
  RETURN_IF_ERROR(index::TextIndex::Destroy(fs, IndexPath("text.db")));
  return index::VectorIndex::Destroy(fs, IndexPath("vectors.bin"));
}

void SpaceImpl::CloseIndexes() {
  core_.DropSpareSnapshots();
  core_.catalog = nullptr;
  core_.text = nullptr;
  core_.vectors = nullptr;
}

// With the gate shut: opens it again, or for ever when what is behind it cannot be used.
Status SpaceImpl::ReopenGate(Status status) {
  if (status.ok()) {
    indexer_.Resume();
  } else {
    core_.gate.Close();  // the space is opened again when it is next asked for
  }
  core_.gate.Reopen();
  indexer_.Kick(/*at_once=*/true);
  return status;
}

Status SpaceImpl::RebuildIndexes(const std::function<void(uint64_t, uint64_t)>& progress) {
  const auto report = [&](uint64_t done, uint64_t total) {
    if (progress) progress(done, total);
  };
  RETURN_IF_ERROR(core_.Enter().status());
  core_.gate.Shut();
  writer_.Drain();
  writer_.Hold();
  indexer_.Pause();
  const Status status = ReopenGate(ReplaceIndexes(core_.visible.Get().sequence, report));
  writer_.Release();
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(const Gate::Pass pass, core_.gate.Enter());
  const Sequence end = core_.visible.Get().sequence;
  while (!indexer_.WaitFor(end, std::chrono::milliseconds(200))) {
    report(indexer_.Slowest().value(), end.value());
    if (core_.gate.closed()) return Status(Reason::SHUTTING_DOWN, "The space is closing.");
  }
  report(end.value(), end.value());
  return OkStatus();
}

}  // namespace engram::space
