// The changes of one space after a position, page by page: what a Watch sends, wherever it goes.
// Reads the log itself, as far as readers see it, so that every copy gives the same changes with
// the same tokens, and a token of one copy goes on at another.
//
// Owned by a watch (watch.h); used by one thread at a time. Holds nothing of the space between two
// calls: the space may be closed and opened again.
//
// Invariants: changes come in log order, each once; a token stands after everything that was given
// out before it; what is deleted by now comes without its content.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/model/change.h"
#include "engram/model/filter.h"
#include "engram/space/space.h"
#include "engram/v1/stream.pb.h"

namespace engram::api {

// Where the space of a watch comes from.
struct WatchSource {
  std::function<Result<std::shared_ptr<space::Space>>()> open;  // blocks
  // As it is now, without opening it; null when it is not open.
  std::function<std::shared_ptr<space::Space>()> peek;
  std::function<bool()> exists;
};

class WatchReader {
 public:
  static constexpr size_t kPageBytes = 1u << 20;
  static constexpr size_t kPageChanges = 256;

  // From the token of the request on; without one, from what is visible at Begin.
  WatchReader(WatchSource source, v1::WatchRequest request);

  // Once, before the rest. Blocks. SPACE_NOT_FOUND, RECOVERING, INVALID_FILTER and INVALID_TIME,
  // INVALID_REQUEST, TOKEN_FOREIGN, WRITE_LOST, AS_OF_TOO_OLD.
  Status Begin();
  bool begun() const { return filter_.has_value(); }

  // Up to a page (at most 1 MiB, or one change that is larger). Empty: nothing passed the filter,
  // or there is nothing new; HasNews tells them apart. Blocks on the disk. An error is the end:
  // WRITE_LOST when the position was cut off, SPACE_NOT_FOUND when the space was deleted.
  // A watch from now on begins with a heartbeat, which says where that is.
  Result<std::vector<v1::WatchResponse>> Next();
  // Next may find more. Cheap.
  bool HasNews() const;
  // Says where the watch stands.
  v1::WatchResponse Heartbeat() const;
  const std::string& space() const { return id_; }
  std::string token() const;  // of where it stands

 private:
  // One memory that an entry changed.
  struct Item {
    v1::WatchResponse::Kind kind;
    std::string id;
    Sequence content;  // entry with the episode; zero: none
  };
  struct Page {
    std::vector<v1::WatchResponse> responses;
    size_t bytes = 0;
    bool full() const { return bytes >= kPageBytes || responses.size() >= kPageChanges; }
  };

  static std::vector<Item> ItemsOf(const model::Change& change);
  Result<std::vector<v1::WatchResponse>> Read(space::Space& space, space::View& view);
  // Adds the changes of one entry, from `items_` on. False when the page was full before its last.
  Result<bool> Take(space::Space& space, space::View& view, const model::Change& change,
                    Page* page);
  Status Add(space::Space& space, space::View& view, const model::Change& change, const Item& item,
             Page* page);
  Result<bool> MayBeShown(space::View& view, const std::string& id, Sequence content);
  // What this copy says of the position: a view that holds it, null when it may come yet.
  Result<std::unique_ptr<space::View>> ViewAt(space::Space& space) const;

  const WatchSource source_;
  const v1::WatchRequest request_;
  std::optional<model::ResolvedFilter> filter_;
  std::string id_;
  Incarnation incarnation_;
  Position at_;         // everything before it was given out, and it, unless `items_` says how much
  uint64_t items_ = 0;  // of the entry at `at_`; 0: all
  bool greet_ = false;
  std::map<std::string, std::set<Sequence>> histories_;  // of this page: contents still to be seen
};

}  // namespace engram::api
