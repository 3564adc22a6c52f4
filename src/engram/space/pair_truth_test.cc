// Two copies under random writes at every level, late and partial commits, changes of the primary,
// cuts above and below what readers saw, and crashes of either. Every view equals a replay of its
// copy's log to where the view stands; nothing is shown that was not committed; what was answered
// as replicated stays, and its repeat gives the first answer.
#include <gtest/gtest.h>

#include "engram/space/pair_kit.h"

namespace engram::space {
namespace {

// An answer that may come later.
template <class T>
struct Reply {
  std::mutex mutex;
  std::optional<Result<T>> result;
  std::optional<Result<T>> Get() {
    std::lock_guard<std::mutex> lock(mutex);
    return result;
  }
};

struct Sent {
  v1::Episode episode;
  v1::WriteOptions options;
  std::shared_ptr<Reply<v1::RememberResponse>> reply;
  std::optional<v1::RememberResponse> first;  // of which this is a repeat
};

class PairTruth : public ::testing::TestWithParam<uint64_t> {
 protected:
  PairTruth() : prng_(GetParam()), local_(GetParam() % 3 == 2) {
    const Incarnation incarnation = env::MakeIncarnation(env::SystemEntropy());
    const auto& environment = Leader().node->environment;
    Leader().space = *Space::CreateFirst(environment, "notes", SmallVectors(), incarnation,
                                         Epoch(1), EpochStartPayload(environment, Epoch(1), {}));
    Leader().committer.leads = true;
    Other().space = *Space::CreateCopy(Other().node->environment, "notes", incarnation);
  }

  PairCopy& Leader() { return copies_[leader_]; }
  PairCopy& Other() { return copies_[1 - leader_]; }

  template <class T>
  Done<T> Into(const std::shared_ptr<Reply<T>>& reply) {
    return [reply](Result<T> result) {
      std::lock_guard<std::mutex> lock(reply->mutex);
      EXPECT_FALSE(reply->result.has_value()) << "answered twice";
      reply->result = std::move(result);
    };
  }

  v1::WriteOptions AnyLevel() {
    v1::WriteOptions options;
    const v1::Durability levels[] = {v1::DURABILITY_LOCAL, v1::DURABILITY_REPLICATED,
                                     v1::DURABILITY_AUTO, v1::DURABILITY_UNSPECIFIED};
    options.set_durability(levels[prng_.Below(4)]);
    return options;
  }

  void RememberOne() {
    Sent sent{RandomEpisode(prng_, "id" + std::to_string(prng_.Below(20))),
              AnyLevel(),
              std::make_shared<Reply<v1::RememberResponse>>(),
              {}};
    if (prng_.OneIn(2)) sent.options.set_idempotency_key("key" + std::to_string(++keys_));
    Leader().space->Remember(sent.episode, sent.options, Into(sent.reply));
    sent_.push_back(std::move(sent));
  }

  // Of a write that two copies held: whoever leads now gives the same answer.
  void RepeatOne() {
    if (sent_.empty()) return;
    const Sent& old = sent_[prng_.Below(sent_.size())];
    const auto first = old.reply->Get();
    if (!first.has_value() || !first->ok() || !MustStay((*first)->write())) return;
    if (old.options.idempotency_key().empty()) return;
    Sent sent{old.episode, old.options, std::make_shared<Reply<v1::RememberResponse>>(), **first};
    Leader().space->Remember(sent.episode, sent.options, Into(sent.reply));
    sent_.push_back(std::move(sent));
  }

  void ChangeState() {
    ForgetCommand command;
    command.mode = prng_.OneIn(3) ? v1::FORGET_MODE_DELETE : v1::FORGET_MODE_SUPPRESS;
    command.allow_missing = true;
    command.options = AnyLevel();
    v1::RestoreRequest restore;
    for (uint64_t i = 1 + prng_.Below(3); i > 0; --i) {
      command.ids.push_back("id" + std::to_string(prng_.Below(20)));
      restore.add_ids(command.ids.back());
    }
    if (prng_.OneIn(3)) {
      *restore.mutable_options() = AnyLevel();
      Leader().space->Restore(restore, Into(std::make_shared<Reply<v1::RestoreResponse>>()));
    } else {
      Leader().space->Forget(command, Into(std::make_shared<Reply<v1::ForgetResponse>>()));
    }
  }

  void UpdateOne() {
    v1::UpdateRequest request;
    *request.mutable_episode() = RandomEpisode(prng_, "id" + std::to_string(prng_.Below(20)));
    request.mutable_update_mask()->add_paths(prng_.OneIn(2) ? "what" : "tags");
    *request.mutable_options() = AnyLevel();
    Leader().space->Update(request, Into(std::make_shared<Reply<v1::UpdateResponse>>()));
  }

