// What every file system must do, on all three.
#include "engram/env/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engram/env/errno_status.h"
#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"

namespace engram::env {
namespace {

using testing::ElementsAre;

enum class Kind { kPosix, kMemory, kFaulty };

class FileSystemTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    root_ = "/d";
    if (GetParam() == Kind::kPosix) {
      std::string pattern = testing::TempDir() + "/engram-env-XXXXXX";
      ASSERT_NE(mkdtemp(pattern.data()), nullptr);
      root_ = pattern;
    } else {
      ASSERT_TRUE(memory_.CreateDirectory(root_).ok());
    }
  }
  void TearDown() override {
    if (GetParam() == Kind::kPosix) {
      EXPECT_TRUE(PosixFileSystem().RemoveAll(root_).ok());
    }
  }
  FileSystem& fs() {
    if (GetParam() == Kind::kPosix) return PosixFileSystem();
    if (GetParam() == Kind::kMemory) return memory_;
    return faulty_;
  }
  std::string At(const std::string& name) { return root_ + "/" + name; }
  std::unique_ptr<File> Create(const std::string& name, const std::string& contents = "") {
    auto file = fs().Open(At(name), OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    EXPECT_TRUE((*file)->WriteAt(0, contents).ok());
    return std::move(*file);
  }

  MemoryFileSystem memory_;
  FaultyFileSystem faulty_{memory_};
  std::string root_;
};

std::string NameOf(const testing::TestParamInfo<Kind>& info) {
  if (info.param == Kind::kPosix) return "Posix";
  return info.param == Kind::kMemory ? "Memory" : "Faulty";
}

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest,
                         testing::Values(Kind::kPosix, Kind::kMemory, Kind::kFaulty), NameOf);

