// Reminisce: episodes along the time line, and what can be said about a page of them.
#include <algorithm>
#include <cmath>
#include <map>

#include "engram/index/analyzer.h"
#include "engram/model/episode.h"
#include "engram/recall/bm25.h"
#include "engram/recall/listing.h"
#include "engram/recall/recall.h"
#include "engram/recall/reply.h"

namespace engram::recall {
namespace {

constexpr size_t kDefaultPage = 50;
constexpr size_t kThemes = 10;
constexpr size_t kThemeTerms = 256;  // the most frequent of a page; the themes are among them

void SetWindow(const v1::ReminisceRequest& request, v1::Filter* filter) {
  if (!request.has_time_window_start() && !request.has_time_window_end()) return;
  v1::TimeRange* range = filter->mutable_event_time();
  if (request.has_time_window_start()) *range->mutable_start() = request.time_window_start();
  if (request.has_time_window_end()) *range->mutable_end() = request.time_window_end();
}

Status CheckCue(const v1::ReminisceRequest& request) {
  const bool empty = (request.has_at_location() && request.at_location().empty()) ||
                     (request.has_about_topic() && request.about_topic().empty()) ||
                     (request.has_in_session() && request.in_session().empty()) ||
                     (request.has_with_people() && request.with_people().people().empty());
  if (!empty) return OkStatus();
  return Status(Reason::INVALID_CUE, "The cue asks for nothing.")
      .Expected("a place, a topic, a session or people")
      .Suggest("leave the cue out to go along the whole time line")
      .With("field", "cue");
}

// The request's filter, and that of its cue and window.
Result<std::vector<model::ResolvedFilter>> FiltersOf(const space::View& view,
                                                     const v1::ReminisceRequest& request) {
  v1::Filter meant;
  SetWindow(request, &meant);
  if (request.has_at_location()) meant.add_where_location(request.at_location());
  if (request.has_with_people()) {
    *meant.mutable_who()->mutable_all_of() = request.with_people().people();
  }
  if (request.has_in_session()) meant.add_sessions(request.in_session());
  meant.set_include_suppressed(request.filter().include_suppressed());
  meant.set_include_superseded(request.filter().include_superseded());
  meant.set_include_undated(request.filter().include_undated());
  const std::string& zone = view.settings().time_zone();
  ASSIGN_OR_RETURN(model::ResolvedFilter first, model::ResolveFilter(request.filter(), zone));
  ASSIGN_OR_RETURN(model::ResolvedFilter second, model::ResolveFilter(meant, zone));
  return std::vector<model::ResolvedFilter>{std::move(first), std::move(second)};
}

Status KeepTopic(space::View& view, const std::string& topic, model::UtcTime now,
                 std::vector<Listed>* listed) {
  v1::RecallRequest request;
  request.mutable_query()->set_text(topic);
  request.mutable_filter()->set_include_suppressed(true);
  ASSIGN_OR_RETURN(Question question, ResolveQuestion(view.space(), view.settings(), request, now));
  question.depth = view.rows();  // all of them, not the best
  ASSIGN_OR_RETURN(const std::unique_ptr<Answer> answer, AnswerQuestion(view, question, now));
  space::RowSet about(view.rows());
  for (const Ranked& candidate : answer->candidates) {
    if (candidate.parts.relevance >= kWeakRelevance) about.Add(candidate.row);
  }
  std::erase_if(*listed, [&](const Listed& one) { return !about.Has(one.row); });
  return OkStatus();
}

// Puts the distance from `around` in place of the time, so that the nearest come first.
void MeasureFrom(const space::View& view, model::UtcTime around, std::vector<Listed>* listed) {
  std::erase_if(*listed, [](const Listed& one) { return one.undated; });
  for (Listed& one : *listed) {
    const model::TimeInterval& event = view.row(one.row).event_time;
    model::UtcTime early = around, late = one.time;
    if (one.time <= around) {
      early = one.old ? one.time : std::max(one.time, std::min(event.end, around));
      late = around;
    }
    one.time = {late.seconds - early.seconds, late.nanos - early.nanos};
    if (one.time.nanos < 0) one.time = {one.time.seconds - 1, one.time.nanos + 1000000000};
    one.turn = 0;
  }
}

void AddVividness(v1::ReminisceResponse* reply) {
  if (reply->episodes().empty()) return;
  const auto stated =
      std::count_if(reply->episodes().begin(), reply->episodes().end(),
                    [](const v1::Episode& episode) { return episode.has_encoding_confidence(); });
  *reply->mutable_recall_vividness() =
      ConfidenceAs(static_cast<float>(stated) / static_cast<float>(reply->episodes_size()),
                   std::to_string(stated) + " of " + std::to_string(reply->episodes_size()) +
                       " episodes state how sure their writer was");
}

void AddEmotions(v1::ReminisceResponse* reply) {
  double sum = 0;
  float least = 1, most = -1;
  int count = 0;
  for (const v1::Episode& episode : reply->episodes()) {
    if (!episode.has_emotional_valence()) continue;
    sum += episode.emotional_valence();
    least = std::min(least, episode.emotional_valence());
    most = std::max(most, episode.emotional_valence());
    ++count;
  }
  if (count == 0) return;
  auto& summary = *reply->mutable_emotional_summary();
  summary["mean"] = static_cast<float>(sum / count);
  summary["min"] = least;
  summary["max"] = most;
  summary["count"] = static_cast<float>(count);
}

Result<std::vector<std::pair<std::string, uint32_t>>> FrequentTerms(
    space::View& view, const v1::ReminisceResponse& reply) {
  ASSIGN_OR_RETURN(std::unique_ptr<index::Analyzer> analyzer, AnalyzerOf(view));
  std::map<std::string, uint32_t> counts;
  for (const v1::Episode& episode : reply.episodes()) {
    for (std::string& term : analyzer->Analyze(episode.what())) ++counts[std::move(term)];
  }
  std::vector<std::pair<std::string, uint32_t>> terms(counts.begin(), counts.end());
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (terms.size() > kThemeTerms) terms.resize(kThemeTerms);
  return terms;
}

// The terms with the highest Σ tf · idf over the page.
Status AddThemes(space::View& view, v1::ReminisceResponse* reply) {
  ASSIGN_OR_RETURN(const auto counted, FrequentTerms(view, *reply));
  if (counted.empty()) return OkStatus();
  std::vector<std::string> terms;
  for (const auto& [term, count] : counted) terms.push_back(term);
  ASSIGN_OR_RETURN(const space::TextMatches matches, view.SearchText(terms));
  std::vector<std::pair<double, std::string>> themes;
  for (size_t i = 0; i < counted.size(); ++i) {
    const double idf = Idf(matches.documents, matches.document_counts[i]);
    themes.emplace_back(-idf * counted[i].second, counted[i].first);
  }
  std::sort(themes.begin(), themes.end());
  for (size_t i = 0; i < std::min(kThemes, themes.size()); ++i) {
    reply->add_memory_themes(themes[i].second);
  }
  return OkStatus();
}

void SortByTime(bool newest_first, v1::ReminisceResponse* reply) {
  const auto start = [](const v1::Episode& episode) {
    return model::UtcTime::FromProto(episode.event_time().start());
  };
  std::stable_sort(reply->mutable_episodes()->begin(), reply->mutable_episodes()->end(),
                   [&](const v1::Episode& a, const v1::Episode& b) {
                     return newest_first ? start(b) < start(a) : start(a) < start(b);
                   });
}

Result<PageToken> TokenOf(const space::View& view, const v1::ReminisceRequest& request,
                          model::UtcTime now) {
  PageToken token;
  token.request = RequestOf(request, view.incarnation());
  token.pinned = view.visible_through();
  token.now = now;
  if (request.page_token().empty()) return token;
  return ParsePageToken(request.page_token(), token.request);
}

}  // namespace

Result<v1::ReminisceResponse> Reminisce(space::View& view, const v1::ReminisceRequest& request,
                                        model::UtcTime now) {
  if (request.has_as_of()) {
    return Unimplemented("as_of", "Reminisce cannot look into the past of a space yet.",
                         "leave as_of out; a filter on stored_time leaves out what came later");
  }
  RETURN_IF_ERROR(CheckCue(request));
  ASSIGN_OR_RETURN(const size_t size, ResolveLimit(request.page_size(), kDefaultPage, "page_size"));
  ASSIGN_OR_RETURN(PageToken token, TokenOf(view, request, now));
  ASSIGN_OR_RETURN(const std::vector<model::ResolvedFilter> filters, FiltersOf(view, request));
  const bool later_page = !request.page_token().empty();
  const bool newest_first = request.order() == v1::ReminisceRequest::ORDER_NEWEST_FIRST;
  const bool nearest_first = request.has_around_time();
  v1::ReminisceResponse reply;
  ASSIGN_OR_RETURN(std::vector<Listed> listed,
                   Collect(view, filters, later_page ? std::optional(token.pinned) : std::nullopt,
                           reply.mutable_warnings()));
  if (request.has_about_topic()) {
    RETURN_IF_ERROR(KeepTopic(view, request.about_topic(), token.now, &listed));
  }
  if (nearest_first) {
    MeasureFrom(view, model::UtcTime::FromProto(request.around_time()), &listed);
  }
  if (TakePage(Order::kEvent, newest_first && !nearest_first, size, later_page, &token, &listed)) {
    reply.set_next_page_token(Format(token));
  }
  LoadPage(view, listed, false, reply.mutable_episodes(), reply.mutable_warnings());
  if (nearest_first) SortByTime(newest_first, &reply);
  AddVividness(&reply);
  AddEmotions(&reply);
  RETURN_IF_ERROR(AddThemes(view, &reply));
  return reply;
}

}  // namespace engram::recall
