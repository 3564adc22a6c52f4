#include <array>
#include <cerrno>
#include <cstring>

#include <sys/random.h>

#include "engram/base/thread_annotations.h"
#include "engram/env/entropy.h"

namespace engram::env {
namespace {

class MachineEntropy : public Entropy {
 public:
  uint64_t Next() override {
    MutexLock lock(mutex_);
    if (used_ == block_.size()) Refill();
    return block_[used_++];
  }

 private:
  // Blocks of up to 256 bytes come whole (getrandom(2)); an error means there is no source at all.
  void Refill() REQUIRES(mutex_) {
    ssize_t got = -1;
    do {
      got = getrandom(block_.data(), sizeof(block_), 0);
    } while (got < 0 && errno == EINTR);
    ENGRAM_CHECK(got == sizeof(block_));
    used_ = 0;
  }

  Mutex mutex_;
  std::array<uint64_t, 32> block_ GUARDED_BY(mutex_){};
  size_t used_ GUARDED_BY(mutex_) = 32;
};

std::array<uint8_t, 16> MakeUuid(Entropy& entropy) {
  const uint64_t high = entropy.Next();
  return UuidFromRandom(high, entropy.Next());
}

}  // namespace

Entropy& SystemEntropy() {
  static MachineEntropy entropy;
  return entropy;
}

NodeId MakeNodeId(Entropy& entropy) {
  return {MakeUuid(entropy)};
}
Incarnation MakeIncarnation(Entropy& entropy) {
  return {MakeUuid(entropy)};
}

}  // namespace engram::env
