// For tests: two copies of one space in one process, each on a file system of its own, and the
// replication between them played by hand: what is shipped, when it is committed, who leads.
#pragma once

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "engram/record/batch.h"
#include "engram/space/epoch.h"
#include "engram/space/oracle.h"
#include "engram/space/test_kit.h"

namespace engram::space {

class TestCommitter : public Committer {
 public:
  Result<v1::Durability> Admit(v1::Durability level) override {
    if (!leads) return Status(Reason::NOT_PRIMARY, "The other one is.").With("primary", "other");
    if (admits_replicated || level == v1::DURABILITY_LOCAL) return level;
    if (level == v1::DURABILITY_AUTO) return v1::DURABILITY_LOCAL;
    return Status(Reason::NOT_ENOUGH_IN_SYNC, "Alone.");
  }
  void OnLogMoved() override { ++moves; }
  void OnVisible(Sequence visible) override { shown = visible.value(); }
  CopyState State() override {
    CopyState state;
    state.primary = leads;
    state.primary_node = "n1";
    state.epoch = Epoch(1);
    state.copies_in_sync = admits_replicated ? 2 : 1;
    state.wanted_copies = 2;
    return state;
  }
  Status Confirm(Duration) override {
    ++confirms;
    return leads ? OkStatus() : Status(Reason::NOT_PRIMARY, "The other one is.");
  }
  bool HoldsLease() override { return holds_lease; }
  bool LeaseRanOut() override { return lease_ran_out; }
  Duration auto_wait() const override { return Duration(auto_wait_ns.load()); }
  Duration commit_timeout() const override { return Duration(commit_timeout_ns.load()); }

  std::atomic<bool> leads{false}, admits_replicated{true};
  std::atomic<bool> holds_lease{false}, lease_ran_out{false};
  std::atomic<uint64_t> moves{0}, shown{0}, confirms{0};
  std::atomic<int64_t> auto_wait_ns{30'000'000'000}, commit_timeout_ns{30'000'000'000};
};

// One of the two. A crash replaces the node, never the committer.
struct PairCopy {
  explicit PairCopy(std::unique_ptr<env::FileSystem> fs = nullptr) { Boot(std::move(fs)); }
  ~PairCopy() { Stop(); }

  void Boot(std::unique_ptr<env::FileSystem> fs) {
    node = std::make_unique<TestNode>(std::move(fs));
    node->environment.committer_for = [this](const std::string&, const wal::Log&) {
      return &committer;
    };
  }
  void Stop() {
    space = nullptr;
    node = nullptr;
  }
  // Comes back from what the power cut left, as one that follows.
  void Crash(Prng& prng, bool power_cut) {
    auto left = power_cut ? node->memory().CrashClone(prng) : node->memory().Clone();
    Stop();
    Boot(std::move(left));
    committer.leads = false;
    auto opened = Space::Open(node->environment, "notes");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString() << node->observer.Events();
    space = *opened;
  }
  wal::Log& log() { return space->log(); }
  void Lead(Epoch epoch) {
    const Position fork{log().epoch(), log().end()};
    const Status led = space->Lead(epoch, EpochStartPayload(node->environment, epoch, fork));
    ASSERT_TRUE(led.ok()) << led.ToString();
    committer.leads = true;
  }
  void Follow() {
    committer.leads = false;
    space->Follow();
  }
  // Until what is committed here is visible here.
  bool Settle() {
    const auto end = env::SystemClock().Now() + std::chrono::seconds(30);
    while (space->visible().sequence < log().committed_end()) {
      if (env::SystemClock().Now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TestCommitter committer;
  std::unique_ptr<TestNode> node;
  std::shared_ptr<Space> space;
};

// Appends the next records of one log to another, at most `most`; waits until they are durable.
inline Status Ship(wal::Log& from, wal::Log& to, size_t most) {
  RETURN_IF_ERROR(to.Promise(from.epoch()));
  const auto cursor = from.NewCursor(to.end().next(), wal::ReadThrough::kAppended);
  std::string bytes;
  record::BatchHeader header;
  header.start = to.end().next();
  wal::Cursor::Shipped what;
  while (header.count < most) {
    ASSIGN_OR_RETURN(const bool more, cursor->NextRecord(&bytes, &what));
    if (!more) break;
    ++header.count;
  }
  if (header.count == 0) return OkStatus();
  header.size = bytes.size();
  ASSIGN_OR_RETURN(const auto records, record::SplitBatch(header, bytes));
  auto durable = std::make_shared<std::promise<Status>>();
  RETURN_IF_ERROR(
      to.AppendReceived(records, [durable](const Status& status) { durable->set_value(status); }));
  return durable->get_future().get();
}

// The last entry that both logs have.
inline Sequence ForkPoint(wal::Log& a, wal::Log& b) {
  Sequence at = std::min(a.end(), b.end());
  while (!at.is_zero() && *a.IdentityAt(at) != *b.IdentityAt(at)) at = at.prev();
  return at;
}

// What a log says up to an entry, by plain replay.
inline Oracle OracleOf(wal::Log& log, Sequence through) {
  Oracle oracle;
  const auto cursor = log.NewCursor(Sequence(1), wal::ReadThrough::kAppended);
  while (cursor->position() <= through) {
    auto entry = cursor->Next();
    EXPECT_TRUE(entry.ok()) << entry.status().ToString();
    if (!entry.ok() || !entry->has_value()) break;
    auto decoded = DecodeEntry(**entry);
    EXPECT_TRUE(decoded.ok()) << decoded.status().ToString();
    const model::Decision& decision = (*decoded)->change.decision;
    if (const pb::StoreRecord* content = (*decoded)->content()) {
      const std::string& id = content->episode().id();
      const bool keeps = !std::holds_alternative<pb::StoreRecord>(decision);
      KnownMemory& memory = oracle.live[id];
      memory = {content->episode(), (*decoded)->sequence(), content->version(),
                keeps && memory.suppressed, model::UtcTime::FromProto(content->stored_at())};
      EXPECT_EQ(content->version(), oracle.newest[id] + 1) << "a version number used twice";
      oracle.newest[id] = content->version();
    } else if (const auto* update = std::get_if<pb::UpdateRecord>(&decision)) {
      for (const std::string& id : update->ids()) {
        oracle.live[id].suppressed = update->state().suppressed();
      }
    } else if (const auto* gone = std::get_if<pb::DeleteRecord>(&decision)) {
      for (const std::string& id : gone->ids()) oracle.live.erase(id);
    }
  }
  return oracle;
}

}  // namespace engram::space
