// The names of a file system in memory: directories, what of their changes is synced, and what is
// not yet. Private to memory_file_system.cc, whose lock guards all of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/env/memory_pages.h"

namespace engram::env {

struct MemoryNode;
using MemoryNodePtr = std::shared_ptr<MemoryNode>;
using MemoryNames = std::map<std::string, MemoryNodePtr>;

// A file or a directory.
struct MemoryNode {
  bool directory = false;
  MemoryPages pages;    // of a file
  MemoryNames names;    // of a directory, as it is
  MemoryNames durable;  // of a directory, as synced
};

// One change of names that no SyncDirectory has covered yet.
struct MemoryNameChange {
  MemoryNodePtr from_directory;  // null when nothing is taken away
  std::string from;
  MemoryNodePtr to_directory;  // null when nothing is added
  std::string to;
  MemoryNodePtr node;  // what is taken or added
  std::string path;    // for questions
};

// Where a path leads. `directory` is null when the parent is missing; `node` when the name is.
struct MemoryPlace {
  MemoryNodePtr directory;
  std::string name;
  MemoryNodePtr node;
  bool through_file = false;  // a part of the path on the way is a file
};

struct MemoryTree {
  MemoryNodePtr root;
  std::vector<MemoryNameChange> unsynced;
  std::set<std::string> locked;

  MemoryTree();
  MemoryPlace Find(std::string_view path) const;
  // Applies the change to what is seen, and remembers it as unsynced.
  void Change(MemoryNameChange change);
  // Makes the changes of this directory durable, and those before them that they stand on.
  void SyncNames(const MemoryNodePtr& directory);
  uint64_t TotalBytes() const;

  MemoryTree Clone() const;
  MemoryTree Crash(const ChooseFn& choose, const std::string& within) const;
};

// "/a//b/" and "a/b" are the same.
std::string NormalisedPath(std::string_view path);

}  // namespace engram::env
