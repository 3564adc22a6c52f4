#include "engram/cli/bench_limits.h"

#include <filesystem>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engram/cli/bench_drive.h"

namespace engram::cli {
namespace {

constexpr size_t kBlock = 1u << 20;
constexpr int kDiskBlocks = 256, kStreamBlocks = 1024, kBlocksEachSync = 16;

double MegabytesPerSecond(size_t bytes, env::Instant start) {
  return static_cast<double>(bytes) / MicrosSince(start);
}

// Two ends of one connection over loopback; -1, -1 when it fails.
std::pair<int, int> Connect() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int writer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  int reader = -1;
  if (bind(listener, any, size) == 0 && listen(listener, 1) == 0 &&
      getsockname(listener, any, &size) == 0 && connect(writer, any, size) == 0) {
    reader = accept(listener, nullptr, nullptr);
  }
  close(listener);
  if (reader >= 0) return {reader, writer};
  close(writer);
  return {-1, -1};
}

}  // namespace

double DiskSpeed(const std::string& directory) {
  const std::string path = directory + "/disk";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return 0;
  const std::string block(kBlock, 'x');
  const env::Instant start = BenchNow();
  size_t done = 0;
  for (int i = 1; i <= kDiskBlocks; ++i) {
    const ssize_t wrote = write(fd, block.data(), block.size());
    if (wrote < 0) break;
    done += static_cast<size_t>(wrote);
    if (i % kBlocksEachSync == 0 && fdatasync(fd) != 0) break;
  }
  const double speed = MegabytesPerSecond(done, start);
  close(fd);
  std::filesystem::remove(path);
  return speed;
}

double LoopbackSpeed() {
  const auto [reader, writer] = Connect();
  if (reader < 0) return 0;
  const env::Instant start = BenchNow();
  std::thread sender([fd = writer] {
    const std::string block(kBlock, 'x');
    for (int i = 0; i < kStreamBlocks; ++i) {
      if (write(fd, block.data(), block.size()) < 0) break;
    }
    close(fd);
  });
  std::string block(kBlock, ' ');
  size_t done = 0;
  for (ssize_t got = 0; (got = read(reader, block.data(), block.size())) > 0;) {
    done += static_cast<size_t>(got);
  }
  const double speed = MegabytesPerSecond(done, start);
  sender.join();
  close(reader);
  return speed;
}

}  // namespace engram::cli
