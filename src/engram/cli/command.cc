#include "engram/cli/command.h"

#include <cstdlib>

#include <CLI/CLI.hpp>

#include "engram/api/json.h"
#include "engram/base/ids.h"
#include "engram/env/entropy.h"
#include "engram/model/time.h"
#include "engram/server/options.h"

namespace engram::cli {

Client& Context::client() {
  if (client_ == nullptr) {
    ClientOptions options;
    options.servers = servers;
    if (Result<env::Duration> limit = server::ParseDuration(timeout); limit.ok()) {
      options.timeout = *limit;
    }
    options.said = [](const std::string& text) { Note(text); };
    client_ = std::make_unique<Client>(std::move(options));
  }
  return *client_;
}

namespace {

// All commands write into one context, and CLI11 would fill it from the environment for those that
// were not given, too, after the flags of the one that was.
void TakeEnvironment(const char* name, std::string* value) {
  const char* set = std::getenv(name);
  if (set != nullptr && *set != '\0') *value = set;
}

std::string CheckDuration(const std::string& text) {
  const Result<env::Duration> value = server::ParseDuration(text);
  return value.ok() ? std::string() : value.status().message();
}

}  // namespace

void AddReadOptions(CLI::App* command, ReadFlags* flags) {
  auto* token =
      command->add_option("--at-least", flags->at_least, "token of a write that must be visible");
  command
      ->add_option("--max-staleness", flags->max_staleness,
                   "of a replica: shows all that was committed so long ago, such as 5s")
      ->check(CheckDuration)
      ->excludes(token);
}

void FillRead(const ReadFlags& flags, v1::ReadOptions* read) {
  if (!flags.at_least.empty()) read->set_at_least_token(flags.at_least);
  if (flags.max_staleness.empty()) return;
  const env::Duration at_most = *server::ParseDuration(flags.max_staleness);
  read->mutable_max_staleness()->set_seconds(at_most.count() / 1'000'000'000);
  read->mutable_max_staleness()->set_nanos(static_cast<int32_t>(at_most.count() % 1'000'000'000));
}

void AddClientOptions(CLI::App* command, Context* context) {
  TakeEnvironment("ENGRAM_SERVER", &context->servers);
  TakeEnvironment("ENGRAM_SPACE", &context->space);
  command
      ->add_option("--server", context->servers,
                   "server, or several: host:port[,host:port]; or ENGRAM_SERVER")
      ->capture_default_str();
  command->add_option("--space", context->space,
                      "memory space (default: default); or ENGRAM_SPACE");
  command->add_option("--timeout", context->timeout, "time for one call, such as 500ms or 10s")
      ->check(CheckDuration)
      ->capture_default_str();
  command->add_flag("--json", context->json, "print the reply of the call");
  command->add_flag("--quiet,-q", context->quiet, "no notes on stderr");
}

void OnRun(CLI::App* command, Context* context, std::function<int(Context&)> action) {
  command->callback([context, action = std::move(action)] {
    SetQuiet(context->quiet);
    context->exit_code = action(*context);
  });
}

void PrintJson(const google::protobuf::Message& message) {
  std::printf("%s\n", api::MessageToJson(message).c_str());
}

std::string MakeKey() {
  env::Entropy& entropy = env::SystemEntropy();
  const auto ms = static_cast<uint64_t>(env::SystemClock().WallNs() / 1'000'000);
  return MakeUlid(ms, entropy.Next(), entropy.Next());
}

void AddFilterOptions(CLI::App* command, FilterFlags* flags) {
  command->add_option("--who", flags->who, "only with any of these people");
  command->add_option("--where", flags->where, "only at this place or below it");
  command->add_option("--tag", flags->tags, "only with any of these tags");
  command->add_option("--not-tag", flags->not_tags, "without these tags");
  command->add_option("--session", flags->sessions, "only of these sessions");
  command->add_option("--source", flags->sources,
                      "only from these sources; a trailing * matches more");
  command->add_option("--meta", flags->meta, "only with metadata KEY=VALUE");
  command->add_option("--since", flags->since,
                      "only what happened at or after: 2026, 2026-03, 2026-03-14");
  command->add_option("--until", flags->until,
                      "only what happened up to: 2026, 2026-03, 2026-03-14");
  command->add_option("--min-confidence", flags->min_confidence,
                      "only with at least this confidence");
  command->add_flag("--include-suppressed", flags->include_suppressed, "suppressed memories too");
}

Result<std::pair<std::string, std::string>> SplitPair(const std::string& text, const char* option) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Status(Reason::INVALID_REQUEST, std::string(option) + " '" + text + "' has no value.")
        .Expected("KEY=VALUE")
        .Example(std::string(option) + " topic=travel");
  }
  return std::make_pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<v1::Filter> ToFilter(const FilterFlags& flags) {
  v1::Filter filter;
  auto fill = [](const std::vector<std::string>& from, auto* to) {
    for (const std::string& value : from) *to->Add() = value;
  };
  if (!flags.who.empty()) fill(flags.who, filter.mutable_who()->mutable_any_of());
  if (!flags.tags.empty()) fill(flags.tags, filter.mutable_tags()->mutable_any_of());
  if (!flags.not_tags.empty()) fill(flags.not_tags, filter.mutable_tags()->mutable_none_of());
  fill(flags.where, filter.mutable_where_location());
  fill(flags.sessions, filter.mutable_sessions());
  fill(flags.sources, filter.mutable_sources());
  fill(flags.ids, filter.mutable_ids());
  for (const std::string& text : flags.meta) {
    ASSIGN_OR_RETURN(auto pair, SplitPair(text, "--meta"));
    (*filter.mutable_metadata())[pair.first] = pair.second;
  }
  if (!flags.since.empty() || !flags.until.empty()) {
    filter.mutable_event_time()->set_text((flags.since.empty() ? ".." : flags.since) + "/" +
                                          (flags.until.empty() ? ".." : flags.until));
  }
  if (flags.min_confidence >= 0) filter.set_min_confidence(flags.min_confidence);
  filter.set_include_suppressed(flags.include_suppressed);
  return filter;
}

std::string WhenText(const v1::EventTime& time) {
  return model::FormatForPeople(time);
}

std::string DetailText(const v1::Memory& memory) {
  std::string text;
  auto add = [&text](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : " · ") + part;
  };
  add(memory.where_location());
  std::string people;
  for (const std::string& name : memory.who()) people += (people.empty() ? "" : ", ") + name;
  add(people);
  for (const std::string& tag : memory.tags()) add("#" + tag);
  if (!memory.session().empty()) {
    add(memory.session() + (memory.turn() > 0 ? " turn " + std::to_string(memory.turn()) : ""));
  }
  return text;
}

}  // namespace engram::cli
