#include <CLI/CLI.hpp>

#include "engram/cli/command.h"
#include "engram/cli/nodes.h"

namespace engram::cli {
namespace {

constexpr size_t kWhenColumn = 7, kTextColumn = 27, kIdColumn = 76, kTextWidth = 100;

struct Flags {
  FilterFlags filter;
  ReadFlags read;
  std::string text, around, why, format = "table";
  int count = 10;
  uint32_t context = 0;
  float no_match_below = -1, min_relevance = -1;
  bool explain = false, fail_no_match = false, from_replica = false;
};

Result<v1::RecallRequest> ToRequest(const Flags& flags, const std::string& space) {
  v1::RecallRequest request;
  request.set_memory_space_id(space);
  request.mutable_query()->set_text(flags.text);
  if (!flags.around.empty()) request.mutable_query()->mutable_around()->set_text(flags.around);
  ASSIGN_OR_RETURN(*request.mutable_filter(), ToFilter(flags.filter));
  request.set_max_results(flags.count);
  request.set_context_before(flags.context);
  request.set_context_after(flags.context);
  request.set_explain(flags.explain || !flags.why.empty());
  if (!flags.why.empty()) request.add_explain_ids(flags.why);
  if (flags.no_match_below >= 0) request.set_no_match_below(flags.no_match_below);
  if (flags.min_relevance >= 0) request.set_min_relevance(flags.min_relevance);
  FillRead(flags.read, request.mutable_read());
  return request;
}

std::string Decimal(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

void PrintNeighbour(const v1::Memory& memory, const char* mark) {
  std::printf("%*s%s %s\n", static_cast<int>(kTextColumn), "", mark,
              Paint(OneLine(memory.content(), kTextWidth), Colour::kDim, false).c_str());
}

void PrintMemory(const v1::Memory& memory) {
  std::string first = Decimal(memory.relevance()) + (memory.weak() ? "~" : " ");
  first = Pad(first, kWhenColumn) + WhenText(memory.event_time());
  first = Pad(first, kTextColumn) + OneLine(memory.content(), kTextWidth);
  const std::string detail = DetailText(memory);
  if (detail.empty()) {
    std::printf("%s %s\n", Pad(first, kIdColumn - 1).c_str(), memory.id().c_str());
    return;
  }
  for (const v1::Memory& before : memory.before()) PrintNeighbour(before, "↑");
  std::printf("%s\n", first.c_str());
  const std::string second = Pad(std::string(kTextColumn, ' ') + detail, kIdColumn - 1);
  std::printf("%s %s\n", second.c_str(), memory.id().c_str());
  for (const v1::Memory& after : memory.after()) PrintNeighbour(after, "↓");
}

void PrintLegs(const v1::Explanation& e) {
  std::printf("   direct   %s  ", Decimal(e.direct()).c_str());
  for (const v1::LegScore& leg : e.legs()) {
    std::printf(" %s %s (weight %g)", leg.leg().c_str(), Decimal(leg.normalised()).c_str(),
                leg.weight());
  }
  for (const v1::TermMatch& term : e.terms()) {
    std::printf("; %s %.1f", term.term().c_str(), term.contribution());
  }
}

void PrintExplanation(const v1::Explanation& e) {
  PrintLegs(e);
  std::printf("\n   context  %s  ", Decimal(e.context()).c_str());
  for (const v1::ContextShare& share : e.context_from()) {
    const std::string offset =
        share.offset() == 0 ? "best of the session" : std::to_string(share.offset()) + " on";
    std::printf(" %s, %s, %s;", offset.c_str(), share.memory_id().c_str(),
                Decimal(share.contribution()).c_str());
  }
  std::printf("\n   prior   ×%s  ", Decimal(e.prior_factor()).c_str());
  for (const v1::PriorPart& part : e.prior()) {
    std::printf(" %s %s", part.name().c_str(), Decimal(part.value()).c_str());
  }
  std::printf("\n");
  if (!e.summary().empty()) std::printf("   %s\n", e.summary().c_str());
}

void PrintWhyNot(const v1::RecallExplanation& explanation) {
  for (const v1::WhyNot& why : explanation.why_not()) {
    std::printf("%s  %s", why.memory_id().c_str(), why.reason().c_str());
    if (why.rank() > 0) std::printf(" %u", why.rank());
    std::printf("%s\n", why.message().empty() ? "" : (": " + why.message()).c_str());
    if (why.has_explanation()) PrintExplanation(why.explanation());
  }
}

uint64_t EpisodesOf(Context& context) {
  v1::GetSpaceRequest request;
  request.set_id(context.space.empty() ? "default" : context.space);
  Result<v1::Space> space = context.client().GetSpace(request);
  return space.ok() ? space->status().episodes() : 0;
}

void PrintNoMatch(Context& context, const v1::RecallResponse& reply) {
  const std::string count = Grouped(EpisodesOf(context));
  if (reply.memories().empty() && reply.metadata().total_activated() == 0) {
    std::printf("no match: none of %s memories holds any of these words\n", count.c_str());
  } else {
    const float best = reply.has_recall_confidence() ? reply.recall_confidence().value() : 0;
    std::printf("no match: the best of %s memories reaches %s\n", count.c_str(),
                Decimal(best).c_str());
  }
}

void PrintFooter(const v1::RecallResponse& reply, env::Duration took) {
  std::string line = Grouped(static_cast<uint64_t>(reply.memories_size())) + " of " +
                     Grouped(static_cast<uint64_t>(reply.metadata().total_activated()));
  for (const v1::Warning& warning : reply.warnings()) {
    line +=
        " · " + (warning.reason() == "QUERY_NOT_EMBEDDED" ? "text only: the query has no embedding"
                                                          : warning.message());
  }
  const v1::ServedBy& by = reply.served_by();
  line += " · " + by.node() + ", " + by.role() + ", " + Grouped(by.visible_through()) + " · " +
          FormatTook(took);
  Note(Paint(line, Colour::kDim, true));
}

int PrintIds(const v1::RecallResponse& reply) {
  for (const v1::Memory& memory : reply.memories()) std::printf("%s\n", memory.id().c_str());
  return 0;
}

int Run(Context& context, const Flags& flags) {
  Result<v1::RecallRequest> request = ToRequest(flags, context.space);
  if (!request.ok()) return PrintError(request.status());
  if (flags.from_replica) {
    Result<std::unique_ptr<Client>> replica = ClientOfReplica(context);
    if (!replica.ok()) return PrintError(replica.status());
    context.client_ = std::move(*replica);
  }
  Result<v1::RecallResponse> reply = context.client().Recall(*request);
  if (!reply.ok()) return PrintError(reply.status());
  const int code = reply->no_match() && flags.fail_no_match ? 3 : 0;
  if (context.json) {
    PrintJson(*reply);
    return code;
  }
  if (flags.format == "ids") return PrintIds(*reply);
  if (flags.format == "jsonl") {
    for (const v1::Memory& memory : reply->memories()) PrintJson(memory);
    return code;
  }
  if (reply->no_match()) PrintNoMatch(context, *reply);
  for (const v1::Memory& memory : reply->memories()) {
    PrintMemory(memory);
    if (flags.explain && memory.has_explanation()) PrintExplanation(memory.explanation());
  }
  if (reply->has_explanation()) PrintWhyNot(reply->explanation());
  std::fflush(stdout);
  if (!reply->memories().empty()) {
    PrintFooter(*reply, std::chrono::microseconds(reply->metadata().recall_time_us()));
  }
  return code;
}

}  // namespace

void AddRecall(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app->add_subcommand("recall", "find memories by words, people, places and times");
  command->footer("Example:\n  engram recall \"which train does Anna like\" --since 2026 -n 3");
  command->add_option("text", flags->text, "the query; may be empty with filters");
  command->add_option("-n,--max-results", flags->count, "results, 1 … 1000")->capture_default_str();
  command->add_option("--around", flags->around, "nearer to this time is better: 2026-03");
  command->add_option("--context", flags->context, "neighbours of the session shown on each side");
  AddReadOptions(command, &flags->read);
  command->add_flag("--from-replica", flags->from_replica, "ask a replica of the space");
  command->add_option("--why", flags->why, "why this id is, or is not, in the result");
  command->add_option("--no-match-below", flags->no_match_below,
                      "nothing at all below this relevance");
  command->add_option("--min-relevance", flags->min_relevance, "leaves out single results");
  command->add_option("--format", flags->format, "table, ids or jsonl")
      ->check(CLI::IsMember({"table", "ids", "jsonl"}));
  command->add_flag("--explain", flags->explain, "why each result stands where it stands");
  command->add_flag("--fail-no-match", flags->fail_no_match, "exit 3 when nothing matches");
  AddFilterOptions(command, &flags->filter);
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return Run(c, *flags); });
}

}  // namespace engram::cli
