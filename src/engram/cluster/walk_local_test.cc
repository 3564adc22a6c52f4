// Random walks over a space whose durability is `local`: writes of both levels, unplanned
// promotions with their stated losses, reads on every copy, tokens. Even seeds have the static
// store, odd ones a store outside. Checked: logs match; whoever is promoted holds every entry that
// was answered as `replicated`; nothing is cut below a copy's commit outside of a stated loss. At
// the end, healed: whatever a read showed or an answer promised is in the log or inside a stated
// loss; WRITE_LOST was said of no write that survives, and is said of each that does not.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "engram/cluster/static_store.h"
#include "engram/cluster/walk_kit.h"
#include "engram/cluster/walk_store.h"

namespace engram::cluster::walk {
namespace {

using replication::Mutant;

struct LocalWalkOptions : WorldOptions {
  size_t steps = 300;
};

enum class Token { kShown, kWait, kLost };

class LocalWalk : public OuterWorld {
 public:
  LocalWalk(LocalWalkOptions options, uint64_t seed)
      : OuterWorld(Shaped(options, seed), seed), walk_(options), outside_(seed % 2 == 1) {}

  void Run() {
    outside_ ? CreateOutside(0) : Create(0);
    if (!prng_.OneIn(5)) CalmStore(12);
    for (size_t i = 0; i < walk_.steps && violation().empty(); ++i) {
      Act();
      CheckLogs();
    }
    if (violation().empty()) Heal();
  }

 private:
  static WorldOptions Shaped(WorldOptions options, uint64_t seed) {
    options.nodes = 3;
    options.local_space = true;
    options.voters = seed % 2 == 0;
    return options;
  }

  std::unique_ptr<Store> MakeStore(size_t n) override {
    if (outside_) return MakeOuterStore(n);
    StaticOptions options{{.nodes = {"n1", "n2", "n3"}, .me = n, .self = MemberOf(n)}};
    options.mutant = options_.mutant;
    return std::make_unique<StaticStore>(options);
  }

  void Act();
  void Read(size_t n);
  Token Ask(size_t n, Position token) const;
  void AskAny(size_t n);
  void OnBegin(size_t n, const Begin& begin) override;
  void OnCommit(size_t n, const CommitMove& move) override;
  void OnCut(size_t n, const Rewind& rewind) override;
  void OnAlarm(size_t, const Alarm& alarm) override {
    if (alarm.event != "replica_refuses") Fail("alarm: " + alarm.event);
  }
  bool Whole(size_t n) const;
  void Heal();
  void CheckTokens(size_t primary);

