// What Linux knows of this process: memory, processor time, page faults, files (proc(5)).
#pragma once

#include <cstdint>

namespace engram::runtime {

struct ProcessFacts {
  uint64_t resident_bytes = 0;
  double cpu_seconds = 0;
  uint64_t major_page_faults = 0;
  uint64_t open_files = 0;
  uint64_t open_files_limit = 0;
};
ProcessFacts ReadProcessFacts();

}  // namespace engram::runtime
