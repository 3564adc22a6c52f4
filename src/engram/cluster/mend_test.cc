#include "engram/cluster/mend.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "engram/base/prng.h"

namespace engram::cluster {
namespace {

using replication::EntryRange;
using Event = Mender::Event;

EntryRange Range(uint64_t first, uint64_t last) {
  return {Sequence(first), Sequence(last)};
}

class MenderTest : public testing::Test {
 protected:
  Mender::Effects Step(const Event& event) {
    const Mender::Effects effects = mender_.Step(now_, event);
    EXPECT_EQ(mender_.CheckInvariants(), "");
    return effects;
  }
  void Later(Duration by) { now_ = now_ + by; }

  Instant now_{1'000'000'000};
  Mender mender_{{.nodes = 3, .me = 0}};
};

TEST_F(MenderTest, AsksOneAfterAnotherUntilAllIsTaken) {
  Step(Mender::PeerUp{1});
  Step(Mender::PeerUp{2});
  const auto first = Step(Mender::Found{{Range(3, 4), Range(9, 9)}, Sequence()});
  ASSERT_TRUE(first.ask.has_value());
  EXPECT_EQ(first.ask->range, Range(3, 4));
  const size_t other = 3 - first.ask->peer;
  const auto second = Step(Mender::Answered{first.ask->peer, false, "it is damaged there"});
  ASSERT_TRUE(second.ask.has_value());
  EXPECT_EQ(second.ask->peer, other);
  EXPECT_EQ(second.ask->range, Range(3, 4));
  const auto third = Step(Mender::Answered{other, true});
  ASSERT_TRUE(third.ask.has_value());
  EXPECT_EQ(third.ask->range, Range(9, 9));
  EXPECT_EQ(third.ask->index, 1u);
  EXPECT_FALSE(third.replace);
  EXPECT_TRUE(Step(Mender::Answered{third.ask->peer, true}).replace);
  EXPECT_TRUE(Step(Mender::Found{}).done);
  EXPECT_TRUE(mender_.idle());
}

TEST_F(MenderTest, BytesOfTheLogsOwnNeedNobody) {
  const auto effects = Step(Mender::Found{{Range(3, 2)}, Sequence()});
  EXPECT_FALSE(effects.ask.has_value());
  EXPECT_TRUE(effects.replace);
}

TEST_F(MenderTest, TellsOnceWhenNobodyCanHelpAndTriesAgain) {
  EXPECT_NE(Step(Mender::Found{{Range(3, 4)}, Sequence()}).alarm.value_or(""), "");
  EXPECT_FALSE(Step(Mender::Tick{}).look);
  Later(std::chrono::seconds(1));
  EXPECT_TRUE(Step(Mender::Tick{}).look);
  EXPECT_FALSE(Step(Mender::Found{{Range(3, 4)}, Sequence()}).alarm.has_value());
  Later(std::chrono::seconds(1));
  EXPECT_FALSE(Step(Mender::Tick{}).look);  // the wait is longer now
  EXPECT_TRUE(Step(Mender::PeerUp{2}).look);
  EXPECT_EQ(Step(Mender::Found{{Range(3, 4)}, Sequence()}).ask->peer, 2u);
}

TEST_F(MenderTest, AConnectionThatIsLostIsNoAnswer) {
  Step(Mender::PeerUp{1});
  ASSERT_TRUE(Step(Mender::Found{{Range(3, 4)}, Sequence()}).ask.has_value());
  EXPECT_TRUE(Step(Mender::PeerDown{1}).alarm.has_value());
  const auto late = Step(Mender::Answered{1, true});
  EXPECT_FALSE(late.replace);
  EXPECT_FALSE(late.ask.has_value());
}

TEST_F(MenderTest, ReachesThroughTheTombstoneFloor) {
  Step(Mender::PeerUp{1});
  EXPECT_EQ(Step(Mender::Found{{Range(3, 4)}, Sequence(20)}).ask->range, Range(3, 20));
}

TEST_F(MenderTest, WhatCannotBePutInPlaceIsTriedAgain) {
  Step(Mender::Found{{Range(3, 2)}, Sequence()});
  EXPECT_EQ(Step(Mender::NotReplaced{"the disk is full"}).alarm.value_or(""), "the disk is full");
  EXPECT_EQ(mender_.Describe(), "not mended yet: the disk is full");
  Later(std::chrono::minutes(2));
  EXPECT_TRUE(Step(Mender::Tick{}).look);
}

// ---- a walk: three copies, each damaged here and there, cut off, died and come back ----

class MendWalk {
 public:
  explicit MendWalk(uint64_t seed) : prng_(seed) {
    for (size_t n = 0; n < 3; ++n) {
      menders_.emplace_back(MendOptions{.nodes = 3, .me = n});
      for (size_t i = prng_.Below(4); i > 0; --i) bad_[n].insert(1 + prng_.Below(8));
    }
  }

