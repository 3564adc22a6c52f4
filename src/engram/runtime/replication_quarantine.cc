// What promotions cut off and kept: listing it, showing it, and writing it again.
#include <algorithm>
#include <future>

#include "engram/model/change.h"
#include "engram/runtime/replication_impl.h"
#include "engram/wal/quarantine.h"

namespace engram::runtime {

namespace pb = engram::internal::v1;

namespace {

constexpr size_t kShownBytes = 80;
constexpr std::string_view kReplayed = ".replayed";
constexpr uint64_t kPartBytes = 2u << 20;  // of records in one answer

std::string Shortened(const std::string& text) {
  if (text.size() <= kShownBytes) return text;
  size_t end = kShownBytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& ids) {
  std::string all;
  for (const std::string& id : ids) all += (all.empty() ? "" : ", ") + id;
  return all;
}

QuarantineEntry Shown(const record::Entry& entry, const model::Decision& decision) {
  QuarantineEntry shown;
  shown.sequence = entry.header.sequence;
  shown.epoch = entry.header.epoch;
  if (const auto* store = std::get_if<pb::StoreRecord>(&decision)) {
    shown.kind = "stored";
    shown.memory_id = store->episode().id();
    shown.content = Shortened(store->episode().what());
  } else if (const auto* update = std::get_if<pb::UpdateRecord>(&decision)) {
    shown.memory_id = Joined(update->ids());
    shown.kind = update->has_content()                                 ? "updated"
                 : update->has_state() && update->state().suppressed() ? "suppressed"
                                                                       : "restored";
    if (update->has_content()) shown.content = Shortened(update->content().episode().what());
  } else if (const auto* removal = std::get_if<pb::DeleteRecord>(&decision)) {
    shown.kind = "deleted";
    shown.memory_id = Joined(removal->ids());
  } else {
    shown.kind = "of the log itself";
  }
  return shown;
}

template <class Response, class Call>
Result<Response> Wait(const Call& call) {
  std::promise<Result<Response>> answer;
  call([&answer](Result<Response> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

// Writes one entry again; the key makes a second time write nothing. True when it was written.
Result<bool> Replay(space::Space& space, const model::Decision& decision, const std::string& key) {
  v1::WriteOptions options;
  options.set_idempotency_key(key);
  options.set_durability(v1::DURABILITY_AUTO);
  const auto store = [&](v1::Episode episode) -> Result<bool> {
    episode.clear_stored();
    ASSIGN_OR_RETURN(const v1::RememberResponse reply, Wait<v1::RememberResponse>([&](auto done) {
                       space.Remember(std::move(episode), options, std::move(done));
                     }));
    return reply.write().outcome() == v1::WRITE_OUTCOME_CREATED ||
           reply.write().outcome() == v1::WRITE_OUTCOME_UPDATED;
  };
  const auto forget = [&](const google::protobuf::RepeatedPtrField<std::string>& ids,
                          v1::ForgetMode mode) -> Result<bool> {
    space::ForgetCommand command;
    command.ids.assign(ids.begin(), ids.end());
    command.mode = mode;
    command.allow_missing = true;
    command.reason = "replayed from quarantine";
    command.options = options;
    ASSIGN_OR_RETURN(const v1::ForgetResponse reply, Wait<v1::ForgetResponse>([&](auto done) {
                       space.Forget(std::move(command), std::move(done));
                     }));
    return reply.memories_affected() > 0 && reply.write().outcome() != v1::WRITE_OUTCOME_REPEATED;
  };
  if (const auto* stored = std::get_if<pb::StoreRecord>(&decision)) return store(stored->episode());
  if (const auto* removal = std::get_if<pb::DeleteRecord>(&decision)) {
    return forget(removal->ids(), v1::FORGET_MODE_DELETE);
  }
  const auto* update = std::get_if<pb::UpdateRecord>(&decision);
  if (update == nullptr) return false;
  if (update->has_content()) return store(update->content().episode());
  if (!update->has_state()) return false;
  if (update->state().suppressed()) return forget(update->ids(), v1::FORGET_MODE_SUPPRESS);
  v1::RestoreRequest request;
  *request.mutable_ids() = update->ids();
  *request.mutable_options() = options;
  ASSIGN_OR_RETURN(const v1::RestoreResponse reply, Wait<v1::RestoreResponse>([&](auto done) {
                     space.Restore(std::move(request), std::move(done));
                   }));
  return reply.restored() > 0 && reply.write().outcome() != v1::WRITE_OUTCOME_REPEATED;
}

}  // namespace

Result<std::vector<QuarantineInfo>> ReplicationImpl::ListQuarantine(const std::string& space) {
  env::FileSystem& fs = *context_.fs;
  std::vector<QuarantineInfo> all;
  const std::vector<std::string> ids =
      space.empty() ? registry_->Ids("", "", SIZE_MAX) : std::vector<std::string>{space};
  for (const std::string& id : ids) {
    if (!registry_->Exists(id)) return registry_->Get(id).status();
    ASSIGN_OR_RETURN(const auto files, wal::ListQuarantine(fs, DirectoryOf(id)));
    for (const wal::QuarantineFile& file : files) {
      QuarantineInfo info;
      info.space = id;
      info.file = file.name;
      info.epoch = file.epoch;
      info.first = file.first;
      info.last = file.last;
      info.bytes = file.bytes;
      info.entries = file.last.value() - file.first.value() + 1;
      ASSIGN_OR_RETURN(info.replayed, fs.Exists(MarkOf(id, file.name)));
      all.push_back(std::move(info));
    }
  }
  return all;
}

Result<wal::QuarantineFile> ReplicationImpl::FindQuarantine(const std::string& space,
                                                            const std::string& file) {
  if (!registry_->Exists(space)) return registry_->Get(space).status();
  ASSIGN_OR_RETURN(const auto files, wal::ListQuarantine(*context_.fs, DirectoryOf(space)));
  std::string names;
  for (const wal::QuarantineFile& found : files) {
    if (found.name == file) return found;
    names += (names.empty() ? "" : ", ") + found.name;
  }
  return Status(Reason::MEMORY_NOT_FOUND,
                "No file '" + file + "' in the quarantine of '" + space + "'.")
      .Expected(names.empty() ? "an empty quarantine holds no file" : "one of " + names)
      .Suggest("list what is there")
      .Example("engram quarantine list --space " + space)
      .With("space", space);
}

Result<QuarantinePart> ReplicationImpl::ShowQuarantine(const std::string& space,
                                                       const std::string& file, Sequence from,
                                                       bool with_records) {
  ASSIGN_OR_RETURN(const wal::QuarantineFile found, FindQuarantine(space, file));
  ASSIGN_OR_RETURN(const bool replayed, context_.fs->Exists(MarkOf(space, file)));
  QuarantinePart part;
  uint64_t bytes = 0;
  const auto take = [&](const record::Entry& entry) -> Status {
    if (entry.header.sequence < from || !part.next.is_zero()) return OkStatus();
    if (with_records && bytes > 0 && bytes + entry.payload.size() > kPartBytes) {
      part.next = entry.header.sequence;
      return OkStatus();
    }
    const auto type = static_cast<uint32_t>(entry.header.type);
    ASSIGN_OR_RETURN(const model::Decision decision, model::DecodeDecision(type, entry.payload));
    QuarantineEntry shown = Shown(entry, decision);
    shown.replayed = replayed;
    if (with_records) {
      shown.type = type;
      shown.checksum = entry.header.header_crc;
      shown.record = entry.payload;
      bytes += entry.payload.size();
    }
    part.entries.push_back(std::move(shown));
    return OkStatus();
  };
  RETURN_IF_ERROR(wal::ReadQuarantine(*context_.fs, DirectoryOf(space), found, take));
  return part;
}

// The key holds epoch, sequence and checksum, so that an entry is written once from whichever file.
Result<uint64_t> ReplicationImpl::ReplayQuarantine(const std::string& space,
                                                   const std::vector<QuarantineEntry>& entries) {
  ASSIGN_OR_RETURN(const std::shared_ptr<space::Space> open, registry_->Get(space));
  uint64_t written = 0;
  for (const QuarantineEntry& entry : entries) {
    ASSIGN_OR_RETURN(const model::Decision decision,
                     model::DecodeDecision(entry.type, entry.record));
    const std::string key = "quarantine:" + ToString(entry.epoch) + ":" + ToString(entry.sequence) +
                            ":" + std::to_string(entry.checksum);
    ASSIGN_OR_RETURN(const bool wrote, Replay(*open, decision, key));
    written += wrote ? 1 : 0;
  }
  return written;
}

Status ReplicationImpl::MarkReplayed(const std::string& space, const std::string& file) {
  ASSIGN_OR_RETURN(const wal::QuarantineFile found, FindQuarantine(space, file));
  return env::ReplaceFile(*context_.fs, MarkOf(space, found.name), "");
}

std::string ReplicationImpl::MarkOf(const std::string& space, const std::string& file) const {
  return env::JoinPath(env::JoinPath(DirectoryOf(space), "quarantine"),
                       file + std::string(kReplayed));
}

}  // namespace engram::runtime
