#include "engram/recall/question.h"

#include <algorithm>

#include "engram/model/episode.h"

namespace engram::recall {
namespace {

constexpr size_t kMaxNames = 64;
constexpr size_t kMaxNameBytes = 1 << 10;

Status CheckShare(float value, const char* field) {
  if (value >= 0 && value <= 1) return OkStatus();
  return Status(Reason::INVALID_REQUEST, std::string(field) + " is " + std::to_string(value) + ".")
      .Expected("a number from 0 to 1")
      .With("field", field)
      .With("expected", "0 to 1")
      .With("actual", std::to_string(value));
}

Status CheckNotYet(const v1::RecallRequest& request) {
  if (request.has_as_of()) {
    return Unimplemented("as_of", "Recall cannot look into the past of a space yet.",
                         "leave as_of out; Get with include_history shows earlier versions");
  }
  if (request.reinforce()) {
    return Unimplemented("reinforce", "Recall does not count uses yet.", "leave reinforce out");
  }
  return OkStatus();
}

Status CheckQuery(std::string_view space, const v1::SpaceSettings& settings,
                  const v1::Query& query) {
  if (query.text().size() > kMaxQueryBytes) {
    return Status(Reason::TOO_LARGE, "The query's text is too long.")
        .Expected("at most 32 KiB")
        .Suggest("ask in a few sentences; to find what is like a text, embed it")
        .With("field", "query.text")
        .With("limit", kMaxQueryBytes)
        .With("actual", query.text().size());
  }
  RETURN_IF_ERROR(CheckCount(query.who_size(), kMaxNames, "query.who"));
  RETURN_IF_ERROR(CheckCount(query.like_ids_size(), kMaxNames, "query.like_ids"));
  RETURN_IF_ERROR(CheckCount(query.where_location().size(), kMaxNameBytes, "query.where_location"));
  for (const std::string& id : query.like_ids()) RETURN_IF_ERROR(model::CheckId(id));
  if (query.embedding_size() == 0) return OkStatus();
  const std::string& model = query.embedding_model();
  if (!model.empty() && !settings.embedding_model().empty() &&
      model != settings.embedding_model()) {
    return Status(Reason::MODEL_MISMATCH, "The query's embedding is of model '" + model +
                                              "', space '" + std::string(space) + "' holds '" +
                                              settings.embedding_model() + "'.")
        .Expected("an embedding of " + settings.embedding_model())
        .Suggest("embed the query with the model of the space")
        .With("space", std::string(space))
        .With("expected", settings.embedding_model())
        .With("actual", model);
  }
  return model::CheckEmbedding(query.embedding(), settings.dimension(), space, "query.embedding");
}

Status CheckAsked(const v1::RecallRequest& request) {
  if (request.has_cue() && request.has_query()) {
    return Status(Reason::INVALID_CUE, "A cue and a query are given.")
        .Expected("one of them")
        .Suggest("put everything into the query")
        .With("field", "cue");
  }
  RETURN_IF_ERROR(CheckCount(request.context_before(), kMaxContext, "context_before"));
  RETURN_IF_ERROR(CheckCount(request.context_after(), kMaxContext, "context_after"));
  RETURN_IF_ERROR(CheckCount(request.explain_ids_size(), model::kMaxBatch, "explain_ids"));
  RETURN_IF_ERROR(CheckShare(request.min_relevance(), "min_relevance"));
  return CheckShare(request.no_match_below(), "no_match_below");
}

// The filter of the request, then that of the cue; what is let in by default is the request's say.
Status ResolveFilters(const v1::SpaceSettings& settings, const v1::Filter& asked, v1::Filter meant,
                      Question* question) {
  ASSIGN_OR_RETURN(model::ResolvedFilter first, model::ResolveFilter(asked, settings.time_zone()));
  meant.set_include_suppressed(asked.include_suppressed());
  meant.set_include_superseded(asked.include_superseded());
  meant.set_include_undated(asked.include_undated());
  ASSIGN_OR_RETURN(model::ResolvedFilter second, model::ResolveFilter(meant, settings.time_zone()));
  question->filters.push_back(std::move(first));
  if (!second.empty()) question->filters.push_back(std::move(second));
  return OkStatus();
}

void ResolveBars(const v1::SpaceSettings& settings, const v1::RecallRequest& request,
                 Question* question) {
  const float relevance =
      request.has_min_relevance() ? request.min_relevance() : settings.min_relevance();
  question->min_relevance = std::max(question->min_relevance, relevance);
  question->no_match_below =
      request.has_no_match_below() ? request.no_match_below() : settings.no_match_below();
}

}  // namespace

bool Question::FilterOnly() const {
  return query.text().empty() && query.embedding_size() == 0 && !around && query.who_size() == 0 &&
         query.where_location().empty() && query.like_ids_size() == 0;
}

Status Unimplemented(const char* field, std::string what, const std::string& hint) {
  return Status(Reason::UNIMPLEMENTED_FEATURE, std::move(what))
      .Suggest(hint)
      .With("field", field)
      .With("hint", hint);
}

Status CheckCount(size_t count, size_t limit, const char* field) {
  if (count <= limit) return OkStatus();
  return Status(Reason::TOO_LARGE, std::string(field) + " is over its limit.")
      .Expected("at most " + std::to_string(limit))
      .With("field", field)
      .With("limit", limit)
      .With("actual", count);
}

Result<size_t> ResolveLimit(int32_t asked, size_t otherwise, const char* field) {
  if (asked < 0) {
    return Status(Reason::INVALID_REQUEST, std::string(field) + " is negative.")
        .Expected("1 to 1000, or 0 for " + std::to_string(otherwise))
        .With("field", field)
        .With("expected", "0 to 1000")
        .With("actual", std::to_string(asked));
  }
  RETURN_IF_ERROR(CheckCount(asked, model::kMaxBatch, field));
  return asked == 0 ? otherwise : static_cast<size_t>(asked);
}

Result<Question> ResolveQuestion(std::string_view space, const v1::SpaceSettings& settings,
                                 const v1::RecallRequest& request, model::UtcTime now) {
  RETURN_IF_ERROR(CheckNotYet(request));
  RETURN_IF_ERROR(CheckAsked(request));
  Question question;
  CueMeaning meaning;
  meaning.query = request.query();
  if (request.has_cue()) {
    ASSIGN_OR_RETURN(meaning, MeaningOf(request.cue(), now));
  }
  RETURN_IF_ERROR(CheckQuery(space, settings, meaning.query));
  RETURN_IF_ERROR(ResolveFilters(settings, request.filter(), meaning.filter, &question));
  if (meaning.query.has_around()) {
    ASSIGN_OR_RETURN(question.around,
                     model::ResolveRange(meaning.query.around(), settings.time_zone()));
  }
  const int32_t asked =
      request.max_results() != 0 ? request.max_results() : request.cue().max_results();
  ASSIGN_OR_RETURN(question.max_results, ResolveLimit(asked, kDefaultResults, "max_results"));
  question.depth = question.max_results;
  ASSIGN_OR_RETURN(question.weights, ResolveWeights(settings, request));
  question.query = std::move(meaning.query);
  question.least_cosine = meaning.least_cosine;
  question.min_relevance = meaning.min_relevance;
  ResolveBars(settings, request, &question);
  return question;
}

}  // namespace engram::recall
