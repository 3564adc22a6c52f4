// Where a list goes on. Opaque to clients, bound to the request that began the list, and pinning
// the position and the clock of its first page. Pure.
//
// Recall's order may move between pages, since a write changes how rare a word is. So its token
// remembers which memories were shown, and the next page ranks what was there at the first page and
// is not among them: nothing that stayed as it was is shown twice or skipped. A list in a fixed
// order remembers its last key instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/model/time.h"

namespace engram::recall {

struct PageToken {
  uint64_t request = 0;         // digest, see RequestOf
  Sequence pinned;              // visible at the first page
  model::UtcTime now;           // of the first page
  std::vector<Sequence> shown;  // sorted
  // Key of the last memory shown, for lists in a fixed order.
  bool last_undated = false;
  model::UtcTime last_time;  // start of its event time, or its distance in time
  uint64_t last_turn = 0;
  Sequence last;  // its content
};

std::string Format(const PageToken& token);
// PAGE_TOKEN_INVALID: not one of ours, or of another request.
Result<PageToken> ParsePageToken(std::string_view text, uint64_t request);

uint64_t DigestOf(const google::protobuf::MessageLite& request, Incarnation incarnation);

// Digest of a request without its page token and read options, of one incarnation of a space.
template <class Request>
uint64_t RequestOf(Request request, Incarnation incarnation) {
  request.clear_page_token();
  request.clear_read();
  request.clear_memory_space_id();
  return DigestOf(request, incarnation);
}

}  // namespace engram::recall
