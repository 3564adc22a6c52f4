#include "engram/cli/demo_ledger.h"

#include "engram/base/hash.h"
#include "engram/model/change.h"

namespace engram::cli {
namespace {

constexpr int kPage = 500;

// Digest of everything that the writer gave: its own words for the time, not what they were
// resolved to, and no embedding (the space's embedder made it).
uint64_t ContentDigest(const v1::Episode& episode) {
  v1::Episode given = episode;
  given.clear_stored();
  given.clear_consolidation_state();
  given.clear_last_replay();
  given.clear_embedding();
  given.clear_embedding_model();
  given.clear_event_time();
  given.mutable_event_time()->set_text(episode.event_time().text());
  if (given.memory_type() == v1::MEMORY_TYPE_UNSPECIFIED) {
    given.set_memory_type(v1::MEMORY_TYPE_EPISODIC);
  }
  return Hash64(model::Encode(given));
}

}  // namespace

void Ledger::Add(const std::string& space, const std::string& id, const v1::Episode& sent) {
  v1::Episode episode = sent;
  episode.set_id(id);
  spaces_[space][id] = ContentDigest(episode);
}

uint64_t Ledger::size() const {
  uint64_t total = 0;
  for (const auto& [space, ids] : spaces_) total += ids.size();
  return total;
}

Status Ledger::CompareSpace(Client& client, const std::string& space, const Digests& ids,
                            Account* account) {
  v1::GetRequest request;
  auto flush = [&]() -> Status {
    if (request.ids().empty()) return OkStatus();
    request.set_memory_space_id(space);
    ASSIGN_OR_RETURN(const v1::GetResponse reply, client.Get(request));
    account->missing += static_cast<uint64_t>(reply.missing_size());
    for (const v1::Episode& episode : reply.episodes()) {
      const bool same = ContentDigest(episode) == ids.at(episode.id());
      ++(same ? account->found : account->changed);
    }
    request.Clear();
    return OkStatus();
  };
  for (const auto& [id, digest] : ids) {
    request.add_ids(id);
    if (request.ids_size() == kPage) RETURN_IF_ERROR(flush());
  }
  return flush();
}

Result<Account> Ledger::Compare(Client& client) const {
  Account account;
  account.acknowledged = size();
  for (const auto& [space, ids] : spaces_)
    RETURN_IF_ERROR(CompareSpace(client, space, ids, &account));
  return account;
}

}  // namespace engram::cli
