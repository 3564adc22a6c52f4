// What a server that runs costs: read from the system, and from its metrics.
#pragma once

#include <string>

#include <sys/types.h>

namespace engram::cli {

double ResidentMegabytes(pid_t pid);
// Of a processor, user and system, since it started.
double CpuSeconds(pid_t pid);
// The first series of the metric at the server's ops address; -1 when there is none.
double MetricValue(const std::string& ops, const std::string& name);

}  // namespace engram::cli