TEST_P(FileSystemTest, ReadsWhatWasWritten) {
  auto file = Create("a", "hello");
  ASSERT_TRUE(file->WriteAt(10'000, "far").ok());
  char out[8];
  EXPECT_EQ(*file->ReadAt(0, out, 5), 5u);
  EXPECT_EQ(std::string(out, 5), "hello");
  EXPECT_EQ(*file->ReadAt(10'001, out, 8), 2u);
  EXPECT_EQ(std::string(out, 2), "ar");
  EXPECT_EQ(*file->ReadAt(20'000, out, 8), 0u);
  EXPECT_EQ(*file->Size(), 10'003u);
  EXPECT_EQ((*ReadWholeFile(fs(), At("a")))[5], '\0');
}

TEST_P(FileSystemTest, PreallocatedFilesReadAsZerosAndKeepWhatIsThere) {
  auto file = Create("a", "hello");
  ASSERT_TRUE(file->Preallocate(100'000).ok());
  EXPECT_EQ(*file->Size(), 100'000u);
  EXPECT_EQ(*ReadWholeFile(fs(), At("a")), "hello" + std::string(99'995, '\0'));
  ASSERT_TRUE(file->Preallocate(10).ok());  // never shrinks
  EXPECT_EQ(*file->Size(), 100'000u);
}

TEST_P(FileSystemTest, TruncatedBytesDoNotComeBack) {
  auto file = Create("a", std::string(10'000, 'x'));
  ASSERT_TRUE(file->Truncate(3).ok());
  ASSERT_TRUE(file->Truncate(5).ok());
  EXPECT_EQ(*ReadWholeFile(fs(), At("a")), std::string("xxx\0\0", 5));
  ASSERT_TRUE(file->Sync().ok());
}

TEST_P(FileSystemTest, OpenModes) {
  EXPECT_TRUE(HasErrno(fs().Open(At("a"), OpenMode::kRead).status(), "ENOENT"));
  EXPECT_TRUE(HasErrno(fs().Open(At("a"), OpenMode::kReadWrite).status(), "ENOENT"));
  Create("a", "x");
  EXPECT_TRUE(HasErrno(fs().Open(At("a"), OpenMode::kCreateExclusive).status(), "EEXIST"));
  auto read_only = fs().Open(At("a"), OpenMode::kRead);
  const Status refused = (*read_only)->WriteAt(0, "y");
  EXPECT_EQ(refused.reason(), Reason::IO);
  EXPECT_EQ(refused.metadata().at("path"), At("a"));
  EXPECT_EQ(*ReadWholeFile(fs(), At("a")), "x");
  EXPECT_TRUE(HasErrno(fs().Open(root_, OpenMode::kRead).status(), "EISDIR"));
  EXPECT_TRUE(HasErrno(fs().Open(At("a/b"), OpenMode::kCreate).status(), "ENOTDIR"));
}

TEST_P(FileSystemTest, ErrorsSayWhatToDo) {
  const Status status = fs().Open(At("no/such"), OpenMode::kCreate).status();
  EXPECT_EQ(status.reason(), Reason::IO);
  EXPECT_NE(status.message().find(At("no/such")), std::string::npos);
  EXPECT_FALSE(status.expected().empty() || status.suggestion().empty());
  EXPECT_FALSE(status.example().empty());
}

TEST_P(FileSystemTest, ListsSortedNames) {
  for (const char* name : {"c", "a", "b"}) Create(name);
  ASSERT_TRUE(fs().CreateDirectory(At("d")).ok());
  EXPECT_THAT(*fs().List(root_), ElementsAre("a", "b", "c", "d"));
  EXPECT_TRUE(HasErrno(fs().List(At("a")).status(), "ENOTDIR"));
  EXPECT_TRUE(HasErrno(fs().List(At("x")).status(), "ENOENT"));
}

TEST_P(FileSystemTest, Directories) {
  ASSERT_TRUE(fs().CreateDirectories(At("x/y/z")).ok());
  ASSERT_TRUE(fs().CreateDirectories(At("x/y/z")).ok());
  EXPECT_TRUE(*fs().Exists(At("x/y/z")));
  ASSERT_TRUE(fs().CreateDirectory(At("x")).ok());
  EXPECT_TRUE(HasErrno(fs().CreateDirectory(At("q/r")), "ENOENT"));
  EXPECT_TRUE(HasErrno(fs().Remove(At("x")), "ENOTEMPTY"));
  Create("x/y/f", "1");
  ASSERT_TRUE(fs().RemoveAll(At("x")).ok());
  ASSERT_TRUE(fs().RemoveAll(At("x")).ok());
  EXPECT_FALSE(*fs().Exists(At("x")));
  Create("file");
  EXPECT_TRUE(HasErrno(fs().CreateDirectory(At("file")), "EEXIST"));
  EXPECT_TRUE(fs().SyncDirectory(root_).ok());
  EXPECT_FALSE(fs().SyncDirectory(At("none")).ok());
}

TEST_P(FileSystemTest, RenameReplaces) {
  Create("a", "new");
  Create("b", "old");
  ASSERT_TRUE(fs().Rename(At("a"), At("b")).ok());
  EXPECT_FALSE(*fs().Exists(At("a")));
  EXPECT_EQ(*ReadWholeFile(fs(), At("b")), "new");
  EXPECT_TRUE(HasErrno(fs().Rename(At("a"), At("c")), "ENOENT"));
  ASSERT_TRUE(fs().CreateDirectories(At("d/e")).ok());
  EXPECT_TRUE(HasErrno(fs().Rename(At("b"), At("d")), "EISDIR"));
  EXPECT_TRUE(HasErrno(fs().Rename(At("d"), At("d/e/f")), "EINVAL"));
}

TEST_P(FileSystemTest, LinksShareBytes) {
  auto file = Create("a", "1");
  ASSERT_TRUE(fs().HardLink(At("a"), At("b")).ok());
  EXPECT_TRUE(HasErrno(fs().HardLink(At("a"), At("b")), "EEXIST"));
  ASSERT_TRUE(file->WriteAt(0, "2").ok());
  ASSERT_TRUE(fs().Remove(At("a")).ok());
  EXPECT_EQ(*ReadWholeFile(fs(), At("b")), "2");
}

TEST_P(FileSystemTest, AnOpenFileOutlivesItsName) {
  auto file = Create("a", "still");
  ASSERT_TRUE(fs().Remove(At("a")).ok());
  ASSERT_TRUE(fs().Remove(At("a")).ok());
  char out[5];
  EXPECT_EQ(*file->ReadAt(0, out, 5), 5u);
  EXPECT_FALSE(*fs().Exists(At("a")));
}

TEST_P(FileSystemTest, OnlyOneHoldsALock) {
  auto held = fs().Lock(At("LOCK"));
  ASSERT_TRUE(held.ok());
  auto second = fs().Lock(At("LOCK"));
  EXPECT_EQ(second.status().reason(), Reason::CONFIGURATION);
  held->reset();
  EXPECT_TRUE(fs().Lock(At("LOCK")).ok());
}

TEST_P(FileSystemTest, ReplaceFileLeavesNoTemporary) {
  ASSERT_TRUE(ReplaceFile(fs(), At("a"), "a long first text").ok());
  ASSERT_TRUE(ReplaceFile(fs(), At("a"), "second").ok());
  EXPECT_EQ(*ReadWholeFile(fs(), At("a")), "second");
  EXPECT_THAT(*fs().List(root_), ElementsAre("a"));
}

TEST_P(FileSystemTest, KnowsItsSpace) {
  const DiskSpace space = *fs().Space(root_);
  EXPECT_GT(space.total_bytes, 0u);
  EXPECT_LE(space.free_bytes, space.total_bytes);
  EXPECT_FALSE(fs().Space(At("none")).ok());
}

TEST(PosixFileSystemTest, FilesAreForTheirOwnerAlone) {
  std::string root = testing::TempDir() + "/engram-env-XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  FileSystem& fs = PosixFileSystem();
  ASSERT_TRUE(fs.CreateDirectory(root + "/d").ok());
  ASSERT_TRUE(fs.Open(root + "/f", OpenMode::kCreate).ok());
  struct stat info {};
  ASSERT_EQ(stat((root + "/d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(stat((root + "/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_TRUE(fs.RemoveAll(root).ok());
}

TEST(PosixFileSystemTest, RemoveAllDoesNotFollowLinks) {
  std::string root = testing::TempDir() + "/engram-env-XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  FileSystem& fs = PosixFileSystem();
  ASSERT_TRUE(fs.CreateDirectories(root + "/outside").ok());
  ASSERT_TRUE(ReplaceFile(fs, root + "/outside/f", "x").ok());
  ASSERT_TRUE(fs.CreateDirectory(root + "/inside").ok());
  ASSERT_EQ(symlink((root + "/outside").c_str(), (root + "/inside/link").c_str()), 0);
  ASSERT_TRUE(fs.RemoveAll(root + "/inside").ok());
  EXPECT_TRUE(*fs.Exists(root + "/outside/f"));
  EXPECT_TRUE(fs.RemoveAll(root).ok());
}

// /dev/full answers every write with ENOSPC.
TEST(PosixFileSystemTest, AFullDiskHasAReasonOfItsOwn) {
  auto file = PosixFileSystem().Open("/dev/full", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  const Status status = (*file)->WriteAt(0, "x");
  EXPECT_EQ(status.reason(), Reason::DISK_FULL);
  EXPECT_EQ(status.metadata().at("errno"), "ENOSPC");
}

TEST(PathTest, JoinAndDirectory) {
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
  EXPECT_EQ(JoinPath("/a/", "b"), "/a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(DirectoryOf("/a/b"), "/a");
  EXPECT_EQ(DirectoryOf("/a/b/"), "/a");
  EXPECT_EQ(DirectoryOf("/a"), "/");
  EXPECT_EQ(DirectoryOf("a"), ".");
}

}  // namespace
}  // namespace engram::env
