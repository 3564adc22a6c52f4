#include "engram/cli/importer.h"

#include <chrono>
#include <thread>

#include "engram/cli/command.h"

namespace engram::cli {
namespace {

constexpr int kTries = 20;
constexpr auto kDelay = std::chrono::milliseconds(50);

std::chrono::milliseconds DelayOf(const Status& status) {
  auto it = status.metadata().find("retry_after_ms");
  if (it == status.metadata().end()) return kDelay;
  return std::chrono::milliseconds(std::strtoull(it->second.c_str(), nullptr, 10));
}

}  // namespace

Importer::Importer(Client& client, std::string space, ImporterOptions options)
    : client_(client), options_(std::move(options)), space_(std::move(space)) {}

Status Importer::Add(v1::Episode episode) {
  batch_bytes_ += episode.ByteSizeLong();
  *batch_.add_episodes() = std::move(episode);
  const bool full = static_cast<size_t>(batch_.episodes_size()) >= options_.batch ||
                    batch_bytes_ >= options_.batch_bytes;
  return full ? Flush() : OkStatus();
}

Result<v1::RememberBatchResponse> Importer::Send() {
  batch_.set_memory_space_id(space_);
  batch_.mutable_options()->set_idempotency_key(MakeKey());
  for (int left = kTries;; --left) {
    Result<v1::RememberBatchResponse> reply = client_.RememberBatch(batch_);
    if (reply.ok() || left == 0 || reply.status().reason() != Reason::OVERLOADED) return reply;
    std::this_thread::sleep_for(DelayOf(reply.status()));
  }
}

void Importer::Count(const v1::RememberResponse& result, const v1::Episode& sent) {
  if (result.has_error()) {
    ++totals_.refused;
    if (first_refusal_.ok()) {
      const auto reason = ReasonFromName(result.error().reason());
      first_refusal_ = Status(reason.value_or(Reason::INVALID_EPISODE), result.error().message());
    }
    return;
  }
  switch (result.write().outcome()) {
    case v1::WRITE_OUTCOME_UPDATED:
      ++totals_.updated;
      break;
    case v1::WRITE_OUTCOME_UNCHANGED:
      ++totals_.unchanged;
      break;
    default:
      ++totals_.created;
  }
  if (options_.acknowledged) options_.acknowledged(sent, result.memory_id());
}

Status Importer::Flush() {
  if (batch_.episodes().empty()) return OkStatus();
  totals_.sent += static_cast<uint64_t>(batch_.episodes_size());
  ASSIGN_OR_RETURN(const v1::RememberBatchResponse reply, Send());
  for (int i = 0; i < reply.results_size(); ++i) Count(reply.results(i), batch_.episodes(i));
  last_write_ = reply.write();
  batch_.Clear();
  batch_bytes_ = 0;
  if (options_.progress != nullptr) options_.progress->Update(totals_.stored());
  return OkStatus();
}

}  // namespace engram::cli
