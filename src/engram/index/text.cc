#include "engram/index/text.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engram/base/thread_annotations.h"
#include "engram/index/analyzer.h"
#include "engram/index/sqlite.h"
#include "engram/index/text_fts.h"
#include "engram/index/text_rows.h"

namespace engram::index {
namespace {

// A connection for reading, with its statements; one transaction at a time.
struct Reader {
  std::unique_ptr<Connection> connection;
  Statement search, long_length;

  static Result<std::unique_ptr<Reader>> Open(env::FileSystem& fs, const std::string& path) {
    auto reader = std::make_unique<Reader>();
    ASSIGN_OR_RETURN(reader->connection, Connection::Open(fs, path, Connection::Use::kRead));
    RETURN_IF_ERROR(RegisterFts(*reader->connection));
    ASSIGN_OR_RETURN(reader->search, reader->connection->Prepare(
                                         "SELECT engram_counts(documents, ?1) FROM documents"
                                         " WHERE documents MATCH ?2 ORDER BY rowid"));
    ASSIGN_OR_RETURN(reader->long_length, reader->connection->Prepare(
                                              "SELECT terms FROM long_documents WHERE content=?1"));
    return reader;
  }
};

// Readers that nobody uses at the moment.
class ReaderPool {
 public:
  ReaderPool(env::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}

  Result<std::unique_ptr<Reader>> Take() EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Reader> reader = std::move(idle_.back());
        idle_.pop_back();
        return reader;
      }
    }
    return Reader::Open(fs_, path_);
  }
  void Give(std::unique_ptr<Reader> reader) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(reader));
  }

 private:
  static constexpr size_t kMaxIdle = 8;
  env::FileSystem& fs_;
  const std::string path_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_ GUARDED_BY(mutex_);
};

class Snapshot : public TextSnapshot {
 public:
  Snapshot(std::shared_ptr<ReaderPool> pool, std::unique_ptr<Reader> reader,
           Transaction transaction, TextState state)
      : pool_(std::move(pool)),
        reader_(std::move(reader)),
        transaction_(std::move(transaction)),
        state_(std::move(state)) {}
  ~Snapshot() override {
    transaction_.reset();
    pool_->Give(std::move(reader_));
  }

  const IndexIdentity& identity() const override { return state_.identity; }
  const TextTotals& totals() const override { return state_.totals; }

  Status Search(std::span<const std::string> terms, std::vector<uint64_t>* document_counts,
                const std::function<void(const TextHit&)>& hit) override {
    document_counts->assign(terms.size(), 0);
    // FTS5 cannot be asked for an empty term, and no text has one.
    std::vector<std::string> asked;
    std::vector<size_t> places;
    for (size_t i = 0; i < terms.size(); ++i) {
      if (terms[i].empty() || terms[i].find('\0') != std::string::npos) continue;
      asked.push_back(terms[i]);
      places.push_back(i);
    }
    if (asked.empty()) return OkStatus();
    return Enumerate(asked, places, document_counts, hit);
  }

 private:
  Status Enumerate(const std::vector<std::string>& asked, const std::vector<size_t>& places,
                   std::vector<uint64_t>* document_counts,
                   const std::function<void(const TextHit&)>& hit) {
    RowCounts row{0, std::vector<uint32_t>(asked.size())};
    std::vector<uint32_t> counts(document_counts->size());
    const std::string match = MatchAny(asked);
    Statement& search = reader_->search;
    BindRowCounts(search, 1, &row);
    search.BindText(2, match);
    for (;;) {
      ASSIGN_OR_RETURN(const bool found, search.Step());
      if (!found) return OkStatus();
      for (size_t i = 0; i < places.size(); ++i) {
        counts[places[i]] = row.counts[i];
        (*document_counts)[places[i]] += row.counts[i] > 0;
      }
      Result<uint32_t> length = LengthOf(row.rowid);
      if (!length.ok()) {
        search.Reset();
        return length.status();
      }
      hit(TextHit{ContentOfRow(row.rowid), *length, counts});
    }
  }

