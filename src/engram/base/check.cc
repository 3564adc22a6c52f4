#include "engram/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace engram {

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "engram: %s:%d: CHECK failed: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace engram
