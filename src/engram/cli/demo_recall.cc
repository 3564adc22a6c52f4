// The demo's recalls: by words, by people and time, by embedding, and one that has no answer. They
// are asked before the kill and after the restart, and the lists must be equal.
#include "engram/cli/demo.h"

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

Status Demo::RecallOne(const std::string& label, v1::RecallRequest request) {
  request.set_memory_space_id(main_space_);
  request.set_max_results(10);
  const env::Instant start = Now();
  ASSIGN_OR_RETURN(const v1::RecallResponse reply, client_->Recall(request));
  const env::Duration took = Now() - start;
  std::string list;
  for (const v1::Memory& memory : reply.memories()) list += memory.id() + "\n";
  lists_.push_back(list);
  if (!reply.memories().empty() && best_id_.empty()) best_id_ = reply.memories(0).id();
  if (!show_results_) return OkStatus();
  report_.Row("recall", label, Describe(reply), took);
  if (!reply.no_match() && !reply.memories().empty()) report_.Line(reply.memories(0).content());
  return OkStatus();
}

Status Demo::RecallAll() {
  const bool changelogs = main_space_ == "changelogs";
  v1::RecallRequest text;
  text.mutable_query()->set_text(changelogs ? "security fix in openssl" : "first commit");
  RETURN_IF_ERROR(RecallOne("\"" + text.query().text() + "\"", text));

  v1::RecallRequest people;
  people.mutable_query()->set_text(changelogs ? "new upstream release" : "test");
  people.mutable_filter()->mutable_event_time()->set_text(changelogs ? "2022/2023" : "2000/..");
  if (changelogs) people.mutable_query()->add_who("Sebastian Andrzej Siewior");
  RETURN_IF_ERROR(
      RecallOne(changelogs ? "people S. A. Siewior, in 2022–2023" : "words and time", people));

  v1::RecallRequest like;
  like.mutable_query()->add_like_ids(best_id_);
  RETURN_IF_ERROR(RecallOne("like the first result (embedding)", like));

  v1::RecallRequest none;
  none.mutable_query()->set_text("quarterly marzipan tasting in Lübeck");
  return RecallOne("\"" + none.query().text() + "\"", none);
}

Status Demo::RecallAgain() {
  const std::vector<std::string> before = std::move(lists_);
  lists_.clear();
  best_id_.clear();
  show_results_ = false;
  const env::Instant start = Now();
  RETURN_IF_ERROR(RecallAll());
  const bool equal = lists_ == before;
  report_.Row("recall again", "the same four", equal ? "equal lists" : "OTHER LISTS",
              Now() - start);
  if (!equal) ++damaged_;
  return OkStatus();
}

}  // namespace engram::cli
