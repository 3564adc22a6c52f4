// A server as a child process: started from this very binary, waited for, killed. For the demo and
// the benchmarks.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "engram/base/status.h"
#include "engram/env/clock.h"

namespace engram::cli {

struct Addresses {
  std::string grpc, http, ops;
};
// The default ports when they are free, else three that the system gives.
Addresses FreeAddresses();
// So many addresses of loopback that are free now, all different.
std::vector<std::string> FreePorts(size_t count);

class ServerProcess {
 public:
  // Starts `program serve` on the directory; its output goes to <log_file>.
  static Result<ServerProcess> Start(const std::string& program, const std::string& data_dir,
                                     const Addresses& addresses, const std::string& log_file,
                                     const std::vector<std::string>& more_arguments = {});
  // Starts `program serve --config <config>`, which says the directory and these addresses.
  static Result<ServerProcess> StartWithConfig(const std::string& program,
                                               const std::string& config,
                                               const Addresses& addresses,
                                               const std::string& log_file);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&& other) noexcept;
  ~ServerProcess();  // kill -9, unless released

  // Until the server is ready; CONNECTION_TIMEOUT after `limit`, or at once when it has ended.
  Status WaitReady(env::Duration limit);
  void Kill9();
  // SIGTERM and its end; the exit code.
  int Stop();
  // Lets it live on when this object ends.
  pid_t Release();
  pid_t pid() const { return pid_; }

 private:
  ServerProcess(pid_t pid, Addresses addresses) : pid_(pid), addresses_(std::move(addresses)) {}
  static Result<ServerProcess> Spawn(std::vector<std::string> arguments, const Addresses& addresses,
                                     const std::string& log_file);
  bool Ended();

  pid_t pid_ = -1;
  Addresses addresses_;
};

}  // namespace engram::cli