  Result<uint32_t> LengthOf(int64_t rowid) {
    const uint32_t length = ShortLengthOfRow(rowid);
    if (length < kLongDocument) return length;
    Statement& statement = reader_->long_length;
    statement.Bind(1, static_cast<int64_t>(ContentOfRow(rowid).value()));
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return Status(Reason::CORRUPTION_DETECTED, "a long document has no length");
    const auto exact = static_cast<uint32_t>(statement.Int(0));
    statement.Reset();
    return exact;
  }

  std::shared_ptr<ReaderPool> pool_;
  std::unique_ptr<Reader> reader_;
  std::optional<Transaction> transaction_;
  TextState state_;
};

class FtsTextIndex : public TextIndex {
 public:
  FtsTextIndex(env::FileSystem& fs, std::string path, std::unique_ptr<Analyzer> analyzer)
      : fs_(fs),
        path_(std::move(path)),
        analyzer_(std::move(analyzer)),
        pool_(std::make_shared<ReaderPool>(fs, path_)) {}

  Status Start(Incarnation incarnation) {
    ASSIGN_OR_RETURN(writer_, TextWriter::Open(fs_, path_, incarnation, analyzer_->signature()));
    MutexLock lock(mutex_);
    identity_ = writer_->state().identity;
    return OkStatus();
  }

  IndexIdentity identity() const override {
    MutexLock lock(mutex_);
    return identity_;
  }

  Status Apply(std::span<const TextChange> changes, const IndexIdentity& through) override {
    const std::map<Sequence, NetChange> net = NetOf(changes);
    std::vector<TextRow> removed, added;  // ascending: FTS5 writes a segment whenever rowids fall
    for (const auto& [content, change] : net) {
      if (change.removed) removed.push_back({content, analyzer_->Analyze(*change.removed)});
      if (change.added) added.push_back({content, analyzer_->Analyze(*change.added)});
    }
    RETURN_IF_ERROR(writer_->Apply(removed, added, through));
    MutexLock lock(mutex_);
    identity_ = through;
    return OkStatus();
  }

  Result<std::unique_ptr<TextSnapshot>> NewSnapshot() override {
    ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader, pool_->Take());
    ASSIGN_OR_RETURN(Transaction transaction,
                     Transaction::Begin(*reader->connection, Transaction::Kind::kRead));
    ASSIGN_OR_RETURN(TextState state, ReadTextState(*reader->connection));
    return std::unique_ptr<TextSnapshot>(std::make_unique<Snapshot>(
        pool_, std::move(reader), std::move(transaction), std::move(state)));
  }

  uint64_t bytes() const override { return DatabaseBytes(fs_, path_); }

 private:
  // What is left of many changes to one document: the text that goes, then the one that comes.
  struct NetChange {
    bool seen = false;
    const std::string* removed = nullptr;
    const std::string* added = nullptr;
  };
  static std::map<Sequence, NetChange> NetOf(std::span<const TextChange> changes) {
    std::map<Sequence, NetChange> net;
    for (const TextChange& change : changes) {
      NetChange& document = net[change.content];
      if (change.remove && !document.seen) document.removed = &change.text;
      document.added = change.remove ? nullptr : &change.text;
      document.seen = true;
    }
    return net;
  }

  env::FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<Analyzer> analyzer_;
  std::unique_ptr<TextWriter> writer_;
  std::shared_ptr<ReaderPool> pool_;
  mutable Mutex mutex_;
  IndexIdentity identity_ GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<TextIndex>> TextIndex::Open(env::FileSystem& fs, const std::string& path,
                                                   Incarnation incarnation,
                                                   std::string_view analyzer) {
  ASSIGN_OR_RETURN(std::unique_ptr<Analyzer> made, Analyzer::Make(analyzer));
  auto index = std::make_unique<FtsTextIndex>(fs, path, std::move(made));
  RETURN_IF_ERROR(index->Start(incarnation));
  return std::unique_ptr<TextIndex>(std::move(index));
}

Status TextIndex::Destroy(env::FileSystem& fs, const std::string& path) {
  return RemoveDatabase(fs, path);
}

}  // namespace engram::index
