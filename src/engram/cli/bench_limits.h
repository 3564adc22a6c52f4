// What bounds a copy of a log: the disk and the loopback of this machine, measured in the run whose
// figures are held against them.
#pragma once

#include <string>

namespace engram::cli {

// MB/s of writes of 1 MiB into a new file under `directory`, with fdatasync every 16 MiB; 0 when
// nothing could be written.
double DiskSpeed(const std::string& directory);

// MB/s of one TCP stream over 127.0.0.1, in writes of 1 MiB; 0 when no connection came about.
double LoopbackSpeed();

}  // namespace engram::cli
