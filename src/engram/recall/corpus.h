// For tests: seeded episodes and requests of every shape, and short ways to write both.
#pragma once

#include <string>
#include <vector>

#include "engram/base/prng.h"
#include "engram/recall/oracle_view.h"
#include "engram/recall/recall.h"

namespace engram::recall {

inline constexpr model::UtcTime kTestNow{1774000000, 0};  // 2026-03-20
inline constexpr uint32_t kTestDimension = 12;

inline v1::SpaceSettings SmallSettings(std::string analyzer = "english") {
  v1::SpaceSettings settings;
  settings.set_dimension(kTestDimension);
  settings.set_analyzer(std::move(analyzer));
  return settings;
}

inline v1::Episode MakeEpisode(std::string id, std::string what) {
  v1::Episode episode;
  episode.set_id(std::move(id));
  episode.set_what(std::move(what));
  return episode;
}

inline v1::RecallRequest TextRequest(std::string text, int32_t max_results = 10) {
  v1::RecallRequest request;
  request.mutable_query()->set_text(std::move(text));
  request.set_max_results(max_results);
  return request;
}

inline std::vector<std::string> IdsOf(const v1::RecallResponse& reply) {
  std::vector<std::string> ids;
  for (const v1::Memory& memory : reply.memories()) ids.push_back(memory.id());
  return ids;
}

// Episodes over a small vocabulary, in sessions, with people, places, times and vectors, each of
// which may be missing.
class Corpus {
 public:
  explicit Corpus(uint64_t seed) : random_(seed) {}

  std::string Word() { return "w" + std::to_string(Skewed(400)) + "x"; }
  std::string Text(size_t most) {
    std::string text;
    for (size_t i = 1 + random_.Below(most); i-- > 0;) text += Word() + " ";
    return text;
  }
  std::string Name() { return "person" + std::to_string(Skewed(12)); }
  std::string Place() {
    std::string place = "city" + std::to_string(random_.Below(4));
    if (random_.OneIn(2)) place += "/street" + std::to_string(random_.Below(3));
    if (random_.OneIn(3)) place += "/house" + std::to_string(random_.Below(3));
    return place;
  }
  void AddVector(google::protobuf::RepeatedField<float>* values) {
    for (uint32_t i = 0; i < kTestDimension; ++i) {
      values->Add(static_cast<float>(random_.Unit() * 2 - 0.8));
    }
  }
  std::string Time() {
    std::string time = "202" + std::to_string(3 + random_.Below(4));
    if (random_.OneIn(5)) return time;
    time += "-0" + std::to_string(1 + random_.Below(9));
    if (random_.OneIn(4)) return time;
    return time + "-" + std::to_string(10 + random_.Below(18));
  }

  v1::Episode Episode(const std::string& id, size_t sessions) {
    v1::Episode episode = MakeEpisode(id, Text(20));
    if (!random_.OneIn(4)) {
      episode.set_session("s" + std::to_string(random_.Below(sessions + 1)));
      if (random_.OneIn(2)) episode.set_turn(random_.Below(50));
    }
    for (size_t i = random_.Below(4); i-- > 0;) episode.add_who(Name());
    if (random_.OneIn(2)) episode.set_where_location(Place());
    if (random_.OneIn(3)) episode.add_tags("tag" + std::to_string(Skewed(8)));
    if (!random_.OneIn(3)) AddVector(episode.mutable_embedding());
    if (random_.OneIn(2)) episode.set_importance(static_cast<float>(random_.Unit()));
    if (random_.OneIn(2)) {
      episode.mutable_encoding_confidence()->set_value(static_cast<float>(random_.Unit()));
    }
    episode.mutable_event_time()->set_text(random_.OneIn(8) ? "unknown" : Time());
    return episode;
  }

  // `sink` gets so many writes; some replace, suppress and delete earlier ones.
  template <class Sink>
  void Fill(Sink* sink, size_t episodes) {
    const size_t sessions = 1 + episodes / 15;
    for (size_t i = 0; i < episodes; ++i) {
      const bool replaces = i > 4 && random_.OneIn(20);
      const std::string id = "e" + std::to_string(replaces ? random_.Below(i) : i);
      const model::UtcTime at{kTestNow.seconds - 40000000 + ++written_ * 3000, 0};
      ENGRAM_CHECK(sink->Remember(Episode(id, sessions), at).ok());
      if (random_.OneIn(30)) sink->Suppress(id);
      if (random_.OneIn(40)) sink->Delete(id);
    }
  }

  v1::Filter Filter() {
    v1::Filter filter;
    if (random_.OneIn(3)) filter.mutable_event_time()->set_text(Time() + "/" + "2026-12");
    if (random_.OneIn(4)) filter.mutable_who()->add_any_of(Name());
    if (random_.OneIn(5)) filter.mutable_who()->add_none_of(Name());
    if (random_.OneIn(6)) filter.add_where_location("city" + std::to_string(random_.Below(4)));
    if (random_.OneIn(6)) filter.set_min_confidence(static_cast<float>(random_.Unit()));
    if (random_.OneIn(8)) filter.mutable_tags()->add_any_of("tag" + std::to_string(Skewed(8)));
    filter.set_include_undated(random_.OneIn(2));
    filter.set_include_suppressed(random_.OneIn(3));
    return filter;
  }

  v1::RecallRequest Request() {
    v1::RecallRequest request;
    v1::Query* query = request.mutable_query();
    if (!random_.OneIn(3)) query->set_text(Text(6));
    if (random_.OneIn(2)) AddVector(query->mutable_embedding());
    if (random_.OneIn(3)) query->mutable_around()->set_text(Time());
    if (random_.OneIn(3)) {
      query->add_who(Name());
      query->add_who(Name());
    }
    if (random_.OneIn(3)) query->set_where_location(Place());
    if (random_.OneIn(2)) *request.mutable_filter() = Filter();
    if (random_.OneIn(4)) SetRanking(request.mutable_ranking());
    if (random_.OneIn(5)) request.set_min_relevance(static_cast<float>(random_.Unit() * 0.4));
    request.set_max_results(static_cast<int32_t>(1 + random_.Below(40)));
    return request;
  }

  Prng& random() { return random_; }

 private:
  // Small numbers are frequent, as words are.
  uint64_t Skewed(uint64_t bound) {
    const double unit = random_.Unit();
    return static_cast<uint64_t>(unit * unit * static_cast<double>(bound));
  }
  void SetRanking(v1::Ranking* ranking) {
    ranking->set_text_weight(static_cast<float>(0.1 + random_.Unit()));
    ranking->set_vector_weight(static_cast<float>(0.1 + random_.Unit()));
    ranking->set_context_step(static_cast<float>(random_.Unit()));
    if (random_.OneIn(2)) ranking->set_session_weight(0);
    if (random_.OneIn(2)) ranking->set_prior_strength(static_cast<float>(random_.Unit()));
    if (random_.OneIn(2)) ranking->set_confidence_weight(static_cast<float>(random_.Unit()));
  }

  Prng random_;
  int64_t written_ = 0;
};

}  // namespace engram::recall
