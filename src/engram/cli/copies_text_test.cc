#include "engram/cli/copies_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kEpoch3 = 3 * 256 + 1, kEpoch4 = 4 * 256 + 2;

v1::ReplicaStatus Replica(const std::string& node) {
  v1::ReplicaStatus replica;
  replica.set_node(node);
  replica.set_in_sync(true);
  replica.set_connected(true);
  replica.set_status(3);
  replica.set_mode("streaming");
  replica.set_durable_through(414);
  replica.mutable_since_contact()->set_nanos(200'000'000);
  return replica;
}

admin::v1::SpaceState Space() {
  admin::v1::SpaceState space;
  space.set_memory_space_id("default");
  space.set_primary("n1");
  space.set_copies_in_sync(2);
  space.set_copies_wanted(2);
  space.set_writes_replicated(true);
  *space.add_replicas() = Replica("n2");
  return space;
}

TEST(CopiesTextTest, ASwitchoverIsALine) {
  admin::v1::SwitchoverResponse report;
  report.set_memory_space_id("notes");
  report.set_from("n1");
  report.set_to("n2");
  report.set_dry_run(true);
  EXPECT_EQ(SwitchoverText(report),
            "notes would go from n1 to n2: it is in the set, connected, and follows\n"
            "dry run: nothing was changed\n");
  report.set_why("n2 is catching up");
  report.set_what_helps("wait until it has caught up");
  EXPECT_EQ(SwitchoverText(report),
            "notes was not handed over from n1 to n2: n2 is catching up.\n"
            "What helps: wait until it has caught up\n");
  report.clear_why();
  report.set_done(true);
  report.set_epoch(kEpoch4);
  report.mutable_pause()->set_nanos(12'000'000);
  EXPECT_EQ(SwitchoverText(report),
            "n2 is primary of notes in epoch 4.2 · writes waited 12 ms · lost: nothing\n");
}

TEST(CopiesTextTest, AHealthyPairIsOneRow) {
  EXPECT_EQ(ReplicasTable({Space()}),
            "SPACE     REPLICA   IN SET   STATUS      MODE        DURABLE   BEHIND   CONTACT\n"
            "default   n2        yes      3 healthy   streaming   414       0        0.2 s\n");
}

TEST(CopiesTextTest, AReplicaThatCameBackSaysWhatItTook) {
  admin::v1::SpaceState space = Space();
  v1::ReplicaStatus& replica = *space.mutable_replicas(0);
  replica.set_rewound_entries(25);
  replica.set_missing_entries(1101);
  EXPECT_THAT(ReplicasTable({space}), HasSubstr("0.2 s     rewound 25, caught up 1,101\n"));
  replica.set_lag_entries(7);  // not yet
  EXPECT_THAT(ReplicasTable({space}), Not(HasSubstr("caught up")));
}

TEST(CopiesTextTest, AReplicaThatIsAwayIsAtLeastSoFarBehind) {
  admin::v1::SpaceState space = Space();
  space.set_copies_in_sync(1);
  space.set_writes_replicated(false);
  v1::ReplicaStatus& replica = *space.mutable_replicas(0);
  replica.set_connected(false);
  replica.set_in_sync(false);
  replica.set_status(0);
  replica.set_lag_entries(1009);
  replica.mutable_lag()->set_seconds(64);
  replica.set_why("connection refused");
  const std::string table = ReplicasTable({space});
  EXPECT_THAT(table, HasSubstr("0 failed"));
  EXPECT_THAT(table, HasSubstr("≥ 1,009 · ≥ 64 s"));
  EXPECT_THAT(table, HasSubstr("connection refused"));
  EXPECT_THAT(table, HasSubstr("default  1 of 2 copies in the set; replicated writes are refused"));
}

TEST(CopiesTextTest, ASpaceWithoutPrimaryNamesTheNextCommand) {
  admin::v1::SpaceState space = Space();
  space.clear_primary();
  space.clear_replicas();
  space.mutable_without_primary()->set_seconds(14);
  EXPECT_THAT(ReplicasTable({space}),
              HasSubstr("default  no primary since 14 s: engram cluster explain --space default"));
}

