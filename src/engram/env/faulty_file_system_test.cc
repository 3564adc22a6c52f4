#include "engram/env/faulty_file_system.h"

#include <future>

#include <gtest/gtest.h>

#include "engram/env/executor.h"
#include "engram/env/memory_file_system.h"

namespace engram::env {
namespace {

using Effect = Fault::Effect;

class FaultyFileSystemTest : public testing::Test {
 protected:
  FaultyFileSystemTest() : file_(std::move(*fs_.Open("/a", OpenMode::kCreate))) {
    EXPECT_TRUE(fs_.SyncDirectory("/").ok());
  }
  std::string Contents() { return *ReadWholeFile(memory_, "/a"); }

  MemoryFileSystem memory_;
  FaultyFileSystem fs_{memory_};
  std::unique_ptr<File> file_;
};

TEST_F(FaultyFileSystemTest, FailsTheCallThatIsNamed) {
  fs_.Inject({.operation = Operation::kWrite, .path = "a", .after = 1, .error_number = EROFS});
  EXPECT_TRUE(file_->WriteAt(0, "1").ok());
  const Status status = file_->WriteAt(1, "2");
  EXPECT_EQ(status.reason(), Reason::IO);
  EXPECT_EQ(status.metadata().at("errno"), "EROFS");
  EXPECT_TRUE(file_->WriteAt(1, "3").ok());
  EXPECT_EQ(Contents(), "13");
  EXPECT_EQ(fs_.Count(Operation::kWrite), 3u);
  EXPECT_EQ(fs_.Struck(), 1u);
}

TEST_F(FaultyFileSystemTest, SparesOtherPathsAndHeals) {
  fs_.Inject({.operation = Operation::kWrite, .path = "other", .times = Fault::kForever});
  EXPECT_TRUE(file_->WriteAt(0, "1").ok());
  fs_.Inject({.operation = Operation::kWrite, .times = Fault::kForever});
  EXPECT_FALSE(file_->WriteAt(0, "2").ok());
  EXPECT_FALSE(file_->WriteAt(0, "2").ok());
  fs_.Heal();
  EXPECT_TRUE(file_->WriteAt(0, "3").ok());
}

TEST_F(FaultyFileSystemTest, AFailedSyncLiesFromThenOn) {
  ASSERT_TRUE(file_->WriteAt(0, "abc").ok());
  fs_.Inject({.operation = Operation::kSync});
  EXPECT_EQ(file_->Sync().reason(), Reason::IO);
  EXPECT_TRUE(file_->Sync().ok());
  EXPECT_EQ(Contents(), "abc");
  EXPECT_EQ(*ReadWholeFile(*memory_.CrashClone(LoseAll), "/a"), std::string(3, '\0'));
}

TEST_F(FaultyFileSystemTest, ASyncCanLieAtOnce) {
  ASSERT_TRUE(file_->WriteAt(0, "abc").ok());
  fs_.Inject({.operation = Operation::kSync, .effect = Effect::kLie});
  EXPECT_TRUE(file_->Sync().ok());
  EXPECT_EQ(*ReadWholeFile(*memory_.CrashClone(LoseAll), "/a"), "");
}

TEST_F(FaultyFileSystemTest, ShortWriteThenError) {
  fs_.Inject({.operation = Operation::kWrite, .effect = Effect::kShort, .where = 2});
  EXPECT_FALSE(file_->WriteAt(0, "abcdef").ok());
  EXPECT_EQ(Contents(), "ab");
}

TEST_F(FaultyFileSystemTest, FlipsABitOnReading) {
  ASSERT_TRUE(file_->WriteAt(0, "aaa").ok());
  fs_.Inject({.operation = Operation::kRead, .effect = Effect::kFlip, .where = 8 + 1});
  char out[3];
  ASSERT_EQ(*file_->ReadAt(0, out, 3), 3u);
  EXPECT_EQ(std::string(out, 3), "aca");
  ASSERT_EQ(*file_->ReadAt(0, out, 3), 3u);
  EXPECT_EQ(std::string(out, 3), "aaa");
  ASSERT_TRUE(FlipStoredBit(memory_, "/a", 1).ok());
  EXPECT_EQ(Contents(), "caa");
  EXPECT_FALSE(FlipStoredBit(memory_, "/a", 24).ok());
}

TEST_F(FaultyFileSystemTest, AFullDiskTakesWhatFits) {
  fs_.SetFreeBytes(4);
  EXPECT_TRUE(file_->WriteAt(0, "abc").ok());
  EXPECT_EQ(fs_.Space("/")->free_bytes, 1u);
  EXPECT_EQ(file_->WriteAt(3, "def").reason(), Reason::DISK_FULL);
  EXPECT_EQ(Contents(), "abcd");
  EXPECT_TRUE(file_->WriteAt(0, "ABC").ok());  // takes no room
  EXPECT_EQ(file_->Preallocate(100).reason(), Reason::DISK_FULL);
  EXPECT_TRUE(file_->Truncate(2).ok());
  EXPECT_TRUE(file_->WriteAt(2, "xy").ok());
  fs_.SetFreeBytes(std::nullopt);
  EXPECT_TRUE(file_->Preallocate(100).ok());
}

TEST_F(FaultyFileSystemTest, RemovingGivesRoomBack) {
  ASSERT_TRUE(file_->WriteAt(0, std::string(100, 'x')).ok());
  fs_.SetFreeBytes(0);
  ASSERT_TRUE(fs_.Remove("/a").ok());
  EXPECT_EQ(fs_.Space("/")->free_bytes, 100u);
}

TEST_F(FaultyFileSystemTest, NamesFailToo) {
  for (Operation operation :
       {Operation::kOpen, Operation::kRename, Operation::kRemove, Operation::kSyncDirectory,
        Operation::kList, Operation::kLock, Operation::kCreateDirectory}) {
    fs_.Inject({.operation = operation});
  }
  EXPECT_FALSE(fs_.Open("/a", OpenMode::kRead).ok());
  EXPECT_FALSE(fs_.Rename("/a", "/b").ok());
  EXPECT_FALSE(fs_.Remove("/a").ok());
  EXPECT_FALSE(fs_.SyncDirectory("/").ok());
  EXPECT_FALSE(fs_.List("/").ok());
  EXPECT_FALSE(fs_.Lock("/l").ok());
  EXPECT_FALSE(fs_.CreateDirectory("/d").ok());
  EXPECT_TRUE(*memory_.Exists("/a"));
  EXPECT_EQ(fs_.Struck(), 7u);
}

TEST_F(FaultyFileSystemTest, AStallEndsWhenItIsReleased) {
  ASSERT_TRUE(file_->WriteAt(0, "abc").ok());
  fs_.Inject({.operation = Operation::kSync, .effect = Effect::kStall});
  std::promise<Status> answer;
  auto pool = MakeThreadPool("stall", 1);
  pool->Post([&] { answer.set_value(file_->Sync()); });
  ASSERT_TRUE(fs_.WaitForStalled(1));
  EXPECT_EQ(*ReadWholeFile(*memory_.CrashClone(LoseAll), "/a"), "");
  fs_.Release();
  EXPECT_TRUE(answer.get_future().get().ok());
  EXPECT_EQ(*ReadWholeFile(*memory_.CrashClone(LoseAll), "/a"), "abc");
  EXPECT_FALSE(fs_.WaitForStalled(1, std::chrono::milliseconds(0)));
}

}  // namespace
}  // namespace engram::env
