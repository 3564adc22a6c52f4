#include "engram/cli/child.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engram/cli/client.h"

extern char** environ;

namespace engram::cli {
namespace {

// A port of loopback that can be bound now: `wanted`, or any when that is 0; -1 when it is taken.
int FreePort(int wanted) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(wanted));
  int reuse = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  socklen_t size = sizeof address;
  int port = -1;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  close(fd);
  return port;
}

// Somebody accepts connections there.
bool Listening(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  const bool accepted = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  return accepted;
}

std::string Local(int port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace

Addresses FreeAddresses() {
  if (FreePort(50051) > 0 && FreePort(7432) > 0 && FreePort(7433) > 0) {
    return {Local(50051), Local(7432), Local(7433)};
  }
  return {Local(FreePort(0)), Local(FreePort(0)), Local(FreePort(0))};
}

std::vector<std::string> FreePorts(size_t count) {
  std::vector<std::string> addresses;
  while (addresses.size() < count) {
    const std::string address = Local(FreePort(0));
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

Result<ServerProcess> ServerProcess::Start(const std::string& program, const std::string& data_dir,
                                           const Addresses& addresses, const std::string& log_file,
                                           const std::vector<std::string>& more_arguments) {
  std::vector<std::string> arguments = {program,  "serve",        "--data-dir", data_dir,
                                        "--grpc", addresses.grpc, "--http",     addresses.http,
                                        "--ops",  addresses.ops};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  return Spawn(std::move(arguments), addresses, log_file);
}

Result<ServerProcess> ServerProcess::StartWithConfig(const std::string& program,
                                                     const std::string& config,
                                                     const Addresses& addresses,
                                                     const std::string& log_file) {
  return Spawn({program, "serve", "--config", config}, addresses, log_file);
}

Result<ServerProcess> ServerProcess::Spawn(std::vector<std::string> arguments,
                                           const Addresses& addresses,
                                           const std::string& log_file) {
  const std::string program = arguments.front();
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // a Ctrl-C here is not its own
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return Status(Reason::IO, "The server could not be started from " + program + ".")
        .With("errno", static_cast<uint64_t>(error));
  }
  return ServerProcess(pid, addresses);
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), addresses_(std::move(other.addresses_)) {}

ServerProcess& ServerProcess::operator=(ServerProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(addresses_, other.addresses_);
  return *this;
}

ServerProcess::~ServerProcess() {
  Kill9();
}

bool ServerProcess::Ended() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

Status ServerProcess::WaitReady(env::Duration limit) {
  const env::Instant until = env::SystemClock().Now() + limit;
  while (!Ended() && env::SystemClock().Now() < until) {
    if (!Listening(addresses_.grpc)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    Client client({.servers = addresses_.grpc, .timeout = std::chrono::seconds(1)});
    Result<bool> serving = client.Serving("");
    if (serving.ok() && *serving) return OkStatus();
  }
  return Status(Reason::CONNECTION_TIMEOUT, "The server at " + addresses_.grpc + " is not ready.")
      .Suggest(pid_ < 0 ? "it has ended: see its log" : "see its log");
}

void ServerProcess::Kill9() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int ServerProcess::Stop() {
  if (pid_ < 0) return 0;
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

pid_t ServerProcess::Release() {
  return std::exchange(pid_, -1);
}

}  // namespace engram::cli
