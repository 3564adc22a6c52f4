#include "engram/cli/demo_questions.h"

#include <cstdio>

namespace engram::cli {
namespace {

env::Instant Now() {
  return env::SystemClock().Now();
}

std::string Describe(const v1::RecallResponse& reply) {
  if (reply.no_match() || reply.memories().empty()) return "no match";
  char text[64];
  std::snprintf(text, sizeof text, "%d found, best %.2f", reply.memories_size(),
                reply.memories(0).relevance());
  return text;
}

}  // namespace

Status DemoQuestions::AskOne(Client& client, const std::string& what, v1::RecallRequest request) {
  request.set_memory_space_id(space_);
  request.set_max_results(10);
  if (!at_least_.empty()) request.mutable_read()->set_at_least_token(at_least_);
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(const v1::RecallResponse reply, client.Recall(request));
  const env::Duration took = Now() - start;
  std::string list;
  for (const v1::Memory& memory : reply.memories()) list += memory.id() + "\n";
  lists_.push_back(list);
  if (!reply.memories().empty() && best_id_.empty()) best_id_ = reply.memories(0).id();
  if (label_.empty()) return OkStatus();
  report_.Row(label_, what, Describe(reply), took);
  if (!reply.no_match() && !reply.memories().empty()) report_.Line(reply.memories(0).content());
  return OkStatus();
}

Status DemoQuestions::AskAll(Client& client) {
  lists_.clear();
  best_id_.clear();
  const bool changelogs = space_ == "changelogs";
  v1::RecallRequest text;
  text.mutable_query()->set_text(changelogs ? "security fix in openssl" : "first commit");
  RETURN_IF_ERROR(AskOne(client, "\"" + text.query().text() + "\"", text));

  v1::RecallRequest people;
  people.mutable_query()->set_text(changelogs ? "new upstream release" : "test");
  people.mutable_filter()->mutable_event_time()->set_text(changelogs ? "2022/2023" : "2000/..");
  if (changelogs) people.mutable_query()->add_who("Sebastian Andrzej Siewior");
  RETURN_IF_ERROR(
      AskOne(client, changelogs ? "people S. A. Siewior, in 2022–2023" : "words and time", people));

  v1::RecallRequest like;
  like.mutable_query()->add_like_ids(best_id_);
  RETURN_IF_ERROR(AskOne(client, "like the first result (embedding)", like));

  v1::RecallRequest none;
  none.mutable_query()->set_text("quarterly marzipan tasting in Lübeck");
  return AskOne(client, "\"" + none.query().text() + "\"", none);
}

Status DemoQuestions::Ask(Client& client, const std::string& label) {
  label_ = label;
  at_least_.clear();
  return AskAll(client);
}

Result<bool> DemoQuestions::AskAgain(Client& client, const std::string& label,
                                     const std::string& at_least) {
  const std::vector<std::string> before = lists_;
  label_.clear();
  at_least_ = at_least;
  const env::Instant start = Now();
  RETURN_IF_ERROR(AskAll(client));
  const bool equal = lists_ == before;
  report_.Row(label, at_least.empty() ? "the same four" : "the same four, at least n1's token",
              equal ? "equal lists" : "OTHER LISTS", Now() - start);
  return equal;
}

}  // namespace engram::cli
