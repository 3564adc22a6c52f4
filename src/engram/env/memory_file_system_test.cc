#include "engram/env/memory_file_system.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::env {
namespace {

using testing::ElementsAre;

std::unique_ptr<File> MustOpen(FileSystem& fs, const std::string& path,
                               OpenMode mode = OpenMode::kCreate) {
  auto file = fs.Open(path, mode);
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  return std::move(*file);
}

std::string Contents(FileSystem& fs, const std::string& path) {
  auto contents = ReadWholeFile(fs, path);
  return contents.ok() ? *contents : contents.status().message();
}

std::vector<std::string> Names(FileSystem& fs, const std::string& path) {
  return fs.List(path).value();
}

// Everything with this name keeps its newest version; everything else is lost.
ChooseFn KeepOnly(const std::string& path) {
  return [path](const Unsynced& thing) {
    return thing.path == path ? KeepAll(thing) : LoseAll(thing);
  };
}

class MemoryFileSystemTest : public testing::Test {
 protected:
  // A file whose name and first contents are durable.
  std::unique_ptr<File> Durable(const std::string& path, const std::string& contents) {
    auto file = MustOpen(fs_, path);
    EXPECT_TRUE(file->WriteAt(0, contents).ok());
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_TRUE(fs_.SyncDirectory("/").ok());
    return file;
  }
  MemoryFileSystem fs_;
};

TEST_F(MemoryFileSystemTest, UnsyncedBytesCanVanishOrStay) {
  auto file = Durable("/a", "old");
  ASSERT_TRUE(file->WriteAt(0, "new").ok());
  EXPECT_EQ(Contents(fs_, "/a"), "new");
  EXPECT_EQ(Contents(*fs_.CrashClone(LoseAll), "/a"), "old");
  EXPECT_EQ(Contents(*fs_.CrashClone(KeepAll), "/a"), "new");
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Contents(*fs_.CrashClone(LoseAll), "/a"), "new");
}

TEST_F(MemoryFileSystemTest, AnySubsetOfPagesCanSurvive) {
  auto file = Durable("/a", std::string(4 * 4096, '-'));
  for (int page = 0; page < 4; ++page) {
    ASSERT_TRUE(file->WriteAt(page * 4096, std::string(4096, 'x')).ok());
  }
  for (unsigned subset = 0; subset < 16; ++subset) {
    auto after = fs_.CrashClone([&](const Unsynced& thing) {
      EXPECT_EQ(thing.kind, Unsynced::Kind::kPage);
      return (subset >> (thing.offset / 4096) & 1) != 0 ? KeepAll(thing) : LoseAll(thing);
    });
    const std::string contents = Contents(*after, "/a");
    ASSERT_EQ(contents.size(), 4u * 4096);
    for (unsigned page = 0; page < 4; ++page) {
      const std::string expected(4096, (subset >> page & 1) != 0 ? 'x' : '-');
      EXPECT_EQ(contents.substr(page * 4096, 4096), expected) << subset << " " << page;
    }
  }
}

