// Applies logged decisions to the tables of the catalog, inside of a transaction that its owner
// (the Catalog) begins and commits. One thread at a time.
//
// Invariants: an id has a row exactly when it is not deleted; postings and names say the same; the
// version number of an id never falls, not by a delete either.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "engram/index/catalog_row.h"
#include "engram/index/catalog_schema.h"

namespace engram::index {

class CatalogWriter {
 public:
  static Result<std::unique_ptr<CatalogWriter>> Make(Connection& connection);

  // Where the file stands, as of the last commit (or Begin).
  Result<CatalogState> Load();
  // Starts from `state`: what the transaction that just began will change.
  void Begin(const CatalogState& state);
  Status Apply(const model::Change& change);
  // Writes what was held back, and the state with the new identity; returns it for after the
  // commit.
  Result<CatalogState> Finish(const IndexIdentity& through);

 private:
  struct Known {
    bool found = false;
    uint64_t content = 0, version = 0, changed = 0;
  };
  CatalogWriter() = default;

  Status Apply(const engram::internal::v1::StoreRecord& record, std::string_view id,
               Sequence sequence, bool revive);
  Status ApplyUpdate(const engram::internal::v1::UpdateRecord& record, Sequence sequence);
  Status ApplyDelete(const engram::internal::v1::DeleteRecord& record, Sequence sequence);
  Status ApplyConsolidation(const engram::internal::v1::ConsolidationRecord& record,
                            Sequence sequence);
  Status Suppress(std::string_view id, bool suppressed, Sequence sequence);
  Status Delete(std::string_view id, uint64_t version, Sequence sequence);
  Status StoreKey(const engram::internal::v1::IdempotencyKey& key, Sequence sequence);

  // Claims a new id; false when it is known already.
  Result<bool> InsertId(std::string_view id, const Known& known);
  Result<Known> FindId(std::string_view id);
  Status WriteId(std::string_view id, const Known& known);
  Status InsertRow(const CatalogEntry& entry);
  Result<LiveRow> ReadRow(uint64_t content);
  // Takes the row and its postings out; returns the row as it was.
  Result<LiveRow> TakeRow(uint64_t content);
  Status RemovePostings(uint64_t content, ByteView names);
  Status FlushPostings();

  Connection* connection_ = nullptr;
  Statement read_state_, write_state_;
  Statement insert_id_, find_id_, write_id_;
  Statement insert_row_, find_row_, update_row_, delete_row_;
  Statement insert_old_, delete_old_;
  Statement insert_posting_, delete_posting_, insert_key_;

  CatalogState state_;
  // Postings of this transaction, written in key order at its end: neighbours share pages.
  std::vector<std::tuple<int64_t, std::string, uint64_t>> postings_;
  std::string row_bytes_, name_bytes_;
};

}  // namespace engram::index
