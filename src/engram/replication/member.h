// Who holds copies: a node by its configured name, and which life of its directory it is. A node
// whose directory was lost comes back under its name as another member. Value types.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engram/base/ids.h"

namespace engram::replication {

struct Member {
  std::string node;  // name, unique in the cluster
  Incarnation incarnation;
  NodeId id;  // information only: node and incarnation say who it is

  bool operator==(const Member& other) const {
    return node == other.node && incarnation == other.incarnation;
  }
  bool operator<(const Member& other) const {
    return node != other.node ? node < other.node : incarnation < other.incarnation;
  }
};

// Sorted, without doubles.
using Members = std::vector<Member>;

inline bool Has(const Members& members, const Member& member) {
  return std::find(members.begin(), members.end(), member) != members.end();
}
inline void Add(Members* members, const Member& member) {
  if (Has(*members, member)) return;
  members->insert(std::upper_bound(members->begin(), members->end(), member), member);
}
inline void Remove(Members* members, const Member& member) {
  std::erase(*members, member);
}
inline bool HasNode(const Members& members, const std::string& node) {
  return std::any_of(members.begin(), members.end(),
                     [&](const Member& member) { return member.node == node; });
}

}  // namespace engram::replication
