// CHECK: conditions that only a programmer's error can break. They stay on in release builds and
// end the process, because going on with a broken invariant is how data gets lost. Never for bytes
// from a disk or a network: those return a Status.
#pragma once

namespace engram {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}

#define ENGRAM_CHECK(condition) \
  (static_cast<bool>(condition) ? (void)0 : ::engram::CheckFailed(__FILE__, __LINE__, #condition))
