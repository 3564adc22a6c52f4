#include "engram/env/memory_tree.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace engram::env {
namespace {

using Copies = std::unordered_map<const MemoryNode*, MemoryNodePtr>;
using NamesOf = std::unordered_map<const MemoryNode*, MemoryNames>;

template <class Names>
void Apply(const MemoryNameChange& change, const Names& names_of) {
  if (change.from_directory) {
    MemoryNames& names = names_of(change.from_directory);
    auto found = names.find(change.from);
    // Without an earlier change that was lost, another node may stand here; a removal takes it
    // all the same, a rename only what it moves.
    const bool moves = change.to_directory != nullptr;
    if (found != names.end() && (!moves || found->second == change.node)) names.erase(found);
  }
  if (change.to_directory) names_of(change.to_directory)[change.to] = change.node;
}

MemoryNodePtr CloneNode(const MemoryNodePtr& node, Copies* copies) {
  if (!node) return nullptr;
  MemoryNodePtr& copy = (*copies)[node.get()];
  if (copy) return copy;
  copy = std::make_shared<MemoryNode>();
  copy->directory = node->directory;
  copy->pages = node->pages;
  for (const auto& [name, child] : node->names) copy->names[name] = CloneNode(child, copies);
  for (const auto& [name, child] : node->durable) copy->durable[name] = CloneNode(child, copies);
  return copy;
}

// On the way to `within`, or in it.
bool Leads(const std::string& path, const std::string& within) {
  const auto below = [](const std::string& a, const std::string& b) {
    return a.starts_with(b) && (a.size() == b.size() || a[b.size()] == '/');
  };
  return within == "/" || below(path, within) || below(within, path);
}

// What is left of `node` when `left` says which names are.
MemoryNodePtr CrashNode(const MemoryNodePtr& node, const std::string& path, const NamesOf& left,
                        const std::string& within, const ChooseFn& choose, Copies* copies) {
  if (const auto found = copies->find(node.get()); found != copies->end()) return found->second;
  auto result = std::make_shared<MemoryNode>();
  (*copies)[node.get()] = result;
  result->directory = node->directory;
  if (!node->directory) {
    result->pages = node->pages.Crash(path, choose);
    return result;
  }
  const auto changed = left.find(node.get());
  const MemoryNames& names = changed != left.end() ? changed->second : node->durable;
  for (const auto& [name, child] : names) {
    const std::string at = path + "/" + name;
    if (Leads(at, within)) {
      result->names[name] = CrashNode(child, at, left, within, choose, copies);
    }
  }
  result->durable = result->names;
  return result;
}

uint64_t BytesOf(const MemoryNode& node, std::set<const MemoryNode*>* seen) {
  if (!seen->insert(&node).second) return 0;
  uint64_t total = node.directory ? 0 : node.pages.size();
  for (const auto& [name, child] : node.names) total += BytesOf(*child, seen);
  return total;
}

}  // namespace

std::string NormalisedPath(std::string_view path) {
  std::string result;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (!part.empty() && part != ".") result.append("/").append(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return result.empty() ? "/" : result;
}

MemoryTree::MemoryTree() : root(std::make_shared<MemoryNode>()) {
  root->directory = true;
}

MemoryPlace MemoryTree::Find(std::string_view path) const {
  const std::string whole = NormalisedPath(path);
  MemoryPlace place{nullptr, "", root, false};
  for (size_t at = 1; at < whole.size();) {
    const size_t end = std::min(whole.find('/', at), whole.size());
    place.directory = place.node;
    if (!place.directory) return place;
    place.name = whole.substr(at, end - at);
    if (!place.directory->directory) return {nullptr, "", nullptr, true};
    const auto found = place.directory->names.find(place.name);
    place.node = found != place.directory->names.end() ? found->second : nullptr;
    at = end + 1;
  }
  return place;
}

void MemoryTree::Change(MemoryNameChange change) {
  Apply(change, [](const MemoryNodePtr& d) -> MemoryNames& { return d->names; });
  unsynced.push_back(std::move(change));
}

void MemoryTree::SyncNames(const MemoryNodePtr& directory) {
  std::set<MemoryNodePtr> touched = {directory};
  std::vector<bool> now(unsynced.size());
  for (size_t i = unsynced.size(); i-- > 0;) {
    const MemoryNameChange& change = unsynced[i];
    if (!touched.contains(change.from_directory) && !touched.contains(change.to_directory))
      continue;
    now[i] = true;
    if (change.from_directory) touched.insert(change.from_directory);
    if (change.to_directory) touched.insert(change.to_directory);
  }
  std::vector<MemoryNameChange> later;
  for (size_t i = 0; i < unsynced.size(); ++i) {
    if (now[i]) {
      Apply(unsynced[i], [](const MemoryNodePtr& d) -> MemoryNames& { return d->durable; });
    } else {
      later.push_back(std::move(unsynced[i]));
    }
  }
  unsynced = std::move(later);
}

uint64_t MemoryTree::TotalBytes() const {
  std::set<const MemoryNode*> seen;
  return BytesOf(*root, &seen);
}

MemoryTree MemoryTree::Clone() const {
  MemoryTree copy;
  Copies copies;
  copy.root = CloneNode(root, &copies);
  for (MemoryNameChange change : unsynced) {
    change.from_directory = CloneNode(change.from_directory, &copies);
    change.to_directory = CloneNode(change.to_directory, &copies);
    change.node = CloneNode(change.node, &copies);
    copy.unsynced.push_back(std::move(change));
  }
  return copy;
}

MemoryTree MemoryTree::Crash(const ChooseFn& choose, const std::string& within) const {
  NamesOf left;
  const auto names_of = [&left](const MemoryNodePtr& directory) -> MemoryNames& {
    return left.try_emplace(directory.get(), directory->durable).first->second;
  };
  for (const MemoryNameChange& change : unsynced) {
    const Survival survival = choose(Unsynced{Unsynced::Kind::kName, change.path, 0, 2});
    if (survival.version != 0) Apply(change, names_of);
  }
  MemoryTree after;
  Copies copies;
  after.root = CrashNode(root, "", left, within, choose, &copies);
  return after;
}

}  // namespace engram::env
