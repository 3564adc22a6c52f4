// What this process uses of the machine, for metrics and status. Thread-safe.
#pragma once

#include <cstdint>

namespace engram::env {

struct ProcessUsage {
  uint64_t resident_bytes = 0;
  double cpu_seconds = 0;    // user and system
  uint64_t page_faults = 0;  // those that had to read from a disk
  uint64_t open_files = 0;
  uint64_t open_files_limit = 0;
};

// Reads /proc and getrusage(2); what cannot be read is 0. Takes some 20 microseconds.
ProcessUsage ReadProcessUsage();

// Raises the bound of open files to what the machine allows this process; returns the new bound.
uint64_t RaiseOpenFilesLimit();

}  // namespace engram::env
