// What was appended to the log together, and who waits for it. Guarded by the writer's lock; the
// waiters run after it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/space/tail.h"

namespace engram::space {

struct Group {
  std::vector<std::shared_ptr<TailEntry>> entries;
  std::vector<std::string> ids;  // noted in the id table
  uint64_t bytes = 0;            // charged
  bool finished = false;
  Status status;  // when finished: durable and visible, or what happened
  std::vector<std::function<void(const Status&)>> waiters;
};

}  // namespace engram::space