TEST_F(MemoryFileSystemTest, PagesTearBetweenSectors) {
  auto file = Durable("/a", std::string(4096, '-'));
  ASSERT_TRUE(file->WriteAt(0, std::string(4096, 'x')).ok());
  auto after = fs_.CrashClone([](const Unsynced&) { return Survival{1, 0b0000'0101}; });
  EXPECT_EQ(Contents(*after, "/a"), std::string(512, 'x') + std::string(512, '-') +
                                        std::string(512, 'x') + std::string(5 * 512, '-'));
}

TEST_F(MemoryFileSystemTest, APageCanSurviveAsItWasInBetween) {
  auto file = Durable("/a", "000");
  for (const char* text : {"111", "222", "333"}) ASSERT_TRUE(file->WriteAt(0, text).ok());
  std::set<std::string> seen;
  for (size_t version = 0; version < 4; ++version) {
    seen.insert(Contents(*fs_.CrashClone([&](const Unsynced& thing) {
      EXPECT_EQ(thing.versions, 4u);
      return Survival{version, 0xff};
    }),
                         "/a"));
  }
  EXPECT_THAT(seen, ElementsAre("000", "111", "222", "333"));
}

TEST_F(MemoryFileSystemTest, LengthAndBytesSurviveEachWithoutTheOther) {
  auto file = Durable("/a", "");
  ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  auto keep = [](Unsynced::Kind kind) {
    return [kind](const Unsynced& thing) {
      return thing.kind == kind ? KeepAll(thing) : LoseAll(thing);
    };
  };
  EXPECT_EQ(Contents(*fs_.CrashClone(keep(Unsynced::Kind::kLength)), "/a"), std::string(3, '\0'));
  EXPECT_EQ(Contents(*fs_.CrashClone(keep(Unsynced::Kind::kPage)), "/a"), "");
}

TEST_F(MemoryFileSystemTest, BytesBeyondALostLengthDoNotComeBack) {
  auto file = Durable("/a", "ab");
  ASSERT_TRUE(file->WriteAt(2, "cd").ok());
  auto after = fs_.CrashClone([](const Unsynced& thing) {
    return thing.kind == Unsynced::Kind::kLength ? LoseAll(thing) : KeepAll(thing);
  });
  EXPECT_EQ(Contents(*after, "/a"), "ab");
  ASSERT_TRUE(MustOpen(*after, "/a")->Truncate(4).ok());
  EXPECT_EQ(Contents(*after, "/a"), std::string("ab\0\0", 4));
}

TEST_F(MemoryFileSystemTest, PreallocatedLengthIsDurableAfterSync) {
  auto file = Durable("/a", "x");
  ASSERT_TRUE(file->Preallocate(8192).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->WriteAt(4096, "y").ok());
  const std::string lost = Contents(*fs_.CrashClone(LoseAll), "/a");
  EXPECT_EQ(lost.size(), 8192u);
  EXPECT_EQ(lost[4096], '\0');
  auto pages_only = fs_.CrashClone([](const Unsynced& thing) {
    EXPECT_EQ(thing.kind, Unsynced::Kind::kPage);
    return KeepAll(thing);
  });
  EXPECT_EQ(Contents(*pages_only, "/a")[4096], 'y');
}

TEST_F(MemoryFileSystemTest, WhatATruncationCutCannotFollowIt) {
  auto file = Durable("/a", std::string(4096, 'a') + std::string(4096, 'b'));
  ASSERT_TRUE(file->Truncate(4096).ok());
  ASSERT_TRUE(file->WriteAt(4096, std::string(4096, 'c')).ok());
  std::set<char> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Prng prng(seed);
    const std::string contents = Contents(*fs_.CrashClone(prng), "/a");
    ASSERT_GE(contents.size(), 4096u);
    EXPECT_EQ(contents.substr(0, 4096), std::string(4096, 'a'));
    if (contents.size() == 4096) continue;
    const std::string second = contents.substr(4096);
    EXPECT_FALSE(second.find('b') != std::string::npos && second.find('c') != std::string::npos);
    for (char c : second) seen.insert(c);
  }
  EXPECT_THAT(seen, ElementsAre('\0', 'b', 'c'));
}

TEST_F(MemoryFileSystemTest, UnsyncedNamesCanVanishInAnyCombination) {
  for (const char* name : {"/a", "/b", "/c"}) MustOpen(fs_, name);
  std::set<std::vector<std::string>> seen;
  for (unsigned subset = 0; subset < 8; ++subset) {
    unsigned index = 0;
    auto after = fs_.CrashClone([&](const Unsynced& thing) {
      EXPECT_EQ(thing.kind, Unsynced::Kind::kName);
      return (subset >> index++ & 1) != 0 ? KeepAll(thing) : LoseAll(thing);
    });
    seen.insert(Names(*after, "/"));
  }
  EXPECT_EQ(seen.size(), 8u);
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  EXPECT_THAT(Names(*fs_.CrashClone(LoseAll), "/"), ElementsAre("a", "b", "c"));
}

TEST_F(MemoryFileSystemTest, SyncOfAFileDoesNotKeepItsName) {
  auto file = MustOpen(fs_, "/a");
  ASSERT_TRUE(file->WriteAt(0, "x").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_TRUE(Names(*fs_.CrashClone(LoseAll), "/").empty());
}

TEST_F(MemoryFileSystemTest, ARenameIsOneStep) {
  Durable("/a", "new");
  Durable("/b", "old");
  ASSERT_TRUE(fs_.Rename("/a", "/b").ok());
  auto lost = fs_.CrashClone(LoseAll);
  EXPECT_EQ(Contents(*lost, "/a") + Contents(*lost, "/b"), "newold");
  auto kept = fs_.CrashClone(KeepAll);
  EXPECT_THAT(Names(*kept, "/"), ElementsAre("b"));
  EXPECT_EQ(Contents(*kept, "/b"), "new");
}

TEST_F(MemoryFileSystemTest, ARemovedFileCanComeBackWithItsSyncedBytes) {
  Durable("/a", "here");
  ASSERT_TRUE(fs_.Remove("/a").ok());
  EXPECT_FALSE(*fs_.Exists("/a"));
  EXPECT_EQ(Contents(*fs_.CrashClone(LoseAll), "/a"), "here");
  EXPECT_FALSE(*fs_.CrashClone(KeepAll)->Exists("/a"));
}

TEST_F(MemoryFileSystemTest, SyncOfADirectoryLeavesOthersUnsynced) {
  for (const char* name : {"/d", "/e"}) ASSERT_TRUE(fs_.CreateDirectory(name).ok());
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  for (const char* name : {"/d/1", "/e/1"}) MustOpen(fs_, name);
  ASSERT_TRUE(fs_.SyncDirectory("/d").ok());
  auto after = fs_.CrashClone(LoseAll);
  EXPECT_THAT(Names(*after, "/d"), ElementsAre("1"));
  EXPECT_TRUE(Names(*after, "/e").empty());
}

TEST_F(MemoryFileSystemTest, ALostDirectoryTakesEverythingBelow) {
  ASSERT_TRUE(fs_.CreateDirectory("/d").ok());
  MustOpen(fs_, "/d/1");
  ASSERT_TRUE(fs_.SyncDirectory("/d").ok());
  EXPECT_FALSE(*fs_.CrashClone(LoseAll)->Exists("/d"));
  EXPECT_TRUE(*fs_.CrashClone(KeepOnly("/d"))->Exists("/d/1"));
}

TEST_F(MemoryFileSystemTest, SyncOfOneEndOfARenameKeepsBoth) {
  for (const char* synced : {"/d", "/e"}) {
    MemoryFileSystem fs;
    for (const char* name : {"/d", "/e"}) ASSERT_TRUE(fs.CreateDirectory(name).ok());
    ASSERT_TRUE(fs.SyncDirectory("/").ok());
    MustOpen(fs, "/e/x");
    MustOpen(fs, "/d/y");
    ASSERT_TRUE(fs.Rename("/d/y", "/e/x").ok());
    ASSERT_TRUE(fs.SyncDirectory(synced).ok());
    for (const ChooseFn& choose : {ChooseFn(KeepAll), ChooseFn(LoseAll)}) {
      auto after = fs.CrashClone(choose);
      EXPECT_THAT(Names(*after, "/e"), ElementsAre("x")) << synced;
      EXPECT_TRUE(Names(*after, "/d").empty()) << synced;
    }
  }
}

TEST_F(MemoryFileSystemTest, AfterAFailedSyncTheBytesAreReadableButNeverWritten) {
  auto file = Durable("/a", "old");
  ASSERT_TRUE(file->WriteAt(0, "new").ok());
  ASSERT_TRUE(MemoryFileSystem::AbandonUnsynced(*file));
  ASSERT_TRUE(file->Sync().ok());  // the lie
  EXPECT_EQ(Contents(fs_, "/a"), "new");
  EXPECT_EQ(Contents(*fs_.CrashClone(LoseAll), "/a"), "old");
  ASSERT_TRUE(file->WriteAt(0, "n").ok());  // makes the page dirty again
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Contents(*fs_.CrashClone(LoseAll), "/a"), "new");
}

TEST_F(MemoryFileSystemTest, ACloneKeepsEverythingAndIsSeparate) {
  auto file = Durable("/a", "old");
  ASSERT_TRUE(file->WriteAt(0, "new").ok());
  MustOpen(fs_, "/b");
  auto held = fs_.Lock("/LOCK");
  ASSERT_TRUE(held.ok());
  auto clone = fs_.Clone();
  ASSERT_TRUE(file->WriteAt(0, "xyz").ok());
  EXPECT_EQ(Contents(*clone, "/a"), "new");
  EXPECT_TRUE(clone->Lock("/LOCK").ok());
  // What was not synced is still not.
  EXPECT_EQ(Contents(*clone->CrashClone(LoseAll), "/a"), "old");
  EXPECT_THAT(Names(*clone->CrashClone(LoseAll), "/"), ElementsAre("a"));
}

TEST_F(MemoryFileSystemTest, SameSeedSameCrash) {
  auto file = Durable("/a", "");
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(file->WriteAt(i * 3000, std::string(3000, 'a')).ok());
    MustOpen(fs_, "/n" + std::to_string(i));
  }
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Prng first(seed), second(seed);
    auto one = fs_.CrashClone(first), two = fs_.CrashClone(second);
    EXPECT_EQ(Names(*one, "/"), Names(*two, "/"));
    EXPECT_EQ(Contents(*one, "/a"), Contents(*two, "/a"));
    seen.insert(Contents(*one, "/a"));
  }
  EXPECT_GT(seen.size(), 10u);
}

