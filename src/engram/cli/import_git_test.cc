#include "engram/cli/import_git.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "engram/model/change.h"
#include "engram/model/episode.h"

namespace engram::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class ImportGitTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("git --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no git here";
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    base_ = fs::path(testing::TempDir()) / (std::string("git_") + test->name());
    fs::remove_all(base_);
    repository_ = base_ / "my project";
    fs::create_directories(repository_ / "sub");
    Git("init -q -b main .");
  }
  void TearDown() override { fs::remove_all(base_); }

  void Git(const std::string& command) {
    std::string line = "cd '" + repository_.string() +
                       "' && GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME='Ondřej Surý'"
                       " GIT_AUTHOR_EMAIL=o@s GIT_AUTHOR_DATE='2024-03-14T12:00:00 +0100'"
                       " GIT_COMMITTER_NAME=Ben GIT_COMMITTER_EMAIL=b@s"
                       " GIT_COMMITTER_DATE='2024-03-15T12:00:00 -0500' git " +
                       command;
    ASSERT_EQ(std::system(line.c_str()), 0) << command;
  }
  void Commit(const std::string& message) {
    std::ofstream(base_ / "message") << message;
    Git("commit -q --allow-empty --allow-empty-message --cleanup=verbatim -F '" +
        (base_ / "message").string() + "'");
  }

  Result<ImportCounts> Read(const fs::path& from) {
    episodes_.clear();
    return ReadGitHistory(from, [&](v1::Episode episode) {
      episodes_.push_back(std::move(episode));
      return OkStatus();
    });
  }

  fs::path base_, repository_;
  std::vector<v1::Episode> episodes_;
};

TEST_F(ImportGitTest, ACommitBecomesAnEpisodeOldestFirst) {
  Commit("wal: cut a torn tail\n\nBecause it's \"torn\"; $(touch /tmp/never) `x`\n\n");
  Commit("Say more");
  Git("tag v1.0");
  auto counts = Read(repository_);
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(counts->read, 2u);
  EXPECT_EQ(counts->skipped, 0u);
  ASSERT_EQ(episodes_.size(), 2u);
  const v1::Episode& first = episodes_[0];
  std::string hash = first.metadata().at("commit");
  EXPECT_EQ(hash.size(), 40u);
  EXPECT_EQ(first.id(), "git:" + hash);
  EXPECT_EQ(first.what(), "wal: cut a torn tail\n\nBecause it's \"torn\"; $(touch /tmp/never) `x`");
  EXPECT_THAT(first.who(), ElementsAre("Ondřej Surý", "Ben"));
  EXPECT_EQ(first.event_time().text(), "2024-03-14T12:00:00+01:00");
  EXPECT_EQ(first.metadata().at("committed_at"), "2024-03-15T12:00:00-05:00");
  EXPECT_EQ(first.session(), "my project");
  EXPECT_EQ(first.where_location(), "my project");
  EXPECT_EQ(first.source(), fs::canonical(repository_).string() + "@" + hash.substr(0, 12));
  EXPECT_THAT(first.tags(), ElementsAre("wal"));
  EXPECT_THAT(episodes_[1].tags(), ElementsAre("v1.0"));
}

TEST_F(ImportGitTest, EveryEpisodeIsValidAndReadingAgainGivesTheSame) {
  for (int i = 0; i < 20; ++i) Commit("change " + std::to_string(i));
  ASSERT_TRUE(Read(repository_).ok());
  auto first = episodes_;
  ASSERT_TRUE(Read(repository_).ok());
  auto settings = model::WithDefaults({});
  model::PrepareContext context{"default", &settings, {}, nullptr};
  ASSERT_EQ(episodes_.size(), 20u);
  for (size_t i = 0; i < episodes_.size(); ++i) {
    EXPECT_EQ(model::Encode(episodes_[i]), model::Encode(first[i]));
    EXPECT_TRUE(model::PrepareEpisode(context, &episodes_[i], nullptr).ok());
  }
}

TEST_F(ImportGitTest, MergesAreTagged) {
  Commit("one");
  Git("checkout -q -b side");
  Commit("two");
  Git("checkout -q main");
  Git("merge -q --no-ff -m 'join side' side");
  ASSERT_TRUE(Read(repository_).ok());
  ASSERT_EQ(episodes_.size(), 3u);
  EXPECT_THAT(episodes_[2].tags(), ElementsAre("merge"));
}

TEST_F(ImportGitTest, AFolderInsideAndABareRepositoryHaveTheNameOfTheWhole) {
  Commit("one");
  ASSERT_TRUE(Read(repository_ / "sub").ok());
  EXPECT_EQ(episodes_[0].session(), "my project");
  Git("clone -q --bare . ../bare.git");
  ASSERT_TRUE(Read(base_ / "bare.git").ok());
  EXPECT_EQ(episodes_[0].session(), "bare");
}

TEST_F(ImportGitTest, OddBytesBecomeUtf8AndEmptyMessagesAreCounted) {
  Git("config i18n.commitEncoding UTF-8");
  Commit("f\xfcr dich");
  Commit("");
  auto counts = Read(repository_);
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts->read, 1u);
  EXPECT_EQ(counts->skipped, 1u);
  EXPECT_THAT(counts->first_skipped.message(), testing::HasSubstr("no message"));
  EXPECT_EQ(episodes_[0].what(), "für dich");
}

TEST_F(ImportGitTest, WhatIsNoRepositoryIsAnErrorInGitsWords) {
  auto empty = Read(repository_);
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.status().reason(), Reason::IO);
  EXPECT_THAT(empty.status().message(), testing::HasSubstr("does not have any commits"));
  EXPECT_EQ(Read(base_ / "none").status().reason(), Reason::IO);
}

TEST_F(ImportGitTest, AnErrorOfTheSinkEndsTheReading) {
  for (int i = 0; i < 3; ++i) Commit("change");
  int calls = 0;
  auto counts = ReadGitHistory(repository_, [&](const v1::Episode&) {
    ++calls;
    return Status(Reason::DISK_FULL, "full");
  });
  EXPECT_EQ(counts.status().reason(), Reason::DISK_FULL);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace engram::cli
