// A space in words: who leads and why, who has what, which writes are accepted, what would happen
// if a node died now, what it waits for, and what happened last.
#include <algorithm>
#include <cstdio>

#include "engram/api/admin.h"
#include "engram/api/replica_state.h"
#include "engram/cluster/static_store.h"

namespace engram::api {
namespace {

constexpr size_t kHistoryShown = 5;
constexpr size_t kLabelColumn = 20;

std::string Count(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string Entries(uint64_t number) {
  return Count(number) + (number == 1 ? " entry" : " entries");
}

std::string Long(int64_t seconds) {
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
}

// "12:40:07", UTC.
std::string Clock(int64_t seconds) {
  char text[16];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d", static_cast<int>(seconds / 3600 % 24),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return text;
}

std::string Epoch(uint64_t epoch) {
  return cluster::FormatEpoch(engram::Epoch(epoch));
}

template <class Names>
std::string List(const Names& names, const char* last = ", ") {
  std::string text;
  for (int i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? last : ", ") + names[i];
  }
  return text;
}

class Words {
 public:
  Words(const admin_v1::SpaceState& state, const admin_v1::GetClusterResponse& cluster,
        int64_t wall_ns)
      : state_(state), cluster_(cluster), now_s_(wall_ns / 1'000'000'000) {}

  std::vector<std::string> Lines() {
    Title();
    if (!state_.alarm().empty()) Line("alarm", state_.alarm());
    for (const admin_v1::DamagedRange& range : state_.damage()) Line("damaged", InWords(range));
    if (state_.has_record()) Line("set", SetText());
    for (const v1::ReplicaStatus& replica : state_.replicas()) {
      Line(replica.node(), ReplicaText(replica));
    }
    for (const admin_v1::NodeState& node : cluster_.nodes()) {
      if (!node.connected() && !IsReplica(node.name())) Line(node.name(), SilenceText(node));
    }
    Line("writes", WritesText());
    if (cluster_.mode() != "single" && leads()) IfNodesDie();
    if (cluster_.has_store()) Line("store", StoreText());
    Line("waiting for", state_.why_not().empty() ? "nothing" : state_.why_not());
    History();
    return std::move(lines_);
  }

 private:
  bool leads() const { return state_.role() == "primary"; }

  bool IsReplica(const std::string& node) const {
    return std::any_of(state_.replicas().begin(), state_.replicas().end(),
                       [&](const v1::ReplicaStatus& replica) { return replica.node() == node; });
  }

  void Line(const std::string& label, const std::string& text) {
    std::string line = "  " + label;
    line += line.size() < kLabelColumn ? std::string(kLabelColumn - line.size(), ' ') : "  ";
    lines_.push_back(line + text);
  }

  void Title() {
    std::string text = state_.memory_space_id() + ": ";
    if (state_.primary().empty()) {
      text += "no primary";
      if (state_.has_without_primary()) {
        text += " since " + Long(state_.without_primary().seconds());
      }
      text += ", newest epoch " + Epoch(state_.epoch());
    } else {
      text += state_.primary() + " is primary in epoch " + Epoch(state_.epoch());
      if (state_.has_record() && state_.record().since().seconds() > 0) {
        const int64_t since = state_.record().since().seconds();
        text +=
            ", since " + Clock(since) + " UTC (" + Long(std::max<int64_t>(0, now_s_ - since)) + ")";
      }
    }
    if (state_.promised() > state_.epoch()) text += ", promised " + Epoch(state_.promised());
    lines_.push_back(text);
  }

  std::string SetText() const {
    const auto& set = state_.record().in_sync();
    const std::string names = List(set);
    const std::string handed = state_.record().handed_by().empty()
                                   ? ""
                                   : " " + state_.record().handed_by() + " handed the epoch over.";
    if (set.size() == 1) return names + " alone. What is acknowledged has one copy." + handed;
    return names + ". Replicated writes are answered when " +
           (set.size() == 2 ? std::string("both") : "all " + std::to_string(set.size())) +
           " have them." + handed;
  }

  static std::string ReplicaText(const v1::ReplicaStatus& replica) {
    std::string text = replica.in_sync() ? "in the set" : "not in the set";
    if (!replica.connected()) {
      text += ": not connected";
      if (replica.has_since_contact()) text += " for " + Long(replica.since_contact().seconds());
    } else if (replica.lag_entries() > 0) {
      text += ": " + Entries(replica.lag_entries()) + " behind";
    } else {
      text += ": has everything";
    }
    if (!replica.in_sync() && replica.connected()) {
      text += "; it joins when it has all of this epoch";
      if (replica.has_catch_up_eta()) {
        text += " (about " + Long(replica.catch_up_eta().seconds() + 1) + ")";
      }
    }
    return replica.why().empty() ? text : text + "; " + replica.why();
  }

  static std::string SilenceText(const admin_v1::NodeState& node) {
    std::string text = node.has_since_contact()
                           ? "silent for " + Long(node.since_contact().seconds())
                           : "not heard of since this node started";
    if (!node.why().empty()) text += ": " + node.why();
    if (node.has_next_try()) text += "; next try in " + Long(node.next_try().seconds());
    return text;
  }

  std::string WritesText() const {
    if (!leads()) {
      return state_.primary().empty()
                 ? "refused (NO_PRIMARY)"
                 : "refused here (NOT_PRIMARY): " + state_.primary() + " takes them";
    }
    std::string text;
    if (cluster_.mode() != "single") {
      text = state_.writes_replicated()
                 ? "replicated: accepted, " + std::to_string(state_.copies_in_sync()) + " copies"
                 : "replicated: refused (NOT_ENOUGH_IN_SYNC), " +
                       std::to_string(state_.copies_in_sync()) + " of " +
                       std::to_string(state_.copies_wanted()) + " copies";
      text += " (need " + std::to_string(std::max<uint32_t>(2, state_.min_in_sync())) + "). ";
    }
    return text + "local: " + (state_.writes_local() ? "accepted." : "refused.");
  }

  // Nothing takes over by itself.
  void IfNodesDie() {
    std::string heirs;
    for (const v1::ReplicaStatus& replica : state_.replicas()) {
      if (replica.in_sync()) heirs += (heirs.empty() ? "" : " or ") + replica.node();
    }
    Line("if " + state_.primary() + " dies",
         heirs.empty() ? "nobody can take over without --force: no other node is in the set"
                       : "writes wait for a promotion of " + heirs + " by hand");
    for (const v1::ReplicaStatus& replica : state_.replicas()) {
      if (!replica.in_sync()) continue;
      if (cluster_.has_store()) {
        Line("if " + replica.node() + " dies",
             state_.record().in_sync_size() > std::max<int>(2, state_.min_in_sync())
                 ? "replicated writes wait until it is out of the set, a second or two"
                 : "it leaves the set by itself; replicated writes wait until it is back");
        continue;
      }
      Line("if " + replica.node() + " dies",
           "replicated writes wait until it is back, or is removed: engram replicas remove " +
               replica.node() + " --space " + state_.memory_space_id());
    }
  }

  std::string StoreText() const {
    const admin_v1::ConfigurationStore& store = cluster_.store();
    const int64_t ms = store.lease().seconds() * 1000 + store.lease().nanos() / 1'000'000;
    std::string text = store.store();
    text += ms > 0 ? "; this node's lease is good for " + std::to_string(ms) + " ms"
                   : "; this node has no lease: local writes and reads of the primary wait";
    return store.why().empty() ? text : text + "; " + store.why();
  }

  void History() {
    for (int i = 0; i < state_.history_size() && i < static_cast<int>(kHistoryShown); ++i) {
      Line(i == 0 ? "last change" : "", state_.history(i));
    }
  }

  const admin_v1::SpaceState& state_;
  const admin_v1::GetClusterResponse& cluster_;
  const int64_t now_s_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> ExplainInWords(const admin_v1::SpaceState& state,
                                        const admin_v1::GetClusterResponse& cluster,
                                        int64_t wall_ns) {
  return Words(state, cluster, wall_ns).Lines();
}

}  // namespace engram::api