// Whatever is written and however it crashes: what was synced and not written since is there.
TEST_F(MemoryFileSystemTest, SyncedBytesSurviveEveryCrash) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng(seed);
    MemoryFileSystem fs;
    auto file = MustOpen(fs, "/a");
    ASSERT_TRUE(fs.SyncDirectory("/").ok());
    std::string synced;
    std::string written;
    for (int step = 0; step < 30; ++step) {
      const std::string data(prng.Below(9000), static_cast<char>('a' + step % 26));
      ASSERT_TRUE(file->WriteAt(written.size(), data).ok());
      written += data;
      if (!prng.OneIn(3)) continue;
      ASSERT_TRUE(file->Sync().ok());
      synced = written;
    }
    auto after = fs.CrashClone(prng);
    EXPECT_EQ(Contents(*after, "/a").substr(0, synced.size()), synced) << seed;
  }
}

TEST_F(MemoryFileSystemTest, ACrashOfAPartLeavesThatPartAlone) {
  ASSERT_TRUE(fs_.CreateDirectories("/a/b").ok());
  ASSERT_TRUE(fs_.CreateDirectories("/a/bc").ok());
  Durable("/a/b/in", "kept");
  Durable("/a/bc/out", "not asked for");
  Durable("/out", "not asked for");
  const auto part = fs_.CrashClone(KeepAll, "/a/b");
  EXPECT_EQ(Contents(*part, "/a/b/in"), "kept");
  EXPECT_THAT(Names(*part, "/"), ElementsAre("a"));
  EXPECT_THAT(Names(*part, "/a"), ElementsAre("b"));
}

}  // namespace
}  // namespace engram::env
