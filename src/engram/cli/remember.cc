#include <fstream>
#include <iostream>
#include <iterator>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "engram/cli/command.h"
#include "engram/cli/copies_text.h"
#include "engram/model/time.h"

namespace engram::cli {
namespace {

struct Flags {
  std::string text, id, session, why, how, where, when, key, durability, embedding_file, source;
  std::vector<std::string> who, tags, meta;
  float importance = -1, confidence = -1;
  int64_t turn = -1, if_version = -1;
  bool create_only = false, validate_only = false;
};

Result<v1::Durability> DurabilityFrom(const std::string& name) {
  if (name.empty()) return v1::DURABILITY_UNSPECIFIED;
  if (name == "local") return v1::DURABILITY_LOCAL;
  if (name == "replicated") return v1::DURABILITY_REPLICATED;
  if (name == "auto") return v1::DURABILITY_AUTO;
  return Status(Reason::INVALID_REQUEST, "'" + name + "' is not a durability.")
      .Expected("local, replicated or auto")
      .Example("--durability local");
}

Status ReadEmbedding(const std::string& path, v1::Episode* episode) {
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file, nullptr, false);
  Status bad = Status(Reason::INVALID_EMBEDDING, path + " does not hold an embedding.")
                   .Expected("a JSON array of numbers")
                   .Example("[0.12, -0.03, …]");
  if (!json.is_array()) return bad;
  for (const auto& number : json) {
    if (!number.is_number()) return bad;
    episode->add_embedding(number.get<float>());
  }
  return OkStatus();
}

Result<v1::RememberRequest> ToRequest(const Flags& flags, const std::string& space) {
  v1::RememberRequest request;
  request.set_memory_space_id(space);
  v1::Episode& episode = *request.mutable_episode();
  episode.set_id(flags.id);
  episode.set_what(flags.text == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {})
                                     : flags.text);
  for (const std::string& name : flags.who) episode.add_who(name);
  for (const std::string& tag : flags.tags) episode.add_tags(tag);
  for (const std::string& text : flags.meta) {
    ASSIGN_OR_RETURN(auto pair, SplitPair(text, "--meta"));
    (*episode.mutable_metadata())[pair.first] = pair.second;
  }
  episode.set_where_location(flags.where);
  episode.set_why(flags.why);
  episode.set_how(flags.how);
  episode.set_session(flags.session);
  episode.set_source(flags.source);
  if (!flags.when.empty()) episode.mutable_event_time()->set_text(flags.when);
  if (flags.turn >= 0) episode.set_turn(static_cast<uint64_t>(flags.turn));
  if (flags.importance >= 0) episode.set_importance(flags.importance);
  if (flags.confidence >= 0) episode.mutable_encoding_confidence()->set_value(flags.confidence);
  if (!flags.embedding_file.empty()) RETURN_IF_ERROR(ReadEmbedding(flags.embedding_file, &episode));

  v1::WriteOptions& options = *request.mutable_options();
  ASSIGN_OR_RETURN(const v1::Durability durability, DurabilityFrom(flags.durability));
  options.set_durability(durability);
  options.set_idempotency_key(flags.key.empty() ? MakeKey() : flags.key);
  options.set_validate_only(flags.validate_only);
  if (flags.create_only) options.set_create_only(true);
  if (flags.if_version >= 0) options.set_if_version(static_cast<uint64_t>(flags.if_version));
  return request;
}

// "14 Mar 2026" for what was asked; the server has resolved it in the same way.
std::string WhenAsked(const std::string& when) {
  if (when.empty()) return "now";
  v1::EventTime time;
  time.set_text(when);
  std::vector<v1::Warning> warnings;
  const auto now = model::UtcTime::FromNs(env::SystemClock().WallNs());
  const Status status = model::ResolveEventTime(nullptr, "", now, &time, &warnings);
  return status.ok() ? WhenText(time) : when;
}

// Which copy is missing, asked of the node that took the write.
std::string WhyDegraded(Context& context) {
  v1::GetSpaceRequest request;
  request.set_id(context.space.empty() ? "default" : context.space);
  const Result<v1::Space> space = context.client().GetSpace(request);
  return space.ok() ? MissingCopyText(space->status()) : "";
}

const char* OutcomeText(v1::WriteOutcome outcome) {
  switch (outcome) {
    case v1::WRITE_OUTCOME_UPDATED:
      return "stored anew in ";
    case v1::WRITE_OUTCOME_UNCHANGED:
      return "unchanged in ";
    case v1::WRITE_OUTCOME_REPEATED:
      return "stored before in ";
    default:
      return "stored in ";
  }
}

int Run(Context& context, const Flags& flags) {
  Result<v1::RememberRequest> request = ToRequest(flags, context.space);
  if (!request.ok()) return PrintError(request.status());
  const env::Instant start = env::SystemClock().Now();
  Result<v1::RememberResponse> reply = context.client().Remember(*request);
  const env::Duration took = env::SystemClock().Now() - start;
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) {
    PrintJson(*reply);
    return 0;
  }
  for (const v1::Warning& warning : reply->write().warnings())
    Note("warning: " + warning.message());
  if (flags.validate_only) {
    Note("valid; nothing was stored");
    return 0;
  }
  std::printf("%s\n", reply->memory_id().c_str());
  std::fflush(stdout);
  const std::string line =
      OutcomeText(reply->write().outcome()) + (context.space.empty() ? "default" : context.space) +
      " · " + WhenAsked(flags.when) + " · " + ReachedText(reply->write()) +
      (reply->write().degraded() ? WhyDegraded(context) : "") + " · " + FormatTook(took);
  Note(Paint(line, reply->write().degraded() ? Colour::kYellow : Colour::kDim, true));
  return 0;
}

}  // namespace

void AddRemember(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("remember", "store one episode");
  command->footer(
      "Example:\n  engram remember \"Anna prefers the 8:15 train\" --who Anna --when 2026-03-14");
  command->add_option("text", flags->text, "what happened; - reads it from stdin")->required();
  command->add_option("--id", flags->id, "id; none: a ULID is made");
  command->add_option("--who", flags->who, "who said or did it, then who was there");
  command->add_option("--where", flags->where, "place, levels separated by /");
  command->add_option("--when", flags->when,
                      "2026, 2026-03-14, 2026-03-14T10:30, an interval a/b, unknown");
  command->add_option("--tag", flags->tags, "a tag; may be repeated");
  command->add_option("--session", flags->session, "conversation or run that it belongs to");
  command->add_option("--turn", flags->turn, "place inside the session");
  command->add_option("--why", flags->why, "why it happened");
  command->add_option("--how", flags->how, "how it happened");
  command->add_option("--source", flags->source, "where it comes from");
  command->add_option("--importance", flags->importance, "0 … 1");
  command->add_option("--confidence", flags->confidence, "0 … 1: how sure you are");
  command->add_option("--meta", flags->meta, "KEY=VALUE; may be repeated");
  command->add_option("--embedding-file", flags->embedding_file, "JSON array of numbers")
      ->check(CLI::ExistingFile);
  command->add_option("--key", flags->key, "idempotency key; none: a fresh one");
  command->add_option("--durability", flags->durability, "local, replicated or auto");
  command->add_option("--if-version", flags->if_version, "only when this is the newest version");
  command->add_flag("--create-only", flags->create_only, "refuse when the id exists");
  command->add_flag("--validate-only", flags->validate_only, "check everything, store nothing");
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return Run(c, *flags); });
}

}  // namespace engram::cli