  const LocalWalkOptions walk_;
  const bool outside_;
  std::set<Position> answered_, replicated_, shown_, lost_;
};

void LocalWalk::Act() {
  const size_t n = prng_.Below(count());
  Node& node = nodes_[n];
  Advance(60);
  const uint64_t act = prng_.Below(100);
  if (act < 34) return Deliver();
  if (act < 44) return Sync(n);
  if (act < 51) return Notice(n, prng_.Below(count()));
  if (act < 58) {
    Advance(600);
    return Step(n, Tick{});
  }
  if (act < 65) return values_ < 40 ? Append(n) : void();
  if (act < 68) {
    for (size_t peer = 0; peer < count(); ++peer) {
      if (node.blocked[peer] && node.alive) {
        node.blocked[peer] = false;
        Step(n, Writable{peer});
      }
    }
    return;
  }
  if (act < 73) return ServeAny();
  if (act < 75) return outside_ ? MoveLease(n) : void();
  if (act < 80) {
    Restart(n);
    return outside_ ? Renew(n) : void();
  }
  if (act < 83) return Crash(n);
  if (act < 84) {
    node.fuse = static_cast<int>(prng_.Below(6));
    return;
  }
  if (act < 88)
    return prng_.OneIn(2) ? (outside_ ? Promote(n) : Stand(n, {.id = ++requests_})) : void();
  if (act < 89) return CutRandomly();
  if (act < 92) {
    for (auto& row : cut_) row.assign(count(), false);
    return;
  }
  if (act < 96) return Read(n);
  AskAny(n);
}

void LocalWalk::Read(size_t n) {
  if (nodes_[n].copy == nullptr) return;
  const Log& log = nodes_[n].disk.log;
  for (uint64_t at = 1; at <= nodes_[n].copy->commit().value(); ++at) {
    shown_.insert({At(log, at).epoch, Sequence(at)});
  }
}

// What a read with a token is told: the rule of protocol.md, by the log alone.
Token LocalWalk::Ask(size_t n, Position token) const {
  const Log& log = nodes_[n].disk.log;
  const uint64_t commit = nodes_[n].copy->commit().value();
  const uint64_t at = token.sequence.value();
  for (uint64_t i = 1; i <= std::min(commit, at); ++i) {
    if (At(log, i).epoch > token.epoch) return Token::kLost;
  }
  return at <= commit && At(log, at).epoch == token.epoch ? Token::kShown : Token::kWait;
}

void LocalWalk::AskAny(size_t n) {
  if (answered_.empty() || nodes_[n].copy == nullptr) return;
  auto it = answered_.begin();
  std::advance(it, prng_.Below(answered_.size()));
  if (Ask(n, *it) == Token::kLost) lost_.insert(*it);
}

void LocalWalk::OnBegin(size_t n, const Begin& begin) {
  if (!begin.new_epoch) return;
  const Log& log = nodes_[n].disk.log;
  for (const Position& write : replicated_) {
    const uint64_t at = write.sequence.value();
    if (at > log.size() || At(log, at).epoch != write.epoch) {
      return Fail("promoted without an entry that was answered as replicated");
    }
  }
}

// Answers as the runtime gives them: `local` at the commit, `replicated` at the replicated end.
void LocalWalk::OnCommit(size_t n, const CommitMove& move) {
  const Copy& copy = *nodes_[n].copy;
  if (copy.role() != Role::kPrimary) return;
  const Log& log = nodes_[n].disk.log;
  size_t counted = copy.current().in_sync.size();
  for (size_t i = 0; i < count(); ++i) counted += copy.peer(i).joining ? 1 : 0;
  Sequence both = counted > 1 ? move.replicated_end : Sequence();
  if (Is(Mutant::kReplicatedAnsweredAtCommit)) both = move.commit;
  for (uint64_t at = 1; at <= move.commit.value(); ++at) {
    const Item& item = At(log, at);
    if (item.record != nullptr || item.epoch != copy.epoch()) continue;
    answered_.insert({item.epoch, Sequence(at)});
    if (at <= both.value()) replicated_.insert({item.epoch, Sequence(at)});
  }
}

void LocalWalk::OnCut(size_t n, const Rewind& rewind) {
  if (rewind.to >= nodes_[n].copy->commit()) return;
  for (const Item& item : nodes_[heard_].disk.log) {
    if (item.record == nullptr || !item.record->loss_after.has_value()) continue;
    if (item.record->at > rewind.to && item.record->loss_after->sequence <= rewind.to) return;
  }
  Fail("cut below commit outside of a stated loss");
}

bool LocalWalk::Whole(size_t n) const {
  if (!Leads(n) || !nodes_[n].copy->serving()) return false;
  for (size_t i = 0; i < count(); ++i) {
    if (!Has(nodes_[n].copy->current().in_sync, MemberOf(i))) return false;
  }
  return !outside_ || config_.space.record.epoch == nodes_[n].copy->epoch();
}

void LocalWalk::Heal() {
  Note("heal");
  for (auto& row : cut_) row.assign(count(), false);
  for (size_t n = 0; n < count(); ++n) {
    nodes_[n].fuse = -1;
    Restart(n);
  }
  if (outside_) RenewAll();
  const auto whole = [&]() -> std::optional<size_t> {
    for (size_t n = 0; n < count(); ++n) {
      if (Whole(n)) return n;
    }
    return std::nullopt;
  };
  CalmStore(60);
  for (size_t n = 0; n < count() && !whole().has_value() && violation().empty(); ++n) {
    Stand(n, {.id = ++requests_});
    CalmStore(60);
  }
  if (!violation().empty()) return;
  const std::optional<size_t> primary = whole();
  if (!primary.has_value()) return Fail("does not converge");
  Append(*primary);
  const Sequence goal(nodes_[*primary].disk.log.size());
  CalmStore(20);
  for (size_t n = 0; n < count(); ++n) {
    if (nodes_[n].copy->commit() < goal) return Fail("the last write does not commit");
  }
  CheckTokens(*primary);
}

void LocalWalk::CheckTokens(size_t primary) {
  const Log& log = nodes_[primary].disk.log;
  std::set<Position> live;
  for (uint64_t at = 1; at <= log.size(); ++at) live.insert({At(log, at).epoch, Sequence(at)});
  const auto stated = [&](Position position) {
    return std::any_of(log.begin(), log.end(), [&](const Item& item) {
      return item.record != nullptr && item.record->loss_after.has_value() &&
             item.record->loss_after->sequence < position.sequence && position.epoch < item.epoch;
    });
  };
  const auto gone = [&](Position position) {
    return !live.contains(position) && !stated(position);
  };
  if (std::any_of(shown_.begin(), shown_.end(), gone)) {
    return Fail("a read showed what was lost outside of a stated loss");
  }
  if (std::any_of(answered_.begin(), answered_.end(), gone)) {
    return Fail("an answered write was lost outside of a stated loss");
  }
  for (const Position& token : lost_) {
    if (live.contains(token)) return Fail("WRITE_LOST for a write that survives");
  }
  for (const Position& token : answered_) {
    for (size_t n = 0; n < count(); ++n) {
      const Token right = live.contains(token) ? Token::kShown : Token::kLost;
      if (Ask(n, token) != right) return Fail("a wrong answer for a token at the end");
    }
  }
}

TEST(LocalWalk, DISABLED_Census) {
  std::cout << Census<LocalWalk>(LocalWalkOptions{}, 0, 40000);
}

TEST(LocalWalk, DISABLED_MutantCensus) {
  for (int i = 1; i <= static_cast<int>(Mutant::kHintSurvivesRewind); ++i) {
    LocalWalkOptions options;
    options.mutant = static_cast<Mutant>(i);
    std::cout << "mutant " << i << "\n" << Census<LocalWalk>(options, 0, 4000) << std::flush;
  }
}

// --gtest_also_run_disabled_tests --gtest_filter=*OneSeed --gtest_random_seed=N
TEST(LocalWalk, DISABLED_OneSeed) {
  const auto seed = static_cast<uint64_t>(testing::UnitTest::GetInstance()->random_seed());
  LocalWalkOptions options;
  options.trace_lines = 2000;
  std::cout << Explore<LocalWalk>(options, seed, 1);
}

TEST(LocalWalk, KeepsAllRules) {
  EXPECT_EQ(Explore<LocalWalk>(LocalWalkOptions{}, 0, 8000), "");
}

class LocalWalkMutants : public testing::TestWithParam<Mutant> {};

// Whoever breaks the rule is caught.
TEST_P(LocalWalkMutants, AreCaught) {
  LocalWalkOptions options;
  options.mutant = GetParam();
  EXPECT_NE(Explore<LocalWalk>(options, 0, 12000), "");
}
INSTANTIATE_TEST_SUITE_P(Rules, LocalWalkMutants,
                         testing::Values(Mutant::kResumeEpoch, Mutant::kShrinkBeforeAnswer,
                                         Mutant::kCommitByMajority, Mutant::kCommitCountsUnsynced,
                                         Mutant::kStartCommittedAlone, Mutant::kNoStatedLoss,
                                         Mutant::kRestartStatesNoLoss,
                                         Mutant::kReplicatedAnsweredAtCommit));

}  // namespace
}  // namespace engram::cluster::walk
