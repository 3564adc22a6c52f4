// For tests: an OuterStore that is asked call by call. It is n2's of three nodes; n1 leads in the
// record of the store, and its lease is gone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engram/cluster/outer_store.h"
#include "engram/cluster/static_store.h"

namespace engram::cluster {

using replication::Answer;
using replication::Ask;
using replication::Mutant;
using Kind = StoreRequest::Kind;

inline const Member kFirst{"n1", {{1}}, {}}, kSelf{"n2", {{2}}, {}}, kThird{"n3", {{3}}, {}};
inline const Epoch kEpoch = MakeEpoch(1, 0), kNext = MakeEpoch(2, 1);
inline const Position kEnd{MakeEpoch(1, 0), Sequence(5)};
inline constexpr int64_t kFirstLease = 11, kOwnLease = 22, kThirdLease = 33;

class OuterStoreTest : public testing::Test {
 protected:
  OuterStoreTest() {
    Make();
    SpaceRecord record;
    record.epoch = kEpoch;
    record.at = Sequence(1);
    record.primary = kFirst;
    record.in_sync = {kFirst, kSelf, kThird};
    log_.promised = kEpoch;
    log_.end = kEnd;
    log_.records = {record};
    record.at = Sequence();
    space_ = {.there = true, .record = record, .lease = kFirstLease, .revision = 40};
    leases_ = {
        {kFirst.incarnation, 0}, {kSelf.incarnation, kOwnLease}, {kThird.incarnation, kThirdLease}};
  }
  void Make(Mutant mutant = Mutant::kNone) {
    OuterStoreOptions options;
    options.nodes = {"n1", "n2", "n3"};
    options.me = 1;
    options.self = kSelf;
    options.mutant = mutant;
    store_ = std::make_unique<OuterStore>(options);
    call_ = {};
  }

  StoreContext Context() const {
    StoreContext context{.now = now_, .log = &log_, .commit = Sequence(4), .floor = Sequence(4)};
    context.current = log_.records[0];
    context.connected = connected_;
    return context;
  }
  // Keeps what the step asked of the store.
  std::optional<StoreReply> Keep(std::optional<StoreReply> reply) {
    called_ = effects_.store.size();
    if (called_ > 0) call_ = effects_.store.back();
    return reply;
  }
  std::optional<StoreReply> Start(const StoreRequest& request) {
    effects_ = {};
    return Keep(store_->Start(request, Context(), &effects_));
  }
  std::optional<StoreReply> Tick(Duration later) {
    effects_ = {};
    now_ = now_ + later;
    return Keep(store_->OnTick(Context(), &effects_));
  }
  // Of the last call: the store as it stands.
  std::optional<StoreReply> Answered(Outcome outcome = Outcome::kDone) {
    effects_ = {};
    StoreAnswered answered{.id = call_.id, .outcome = outcome};
    if (outcome != Outcome::kUnknown) answered.space = space_, answered.leases = leases_;
    return Keep(store_->OnStore(answered, Context(), &effects_));
  }
  // The last call is carried out.
  void CarryOut() {
    ASSERT_TRUE(call_.write.has_value());
    ASSERT_EQ(call_.write->over, space_.revision);
    space_.record = call_.write->record;
    space_.resigned = call_.write->resigned;
    space_.lease = kOwnLease;
    ++space_.revision;
  }
  std::optional<StoreReply> Hear(size_t place, const Member& member, Answer answer, Epoch epoch) {
    effects_ = {};
    const replication::Stamp stamp{log_.space, epoch, member.incarnation};
    return Keep(store_->OnAnswer(place, stamp, answer, Context(), &effects_));
  }
  const Ask* Asked() const {
    for (const Outgoing& out : effects_.send) {
      if (const Ask* ask = std::get_if<Ask>(&out.message.body)) return ask;
    }
    return nullptr;
  }
  static Answer Granted(uint64_t round, Position end, uint64_t floor) {
    Answer answer;
    answer.round = round;
    answer.granted = answer.has_space = answer.fit = true;
    answer.end = end;
    answer.floor = Sequence(floor);
    return answer;
  }
  // Reads, and is refused for this.
  std::string WhyNot(const StoreRequest& request) {
    EXPECT_FALSE(Start(request).has_value());
    const std::optional<StoreReply> reply = Answered();
    if (!reply.has_value() || reply->outcome != Outcome::kConflict) return "it was not refused";
    EXPECT_EQ(called_, 0u);
    return reply->report->why;
  }
  // Has a change of the set under way whose answer was lost.
  void LoseTheAnswer(const StoreRequest& request) {
    Start(request);
    EXPECT_FALSE(call_.write.has_value());
    Answered();
    ASSERT_TRUE(call_.write.has_value());
    CarryOut();
    EXPECT_FALSE(Answered(Outcome::kUnknown).has_value());
    EXPECT_EQ(called_, 0u);
  }

  Instant now_{1'000'000'000'000};
  LogState log_;
  std::vector<bool> connected_ = {false, false, false};
  StoredSpace space_;                         // as the store has it
  std::vector<StoreAnswered::Lease> leases_;  // …
  Effects effects_;                           // of the last step
  size_t called_ = 0;                         // calls in it
  StoreCall call_;                            // the newest
  std::unique_ptr<OuterStore> store_;
};

}  // namespace engram::cluster