  std::string Run() {
    for (size_t i = 0; i < 150 && why_.empty(); ++i) Act();
    for (size_t n = 0; n < 3; ++n) {
      for (size_t m = 0; m < 3; ++m) {
        if (n != m && why_.empty()) Connect(n, m, true);
      }
    }
    for (size_t i = 0; i < 2000 && why_.empty() && !AllMended(); ++i) {
      now_ = now_ + std::chrono::seconds(30);
      for (size_t n = 0; n < 3; ++n) Step(n, Mender::Tick{}), Look(n);
    }
    if (why_.empty() && !AllMended())
      why_ = "a log whose every entry another copy has was not mended";
    return why_;
  }

 private:
  // A log that lost what no copy has is left as it is.
  bool AllMended() const {
    for (size_t n = 0; n < 3; ++n) {
      const bool lost = std::any_of(bad_.at(n).begin(), bad_.at(n).end(), [&](uint64_t entry) {
        return bad_.at((n + 1) % 3).contains(entry) && bad_.at((n + 2) % 3).contains(entry);
      });
      if (!lost && !bad_.at(n).empty()) return false;
    }
    return true;
  }

  void Act() {
    const size_t n = prng_.Below(3), m = prng_.Below(3);
    now_ = now_ + std::chrono::milliseconds(prng_.Below(3000));
    switch (prng_.Below(6)) {
      case 0:
        bad_[n].insert(1 + prng_.Below(8));
        return;
      case 1:
        return n != m ? Connect(n, m, prng_.OneIn(2)) : void();
      case 2:  // it dies, and knows nothing
        menders_[n] = Mender({.nodes = 3, .me = n});
        asks_.erase(n);
        for (size_t peer = 0; peer < 3; ++peer) {
          if (up_.contains({n, peer})) Step(n, Mender::PeerUp{peer});
        }
        return;
      case 3:
        Look(n);
        return;
      case 4:
        return Answer(n);
      default:
        return Step(n, Mender::Tick{});
    }
  }

  void Connect(size_t n, size_t m, bool up) {
    if (up == up_.contains({n, m})) return;
    up ? void(up_.insert({n, m})) : void(up_.erase({n, m}));
    up ? Step(n, Mender::PeerUp{m}) : Step(n, Mender::PeerDown{m});
  }

  void Look(size_t n) {
    if (asks_.contains(n)) return Answer(n);
    Mender::Found found;
    for (const uint64_t entry : bad_[n]) found.bad.push_back(Range(entry, entry));
    taken_[n].clear();
    Step(n, found);
  }

  void Answer(size_t n) {
    const auto ask = asks_.find(n);
    if (ask == asks_.end()) return;
    const Mender::Ask asked = ask->second;
    asks_.erase(ask);
    const uint64_t entry = asked.range.first.value();
    const bool good = !bad_[asked.peer].contains(entry) && up_.contains({n, asked.peer});
    if (good) taken_[n].insert(entry);
    Step(n, Mender::Answered{asked.peer, good, "damaged there, too"});
  }

  void Step(size_t n, const Event& event) {
    const Mender::Effects effects = menders_[n].Step(now_, event);
    if (why_.empty()) why_ = menders_[n].CheckInvariants();
    if (effects.ask.has_value()) asks_.insert_or_assign(n, *effects.ask);
    if (effects.replace) {
      // New damage that nobody has looked at stays.
      for (const uint64_t entry : taken_[n]) bad_[n].erase(entry);
      taken_[n].clear();
    }
    if (effects.done && asks_.contains(n)) why_ = "done with a question open";
  }

  Prng prng_;
  Instant now_{1'000'000'000};
  std::vector<Mender> menders_;
  std::map<size_t, std::set<uint64_t>> bad_{{0, {}}, {1, {}}, {2, {}}}, taken_;
  std::map<size_t, Mender::Ask> asks_;
  std::set<std::pair<size_t, size_t>> up_;
  std::string why_;
};

TEST(MendWalk, MendsWhatOtherCopiesHave) {
  for (uint64_t seed = 0; seed < 3000; ++seed) ASSERT_EQ(MendWalk(seed).Run(), "") << seed;
}

}  // namespace
}  // namespace engram::cluster
