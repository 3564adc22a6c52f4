#include "engram/recall/listing.h"

#include <algorithm>
#include <tuple>

#include "engram/recall/reply.h"

namespace engram::recall {
namespace {

using space::RowIndex;

Listed ListedOf(const space::View& view, RowIndex row) {
  const space::Row& facts = view.row(row);
  return {row, !facts.has_event_time, facts.event_time.start, facts.turn, facts.content, {}};
}

bool PassesAll(const std::vector<model::ResolvedFilter>& filters, const model::Facets& facets) {
  return std::all_of(filters.begin(), filters.end(),
                     [&](const auto& filter) { return model::Matches(filter, facets); });
}

// The version that was the newest at `pinned`, of a row that replaced it; nullopt when there was
// none, or when it does not pass.
Result<std::optional<Listed>> AsItWas(space::View& view,
                                      const std::vector<model::ResolvedFilter>& filters,
                                      RowIndex row, Sequence pinned) {
  ASSIGN_OR_RETURN(const model::Facets now, view.FacetsOf(row));
  ASSIGN_OR_RETURN(std::vector<space::View::Version> history, view.History(now.id));
  for (space::View::Version& version : history) {  // newest first
    if (version.sequence > pinned) continue;
    const model::Facets then = model::FacetsOf(
        version.record.episode(), model::UtcTime::FromProto(version.record.stored_at()));
    if (!PassesAll(filters, then)) break;
    Listed listed{row, !then.event_time, {}, version.record.episode().turn(), version.sequence, {}};
    if (then.event_time) listed.time = then.event_time->start;
    listed.old = EpisodeOf(std::move(version), true);
    listed.old->mutable_stored()->set_suppressed(view.Suppressed(row));
    return std::optional(std::move(listed));
  }
  return std::optional<Listed>();
}

Status AddReplaced(space::View& view, const std::vector<model::ResolvedFilter>& filters,
                   Sequence pinned, std::vector<Listed>* listed, Warnings* warnings) {
  const bool suppressed_too = filters.front().include_suppressed;
  for (size_t i = view.rows(); i-- > 0 && view.row(static_cast<RowIndex>(i)).content > pinned;) {
    const auto row = static_cast<RowIndex>(i);
    if (!view.Live(row) || view.row(row).version <= 1) continue;
    if (view.Suppressed(row) && !suppressed_too) continue;
    Result<std::optional<Listed>> was = AsItWas(view, filters, row, pinned);
    if (!was.ok()) {
      *warnings->Add() = UnreadableWarning(view, row, was.status());
    } else if (was->has_value()) {
      listed->push_back(**std::move(was));
    }
  }
  return OkStatus();
}

void MoveBehind(const Listed& last, PageToken* token) {
  token->last_undated = last.undated;
  token->last_time = last.time;
  token->last_turn = last.turn;
  token->last = last.content;
}

Listed KeyOf(const PageToken& token) {
  return {0, token.last_undated, token.last_time, token.last_turn, token.last, {}};
}

}  // namespace

Result<std::vector<Listed>> Collect(space::View& view,
                                    const std::vector<model::ResolvedFilter>& filters,
                                    std::optional<Sequence> pinned, Warnings* warnings) {
  ASSIGN_OR_RETURN(const space::RowSet rows, SelectAll(view, filters));
  std::vector<Listed> listed;
  for (RowIndex row = 0; row < rows.rows(); ++row) {
    if (!rows.Has(row) || (pinned && view.row(row).content > *pinned)) continue;
    listed.push_back(ListedOf(view, row));
  }
  if (pinned) RETURN_IF_ERROR(AddReplaced(view, filters, *pinned, &listed, warnings));
  return listed;
}

bool InOrder(Order order, bool descending, const Listed& a, const Listed& b) {
  if (order == Order::kEvent && a.undated != b.undated) return b.undated;
  const Listed& first = descending ? b : a;
  const Listed& second = descending ? a : b;
  if (order == Order::kStored || a.undated) return first.content < second.content;
  return std::tie(first.time, first.turn, first.content) <
         std::tie(second.time, second.turn, second.content);
}

bool TakePage(Order order, bool descending, size_t size, bool later_page, PageToken* token,
              std::vector<Listed>* listed) {
  const auto before = [&](const Listed& a, const Listed& b) {
    return InOrder(order, descending, a, b);
  };
  if (later_page) {
    const Listed key = KeyOf(*token);
    std::erase_if(*listed, [&](const Listed& one) { return !before(key, one); });
  }
  const bool more = listed->size() > size;
  const size_t kept = std::min(size, listed->size());
  std::partial_sort(listed->begin(), listed->begin() + kept, listed->end(), before);
  listed->erase(listed->begin() + kept, listed->end());
  if (!listed->empty()) MoveBehind(listed->back(), token);
  return more;
}

void LoadPage(space::View& view, const std::vector<Listed>& listed, bool with_embedding,
              google::protobuf::RepeatedPtrField<v1::Episode>* episodes, Warnings* warnings) {
  for (const Listed& one : listed) {
    if (one.old) {
      v1::Episode& episode = *episodes->Add();
      episode = *one.old;
      if (!with_embedding) episode.clear_embedding();
      continue;
    }
    Result<v1::Episode> loaded = view.LoadEpisode(one.row, with_embedding);
    if (loaded.ok()) {
      *episodes->Add() = *std::move(loaded);
    } else {
      *warnings->Add() = UnreadableWarning(view, one.row, loaded.status());
    }
  }
}

}  // namespace engram::recall
