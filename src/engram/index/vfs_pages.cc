#include "engram/index/vfs_pages.h"

#include "engram/base/hash.h"

namespace engram::index {
namespace {

constexpr size_t kSealed = kPageBytes - kPageReserved;

}  // namespace

void SealPage(char* page, uint64_t offset) {
  StoreLe(page + kSealed, Hash64({page, kSealed}, offset + 1));
}

bool PageIntact(const char* page, uint64_t offset) {
  if (LoadLe<uint64_t>(page + kSealed) == Hash64({page, kSealed}, offset + 1)) return true;
  return AllZero({page, kPageBytes});
}

}  // namespace engram::index
