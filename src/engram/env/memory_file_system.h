// A file system in memory that knows what a power cut could leave of it. For tests and simulation.
//
// The model is a journalling file system at its worst: bytes are written back in pages of 4 KiB,
// at any time, in any order, and a page can tear between sectors of 512 bytes; each unsynced page
// may stand as it was at the last Sync, as it is now, or as it was in between. The length follows
// its own history. A truncation and what is written after it keep their order. Of the names that
// were made, renamed or removed since their directory was synced, any subset may have reached the
// disk; a rename is one step. Whatever lies below a lost directory is lost with it.
//
// Thread-safe: one lock for all, so that a clone is a picture of one instant. Clones share pages
// until they are written and are cheap. Source of the model: Pillai et al., "All File Systems Are
// Not Created Equal" (OSDI 2014).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/prng.h"
#include "engram/env/file_system.h"

namespace engram::env {

// Something that a power cut may or may not leave.
struct Unsynced {
  enum class Kind { kPage, kLength, kName };
  Kind kind;
  std::string path;     // of a renamed thing: its new one
  uint64_t offset = 0;  // kPage: where the page begins
  size_t versions = 2;  // to choose among: 0 is what was synced last, versions - 1 what is now
};

// What it left: a version, and of a page also which of its eight sectors are of that version (bit
// 0 is the first sector); the others are as synced last.
struct Survival {
  size_t version = 0;
  uint8_t sectors = 0xff;
};

using ChooseFn = std::function<Survival(const Unsynced&)>;

class MemoryFileSystem : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<bool> Exists(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Status CreateDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status HardLink(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  // The lock belongs to this object, not to a process; clones are unlocked.
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  // Of 1 TiB, what the lengths of all files leave. It is never full: see FaultyFileSystem.
  Result<DiskSpace> Space(const std::string& path) override;

  // What the death of the process leaves: everything, synced or not, but no open file and no lock.
  std::unique_ptr<MemoryFileSystem> Clone() const;
  // What a power cut leaves; all of it is on the disk, so nothing of it is unsynced. `choose` is
  // asked about names in the order of their making, then per file, by path, about its length if
  // that changed and about each unsynced page below that length. Only of what lies in `within`.
  std::unique_ptr<MemoryFileSystem> CrashClone(const ChooseFn& choose,
                                               const std::string& within = "/") const;
  // By seed: sometimes all is kept, sometimes all is lost, mostly some of it, torn here and there.
  std::unique_ptr<MemoryFileSystem> CrashClone(Prng& prng) const;

  // What a failed fsync does on Linux: the unsynced bytes of this file stay readable, but count as
  // clean, so that no later Sync writes them. Only a new write of the page does. False when
  // `file` is not of a MemoryFileSystem.
  static bool AbandonUnsynced(File& file);

 private:
  struct Tree;
  class OpenFile;
  class HeldLock;
  explicit MemoryFileSystem(std::shared_ptr<Tree> tree);
  std::shared_ptr<Tree> tree_;  // shared with open files, which may outlive this object
};

// Choices that tests often want.
inline Survival KeepAll(const Unsynced& thing) {
  return {thing.versions - 1, 0xff};
}
inline Survival LoseAll(const Unsynced&) {
  return {0, 0xff};
}

}  // namespace engram::env
