#include "engram/index/catalog.h"

#include "engram/base/thread_annotations.h"
#include "engram/index/catalog_reader.h"
#include "engram/index/catalog_schema.h"
#include "engram/index/catalog_writer.h"
#include "engram/index/sqlite.h"

namespace engram::index {
namespace {

class SqliteCatalog : public Catalog {
 public:
  SqliteCatalog(env::FileSystem& fs, std::string path)
      : fs_(fs), path_(std::move(path)), readers_(std::make_shared<CatalogReaderPool>(fs, path_)) {}

  // The writer goes last: it empties the WAL into the file, if no snapshot is left.
  ~SqliteCatalog() override { readers_->Close(); }

  Status Start(Incarnation incarnation) {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(connection_, Connection::Open(fs_, path_, Connection::Use::kWrite));
    RETURN_IF_ERROR(PrepareSchema(*connection_, incarnation));
    ASSIGN_OR_RETURN(writer_, CatalogWriter::Make(*connection_));
    ASSIGN_OR_RETURN(state_, writer_->Load());
    return OkStatus();
  }

  IndexIdentity identity() const override {
    MutexLock lock(mutex_);
    return state_.identity;
  }

  Status Apply(std::span<const model::Change> changes, const IndexIdentity& through) override;

  Result<std::unique_ptr<CatalogSnapshot>> NewSnapshot() override {
    return MakeCatalogSnapshot(readers_);
  }

  uint64_t bytes() const override { return DatabaseBytes(fs_, path_); }

 private:
  static Status CheckOrder(const IndexIdentity& from, std::span<const model::Change> changes,
                           const IndexIdentity& through);

  env::FileSystem& fs_;
  const std::string path_;
  const std::shared_ptr<CatalogReaderPool> readers_;
  mutable Mutex mutex_;  // the state; Apply itself has one caller at a time
  Mutex apply_;
  CatalogState state_ GUARDED_BY(mutex_);
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<CatalogWriter> writer_;
};

Status SqliteCatalog::CheckOrder(const IndexIdentity& from, std::span<const model::Change> changes,
                                 const IndexIdentity& through) {
  Sequence last = from.sequence;
  for (const model::Change& change : changes) {
    if (change.sequence <= last) {
      return Status(Reason::STORAGE, "changes reach the catalog out of order")
          .With("sequence", change.sequence.value())
          .With("after", last.value());
    }
    last = change.sequence;
  }
  if (through.sequence >= last && through.incarnation == from.incarnation) return OkStatus();
  return Status(Reason::STORAGE, "the catalog's new identity is not behind its changes")
      .With("sequence", through.sequence.value());
}

Status SqliteCatalog::Apply(std::span<const model::Change> changes, const IndexIdentity& through) {
  MutexLock one_at_a_time(apply_);
  CatalogState before;
  {
    MutexLock lock(mutex_);
    before = state_;
  }
  RETURN_IF_ERROR(CheckOrder(before.identity, changes, through));
  ASSIGN_OR_RETURN(Transaction transaction,
                   Transaction::Begin(*connection_, Transaction::Kind::kWrite));
  writer_->Begin(before);
  for (const model::Change& change : changes) RETURN_IF_ERROR(writer_->Apply(change));
  ASSIGN_OR_RETURN(const CatalogState after, writer_->Finish(through));
  RETURN_IF_ERROR(transaction.Commit());
  MutexLock lock(mutex_);
  state_ = after;
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::Open(env::FileSystem& fs, const std::string& path,
                                               Incarnation incarnation) {
  auto catalog = std::make_unique<SqliteCatalog>(fs, path);
  RETURN_IF_ERROR(catalog->Start(incarnation));
  return std::unique_ptr<Catalog>(std::move(catalog));
}

Status Catalog::Destroy(env::FileSystem& fs, const std::string& path) {
  return RemoveDatabase(fs, path);
}

}  // namespace engram::index
