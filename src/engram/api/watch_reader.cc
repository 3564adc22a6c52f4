#include "engram/api/watch_reader.h"

#include <utility>

#include "engram/space/tail.h"
#include "engram/space/token.h"

namespace engram::api {
namespace {

namespace pb = internal::v1;
using Kind = v1::WatchResponse;

// What is read for one page, whether it passes the filter or not: a thread is not held for long.
constexpr size_t kReadBytes = 8u << 20;

google::protobuf::Timestamp TimeOf(const model::Change& change) {
  if (const pb::StoreRecord* content = space::ContentOf(change)) return content->stored_at();
  if (const auto* update = std::get_if<pb::UpdateRecord>(&change.decision)) return update->at();
  if (const auto* gone = std::get_if<pb::DeleteRecord>(&change.decision)) return gone->at();
  return {};
}

Result<model::Change> DecodeChange(const record::Entry& entry) {
  model::Change change;
  change.sequence = entry.header.sequence;
  change.epoch = entry.header.epoch;
  ASSIGN_OR_RETURN(change.decision,
                   model::DecodeDecision(static_cast<uint32_t>(entry.header.type), entry.payload));
  return change;
}

// Nullopt when it is not in the log any more.
Result<std::optional<model::Change>> ReadChange(space::Space& space, Sequence sequence) {
  if (sequence.is_zero()) return std::optional<model::Change>();
  const Result<record::Entry> entry = space.log().Read(sequence);
  if (!entry.ok()) {
    if (entry.status().reason() == Reason::MEMORY_NOT_FOUND) return std::optional<model::Change>();
    return entry.status();
  }
  ASSIGN_OR_RETURN(model::Change change, DecodeChange(*entry));
  return std::optional(std::move(change));
}

void FillEpisode(const pb::StoreRecord& record, const model::Change& of,
                 v1::WatchResponse* response) {
  v1::Episode& episode = *response->mutable_episode();
  episode = record.episode();
  v1::StoredInfo& stored = *episode.mutable_stored();
  stored.set_version(record.version());
  stored.set_sequence(of.sequence.value());
  stored.set_epoch(of.epoch.value());
  *stored.mutable_stored_at() = record.stored_at();
  *stored.mutable_first_stored_at() = record.first_stored_at();
  stored.set_suppressed(response->kind() == Kind::KIND_SUPPRESSED);
}

// Nothing is wrong: it is not there yet, or just being opened anew.
bool Passes(const Status& status) {
  return status.reason() == Reason::TOO_STALE || status.reason() == Reason::RECOVERING ||
         status.reason() == Reason::SHUTTING_DOWN;
}

Status TooOld(Position at, Sequence floor) {
  return Status(Reason::AS_OF_TOO_OLD, "Deletions after this token were compacted away.")
      .Expected("a token at or after entry " + ToString(floor))
      .Suggest("list the space anew, and watch from the token of that reply on")
      .With("floor", floor.value())
      .With("asked", at.sequence.value());
}

}  // namespace

WatchReader::WatchReader(WatchSource source, v1::WatchRequest request)
    : source_(std::move(source)), request_(std::move(request)) {}

Status WatchReader::Begin() {
  ASSIGN_OR_RETURN(const std::shared_ptr<space::Space> space, source_.open());
  id_ = space->id();
  incarnation_ = space->incarnation();
  ASSIGN_OR_RETURN(model::ResolvedFilter filter,
                   model::ResolveFilter(request_.filter(), space->settings().time_zone()));
  if (request_.from_token().empty()) {
    ASSIGN_OR_RETURN(const std::unique_ptr<space::View> view, space->NewView());
    at_ = {view->epoch(), view->visible_through()};
    greet_ = true;
  } else {
    ASSIGN_OR_RETURN(at_, space::ParseToken(request_.from_token(), incarnation_, &items_));
    RETURN_IF_ERROR(ViewAt(*space).status());
  }
  filter_ = std::move(filter);
  return OkStatus();
}

std::string WatchReader::token() const {
  return items_ == 0 ? space::FormatToken(incarnation_, at_)
                     : space::FormatToken(incarnation_, at_, items_);
}

Result<std::unique_ptr<space::View>> WatchReader::ViewAt(space::Space& space) const {
  Result<std::unique_ptr<space::View>> view =
      space.NewViewAtLeast(space::FormatToken(incarnation_, at_), env::Duration(0));
  if (!view.ok()) {
    if (view.status().reason() == Reason::TOO_STALE) return std::unique_ptr<space::View>();
    return view.status();
  }
  // The log may have been cut between the look at the position and the view.
  const space::TokenCheck check =
      space::CheckPosition(at_, space.log().history(), (*view)->visible_through());
  if (check.verdict != space::TokenVerdict::kShown) return std::unique_ptr<space::View>();
  const Sequence floor = space.log().floors().tombstone;
  if (at_.sequence < floor) return TooOld(at_, floor);
  return view;
}

bool WatchReader::HasNews() const {
  if (greet_) return true;
  const std::shared_ptr<space::Space> space = source_.peek();
  if (space == nullptr) return !source_.exists();
  if (space->incarnation() != incarnation_) return true;
  const Position visible = space->visible();
  if (visible.sequence > at_.sequence) return true;
  // An entry that is not given out whole; or the log was cut, which Next looks into.
  return (items_ > 0 && visible.sequence == at_.sequence) || visible.epoch > at_.epoch;
}

v1::WatchResponse WatchReader::Heartbeat() const {
  v1::WatchResponse response;
  response.set_kind(Kind::KIND_HEARTBEAT);
  response.set_sequence(at_.sequence.value());
  response.set_token(token());
  return response;
}

Result<std::vector<v1::WatchResponse>> WatchReader::Next() {
  if (std::exchange(greet_, false)) return std::vector{Heartbeat()};
  const Result<std::shared_ptr<space::Space>> space = source_.open();
  if (!space.ok()) {
    if (Passes(space.status())) return std::vector<v1::WatchResponse>();
    return space.status();
  }
  if ((*space)->incarnation() != incarnation_) {
    return Status(Reason::SPACE_NOT_FOUND,
                  "The space '" + id_ + "' was deleted, and made anew since.")
        .Suggest("list the new one, and watch it from the token of that reply on")
        .With("space", id_);
  }
  const Result<std::unique_ptr<space::View>> view = ViewAt(**space);
  if (!view.ok()) {
    if (Passes(view.status())) return std::vector<v1::WatchResponse>();
    return view.status();
  }
  if (*view == nullptr) return std::vector<v1::WatchResponse>();
  histories_.clear();
  return Read(**space, **view);
}

// The view holds the gate of the space: nothing that it shows is cut while it is read.
Result<std::vector<v1::WatchResponse>> WatchReader::Read(space::Space& space, space::View& view) {
  Page page;
  const Sequence through = view.visible_through();
  const auto cursor = space.log().NewCursor(items_ > 0 ? at_.sequence : at_.sequence.next());
  for (size_t read = 0; read < kReadBytes && !page.full();) {
    Result<std::optional<record::Entry>> entry = std::optional<record::Entry>();
    if (cursor->position() <= through) entry = cursor->Next();
    if (!entry.ok()) {
      if (!page.responses.empty()) break;  // what is good first
      return entry.status();
    }
    if (!entry->has_value() || (*entry)->header.sequence > through) {
      // What is left was compacted away.
      if (space.log().committed_end() >= through) at_ = {view.epoch(), through}, items_ = 0;
      break;
    }
    read += (*entry)->payload.size();
    ASSIGN_OR_RETURN(const model::Change change, DecodeChange(**entry));
    ASSIGN_OR_RETURN(const bool whole, Take(space, view, change, &page));
    if (!whole) break;
  }
  return std::move(page.responses);
}

std::vector<WatchReader::Item> WatchReader::ItemsOf(const model::Change& change) {
  std::vector<Item> items;
  if (const pb::StoreRecord* content = space::ContentOf(change)) {
    const bool created =
        std::holds_alternative<pb::StoreRecord>(change.decision) && content->created();
    items.push_back({created ? Kind::KIND_STORED : Kind::KIND_UPDATED, content->episode().id(),
                     change.sequence});
    return items;
  }
  const auto each = [&](const auto& record, v1::WatchResponse::Kind kind) {
    for (int i = 0; i < record.ids_size(); ++i) {
      const uint64_t content = i < record.contents_size() ? record.contents(i) : 0;
      items.push_back({kind, record.ids(i), Sequence(content)});
    }
  };
  if (const auto* update = std::get_if<pb::UpdateRecord>(&change.decision)) {
    if (!update->has_state()) return items;
    each(*update, update->state().suppressed() ? Kind::KIND_SUPPRESSED : Kind::KIND_RESTORED);
  } else if (const auto* gone = std::get_if<pb::DeleteRecord>(&change.decision)) {
    each(*gone, Kind::KIND_DELETED);
  }
  return items;
}

Result<bool> WatchReader::Take(space::Space& space, space::View& view, const model::Change& change,
                               Page* page) {
  const std::vector<Item> items = ItemsOf(change);
  const uint64_t done = change.sequence == at_.sequence ? items_ : 0;
  at_ = {change.epoch, change.sequence};
  for (uint64_t i = done; i < items.size(); ++i) {
    if (page->full()) return false;
    items_ = i + 1 < items.size() ? i + 1 : 0;
    RETURN_IF_ERROR(Add(space, view, change, items[i], page));
  }
  items_ = 0;
  return true;
}

Status WatchReader::Add(space::Space& space, space::View& view, const model::Change& change,
                        const Item& item, Page* page) {
  const bool with_content = request_.include_content() && item.kind != Kind::KIND_DELETED;
  std::optional<model::Change> earlier;
  if (item.content != change.sequence && (with_content || !filter_->empty())) {
    ASSIGN_OR_RETURN(earlier, ReadChange(space, item.content));
  }
  const model::Change& of = earlier.has_value() ? *earlier : change;
  const pb::StoreRecord* record = space::ContentOf(of);
  // Of what is not known any more one cannot say that it does not pass.
  if (record != nullptr && !filter_->empty()) {
    const auto stored_at = model::UtcTime::FromProto(record->stored_at());
    if (!model::Matches(*filter_, model::FacetsOf(record->episode(), stored_at))) return OkStatus();
  }
  v1::WatchResponse response;
  response.set_kind(item.kind);
  response.set_memory_id(item.id);
  response.set_sequence(change.sequence.value());
  response.set_token(token());
  *response.mutable_stored_at() = TimeOf(change);
  if (with_content && record != nullptr) {
    ASSIGN_OR_RETURN(const bool shown, MayBeShown(view, item.id, item.content));
    if (shown) FillEpisode(*record, of, &response);
  }
  page->bytes += response.ByteSizeLong();
  page->responses.push_back(std::move(response));
  return OkStatus();
}

// As Get shows it: the newest version, and the earlier ones that no deletion came after.
Result<bool> WatchReader::MayBeShown(space::View& view, const std::string& id, Sequence content) {
  if (const auto row = view.Find(content); row.has_value() && view.Live(*row)) return true;
  auto known = histories_.find(id);
  if (known == histories_.end()) {
    ASSIGN_OR_RETURN(const std::vector<space::View::Version> versions, view.History(id));
    known = histories_.emplace(id, std::set<Sequence>()).first;
    for (const auto& version : versions) known->second.insert(version.sequence);
  }
  return known->second.contains(content);
}

}  // namespace engram::api