TEST(CopiesTextTest, SaysWhatAWriteReachedAndWhoIsMissing) {
  v1::WriteResult write;
  write.set_durability(v1::DURABILITY_REPLICATED);
  write.set_durable_copies(2);
  write.set_wanted_copies(2);
  EXPECT_EQ(ReachedText(write), "replicated, 2 of 2 copies");
  write.set_durability(v1::DURABILITY_LOCAL);
  write.set_durable_copies(1);
  EXPECT_EQ(ReachedText(write), "local, 1 of 2 copies");
  write.set_wanted_copies(1);
  EXPECT_EQ(ReachedText(write), "local, 1 copy");

  v1::SpaceStatus status;
  EXPECT_EQ(MissingCopyText(status), "");
  v1::ReplicaStatus& replica = *status.add_replicas() = Replica("n1");
  EXPECT_EQ(MissingCopyText(status), "");
  replica.set_in_sync(false);
  replica.set_mode("catching up");
  EXPECT_EQ(MissingCopyText(status), ": n1 is catching up");
  replica.set_connected(false);
  replica.mutable_since_contact()->set_seconds(41);
  EXPECT_EQ(MissingCopyText(status), ": n1 has not answered for 41 s");
}

admin::v1::PromoteResponse DeadPrimary() {
  admin::v1::PromoteResponse report;
  report.set_memory_space_id("default");
  report.set_node("n2");
  report.set_primary_before("n1");
  report.set_epoch_before(kEpoch3);
  report.set_epoch(kEpoch4);
  report.set_votes(1);
  report.set_voters(2);
  report.set_votes_needed(2);
  report.set_why("no majority");
  admin::v1::NodeAnswer& n1 = *report.add_nodes();
  n1.set_name("n1");
  n1.set_in_set(true);
  n1.mutable_since_contact()->set_seconds(14);
  admin::v1::NodeAnswer& n2 = *report.add_nodes();
  n2.set_name("n2");
  n2.set_me(true);
  n2.set_answered(true);
  n2.set_in_set(true);
  n2.set_fit(true);
  n2.set_has_space(true);
  n2.set_promised(kEpoch3);
  n2.mutable_end()->set_sequence(41880);
  return report;
}

TEST(PromotionTextTest, ShowsWhoAnswersAndWhatMayBeLost) {
  EXPECT_EQ(
      PromotionTable(DeadPrimary()),
      "Promote n2 for space default (now n1, epoch 3.1)\n"
      "\n"
      "NODE   ANSWERS               PROMISED   LOG END   IN SET   FIT\n"
      "n1     no, silent for 14 s   –          –         yes      –\n"
      "n2     yes                   3.1        41,880    yes      yes: in the set, log in "
      "order\n"
      "\n"
      "votes        1 of 2 for epoch 4.2, a majority is 2\n"
      "replicated   nothing can be lost: every replicated write has its copy on n2\n"
      "local        what n1 acknowledged as local may be on n1 alone; how much is not known.\n"
      "             It stays on its disk and goes to its quarantine when it returns.\n"
      "n1           cannot be stopped from here. While it runs it can still acknowledge local "
      "writes.\n");
}

TEST(PromotionTextTest, ARefusalNamesTheStatementThatHelps) {
  EXPECT_EQ(RefusedText(DeadPrimary()),
            "refused: no majority. When you know that n1 is stopped:\n"
            "  engram promote n2 --space default --primary-is-stopped n1\n");
  admin::v1::PromoteResponse unfit = DeadPrimary();
  unfit.set_votes(2);
  unfit.set_why("n2 is not in the set");
  unfit.set_what_helps("promote n1");
  EXPECT_EQ(RefusedText(unfit), "refused: n2 is not in the set. What helps: promote n1\n");
}

TEST(PromotionTextTest, PromisesNothingOfANodeOutsideOfTheSet) {
  admin::v1::PromoteResponse report = DeadPrimary();
  report.mutable_nodes(1)->set_in_set(false);
  EXPECT_THAT(PromotionTable(report), HasSubstr("not known: n2 is not in the set"));
  EXPECT_THAT(PromotionTable(report), Not(HasSubstr("nothing can be lost")));
}

TEST(PromotionTextTest, StatesALoss) {
  admin::v1::PromoteResponse report = DeadPrimary();
  report.mutable_loss_after()->set_epoch(kEpoch3);
  report.mutable_loss_after()->set_sequence(41000);
  EXPECT_THAT(PromotionTable(report), HasSubstr("acknowledged above 41,000 of epoch 3.1"));
  EXPECT_THAT(PromotionTable(report), Not(HasSubstr("nothing can be lost")));
  report.set_lossless(true);
  EXPECT_EQ(LossText(report), "none replicated");
}

}  // namespace
}  // namespace engram::cli