  void RememberSome() {
    v1::RememberBatchRequest request;
    for (uint64_t i = 1 + prng_.Below(5); i > 0; --i) {
      *request.add_episodes() = RandomEpisode(prng_, "id" + std::to_string(prng_.Below(20)));
    }
    *request.mutable_options() = AnyLevel();
    Leader().space->RememberBatch(request,
                                  Into(std::make_shared<Reply<v1::RememberBatchResponse>>()));
  }

  // The verdict, then entries. What comes of it is acknowledged.
  void ShipSome(size_t most) {
    const Sequence fork = ForkPoint(Leader().log(), Other().log());
    if (fork < Other().log().end()) {
      const Sequence visible = Other().space->visible().sequence;
      ASSERT_TRUE(local_ || fork >= visible) << "a committed entry is missing";
      const Status cut = Other().space->Rewind(fork);
      ASSERT_TRUE(cut.ok()) << cut.ToString();
      ASSERT_LE(Other().space->visible().sequence, fork);
    }
    const Status shipped = Ship(Leader().log(), Other().log(), most);
    ASSERT_TRUE(shipped.ok()) << shipped.ToString();
    acknowledged_ = std::max(acknowledged_, Other().log().durable_end());
    ASSERT_LE(acknowledged_, Leader().log().end());
  }

  void Commit(bool all) {
    const Sequence durable = Leader().log().durable_end();
    replicated_ = std::max(replicated_, std::min(durable, acknowledged_));
    Sequence target = local_ && replicated_ >= epoch_start_ ? durable : replicated_;
    if (replicated_ < epoch_start_) target = commit_;  // nothing of an epoch before its start
    target = std::max(target, commit_);
    if (!all)
      target = Sequence(commit_.value() + prng_.Below(target.value() - commit_.value() + 1));
    commit_ = target;
    highest_ = std::max(highest_, commit_);
    Leader().space->CommitThrough(commit_, std::min(replicated_, commit_), 2);
  }

  void TellOther(bool all) {
    const Sequence known = std::min(commit_, acknowledged_);
    if (known <= Other().log().committed_end()) return;
    const uint64_t more = known.value() - Other().log().committed_end().value();
    const Sequence to(known.value() - (all ? 0 : prng_.Below(more)));
    Other().space->CommitThrough(to, to, 2);
  }

  // The next primary has everything that was committed, or the loss is stated.
  void Failover(size_t next) {
    if (Leader().committer.leads) Leader().Follow();
    const Sequence needed = local_ ? Sequence(2) : std::max(Sequence(2), highest_);
    const Sequence has =
        next == leader_ ? Leader().log().end() : ForkPoint(Leader().log(), Other().log());
    if (local_ ? copies_[next].log().end() >= needed : has >= needed) leader_ = next;
    epoch_ = epoch_.next();
    ASSERT_NO_FATAL_FAILURE(Leader().Lead(epoch_));
    epoch_start_ = Leader().log().end();
    commit_ = Leader().space->visible().sequence;
    acknowledged_ = replicated_ = Sequence();
  }

  void CrashOne() {
    const size_t which = prng_.Below(2);
    if (prng_.OneIn(3)) (void)copies_[which].space->WaitIndexed(std::chrono::seconds(30));
    const Sequence committed = copies_[which].log().committed_end();
    ASSERT_NO_FATAL_FAILURE(copies_[which].Crash(prng_, !prng_.OneIn(3)));
    ASSERT_LE(copies_[which].space->visible().sequence, committed) << "nobody told it of that";
    if (which == leader_) {
      ASSERT_NO_FATAL_FAILURE(Failover(prng_.Below(2)));
    } else {
      acknowledged_ = std::min(acknowledged_, copies_[which].log().durable_end());
    }
  }

  bool MustStay(const v1::WriteResult& write) const {
    return !local_ && write.durability() == v1::DURABILITY_REPLICATED;
  }

  void Look(PairCopy& copy) {
    const Sequence before = copy.space->visible().sequence;  // it may move on meanwhile
    auto view = copy.space->NewView();
    if (!view.ok()) {
      ASSERT_EQ(view.status().reason(), Reason::RECOVERING);
      ASSERT_LT(before, Sequence(2));
      return;
    }
    const Sequence through = (*view)->visible_through();
    if (!local_) ASSERT_LE(through, highest_) << "nobody has committed it";
    ASSERT_EQ(Describe(**view), Describe(OracleOf(copy.log(), through), *analyzer_));
  }

