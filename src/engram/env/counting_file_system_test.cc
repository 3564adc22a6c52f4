#include "engram/env/counting_file_system.h"

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/env/process.h"

namespace engram::env {
namespace {

TEST(CountingFileSystemTest, CountsWhatGoesThrough) {
  MemoryFileSystem memory;
  FaultyFileSystem faulty(memory);
  CountingFileSystem fs(faulty);
  auto file = std::move(*fs.Open("/a", OpenMode::kCreate));
  ASSERT_TRUE(file->WriteAt(0, "hello").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(fs.SyncDirectory("/").ok());
  char out[8];
  ASSERT_EQ(*file->ReadAt(0, out, 8), 5u);
  faulty.Inject({.operation = Operation::kWrite});
  faulty.Inject({.operation = Operation::kSync});
  EXPECT_FALSE(file->WriteAt(0, "hello").ok());
  EXPECT_FALSE(file->Sync().ok());
  const StorageCounts& counts = fs.counts();
  EXPECT_EQ(counts.writes, 2u);
  EXPECT_EQ(counts.written_bytes, 5u);
  EXPECT_EQ(counts.syncs, 3u);
  EXPECT_EQ(counts.reads, 1u);
  EXPECT_EQ(counts.read_bytes, 5u);
  EXPECT_EQ(counts.errors, 2u);
}

TEST(ProcessUsageTest, SeesThisProcess) {
  const ProcessUsage before = ReadProcessUsage();
  EXPECT_GT(before.resident_bytes, 1u << 20);
  EXPECT_GE(before.open_files, 3u);
  EXPECT_GE(before.open_files_limit, before.open_files);
  auto file = PosixFileSystem().Open("/dev/null", OpenMode::kRead);
  EXPECT_EQ(ReadProcessUsage().open_files, before.open_files + 1);
  EXPECT_GE(RaiseOpenFilesLimit(), before.open_files_limit);
}

}  // namespace
}  // namespace engram::env
