// get, list and reminisce: episodes as they are stored.
#include <CLI/CLI.hpp>

#include "engram/cli/command.h"
#include "engram/model/time.h"

namespace engram::cli {
namespace {

void PrintEpisode(const v1::Episode& episode, const std::string& format) {
  if (format == "ids") {
    std::printf("%s\n", episode.id().c_str());
  } else if (format == "jsonl") {
    PrintJson(episode);
  } else {
    std::string detail = episode.where_location();
    for (const std::string& name : episode.who()) detail += (detail.empty() ? "" : " · ") + name;
    for (const std::string& tag : episode.tags()) detail += (detail.empty() ? "#" : " · #") + tag;
    const char* state = episode.stored().deleted()      ? " (deleted)"
                        : episode.stored().suppressed() ? " (suppressed)"
                                                        : "";
    std::printf("%s  %s  %s%s\n", Pad(episode.id(), 26).c_str(),
                Pad(WhenText(episode.event_time()), 18).c_str(),
                OneLine(episode.what(), 90).c_str(), state);
    if (!detail.empty()) std::printf("%s  %s\n", Pad("", 46).c_str(), OneLine(detail, 90).c_str());
  }
}

struct GetFlags {
  std::vector<std::string> ids;
  uint64_t version = 0;
  bool history = false, embedding = false;
  ReadFlags read;
  std::string format = "table";
};

int RunGet(Context& context, const GetFlags& flags) {
  v1::GetRequest request;
  request.set_memory_space_id(context.space);
  for (const std::string& id : flags.ids) request.add_ids(id);
  request.set_version(flags.version);
  request.set_include_history(flags.history);
  request.set_include_embedding(flags.embedding);
  FillRead(flags.read, request.mutable_read());
  Result<v1::GetResponse> reply = context.client().Get(request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) {
    PrintJson(*reply);
  } else {
    for (const v1::Episode& episode : reply->episodes()) PrintEpisode(episode, flags.format);
  }
  for (const std::string& id : reply->missing()) Note("no memory '" + id + "'");
  return reply->missing().empty() ? 0 : 3;
}

struct ListFlags {
  FilterFlags filter;
  ReadFlags read;
  std::string order = "stored", format = "table", page;
  int page_size = 100;
  bool all = false, count = false, descending = false, embedding = false;
};

Result<v1::ListRequest> ToRequest(const ListFlags& flags, const std::string& space) {
  v1::ListRequest request;
  request.set_memory_space_id(space);
  ASSIGN_OR_RETURN(*request.mutable_filter(), ToFilter(flags.filter));
  FillRead(flags.read, request.mutable_read());
  const bool event = flags.order == "event";
  request.set_order(event ? (flags.descending ? v1::ListRequest::ORDER_EVENT_DESC
                                              : v1::ListRequest::ORDER_EVENT_ASC)
                          : (flags.descending ? v1::ListRequest::ORDER_STORED_DESC
                                              : v1::ListRequest::ORDER_STORED_ASC));
  request.set_page_size(flags.page_size);
  request.set_page_token(flags.page);
  request.set_count_only(flags.count);
  request.set_include_embedding(flags.embedding);
  return request;
}

int RunList(Context& context, const ListFlags& flags) {
  Result<v1::ListRequest> request = ToRequest(flags, context.space);
  if (!request.ok()) return PrintError(request.status());
  while (true) {
    Result<v1::ListResponse> reply = context.client().List(*request);
    if (!reply.ok()) return PrintError(reply.status());
    if (context.json) {
      PrintJson(*reply);
    } else if (flags.count) {
      std::printf("%llu\n", static_cast<unsigned long long>(reply->count()));
    }
    if (!context.json) {
      for (const v1::Episode& episode : reply->episodes()) PrintEpisode(episode, flags.format);
      NoteWarnings(reply->warnings());
    }
    if (reply->next_page_token().empty()) return 0;
    if (!flags.all) {
      Note("more: --page " + reply->next_page_token() + ", or --all");
      return 0;
    }
    request->set_page_token(reply->next_page_token());
  }
}

struct ReminisceFlags {
  std::string around, where, about, session, since, until, page, format = "table";
  std::vector<std::string> who;
  int page_size = 50;
  bool newest_first = false;
};

Result<v1::ReminisceRequest> ToRequest(const ReminisceFlags& flags, const std::string& space) {
  v1::ReminisceRequest request;
  request.set_memory_space_id(space);
  if (!flags.around.empty()) {
    v1::EventTime time;
    time.set_text(flags.around);
    std::vector<v1::Warning> warnings;
    const auto now = model::UtcTime::FromNs(env::SystemClock().WallNs());
    RETURN_IF_ERROR(model::ResolveEventTime(nullptr, "", now, &time, &warnings));
    *request.mutable_around_time() = time.start();
  } else if (!flags.where.empty()) {
    request.set_at_location(flags.where);
  } else if (!flags.who.empty()) {
    for (const std::string& name : flags.who) request.mutable_with_people()->add_people(name);
  } else if (!flags.about.empty()) {
    request.set_about_topic(flags.about);
  } else if (!flags.session.empty()) {
    request.set_in_session(flags.session);
  }
  FilterFlags range;
  range.since = flags.since;
  range.until = flags.until;
  ASSIGN_OR_RETURN(*request.mutable_filter(), ToFilter(range));
  request.set_order(flags.newest_first ? v1::ReminisceRequest::ORDER_NEWEST_FIRST
                                       : v1::ReminisceRequest::ORDER_OLDEST_FIRST);
  request.set_page_size(flags.page_size);
  request.set_page_token(flags.page);
  return request;
}

int RunReminisce(Context& context, const ReminisceFlags& flags) {
  Result<v1::ReminisceRequest> request = ToRequest(flags, context.space);
  if (!request.ok()) return PrintError(request.status());
  Result<v1::ReminisceResponse> reply = context.client().Reminisce(*request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) {
    PrintJson(*reply);
    return 0;
  }
  for (const v1::Episode& episode : reply->episodes()) PrintEpisode(episode, flags.format);
  std::string themes;
  for (const std::string& theme : reply->memory_themes())
    themes += (themes.empty() ? "" : ", ") + theme;
  NoteWarnings(reply->warnings());
  if (!themes.empty()) Note("themes: " + themes);
  if (!reply->next_page_token().empty()) Note("more: --page " + reply->next_page_token());
  return 0;
}

void AddFormat(CLI::App* command, std::string* format) {
  command->add_option("--format", *format, "table, ids or jsonl")
      ->check(CLI::IsMember({"table", "ids", "jsonl"}));
}

}  // namespace

void AddGet(CLI::App* app, Context* context) {
  auto flags = std::make_shared<GetFlags>();
  CLI::App* command = app->add_subcommand("get", "episodes by id");
  command->footer("Example:\n  engram get 01JPAB7Q2M8S4X6C0D5E9F1G2H --history");
  command->add_option("ids", flags->ids, "one or more ids")->required();
  command->add_option("--version", flags->version, "this version; 0 = newest");
  command->add_flag("--history", flags->history, "every version that the log has, newest first");
  command->add_flag("--embedding", flags->embedding, "with the embedding (--json, --format jsonl)");
  AddReadOptions(command, &flags->read);
  AddFormat(command, &flags->format);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunGet(c, *flags); });
}