  void CheckAll() {
    for (PairCopy& copy : copies_) ASSERT_NO_FATAL_FAILURE(Look(copy));
    if (local_) return;
    const Sequence both =
        std::min(copies_[0].space->visible().sequence, copies_[1].space->visible().sequence);
    ASSERT_GE(ForkPoint(copies_[0].log(), copies_[1].log()), both) << "two histories";
  }

  void CheckAnswers() {
    for (const Sent& sent : sent_) {
      const auto answer = sent.reply->Get();
      ASSERT_TRUE(answer.has_value()) << "never answered";
      if (!answer->ok()) {
        const Reason reason = answer->status().reason();
        ASSERT_TRUE(reason == Reason::COMMIT_UNKNOWN || reason == Reason::NOT_PRIMARY)
            << answer->status().ToString();
        continue;
      }
      const v1::WriteResult& write = (*answer)->write();
      if (!MustStay(write)) continue;
      const auto identity = Leader().log().IdentityAt(Sequence(write.sequence()));
      ASSERT_TRUE(identity.ok() && identity->has_value()) << write.ShortDebugString();
      ASSERT_EQ((*identity)->epoch, Epoch(write.epoch())) << write.ShortDebugString();
      if (sent.first.has_value() && sent.first->write().outcome() != v1::WRITE_OUTCOME_UNCHANGED) {
        v1::RememberResponse repeated = **answer;
        ASSERT_EQ(repeated.write().outcome(), v1::WRITE_OUTCOME_REPEATED);
        repeated.mutable_write()->set_outcome(sent.first->write().outcome());
        ASSERT_EQ(repeated.SerializeAsString(), sent.first->SerializeAsString());
      }
    }
  }

  void Heal() {
    if (!Leader().committer.leads) ASSERT_NO_FATAL_FAILURE(Failover(leader_));
    while (Leader().log().durable_end() < Leader().log().end()) std::this_thread::yield();
    ASSERT_NO_FATAL_FAILURE(ShipSome(100'000));
    Commit(/*all=*/true);
    TellOther(/*all=*/true);
    ASSERT_TRUE(Other().Settle());
    ASSERT_EQ(commit_, Leader().log().end());
    ASSERT_EQ(Other().space->visible().sequence, commit_);
    ASSERT_EQ(Leader().space->visible().sequence, commit_);
  }

  void DoOne() {
    switch (prng_.Below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return RememberOne();
      case 4:
        return RememberSome();
      case 5:
        return UpdateOne();
      case 6:
        return ChangeState();
      case 7:
        return RepeatOne();
      case 8:
      case 9:
      case 10:
        return ShipSome(1 + prng_.Below(8));
      case 11:
      case 12:
      case 13:
        return Commit(prng_.OneIn(2));
      case 14:
      case 15:
        return TellOther(prng_.OneIn(2));
      case 16:
        return prng_.OneIn(2) ? Failover(prng_.Below(2)) : CheckAll();
      case 17:
        return prng_.OneIn(2) ? CrashOne() : void();
      case 18:
        (void)copies_[prng_.Below(2)].space->WaitIndexed(std::chrono::seconds(30));
        return;
      default:
        return CheckAll();
    }
  }

  Prng prng_;
  const bool local_;  // commit follows the primary's own durable end
  std::unique_ptr<index::Analyzer> analyzer_ = *index::Analyzer::Make("english");
  std::vector<Sent> sent_;
  int keys_ = 0;
  PairCopy copies_[2];
  size_t leader_ = 0;
  Epoch epoch_{1};
  Sequence epoch_start_{1}, commit_, acknowledged_, replicated_;
  Sequence highest_;  // of all commits
};

TEST_P(PairTruth, ViewsAreTheLogAndAnswersStay) {
  for (int step = 0; step < 150; ++step) {
    ASSERT_NO_FATAL_FAILURE(DoOne()) << "step " << step;
  }
  ASSERT_NO_FATAL_FAILURE(Heal());
  ASSERT_NO_FATAL_FAILURE(CheckAll());
  ASSERT_NO_FATAL_FAILURE(CheckAnswers());
  for (PairCopy& copy : copies_) ASSERT_TRUE(copy.space->RebuildIndexes(nullptr).ok());
  ASSERT_NO_FATAL_FAILURE(CheckAll());
}
INSTANTIATE_TEST_SUITE_P(Seeds, PairTruth, ::testing::Range<uint64_t>(0, 60));

}  // namespace
}  // namespace engram::space
