// Memories in a fixed order: what List and Reminisce page through. A later page shows the memories
// as they were at the first page: one that was replaced meanwhile by its version of then, from the
// log; one that was stored meanwhile not at all; one that was deleted meanwhile is gone. One whose
// entry cannot be read is left out and named. Used by one thread.
#pragma once

#include <optional>
#include <vector>

#include "engram/recall/page_token.h"
#include "engram/recall/ranking.h"

namespace engram::recall {

struct Listed {
  space::RowIndex row;
  bool undated = false;
  model::UtcTime time;  // start of the event
  uint64_t turn = 0;
  Sequence content;
  std::optional<v1::Episode> old;  // the version of the first page, when it is not the newest
};

using Warnings = google::protobuf::RepeatedPtrField<v1::Warning>;

// Live memories that pass all filters, as they were at `pinned` when that is given; unordered.
Result<std::vector<Listed>> Collect(space::View& view,
                                    const std::vector<model::ResolvedFilter>& filters,
                                    std::optional<Sequence> pinned, Warnings* warnings);

enum class Order { kStored, kEvent };  // kEvent: undated last, then by turn and storing
bool InOrder(Order order, bool descending, const Listed& a, const Listed& b);
// Sorts, drops what the token has shown already, keeps `size`; says whether more follow, and moves
// the token behind the last one.
bool TakePage(Order order, bool descending, size_t size, bool later_page, PageToken* token,
              std::vector<Listed>* listed);

void LoadPage(space::View& view, const std::vector<Listed>& listed, bool with_embedding,
              google::protobuf::RepeatedPtrField<v1::Episode>* episodes, Warnings* warnings);

}  // namespace engram::recall
