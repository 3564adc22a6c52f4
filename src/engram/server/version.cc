#include "engram/server/version.h"

namespace engram::server {

const char* BuildCommit() {
  return ENGRAM_COMMIT;
}

}  // namespace engram::server
