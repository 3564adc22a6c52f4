// The contents of one file in memory, with what of it a power cut could leave. Private to
// memory_file_system.cc. Not thread-safe.
//
// Each page keeps its versions since the last sync, oldest first; the length keeps its history.
// A truncation opens a new generation: bytes written after it cannot be on the disk without it,
// and bytes that it cut cannot come back once a length from after it has survived.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/bytes.h"
#include "engram/env/memory_file_system.h"

namespace engram::env {

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kSectorSize = 512;

class MemoryPages {
 public:
  size_t Read(uint64_t offset, char* out, size_t size) const;
  void Write(uint64_t offset, ByteView data);
  // Grows with zeros or cuts.
  void Resize(uint64_t size);
  void Sync();
  // See MemoryFileSystem::AbandonUnsynced.
  void Abandon();
  uint64_t size() const { return lengths_.back().size; }

  // Made of what `choose` leaves; `path` is for its questions.
  MemoryPages Crash(const std::string& path, const ChooseFn& choose) const;

 private:
  using Bytes = std::shared_ptr<const std::array<char, kPageSize>>;  // null: zeros
  struct Version {
    Bytes bytes;
    uint64_t generation = 0;
    bool cut = false;  // made by a truncation
  };
  struct Page {
    std::vector<Version> versions{Version{}};  // the first is on the disk, the last is read
    bool abandoned = false;
  };
  struct Length {
    uint64_t size = 0;
    uint64_t generation = 0;
  };

  void WritePage(uint64_t index, uint64_t begin, ByteView data);
  void Push(Page* page, Version version);
  void PushLength(uint64_t size);
  void CutPagesAbove(uint64_t size);
  static Bytes CrashPage(const Page& page, uint64_t generation, Unsynced question,
                         const ChooseFn& choose);

  std::map<uint64_t, Page> pages_;  // absent: zeros, synced
  std::vector<Length> lengths_{Length{}};
  uint64_t generation_ = 0;
};

}  // namespace engram::env
