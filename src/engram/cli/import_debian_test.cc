#include "engram/cli/import_debian.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <zlib.h>

#include "engram/model/episode.h"

namespace engram::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

std::string Stanza(const std::string& source, const std::string& version, int day = 2) {
  return source + " (" + version + ") unstable; urgency=low\n\n  * change of " + version +
         "\n\n -- Anna <a@b>  Mon, 0" + std::to_string(day) + " Jan 2006 15:04:05 +0100\n\n";
}

class ImportDebianTest : public testing::Test {
 protected:
  ImportDebianTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(testing::TempDir()) / (std::string("doc_") + test->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~ImportDebianTest() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    gzFile file = gzopen((root_ / path).c_str(), "wb");
    ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())),
              static_cast<int>(text.size()));
    ASSERT_EQ(gzclose(file), Z_OK);
  }

  ImportCounts Read() {
    auto counts = ReadDebianChangelogs(root_, [&](v1::Episode episode) {
      ids_.push_back(episode.id());
      last_ = std::move(episode);
      return OkStatus();
    });
    EXPECT_TRUE(counts.ok());
    return counts.ok() ? *counts : ImportCounts{};
  }

  fs::path root_;
  std::vector<std::string> ids_;
  v1::Episode last_;
};

TEST_F(ImportDebianTest, AStanzaBecomesAnEpisodeOldestFirst) {
  Write("libfoo1/changelog.Debian.gz", Stanza("foo", "1.0-2", 3) + Stanza("foo", "1.0-1"));
  ImportCounts counts = Read();
  EXPECT_EQ(counts.files, 1u);
  EXPECT_EQ(counts.read, 2u);
  EXPECT_EQ(counts.skipped, 0u);
  EXPECT_THAT(ids_, ElementsAre("deb:foo:1.0-1", "deb:foo:1.0-2"));
  EXPECT_EQ(last_.what(), "* change of 1.0-2");
  EXPECT_THAT(last_.who(), ElementsAre("Anna"));
  EXPECT_THAT(last_.tags(), ElementsAre("unstable", "urgency:low"));
  EXPECT_EQ(last_.where_location(), "libfoo1");
  EXPECT_EQ(last_.session(), "foo");
  EXPECT_EQ(last_.source(), (root_ / "libfoo1/changelog.Debian.gz").string());
  EXPECT_EQ(last_.metadata().at("version"), "1.0-2");
  EXPECT_EQ(last_.event_time().text(), "2006-01-03T15:04:05+01:00");
}

TEST_F(ImportDebianTest, OfSeveralPackagesOfASourceEachStanzaComesOnce) {
  Write("foo/changelog.Debian.gz", Stanza("foo", "2") + Stanza("foo", "1"));
  Write("foo-dev/changelog.Debian.gz",
        Stanza("foo", "3") + Stanza("foo", "2") + Stanza("foo", "1"));
  fs::create_directories(root_ / "foo-doc");
  fs::create_hard_link(root_ / "foo/changelog.Debian.gz", root_ / "foo-doc/changelog.Debian.gz");
  fs::create_directory_symlink(root_ / "foo", root_ / "foo-link");
  ImportCounts counts = Read();
  EXPECT_EQ(counts.files, 2u);
  EXPECT_THAT(ids_, ElementsAre("deb:foo:1", "deb:foo:2", "deb:foo:3"));
}

TEST_F(ImportDebianTest, ThePlainChangelogIsTakenOfNativePackagesOnly) {
  Write("native/changelog.gz", Stanza("native", "1"));
  Write("foreign/changelog.gz", "Changes in 1.2 (2020): everything\n");
  Write("both/changelog.Debian.gz", Stanza("both", "1-1"));
  Write("both/changelog.gz", Stanza("both", "upstream"));
  Write("rebuilt/changelog.Debian.amd64.gz", Stanza("rebuilt", "1+b1"));
  Write("rebuilt/changelog.gz", Stanza("rebuilt", "1"));
  Read();
  EXPECT_THAT(ids_,
              ElementsAre("deb:both:1-1", "deb:native:1", "deb:rebuilt:1+b1", "deb:rebuilt:1"));
}

TEST_F(ImportDebianTest, BadStanzasAndFilesAreCounted) {
  Write("a/changelog.Debian.gz", Stanza("a", "2") + "a (1) unstable; urgency=low\n\n  * cut");
  Write("b/changelog.Debian.gz", Stanza("b", "1"));
  fs::resize_file(root_ / "b/changelog.Debian.gz", 30);
  ImportCounts counts = Read();
  EXPECT_EQ(counts.read, 1u);
  EXPECT_EQ(counts.skipped, 2u);
  EXPECT_THAT(counts.first_skipped.message(),
              testing::HasSubstr("a/changelog.Debian.gz:7: the last stanza is cut short"));
}

TEST_F(ImportDebianTest, AnErrorOfTheSinkEndsTheReading) {
  Write("a/changelog.Debian.gz", Stanza("a", "2") + Stanza("a", "1"));
  int calls = 0;
  auto counts = ReadDebianChangelogs(root_, [&](const v1::Episode&) {
    ++calls;
    return Status(Reason::DISK_FULL, "full");
  });
  EXPECT_EQ(counts.status().reason(), Reason::DISK_FULL);
  EXPECT_EQ(calls, 1);
}

TEST_F(ImportDebianTest, AMissingDirectoryIsAnError) {
  auto counts = ReadDebianChangelogs(root_ / "none", [](const v1::Episode&) { return OkStatus(); });
  EXPECT_EQ(counts.status().reason(), Reason::IO);
}

// What this machine has: each stanza must be an episode that the store takes.
TEST(DebianMachineTest, EveryStanzaIsAValidEpisode) {
  auto settings = model::WithDefaults({});
  model::PrepareContext context{"default", &settings, {}, nullptr};
  std::set<std::string> ids;
  auto counts = ReadDebianChangelogs("/usr/share/doc", [&](v1::Episode episode) {
    EXPECT_TRUE(ids.insert(episode.id()).second) << episode.id();
    return model::PrepareEpisode(context, &episode, nullptr);
  });
  if (!counts.ok() && counts.status().reason() == Reason::IO) GTEST_SKIP() << "no such directory";
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  if (counts->files == 0) GTEST_SKIP() << "no changelogs here";
  EXPECT_EQ(counts->read, ids.size());
  EXPECT_LT(counts->skipped, counts->read / 10) << counts->first_skipped.ToString();
  RecordProperty("episodes", static_cast<int>(counts->read));
}

}  // namespace
}  // namespace engram::cli