void AddList(CLI::App* app, Context* context) {
  auto flags = std::make_shared<ListFlags>();
  CLI::App* command = app->add_subcommand("list", "episodes in order, with filters");
  command->footer("Example:\n  engram list --who Anna --order event --desc");
  command->add_option("--order", flags->order, "stored or event")
      ->check(CLI::IsMember({"stored", "event"}));
  command->add_flag("--desc", flags->descending, "newest first");
  command->add_option("--page-size", flags->page_size, "1 … 1000")->capture_default_str();
  command->add_option("--page", flags->page, "token of the next page");
  command->add_flag("--all", flags->all, "every page");
  command->add_flag("--count", flags->count, "only how many there are");
  command->add_flag("--embedding", flags->embedding, "with the embeddings");
  AddFormat(command, &flags->format);
  AddReadOptions(command, &flags->read);
  AddFilterOptions(command, &flags->filter);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunList(c, *flags); });
}

void AddReminisce(CLI::App* app, Context* context) {
  auto flags = std::make_shared<ReminisceFlags>();
  CLI::App* command = app->add_subcommand("reminisce", "episodes along the time line");
  command->footer("Example:\n  engram reminisce --around 2026-03-14");
  auto* one = command->add_option_group("cue", "one of");
  one->add_option("--around", flags->around, "nearest to this time");
  one->add_option("--where", flags->where, "at this place");
  one->add_option("--who", flags->who, "with these people");
  one->add_option("--about", flags->about, "about this topic");
  one->add_option("--session", flags->session, "of this session");
  one->require_option(1);
  command->add_option("--since", flags->since, "from");
  command->add_option("--until", flags->until, "up to");
  command->add_flag("--newest-first", flags->newest_first, "instead of oldest first");
  command->add_option("--page-size", flags->page_size, "1 … 1000")->capture_default_str();
  command->add_option("--page", flags->page, "token of the next page");
  AddFormat(command, &flags->format);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunReminisce(c, *flags); });
}

}  // namespace engram::cli
