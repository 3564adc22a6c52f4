#include "engram/cli/copies_text.h"

#include <algorithm>
#include <cstdio>

#include "engram/cli/output.h"
#include "engram/cluster/static_store.h"

namespace engram::cli {
namespace {

using Row = std::vector<std::string>;

// Columns as wide as they need to be, three blanks apart.
std::string Table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += Pad(row[i], widths[i]) + "   ";
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string Epoch(uint64_t epoch) {
  return cluster::FormatEpoch(engram::Epoch(epoch));
}

const char* StatusName(int32_t status) {
  constexpr const char* kNames[] = {"0 failed", "1 degraded", "2 lagging", "3 healthy"};
  return kNames[std::clamp(status, 0, 3)];
}

std::string BehindText(const v1::ReplicaStatus& replica) {
  const std::string least = replica.connected() ? "" : "≥ ";
  if (replica.connected() && replica.lag_entries() == 0) return "0";
  std::string text = least + Grouped(replica.lag_entries());
  if (replica.lag_bytes() > 0) text += " · " + FormatBytes(replica.lag_bytes());
  return text + " · " + least + AgoText(replica.lag());
}

std::string ProgressText(const v1::ReplicaStatus& replica) {
  std::string text;
  if (replica.catch_up_progress() > 0 && replica.catch_up_progress() < 1) {
    text = std::to_string(static_cast<int>(replica.catch_up_progress() * 100)) + " %";
    if (replica.has_catch_up_eta()) text += ", about " + AgoText(replica.catch_up_eta());
  } else if (replica.has_missing_entries() && replica.lag_entries() == 0) {
    text = "rewound " + Grouped(replica.rewound_entries()) + ", caught up " +
           Grouped(replica.missing_entries());
  }
  if (replica.why().empty()) return text;
  return text.empty() ? replica.why() : text + "; " + replica.why();
}

// What stands under the table of a space that is not as it should be.
std::string Trouble(const admin::v1::SpaceState& space) {
  const std::string& name = space.memory_space_id();
  if (!space.alarm().empty()) return name + "  " + space.alarm() + "\n";
  if (space.primary().empty()) {
    std::string text = name + "  no primary";
    if (space.has_without_primary()) text += " since " + AgoText(space.without_primary());
    return text + ": engram cluster explain --space " + name + "\n";
  }
  if (space.copies_in_sync() >= space.copies_wanted() && space.writes_replicated()) return "";
  return name + "  " + std::to_string(space.copies_in_sync()) + " of " +
         std::to_string(space.copies_wanted()) + " copies in the set; replicated writes " +
         (space.writes_replicated()
              ? "need " + std::to_string(std::max<uint32_t>(2, space.min_in_sync())) + ": ok\n"
              : "are refused (NOT_ENOUGH_IN_SYNC)\n");
}

std::string AnswersText(const admin::v1::NodeAnswer& node) {
  if (node.me() || node.answered()) return "yes";
  std::string text = "no";
  if (node.has_since_contact()) text += ", silent for " + AgoText(node.since_contact());
  return text;
}

std::string FitText(const admin::v1::NodeAnswer& node) {
  if (!node.answered() && !node.me()) return "–";
  if (node.fit()) return "yes: in the set, log in order";
  if (!node.has_space()) return "no: it has no copy";
  return node.in_set() ? "no: its log is not in order" : "no: not in the set";
}

const admin::v1::NodeAnswer* Silent(const admin::v1::PromoteResponse& report) {
  for (const admin::v1::NodeAnswer& node : report.nodes()) {
    if (!node.answered() && !node.me()) return &node;
  }
  return nullptr;
}

// Whether the node that shall lead is in the set, and so has every replicated write.
bool InSet(const admin::v1::PromoteResponse& report) {
  return std::any_of(report.nodes().begin(), report.nodes().end(),
                     [](const admin::v1::NodeAnswer& node) { return node.me() && node.in_set(); });
}

std::string Label(const std::string& label, const std::string& text) {
  return Pad(label, 12) + " " + text + "\n";
}

}  // namespace

std::string AgoText(const google::protobuf::Duration& duration) {
  const double seconds =
      static_cast<double>(duration.seconds()) + static_cast<double>(duration.nanos()) / 1e9;
  char text[32];
  if (seconds < 0.1) {
    std::snprintf(text, sizeof text, "%.0f ms", seconds * 1000);
  } else if (seconds < 10) {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  } else if (seconds < 600) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else {
    std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
  }
  return text;
}

std::string ReachedText(const v1::WriteResult& write) {
  const std::string copies = std::to_string(write.durable_copies());
  const char* level = write.durability() == v1::DURABILITY_REPLICATED ? "replicated"
                      : write.durability() == v1::DURABILITY_WRITTEN  ? "written, not synced"
                                                                      : "local";
  if (write.wanted_copies() > 1) {
    return std::string(level) + ", " + copies + " of " + std::to_string(write.wanted_copies()) +
           " copies";
  }
  return std::string(level) + ", " + copies + (write.durable_copies() == 1 ? " copy" : " copies");
}

std::string MissingCopyText(const v1::SpaceStatus& status) {
  for (const v1::ReplicaStatus& replica : status.replicas()) {
    if (!replica.connected()) {
      if (!replica.has_since_contact()) return ": " + replica.node() + " was never reached";
      return ": " + replica.node() + " has not answered for " + AgoText(replica.since_contact());
    }
    if (!replica.in_sync()) return ": " + replica.node() + " is " + replica.mode();
  }
  return "";
}

std::string ReplicasTable(const std::vector<admin::v1::SpaceState>& spaces) {
  std::vector<Row> rows = {
      {"SPACE", "REPLICA", "IN SET", "STATUS", "MODE", "DURABLE", "BEHIND", "CONTACT", ""}};
  std::string trouble;
  for (const admin::v1::SpaceState& space : spaces) {
    for (const v1::ReplicaStatus& replica : space.replicas()) {
      rows.push_back({space.memory_space_id(), replica.node(), replica.in_sync() ? "yes" : "no",
                      StatusName(replica.status()), replica.mode(),
                      Grouped(replica.durable_through()), BehindText(replica),
                      replica.has_since_contact() ? AgoText(replica.since_contact()) : "never",
                      ProgressText(replica)});
    }
    trouble += Trouble(space);
  }
  return Table(rows) + (trouble.empty() ? "" : "\n" + trouble);
}

std::string LossText(const admin::v1::PromoteResponse& report) {
  if (report.lossless()) return "none replicated";
  if (!report.has_loss_after()) return "not known";
  return "what was acknowledged above " + Grouped(report.loss_after().sequence()) + " of epoch " +
         Epoch(report.loss_after().epoch()) + " and is not on " + report.node();
}

std::string PromotionTable(const admin::v1::PromoteResponse& report) {
  const std::string& before = report.primary_before();
  std::string text = "Promote " + report.node() + " for space " + report.memory_space_id();
  text += before.empty() ? "\n\n"
                         : " (now " + before + ", epoch " + Epoch(report.epoch_before()) + ")\n\n";
  std::vector<Row> rows = {{"NODE", "ANSWERS", "PROMISED", "LOG END", "IN SET", "FIT"}};
  for (const admin::v1::NodeAnswer& node : report.nodes()) {
    const bool heard = node.me() || node.answered();
    rows.push_back({node.name(), AnswersText(node), heard ? Epoch(node.promised()) : "–",
                    heard ? Grouped(node.end().sequence()) : "–", node.in_set() ? "yes" : "no",
                    FitText(node)});
  }
  text += Table(rows) + "\n";
  // With a store outside nobody votes.
  if (report.voters() > 0)
    text +=
        Label("votes", std::to_string(report.votes()) + " of " + std::to_string(report.voters()) +
                           " for epoch " + Epoch(report.epoch()) + ", a majority is " +
                           std::to_string(report.votes_needed()));
  if (!InSet(report)) {
    text += Label("may be lost", "how much is not known: " + report.node() + " is not in the set");
  } else if (!report.has_loss_after()) {
    text += Label("replicated",
                  "nothing can be lost: every replicated write has its copy on " + report.node());
  } else {
    text += Label("may be lost", LossText(report));
  }
  const admin::v1::NodeAnswer* silent = Silent(report);
  if (silent == nullptr) return text;
  text += Label("local", "what " + silent->name() + " acknowledged as local may be on " +
                             silent->name() + " alone; how much is not known.");
  text += Label("", "It stays on its disk and goes to its quarantine when it returns.");
  return text + Label(silent->name(),
                      "cannot be stopped from here. While it runs it can still acknowledge local "
                      "writes.");
}

std::string RefusedText(const admin::v1::PromoteResponse& report) {
  std::string text = "refused: " + report.why();
  if (!text.ends_with('.')) text += ".";
  const admin::v1::NodeAnswer* silent = Silent(report);
  const bool votes = report.votes() < report.votes_needed();
  if (votes && report.nodes_size() == 2 && silent != nullptr) {
    return text + " When you know that " + silent->name() + " is stopped:\n  engram promote " +
           report.node() + " --space " + report.memory_space_id() + " --primary-is-stopped " +
           silent->name() + "\n";
  }
  return text + (report.what_helps().empty() ? "\n" : " What helps: " + report.what_helps() + "\n");
}

std::string SwitchoverText(const admin::v1::SwitchoverResponse& report) {
  const std::string who = report.from() + " to " + report.to();
  if (report.done()) {
    return report.to() + " is primary of " + report.memory_space_id() + " in epoch " +
           Epoch(report.epoch()) + " · writes waited " + AgoText(report.pause()) +
           " · lost: nothing\n";
  }
  if (!report.why().empty()) {
    return report.memory_space_id() + " was not handed over from " + who + ": " + report.why() +
           (report.what_helps().empty() ? "" : ".\nWhat helps: " + report.what_helps()) + "\n";
  }
  return report.memory_space_id() + " would go from " + who +
         ": it is in the set, connected, and follows\ndry run: nothing was changed\n";
}

}  // namespace engram::cli
