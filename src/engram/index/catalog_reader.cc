#include "engram/index/catalog_reader.h"

#include "engram/index/catalog_schema.h"

namespace engram::index {

Result<std::unique_ptr<CatalogReader>> CatalogReader::Open(env::FileSystem& fs,
                                                           const std::string& path) {
  auto reader = std::make_unique<CatalogReader>();
  ASSIGN_OR_RETURN(reader->connection, Connection::Open(fs, path, Connection::Use::kRead));
  const std::pair<Statement*, const char*> statements[] = {
      {&reader->begin, "BEGIN"},
      {&reader->commit, "COMMIT"},
      {&reader->state, kReadState},
      {&reader->find_id,
       "SELECT i.content, i.version, i.changed, r.row FROM ids i"
       " LEFT JOIN rows r ON r.content = i.content WHERE i.id = ?1"},
      {&reader->find_key,
       "SELECT sequence, digest, item, items FROM keys WHERE key = ?1 ORDER BY item"},
      {&reader->history,
       "SELECT version, content, stored, stored_ns FROM old WHERE id = ?1 ORDER BY version DESC"},
      {&reader->live, "SELECT content, row FROM rows ORDER BY content"},
      {&reader->posting, "SELECT content FROM postings WHERE block = ?1 AND name = ?2"},
      {&reader->postings_within,
       "SELECT content FROM postings WHERE block = ?1 AND name >= ?2 AND name < ?3"},
      {&reader->names, "SELECT names FROM rows WHERE content = ?1"},
      {&reader->ids_from, "SELECT id, content FROM ids WHERE id >= ?1 AND id < ?2 ORDER BY id"}};
  for (const auto& [statement, sql] : statements) {
    ASSIGN_OR_RETURN(*statement, reader->connection->Prepare(sql));
  }
  return reader;
}

Result<std::unique_ptr<CatalogReader>> CatalogReaderPool::Take() {
  {
    MutexLock lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<CatalogReader> reader = std::move(idle_.back());
      idle_.pop_back();
      return reader;
    }
    if (open_ == kOpenMax) {
      return Status(Reason::OVERLOADED, "too many views of one space are open at once")
          .With("limit", uint64_t{kOpenMax})
          .Suggest("try again when other requests have ended");
    }
    ++open_;
  }
  Result<std::unique_ptr<CatalogReader>> reader = CatalogReader::Open(fs_, path_);
  if (!reader.ok()) Give(nullptr);
  return reader;
}

void CatalogReaderPool::Give(std::unique_ptr<CatalogReader> reader) {
  MutexLock lock(mutex_);
  if (reader != nullptr && !closed_ && idle_.size() < kIdleMax) {
    idle_.push_back(std::move(reader));
  } else {
    --open_;
  }
}

void CatalogReaderPool::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  open_ -= idle_.size();
  idle_.clear();
}

}  // namespace engram::index
