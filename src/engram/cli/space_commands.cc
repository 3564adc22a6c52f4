// space list|create|show|delete.
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "engram/cli/command.h"

namespace engram::cli {
namespace {

void PrintSpaceHeader() {
  std::printf("%s %s %s %s %s\n", Pad("SPACE", 20).c_str(), Pad("DIMENSION", 10).c_str(),
              Pad("ANALYZER", 10).c_str(), Pad("EMBEDDER", 10).c_str(), "EPISODES");
}

void PrintSpace(const v1::Space& space) {
  std::printf("%s %s %s %s %s\n", Pad(space.id(), 20).c_str(),
              Pad(std::to_string(space.settings().dimension()), 10).c_str(),
              Pad(space.settings().analyzer(), 10).c_str(),
              Pad(space.settings().embedder(), 10).c_str(),
              Grouped(space.status().episodes()).c_str());
}

int RunList(Context& context, const std::string& prefix) {
  v1::ListSpacesRequest request;
  request.set_prefix(prefix);
  if (!context.json) PrintSpaceHeader();
  while (true) {
    Result<v1::ListSpacesResponse> reply = context.client().ListSpaces(request);
    if (!reply.ok()) return PrintError(reply.status());
    if (context.json) PrintJson(*reply);
    for (const v1::Space& space : reply->spaces()) {
      if (!context.json) PrintSpace(space);
    }
    if (reply->next_page_token().empty()) return 0;
    request.set_page_token(reply->next_page_token());
  }
}

int Show(Context& context, const Result<v1::Space>& space) {
  if (!space.ok()) return PrintError(space.status());
  if (context.json) {
    PrintJson(*space);
  } else {
    PrintSpaceHeader();
    PrintSpace(*space);
  }
  return 0;
}

struct CreateFlags {
  std::string id, model, embedder, analyzer, time_zone;
  uint32_t dimension = 0;
  uint64_t max_episodes = 0;
  bool if_not_exists = false;
};

int RunCreate(Context& context, const CreateFlags& flags) {
  v1::CreateSpaceRequest request;
  request.mutable_space()->set_id(flags.id);
  v1::SpaceSettings& settings = *request.mutable_space()->mutable_settings();
  settings.set_dimension(flags.dimension);
  settings.set_embedding_model(flags.model);
  settings.set_embedder(flags.embedder);
  settings.set_analyzer(flags.analyzer);
  settings.set_time_zone(flags.time_zone);
  settings.set_max_episodes(flags.max_episodes);
  request.set_if_not_exists(flags.if_not_exists);
  return Show(context, context.client().CreateSpace(request));
}

bool Confirmed(const std::string& id, bool yes) {
  if (yes) return true;
  if (isatty(0) == 0) return false;
  std::fprintf(stderr,
               "This removes space '%s' with everything in it. Its name, to go on: ", id.c_str());
  std::string typed;
  std::getline(std::cin, typed);
  return typed == id;
}

int RunDelete(Context& context, const std::string& id, bool yes) {
  if (!Confirmed(id, yes)) {
    std::fprintf(stderr, "error: space '%s' was not deleted: say --yes\n", id.c_str());
    return 4;
  }
  v1::DeleteSpaceRequest request;
  request.set_id(id);
  request.set_confirm_id(id);
  Result<v1::DeleteSpaceResponse> reply = context.client().DeleteSpace(request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) PrintJson(*reply);
  Note("deleted space " + id + ": " + Grouped(reply->episodes()) + " episodes, " +
       FormatBytes(reply->bytes()));
  return 0;
}

void AddCreate(CLI::App* group, Context* context) {
  auto flags = std::make_shared<CreateFlags>();
  CLI::App* create = group->add_subcommand("create", "make a space");
  create->footer(
      "Example:\n  engram space create notes --dimension 1536 --embedding-model "
      "text-embedding-3-small");
  create->add_option("id", flags->id, "3–64 of a–z 0–9 _ -")->required();
  create->add_option("--dimension", flags->dimension, "numbers in an embedding");
  create->add_option("--embedding-model", flags->model,
                     "name of the model, compared at each write");
  create->add_option("--embedder", flags->embedder, "none or hashed");
  create->add_option("--analyzer", flags->analyzer, "english, simple, or a Snowball language");
  create->add_option("--time-zone", flags->time_zone, "of local times without one");
  create->add_option("--max-episodes", flags->max_episodes, "0 = no limit");
  create->add_flag("--if-not-exists", flags->if_not_exists, "no error when it exists");
  AddClientOptions(create, context);
  OnRun(create, context, [flags](Context& c) { return RunCreate(c, *flags); });
}

}  // namespace

void AddSpace(CLI::App* app, Context* context) {
  CLI::App* group = app->add_subcommand("space", "list, create, show and delete spaces");
  group->require_subcommand(1);

  auto prefix = std::make_shared<std::string>();
  CLI::App* list = group->add_subcommand("list", "all spaces");
  list->add_option("--prefix", *prefix, "only names that begin so");
  AddClientOptions(list, context);
  OnRun(list, context, [prefix](Context& c) { return RunList(c, *prefix); });

  AddCreate(group, context);

  auto id = std::make_shared<std::string>();
  CLI::App* show = group->add_subcommand("show", "one space");
  show->add_option("id", *id, "its name")->required();
  AddClientOptions(show, context);
  OnRun(show, context, [id](Context& c) {
    v1::GetSpaceRequest request;
    request.set_id(*id);
    return Show(c, c.client().GetSpace(request));
  });

  auto yes = std::make_shared<bool>(false);
  CLI::App* remove = group->add_subcommand("delete", "remove a space with everything in it");
  remove->add_option("id", *id, "its name")->required();
  remove->add_flag("--yes", *yes, "do not ask");
  AddClientOptions(remove, context);
  OnRun(remove, context, [id, yes](Context& c) { return RunDelete(c, *id, *yes); });
}

}  // namespace engram::cli
