#include "engram/index/catalog_writer.h"

#include <algorithm>

#include <sqlite3.h>

namespace engram::index {
namespace {

namespace pb = engram::internal::v1;

int64_t Signed(uint64_t value) {
  return static_cast<int64_t>(value);
}

Status NoRow(uint64_t content) {
  return Status(Reason::CORRUPTION_DETECTED, "the catalog names a memory that it has no row of")
      .With("sequence", content);
}

template <class... T>
struct Overloaded : T... {
  using T::operator()...;
};
template <class... T>
Overloaded(T...) -> Overloaded<T...>;

}  // namespace

Result<std::unique_ptr<CatalogWriter>> CatalogWriter::Make(Connection& connection) {
  std::unique_ptr<CatalogWriter> writer(new CatalogWriter());
  writer->connection_ = &connection;
  const std::pair<Statement*, const char*> statements[] = {
      {&writer->read_state_, kReadState},
      {&writer->write_state_, kWriteState},
      {&writer->insert_id_, "INSERT INTO ids VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"},
      {&writer->find_id_, "SELECT content, version, changed FROM ids WHERE id=?1"},
      {&writer->write_id_, "REPLACE INTO ids VALUES(?1, ?2, ?3, ?4)"},
      {&writer->insert_row_, "INSERT INTO rows VALUES(?1, ?2, ?3)"},
      {&writer->find_row_, "SELECT row, names FROM rows WHERE content=?1"},
      {&writer->update_row_, "UPDATE rows SET row=?2 WHERE content=?1"},
      {&writer->delete_row_, "DELETE FROM rows WHERE content=?1"},
      {&writer->insert_old_, "REPLACE INTO old VALUES(?1, ?2, ?3, ?4, ?5)"},
      {&writer->delete_old_, "DELETE FROM old WHERE id=?1"},
      {&writer->insert_posting_, "INSERT INTO postings VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING"},
      {&writer->delete_posting_, "DELETE FROM postings WHERE block=?1 AND name=?2 AND content=?3"},
      {&writer->insert_key_, "REPLACE INTO keys VALUES(?1, ?2, ?3, ?4, ?5)"}};
  for (const auto& [statement, sql] : statements) {
    ASSIGN_OR_RETURN(*statement, connection.Prepare(sql));
  }
  return writer;
}

Result<CatalogState> CatalogWriter::Load() {
  return ReadState(read_state_);
}

void CatalogWriter::Begin(const CatalogState& state) {
  state_ = state;
  postings_.clear();
}

Status CatalogWriter::Apply(const model::Change& change) {
  const Sequence sequence = change.sequence;
  return std::visit(
      Overloaded{
          [&](const pb::StoreRecord& r) { return Apply(r, r.episode().id(), sequence, true); },
          [&](const pb::UpdateRecord& r) { return ApplyUpdate(r, sequence); },
          [&](const pb::DeleteRecord& r) { return ApplyDelete(r, sequence); },
          [&](const pb::ConsolidationRecord& r) { return ApplyConsolidation(r, sequence); },
          // Checkpoints, epochs and settings say nothing of any memory: only the identity moves.
          [](const auto&) { return OkStatus(); }},
      change.decision);
}

Result<CatalogState> CatalogWriter::Finish(const IndexIdentity& through) {
  RETURN_IF_ERROR(FlushPostings());
  state_.identity = through;
  RETURN_IF_ERROR(WriteState(write_state_, state_));
  return state_;
}

Status CatalogWriter::Apply(const pb::StoreRecord& record, std::string_view id, Sequence sequence,
                            bool revive) {
  CatalogEntry entry = EntryOf(record, sequence);
  const Known now{true, sequence.value(), record.version(), sequence.value()};
  ASSIGN_OR_RETURN(const bool is_new, InsertId(id, now));
  if (!is_new) {
    ASSIGN_OR_RETURN(const Known before, FindId(id));
    if (before.content != 0) {
      ASSIGN_OR_RETURN(const LiveRow old, TakeRow(before.content));
      entry.row.suppressed = old.suppressed && !revive;
      insert_old_.BindText(1, id).Bind(2, Signed(old.version)).Bind(3, Signed(before.content));
      insert_old_.Bind(4, old.stored_at.seconds).Bind(5, old.stored_at.nanos);
      RETURN_IF_ERROR(insert_old_.Run());
    } else {
      --state_.counts.deleted;
    }
    Known merged = now;
    merged.version = std::max(now.version, before.version);
    RETURN_IF_ERROR(WriteId(id, merged));
  }
  ++state_.counts.versions;
  RETURN_IF_ERROR(InsertRow(entry));
  return StoreKey(record.key(), sequence);
}

Status CatalogWriter::ApplyUpdate(const pb::UpdateRecord& record, Sequence sequence) {
  if (record.has_content()) {
    const std::string& given = record.content().episode().id();
    const std::string_view id = given.empty() && record.ids_size() > 0 ? record.ids(0) : given;
    RETURN_IF_ERROR(Apply(record.content(), id, sequence, false));
  }
  if (record.has_state()) {
    for (const std::string& id : record.ids()) {
      RETURN_IF_ERROR(Suppress(id, record.state().suppressed(), sequence));
    }
  }
  return StoreKey(record.key(), sequence);
}

Status CatalogWriter::ApplyDelete(const pb::DeleteRecord& record, Sequence sequence) {
  for (int i = 0; i < record.ids_size(); ++i) {
    const uint64_t version = i < record.versions_size() ? record.versions(i) : 0;
    RETURN_IF_ERROR(Delete(record.ids(i), version, sequence));
  }
  return StoreKey(record.key(), sequence);
}

Status CatalogWriter::ApplyConsolidation(const pb::ConsolidationRecord& record, Sequence sequence) {
  // Contents are found by the sequence of their entry, so an entry can bring one.
  if (record.made_size() > 1) {
    return Status(Reason::UNIMPLEMENTED_FEATURE, "an entry makes several memories at once")
        .With("sequence", sequence.value());
  }
  for (const pb::StoreRecord& made : record.made()) {
    RETURN_IF_ERROR(Apply(made, made.episode().id(), sequence, true));
  }
  return OkStatus();
}

Status CatalogWriter::Suppress(std::string_view id, bool suppressed, Sequence sequence) {
  ASSIGN_OR_RETURN(const Known known, FindId(id));
  if (known.content == 0) return OkStatus();  // deleted meanwhile: nothing left to hide
  ASSIGN_OR_RETURN(LiveRow row, ReadRow(known.content));
  if (row.suppressed != suppressed) state_.counts.suppressed += suppressed ? 1 : -1;
  row.suppressed = suppressed;
  row.changed = sequence;
  EncodeRow(row, &row_bytes_);
  return update_row_.Bind(1, Signed(known.content)).BindBlob(2, row_bytes_).Run();
}

Status CatalogWriter::Delete(std::string_view id, uint64_t version, Sequence sequence) {
  ASSIGN_OR_RETURN(Known known, FindId(id));
  if (known.content != 0) {
    if (const Result<LiveRow> row = TakeRow(known.content); !row.ok()) return row.status();
    --state_.counts.versions;
  }
  if (known.content != 0 || !known.found) ++state_.counts.deleted;
  RETURN_IF_ERROR(delete_old_.BindText(1, id).Run());
  state_.counts.versions -= static_cast<uint64_t>(sqlite3_changes64(connection_->handle()));
  return WriteId(id, {true, 0, std::max(known.version, version), sequence.value()});
}

Status CatalogWriter::StoreKey(const pb::IdempotencyKey& key, Sequence sequence) {
  if (key.key().empty()) return OkStatus();
  insert_key_.BindText(1, key.key()).Bind(2, key.item()).Bind(3, std::max(1u, key.items()));
  return insert_key_.Bind(4, Signed(key.request_digest())).Bind(5, Signed(sequence.value())).Run();
}

Result<bool> CatalogWriter::InsertId(std::string_view id, const Known& known) {
  insert_id_.BindText(1, id).Bind(2, Signed(known.content));
  RETURN_IF_ERROR(insert_id_.Bind(3, Signed(known.version)).Bind(4, Signed(known.changed)).Run());
  return sqlite3_changes64(connection_->handle()) > 0;
}

Result<CatalogWriter::Known> CatalogWriter::FindId(std::string_view id) {
  ASSIGN_OR_RETURN(const bool found, find_id_.BindText(1, id).Step());
  if (!found) return Known();
  const Known known{true, static_cast<uint64_t>(find_id_.Int(0)),
                    static_cast<uint64_t>(find_id_.Int(1)), static_cast<uint64_t>(find_id_.Int(2))};
  find_id_.Reset();
  return known;
}

Status CatalogWriter::WriteId(std::string_view id, const Known& known) {
  write_id_.BindText(1, id).Bind(2, Signed(known.content));
  return write_id_.Bind(3, Signed(known.version)).Bind(4, Signed(known.changed)).Run();
}

Status CatalogWriter::InsertRow(const CatalogEntry& entry) {
  const uint64_t content = entry.row.content.value();
  EncodeRow(entry.row, &row_bytes_);
  EncodeNames(entry.names, &name_bytes_);
  insert_row_.Bind(1, Signed(content)).BindBlob(2, row_bytes_).BindBlob(3, name_bytes_);
  RETURN_IF_ERROR(insert_row_.Run());
  for (const std::string& name : entry.names) {
    postings_.emplace_back(BlockOf(content), name, content);
  }
  CatalogCounts& counts = state_.counts;
  ++counts.live;
  counts.suppressed += entry.row.suppressed ? 1 : 0;
  counts.vectors += entry.row.has_vector ? 1 : 0;
  return OkStatus();
}

Result<LiveRow> CatalogWriter::ReadRow(uint64_t content) {
  ASSIGN_OR_RETURN(const bool found, find_row_.Bind(1, Signed(content)).Step());
  if (!found) return NoRow(content);
  Result<LiveRow> row = DecodeRow(Sequence(content), find_row_.Blob(0));
  find_row_.Reset();
  return row;
}

Result<LiveRow> CatalogWriter::TakeRow(uint64_t content) {
  RETURN_IF_ERROR(FlushPostings());
  ASSIGN_OR_RETURN(const bool found, find_row_.Bind(1, Signed(content)).Step());
  if (!found) return NoRow(content);
  Result<LiveRow> row = DecodeRow(Sequence(content), find_row_.Blob(0));
  const std::string names(find_row_.Blob(1));
  find_row_.Reset();
  if (!row.ok()) return row;
  RETURN_IF_ERROR(RemovePostings(content, names));
  RETURN_IF_ERROR(delete_row_.Bind(1, Signed(content)).Run());
  CatalogCounts& counts = state_.counts;
  --counts.live;
  counts.suppressed -= row->suppressed ? 1 : 0;
  counts.vectors -= row->has_vector ? 1 : 0;
  return row;
}

Status CatalogWriter::RemovePostings(uint64_t content, ByteView names) {
  ASSIGN_OR_RETURN(const std::vector<std::string> decoded, DecodeNames(names));
  for (const std::string& name : decoded) {
    delete_posting_.Bind(1, BlockOf(content)).BindText(2, name).Bind(3, Signed(content));
    RETURN_IF_ERROR(delete_posting_.Run());
  }
  return OkStatus();
}

Status CatalogWriter::FlushPostings() {
  std::sort(postings_.begin(), postings_.end());
  for (const auto& [block, name, content] : postings_) {
    insert_posting_.Bind(1, block).BindText(2, name).Bind(3, Signed(content));
    RETURN_IF_ERROR(insert_posting_.Run());
  }
  postings_.clear();
  return OkStatus();
}

}  // namespace engram::index
