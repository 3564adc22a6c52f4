// What a copy says of a position, against a walk over all entries of random logs.
#include "engram/space/token.h"

#include <gtest/gtest.h>

#include "engram/base/prng.h"

namespace engram::space {
namespace {

// A log as the epochs of its entries; its history has a row for each start, further ones too.
struct Entries {
  std::vector<uint64_t> epochs;
  wal::History history;

  void Start(uint64_t epoch) {
    epochs.push_back(epoch);
    wal::EpochBegin begin;
    begin.epoch = Epoch(epoch);
    begin.first = Sequence(epochs.size());
    history.push_back(begin);
  }
};

TokenVerdict Walk(const Entries& log, Position wanted, uint64_t visible) {
  const uint64_t sequence = wanted.sequence.value();
  for (uint64_t at = 1; at <= std::min(visible, sequence); ++at) {
    if (log.epochs[at - 1] > wanted.epoch.value()) return TokenVerdict::kLost;
  }
  const bool there = sequence <= visible && log.epochs[sequence - 1] == wanted.epoch.value();
  return there ? TokenVerdict::kShown : TokenVerdict::kAhead;
}

TEST(Positions, AreJudgedByWhatIsCommitted) {
  Prng prng(7);
  for (int round = 0; round < 200; ++round) {
    Entries log;
    uint64_t epoch = 1 + prng.Below(3);
    log.Start(epoch);
    for (uint64_t i = 0; i < 15; ++i) {
      if (prng.OneIn(4)) {
        log.Start(epoch += prng.Below(3));
      } else {
        log.epochs.push_back(epoch);
      }
    }
    for (uint64_t visible = 0; visible <= log.epochs.size(); ++visible) {
      for (uint64_t sequence = 1; sequence <= log.epochs.size() + 3; ++sequence) {
        const Position wanted{Epoch(1 + prng.Below(epoch + 2)), Sequence(sequence)};
        const TokenCheck check = CheckPosition(wanted, log.history, Sequence(visible));
        ASSERT_EQ(check.verdict, Walk(log, wanted, visible))
            << "epoch " << wanted.epoch.value() << " at " << sequence << ", visible " << visible;
        if (check.verdict != TokenVerdict::kLost) continue;
        ASSERT_LT(check.fork_point, wanted.sequence);
        ASSERT_GT(log.epochs[check.fork_point.value()], wanted.epoch.value());
      }
    }
  }
}

// A watch may stand inside of an entry; to everybody else that is the entry.
TEST(Tokens, MayStandInsideOfAnEntry) {
  Incarnation incarnation;
  incarnation.bytes.fill(7);
  const Position at{Epoch(3), Sequence(12)};
  uint64_t changes = 99;
  const auto parse = [&](const std::string& token) {
    return ParseToken(token, incarnation, &changes);
  };
  const std::string whole = FormatToken(incarnation, at);
  ASSERT_TRUE(parse(whole).ok());
  EXPECT_EQ(*parse(whole), at);
  EXPECT_EQ(changes, 0u);
  EXPECT_EQ(*parse(FormatToken(incarnation, at, 5)), at);
  EXPECT_EQ(changes, 5u);
  EXPECT_EQ(*ParseToken(whole + ".5", incarnation), at);
  for (const char* end : {".0", ".", ".5.5", ".x", ".5."}) {
    EXPECT_EQ(parse(whole + end).status().reason(), Reason::INVALID_REQUEST) << end;
  }
  EXPECT_EQ(parse(whole.substr(0, whole.rfind('.'))).status().reason(), Reason::INVALID_REQUEST);
}

// The history holds the newest starts only: what is older is taken to be there.
TEST(Positions, OlderThanTheHistoryAreShown) {
  Entries log;
  log.epochs.assign(9, 3);
  log.Start(5);
  const auto verdict = [&](uint64_t epoch, uint64_t sequence) {
    return CheckPosition({Epoch(epoch), Sequence(sequence)}, log.history, Sequence(10)).verdict;
  };
  EXPECT_EQ(verdict(3, 9), TokenVerdict::kShown);
  EXPECT_EQ(verdict(6, 9), TokenVerdict::kAhead);
  EXPECT_EQ(verdict(3, 10), TokenVerdict::kLost);
  EXPECT_EQ(verdict(5, 10), TokenVerdict::kShown);
}

}  // namespace
}  // namespace engram::space
