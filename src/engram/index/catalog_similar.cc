#include "engram/index/catalog_similar.h"

#include <algorithm>

namespace engram::index {
namespace {

constexpr size_t kRowsMax = 1000;   // read per range
constexpr size_t kSeeksMax = 2000;  // ranges tried

class Search {
 public:
  Search(CatalogReader& reader, std::string_view id, size_t limit)
      : reader_(reader), id_(id), limit_(limit) {}

  Result<std::vector<std::string>> Run() {
    RETURN_IF_ERROR(Range(id_, [](std::string_view) { return true; }));
    // The edit stands in the second half: everything shares the first.
    const std::string half = id_.substr(0, id_.size() / 2);
    const auto near = [this](std::string_view known) { return WithinOneEdit(id_, known); };
    if (!half.empty()) RETURN_IF_ERROR(Range(half, near));
    for (size_t at = 0; at <= id_.size() / 2 && at < id_.size() && !Done(); ++at) {
      RETURN_IF_ERROR(EditedAt(at));
    }
    return std::move(found_);
  }

 private:
  bool Done() const { return found_.size() >= limit_ || seeks_ > kSeeksMax; }

  void Add(std::string_view known) {
    if (Done() || known == id_) return;
    if (std::find(found_.begin(), found_.end(), known) == found_.end()) found_.emplace_back(known);
  }

  // Live ids that begin with `prefix` and please.
  template <class Pleases>
  Status Range(const std::string& prefix, Pleases pleases) {
    Statement& from = reader_.ids_from;
    const std::string end = prefix + "\xff";
    from.BindText(1, prefix).BindText(2, end);
    for (size_t rows = 0; rows < kRowsMax && !Done(); ++rows) {
      ASSIGN_OR_RETURN(const bool row, from.Step());
      if (!row) return OkStatus();
      if (from.Int(1) != 0 && pleases(from.Text(0))) Add(from.Text(0));
    }
    from.Reset();
    ++seeks_;
    return OkStatus();
  }

  Status Exact(const std::string& id) {
    const auto same = [&id](std::string_view known) { return known == id; };
    Statement& from = reader_.ids_from;
    const std::string end = id + '\0';
    ++seeks_;
    ASSIGN_OR_RETURN(const bool row, from.BindText(1, id).BindText(2, end).Step());
    if (row && from.Int(1) != 0 && same(from.Text(0))) Add(from.Text(0));
    from.Reset();
    return OkStatus();
  }

  // Ids that agree before `at` and differ there: goes from one byte that occurs to the next.
  Status EditedAt(size_t at) {
    const std::string before = id_.substr(0, at), rest = id_.substr(at);
    RETURN_IF_ERROR(Exact(before + rest.substr(1)));
    if (rest.size() > 1) RETURN_IF_ERROR(Exact(before + rest[1] + rest[0] + rest.substr(2)));
    std::string from = before;
    while (!Done()) {
      ASSIGN_OR_RETURN(const int byte, NextByte(from, before));
      if (byte < 0) break;
      const std::string start = before + static_cast<char>(byte);
      RETURN_IF_ERROR(Exact(start + rest.substr(1)));
      RETURN_IF_ERROR(Exact(start + rest));
      from = start + "\xff";
    }
    return OkStatus();
  }

  // The byte after `before` in the first id at or behind `from`; -1 when there is none.
  Result<int> NextByte(const std::string& from, const std::string& before) {
    Statement& ids = reader_.ids_from;
    const std::string end = before + "\xff";
    ++seeks_;
    ASSIGN_OR_RETURN(const bool row, ids.BindText(1, from).BindText(2, end).Step());
    if (!row) return -1;
    const std::string_view id = ids.Text(0);
    const int byte = id.size() > before.size() ? static_cast<uint8_t>(id[before.size()]) : 0;
    ids.Reset();
    return byte;
  }

  CatalogReader& reader_;
  const std::string id_;
  const size_t limit_;
  size_t seeks_ = 0;
  std::vector<std::string> found_;
};

}  // namespace

bool WithinOneEdit(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > 1) return false;
  const size_t same =
      static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
  if (a.size() < b.size()) return a.substr(same) == b.substr(same + 1);
  if (same == a.size() || a.substr(same + 1) == b.substr(same + 1)) return true;
  return same + 1 < a.size() && a[same] == b[same + 1] && a[same + 1] == b[same] &&
         a.substr(same + 2) == b.substr(same + 2);
}

Result<std::vector<std::string>> FindSimilarIds(CatalogReader& reader, std::string_view id,
                                                size_t limit) {
  if (id.empty() || limit == 0) return std::vector<std::string>();
  return Search(reader, id, limit).Run();
}

}  // namespace engram::index
