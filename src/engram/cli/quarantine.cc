// quarantine list|show|replay: what a promotion cut from the logs of nodes that came back.
#include <CLI/CLI.hpp>

#include "engram/cli/nodes.h"
#include "engram/cluster/static_store.h"

namespace engram::cli {
namespace {

constexpr size_t kContentColumns = 80;

std::string EpochText(uint64_t epoch) {
  return cluster::FormatEpoch(Epoch(epoch));
}

void PrintFile(const std::string& node, const admin::v1::QuarantineFile& file) {
  std::printf("%s %s %s %s entries, %s … %s, epoch %s, %s%s\n", Pad(node, 12).c_str(),
              Pad(file.memory_space_id(), 16).c_str(), Pad(file.file(), 32).c_str(),
              Grouped(file.entries()).c_str(), Grouped(file.first()).c_str(),
              Grouped(file.last()).c_str(), EpochText(file.epoch()).c_str(),
              FormatBytes(file.bytes()).c_str(), file.replayed() ? ", replayed" : "");
}

int List(Context& context) {
  Result<std::vector<NodeSays>> nodes = AskAllNodes(context, "");
  if (!nodes.ok()) return PrintError(nodes.status());
  size_t files = 0;
  for (NodeSays& node : *nodes) {
    Client& client = node.client != nullptr ? *node.client : context.client();
    admin::v1::ListQuarantineRequest request;
    request.set_memory_space_id(context.space);
    const Result<admin::v1::ListQuarantineResponse> reply = client.ListQuarantine(request);
    if (!reply.ok()) return PrintError(reply.status().Annotate(node.node));
    if (context.json) PrintJson(*reply);
    for (const admin::v1::QuarantineFile& file : reply->files()) {
      if (!context.json) PrintFile(node.node, file);
      ++files;
    }
  }
  if (files == 0) Note("no quarantine: nothing was ever cut off");
  return 0;
}

// The node that has the file.
Result<std::unique_ptr<Client>> HolderOf(Context& context, const std::string& file) {
  ASSIGN_OR_RETURN(std::vector<NodeSays> nodes, AskAllNodes(context, ""));
  admin::v1::ListQuarantineRequest request;
  request.set_memory_space_id(SpaceOf(context));
  for (NodeSays& node : nodes) {
    if (node.client == nullptr) continue;
    const Result<admin::v1::ListQuarantineResponse> reply = node.client->ListQuarantine(request);
    if (!reply.ok()) continue;
    for (const admin::v1::QuarantineFile& known : reply->files()) {
      if (known.file() == file) return std::move(node.client);
    }
  }
  return Status(Reason::INVALID_REQUEST, "No node that answers has the quarantine '" + file + "'.")
      .Expected("a file that engram quarantine list shows, in space '" + SpaceOf(context) + "'")
      .Example("engram quarantine list");
}

int Show(Context& context, const std::string& file) {
  Result<std::unique_ptr<Client>> holder = HolderOf(context, file);
  if (!holder.ok()) return PrintError(holder.status());
  admin::v1::ShowQuarantineRequest request;
  request.set_memory_space_id(SpaceOf(context));
  request.set_file(file);
  const Result<admin::v1::ShowQuarantineResponse> reply = (*holder)->ShowQuarantine(request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) PrintJson(*reply);
  for (const admin::v1::QuarantineEntry& entry : reply->entries()) {
    if (context.json) break;
    std::printf("%s  %s  %s  %s  %s%s\n", Grouped(entry.sequence()).c_str(),
                EpochText(entry.epoch()).c_str(), Pad(entry.kind(), 10).c_str(),
                entry.memory_id().c_str(), OneLine(entry.content(), kContentColumns).c_str(),
                entry.replayed() ? "  (replayed)" : "");
  }
  return 0;
}

// From the node that has the file, in parts, to the one that leads.
Result<admin::v1::ReplayQuarantineResponse> WriteAgain(Context& context, const std::string& file) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> holder, HolderOf(context, file));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> primary, ClientOfPrimary(context));
  admin::v1::ShowQuarantineRequest show;
  show.set_memory_space_id(SpaceOf(context));
  show.set_file(file);
  show.set_with_records(true);
  admin::v1::ReplayQuarantineRequest request;
  request.set_memory_space_id(SpaceOf(context));
  admin::v1::ReplayQuarantineResponse all;
  do {
    ASSIGN_OR_RETURN(admin::v1::ShowQuarantineResponse part, holder->ShowQuarantine(show));
    request.mutable_entries()->Swap(part.mutable_entries());
    if (!request.entries().empty()) {
      ASSIGN_OR_RETURN(const auto written, primary->ReplayQuarantine(request));
      all.set_written(all.written() + written.written());
    }
    show.set_from(part.next());
  } while (show.from() != 0);
  request.clear_entries();
  request.set_file(file);
  RETURN_IF_ERROR(holder->ReplayQuarantine(request).status());
  return all;
}

int Replay(Context& context, const std::string& file) {
  const Result<admin::v1::ReplayQuarantineResponse> reply = WriteAgain(context, file);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) PrintJson(*reply);
  Note("replayed " + file + ": " + Grouped(reply->written()) + " written");
  return 0;
}

}  // namespace

void AddQuarantine(CLI::App* app, Context* context) {
  CLI::App* group =
      app->add_subcommand("quarantine", "what a promotion cut off: list, show, replay");
  group->require_subcommand(1);
  CLI::App* list = group->add_subcommand("list", "the files of every node that answers");
  list->footer("Example:\n  engram quarantine list");
  AddClientOptions(list, context);
  OnRun(list, context, [](Context& c) { return List(c); });

  auto file = std::make_shared<std::string>();
  CLI::App* show = group->add_subcommand("show", "the entries of one file");
  show->footer("Example:\n  engram quarantine show FILE --space default");
  show->add_option("file", *file, "as list shows it")->required();
  AddClientOptions(show, context);
  OnRun(show, context, [file](Context& c) { return Show(c, *file); });

  CLI::App* replay = group->add_subcommand("replay", "write its entries again, once");
  replay->footer("Example:\n  engram quarantine replay FILE --space default");
  replay->add_option("file", *file, "as list shows it")->required();
  AddClientOptions(replay, context);
  OnRun(replay, context, [file](Context& c) { return Replay(c, *file); });
}

}  // namespace engram::cli
