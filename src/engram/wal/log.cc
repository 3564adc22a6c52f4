#include "engram/wal/log.h"

#include "engram/wal/core.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

class LogOnCore : public Log {
 public:
  explicit LogOnCore(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~LogOnCore() override { core_->Shut(); }

  Status Close() override { return core_->Close(); }
  Status BeginEpoch(Epoch epoch, std::string payload) override {
    return core_->BeginEpoch(epoch, std::move(payload));
  }
  Result<Sequence> Append(std::vector<Draft> drafts, DurableCallback done) override {
    return core_->Append(std::move(drafts), std::move(done));
  }
  Result<Sequence> AppendAndWait(std::vector<Draft> drafts, DurableCallback done) override {
    return core_->AppendAndWait(std::move(drafts), std::move(done));
  }
  Status Promise(Epoch epoch) override { return core_->Promise(epoch); }
  Status AppendReceived(std::span<const record::BatchRecord> records,
                        DurableCallback done) override {
    return core_->AppendReceived(records, std::move(done));
  }
  void SetCommit(Sequence commit) override { core_->SetCommit(commit); }
  Floors floors() const override { return core_->floors(); }
  Status SetFloors(const Floors& floors) override { return core_->SetFloors(floors); }
  EntryIdentity end_identity() const override { return core_->end_identity(); }
  Sequence end() const override { return core_->end_identity().sequence; }
  Sequence durable_end() const override { return core_->durable_end(); }
  Sequence committed_end() const override { return core_->committed_end(); }
  Sequence first() const override { return core_->first(); }
  Epoch epoch() const override { return core_->epoch(); }
  Epoch promised() const override { return core_->promised(); }
  History history() const override { return core_->history(); }
  Incarnation incarnation() const override { return core_->incarnation(); }
  uint64_t bytes() const override { return core_->bytes(); }
  size_t segments() const override { return core_->segments(); }
  Result<std::optional<EntryIdentity>> IdentityAt(Sequence sequence) override {
    return core_->IdentityAt(sequence);
  }
  Result<record::Entry> Read(Sequence sequence) override { return core_->Read(sequence); }
  std::unique_ptr<Cursor> NewCursor(Sequence from, ReadThrough through) override {
    return core_->NewCursor(from, through);
  }
  Status TruncateAfter(Sequence last) override { return core_->TruncateAfter(last); }
  State state() const override { return core_->state(); }
  uint64_t cut_at_opening() const override { return core_->cut_at_opening(); }
  void NoteDamage(const Status& why) override { (void)core_->NoteDamage(why); }

 private:
  const std::shared_ptr<Core> core_;
};

Result<std::unique_ptr<Log>> Started(const LogOptions& options, Recovered recovered) {
  auto core = std::make_shared<Core>(options, std::move(recovered));
  RETURN_IF_ERROR(core->Start());
  return std::unique_ptr<Log>(std::make_unique<LogOnCore>(std::move(core)));
}

void CheckOptions(const LogOptions& options) {
  ENGRAM_CHECK(options.fs && options.clock && options.entropy && options.executor);
  ENGRAM_CHECK(!options.directory.empty() && !options.space.empty());
}

}  // namespace

Result<std::unique_ptr<Log>> Log::Create(const LogOptions& options, Incarnation incarnation) {
  CheckOptions(options);
  ASSIGN_OR_RETURN(Recovered recovered, MakeLog(options, incarnation));
  return Started(options, std::move(recovered));
}

Result<std::unique_ptr<Log>> Log::Open(const LogOptions& options) {
  CheckOptions(options);
  ASSIGN_OR_RETURN(Recovered recovered, Recover(options));
  return Started(options, std::move(recovered));
}

}  // namespace engram::wal
