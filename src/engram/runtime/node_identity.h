// What identifies a data directory: who the node is, and which life of it this is (node.meta).
// Blocking; one caller at a time.
#pragma once

#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/env/entropy.h"
#include "engram/env/file_system.h"

namespace engram::runtime {

struct NodeIdentity {
  NodeId id;
  Incarnation incarnation;
  bool created = false;              // by this start
  std::string name;                  // in a cluster: the name it was first started under
  std::vector<Incarnation> deleted;  // spaces that must not come back
};

// Reads <data_dir>/node.meta, or makes it. CORRUPTION_DETECTED when it is damaged.
Result<NodeIdentity> LoadNodeIdentity(env::FileSystem& fs, const std::string& data_dir,
                                      env::Entropy& entropy);
// Durable on return.
Status SaveNodeIdentity(env::FileSystem& fs, const std::string& data_dir,
                        const NodeIdentity& identity);
// A directory belongs to one node of a cluster: takes it for `name`, or CONFIGURATION when it is
// another's.
Status ClaimName(env::FileSystem& fs, const std::string& data_dir, const std::string& name,
                 NodeIdentity* identity);

}  // namespace engram::runtime
