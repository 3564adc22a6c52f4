// What was appended to the log together and is not visible yet. Guarded by the writer's lock.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engram/space/tail.h"

namespace engram::space {

struct Group {
  std::vector<std::shared_ptr<TailEntry>> entries;
  std::vector<std::string> ids;  // noted in the id table
  uint64_t bytes = 0;            // charged
  // Neither published nor failed: the writer still answers for its entries and its charge.
  bool pending = true;

  Sequence first() const { return entries.front()->sequence(); }
  Sequence last() const { return entries.back()->sequence(); }
};

}  // namespace engram::space
