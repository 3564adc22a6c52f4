#include "engram/index/vfs.h"

#include <gtest/gtest.h>

#include "engram/env/memory_file_system.h"
#include "engram/index/sqlite.h"
#include "engram/index/vfs_locks.h"
#include "engram/index/vfs_pages.h"

namespace engram::index {
namespace {

using Held = SharedLocks::Held;

TEST(SharedLocks, OneWriterManyReaders) {
  SharedLocks locks;
  Held one, two;
  EXPECT_TRUE(locks.Lock(&one, SharedLocks::kShared));
  EXPECT_TRUE(locks.Lock(&two, SharedLocks::kShared));
  EXPECT_TRUE(locks.Lock(&one, SharedLocks::kReserved));
  EXPECT_TRUE(locks.IsReserved());
  EXPECT_FALSE(locks.Lock(&two, SharedLocks::kReserved));
  EXPECT_FALSE(locks.Lock(&one, SharedLocks::kExclusive));
  EXPECT_EQ(one.level, SharedLocks::kPending);
  Held three;
  EXPECT_FALSE(locks.Lock(&three, SharedLocks::kShared));  // a pending writer keeps others out
  locks.Unlock(&two, SharedLocks::kNone);
  EXPECT_TRUE(locks.Lock(&one, SharedLocks::kExclusive));
  locks.Unlock(&one, SharedLocks::kShared);
  EXPECT_FALSE(locks.IsReserved());
  EXPECT_TRUE(locks.Lock(&three, SharedLocks::kShared));
}

TEST(SharedLocks, WalIndexLocksAreSharedOrExclusive) {
  SharedLocks locks;
  Held one, two;
  EXPECT_TRUE(locks.ShmLock(&one, 3, 1, false));
  EXPECT_TRUE(locks.ShmLock(&two, 3, 1, false));
  EXPECT_FALSE(locks.ShmLock(&two, 3, 1, true));
  EXPECT_FALSE(locks.ShmLock(&two, 2, 3, true));  // all or none
  EXPECT_TRUE(locks.ShmLock(&one, 2, 1, true));   // so 2 was left alone
  EXPECT_FALSE(locks.ShmLock(&two, 2, 1, false));
  locks.ShmUnlock(&one, 2, 2);
  EXPECT_TRUE(locks.ShmLock(&two, 2, 1, false));
  EXPECT_TRUE(locks.ShmLock(&two, 3, 1, true));
}

TEST(SharedLocks, TheLastToLeaveTakesTheWalIndex) {
  SharedLocks locks;
  Held one, two;
  EXPECT_EQ(locks.ShmMap(&one, 0, 64, false), nullptr);
  auto* memory = static_cast<volatile char*>(locks.ShmMap(&one, 0, 64, true));
  ASSERT_NE(memory, nullptr);
  memory[5] = 'x';
  EXPECT_EQ(locks.ShmMap(&two, 0, 64, false), memory);
  EXPECT_TRUE(locks.ShmLock(&one, 0, 8, true));
  locks.ShmUnmap(&one);
  EXPECT_TRUE(locks.ShmLock(&two, 0, 8, true));  // what it held is free
  locks.ShmUnmap(&two);
  EXPECT_EQ(locks.ShmMap(&one, 0, 64, false), nullptr);
}

TEST(Pages, AreSealedWhereTheyBelong) {
  std::string page(kPageBytes, 'a');
  SealPage(page.data(), 8192);
  EXPECT_TRUE(PageIntact(page.data(), 8192));
  EXPECT_FALSE(PageIntact(page.data(), 4096));
  page[17] ^= 1;
  EXPECT_FALSE(PageIntact(page.data(), 8192));
  EXPECT_TRUE(PageIntact(std::string(kPageBytes, '\0').data(), 4096));
}

TEST(Sqlite, ReadersCannotWriteAndWritersExclude) {
  env::MemoryFileSystem fs;
  auto writer = Connection::Open(fs, "/a.db", Connection::Use::kWrite);
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  ASSERT_TRUE((*writer)->Execute("CREATE TABLE t(x); INSERT INTO t VALUES(1)").ok());
  auto reader = Connection::Open(fs, "/a.db", Connection::Use::kRead);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->Execute("INSERT INTO t VALUES(2)").ok());
  auto view = Transaction::Begin(**reader, Transaction::Kind::kRead);
  {
    auto change = Transaction::Begin(**writer, Transaction::Kind::kWrite);
    ASSERT_TRUE((*writer)->Execute("INSERT INTO t VALUES(3)").ok());
  }  // rolled back
  EXPECT_EQ(*(*writer)->QueryInt("SELECT count(*) FROM t"), 1);
  auto change = Transaction::Begin(**writer, Transaction::Kind::kWrite);
  ASSERT_TRUE((*writer)->Execute("INSERT INTO t VALUES(4)").ok());
  ASSERT_TRUE(change->Commit().ok());
  EXPECT_EQ(*(*reader)->QueryInt("SELECT count(*) FROM t"), 1);
  ASSERT_TRUE(view->Commit().ok());
  EXPECT_EQ(*(*reader)->QueryInt("SELECT count(*) FROM t"), 2);
}

TEST(Sqlite, ErrorsNameTheFile) {
  env::MemoryFileSystem fs;
  const Status missing = Connection::Open(fs, "/no/such.db", Connection::Use::kRead).status();
  EXPECT_EQ(missing.reason(), Reason::IO);
  EXPECT_EQ(missing.metadata().at("path"), "/no/such.db");
  auto connection = Connection::Open(fs, "/a.db", Connection::Use::kWrite);
  const Status wrong = (*connection)->Execute("SELECT nonsense");
  EXPECT_EQ(wrong.reason(), Reason::STORAGE);
  EXPECT_EQ(wrong.metadata().at("path"), "/a.db");
}

}  // namespace
}  // namespace engram::index
