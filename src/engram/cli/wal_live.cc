#include "engram/cli/wal_live.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include "engram/server/options.h"

namespace engram::cli {
namespace {

constexpr int kDamaged = 6;
constexpr auto kLookAgain = std::chrono::milliseconds(300);

// One log, read through once.
struct LogSeen {
  uint64_t segments = 0, entries = 0, bytes = 0, last = 0;
  std::vector<admin::v1::DamagedRange> damage;
};

Result<LogSeen> ReadThrough(Client& client, const std::string& space, uint64_t from,
                            Progress* progress) {
  LogSeen seen;
  admin::v1::VerifyLogRequest request;
  request.set_memory_space_id(space);
  request.set_from(from);
  do {
    ASSIGN_OR_RETURN(const admin::v1::VerifyLogResponse part, client.VerifyLog(request));
    seen.segments += part.segments();
    seen.entries += part.entries();
    seen.bytes += part.bytes();
    seen.last = part.last();
    seen.damage.insert(seen.damage.end(), part.damage().begin(), part.damage().end());
    if (progress != nullptr) progress->Update(seen.bytes, space);
    request.set_from(part.next());
  } while (request.from() != 0);
  return seen;
}

// What the server says of damage that it knows; empty when it knows none, or does not answer.
std::vector<admin::v1::DamagedRange> Known(Client& client, const std::string& space) {
  admin::v1::GetClusterRequest request;
  request.set_memory_space_id(space);
  const Result<admin::v1::GetClusterResponse> reply = client.GetCluster(request);
  if (!reply.ok() || reply->spaces().empty()) return {};
  return {reply->spaces(0).damage().begin(), reply->spaces(0).damage().end()};
}

// Reads again until all is good, or the time is over: then what is still damaged.
Result<std::vector<admin::v1::DamagedRange>> WaitMended(Client& client, const std::string& space,
                                                        std::vector<admin::v1::DamagedRange> damage,
                                                        env::Instant deadline) {
  while (!damage.empty() && env::SystemClock().Now() < deadline) {
    std::this_thread::sleep_for(kLookAgain);
    if (!Known(client, space).empty()) continue;
    ASSIGN_OR_RETURN(const LogSeen again, ReadThrough(client, space, 0, nullptr));
    damage = again.damage;
  }
  const std::vector<admin::v1::DamagedRange> known = Known(client, space);
  for (admin::v1::DamagedRange& range : damage) {
    for (const admin::v1::DamagedRange& said : known) {
      if (said.file() == range.file() && said.first() == range.first()) range = said;
    }
  }
  return damage;
}

std::string RangeText(const admin::v1::DamagedRange& range) {
  if (range.last() < range.first()) return "no entry, bytes of the log's own";
  if (range.last() == range.first()) return "entry " + Grouped(range.first());
  return "entries " + Grouped(range.first()) + " … " + Grouped(range.last());
}

void Print(const std::string& space, const LogSeen& seen,
           const std::vector<admin::v1::DamagedRange>& left) {
  std::printf("%s %s %s   %s entries   1 … %s   %s   %s\n", Pad(space, 16).c_str(),
              Grouped(seen.segments).c_str(), seen.segments == 1 ? "segment" : "segments",
              Grouped(seen.entries).c_str(), Grouped(seen.last).c_str(),
              FormatBytes(seen.bytes).c_str(),
              seen.damage.empty() ? "good"
              : left.empty()      ? "mended"
                                  : "BAD");
  for (const admin::v1::DamagedRange& range : seen.damage) {
    const bool bad = std::any_of(left.begin(), left.end(), [&](const auto& other) {
      return other.file() == range.file() && other.first() == range.first();
    });
    std::printf("\n%s/%s\n  offset %s   %s   %s\n  %s\n", space.c_str(), range.file().c_str(),
                Grouped(range.offset()).c_str(), RangeText(range).c_str(), range.why().c_str(),
                bad ? "not mended" : "mended from another copy");
  }
  for (const admin::v1::DamagedRange& range : left) {
    if (!range.state().empty()) std::printf("  %s\n", range.state().c_str());
  }
}

nlohmann::ordered_json ToJson(const admin::v1::DamagedRange& range) {
  return {{"file", range.file()}, {"offset", range.offset()}, {"first", range.first()},
          {"last", range.last()}, {"what", range.why()},      {"state", range.state()}};
}

nlohmann::ordered_json ToJson(const std::string& space, const LogSeen& seen,
                              const std::vector<admin::v1::DamagedRange>& left) {
  nlohmann::ordered_json json = {{"space", space},
                                 {"good", left.empty()},
                                 {"segments", seen.segments},
                                 {"entries", seen.entries},
                                 {"last", seen.last},
                                 {"bytes", seen.bytes},
                                 {"found", nlohmann::ordered_json::array()},
                                 {"damage", nlohmann::ordered_json::array()}};
  for (const auto& range : seen.damage) json["found"].push_back(ToJson(range));
  for (const auto& range : left) json["damage"].push_back(ToJson(range));
  return json;
}

Result<std::vector<std::string>> SpacesOf(Client& client, const std::string& space) {
  if (!space.empty()) return std::vector<std::string>{space};
  std::vector<std::string> all;
  v1::ListSpacesRequest request;
  do {
    ASSIGN_OR_RETURN(const v1::ListSpacesResponse page, client.ListSpaces(request));
    for (const v1::Space& one : page.spaces()) all.push_back(one.id());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

}  // namespace

int VerifyLive(Context& context, const LiveVerify& what) {
  const Result<env::Duration> wait = server::ParseDuration(what.wait);
  if (!wait.ok()) return PrintError(wait.status().Annotate("--wait"));
  context.servers = what.server;
  Client& client = context.client();
  const Result<std::vector<std::string>> spaces = SpacesOf(client, what.space);
  if (!spaces.ok()) return PrintError(spaces.status());
  size_t good = 0;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const std::string& space : *spaces) {
    Progress progress("bytes", 0);
    const Result<LogSeen> seen = ReadThrough(client, space, 0, context.json ? nullptr : &progress);
    if (!seen.ok()) return PrintError(seen.status().Annotate(space));
    const auto left = WaitMended(client, space, seen->damage, env::SystemClock().Now() + *wait);
    if (!left.ok()) return PrintError(left.status().Annotate(space));
    good += left->empty();
    if (context.json)
      json.push_back(ToJson(space, *seen, *left));
    else
      Print(space, *seen, *left);
  }
  if (context.json)
    std::printf("%s\n", json.dump().c_str());
  else
    std::printf("\n%zu of %zu spaces are good\n", good, spaces->size());
  return good == spaces->size() ? 0 : kDamaged;
}

}  // namespace engram::cli
