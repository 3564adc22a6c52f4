// The words of a scenario's head; its steps are kept as they are, and checked for their number of
// words alone.
#include <map>
#include <sstream>

#include "sim/scenario.h"

namespace engram::sim {

namespace {

// Steps, and the least and the greatest number of words behind them.
const std::map<std::string, std::pair<size_t, size_t>>& Steps() {
  static const std::map<std::string, std::pair<size_t, size_t>> steps = {
      {"write", {2, 4}},     {"write-on", {2, 3}},  {"delete", {2, 3}},    {"kill", {1, 1}},
      {"power-cut", {1, 1}}, {"crash", {3, 3}},     {"crash-at", {4, 4}},  {"lose", {3, 3}},
      {"start", {1, 1}},     {"wipe", {1, 1}},      {"put-aside", {1, 1}}, {"cut", {2, 2}},
      {"cut-from", {2, 2}},  {"join", {2, 2}},      {"pause", {2, 2}},     {"step-clock", {2, 2}},
      {"fault", {3, 3}},     {"mend-disk", {1, 1}}, {"free", {2, 2}},      {"promote", {1, 4}},
      {"remove", {2, 2}},    {"run", {1, 1}},       {"until", {2, 3}},     {"network", {2, 2}},
      {"sees", {2, 2}},      {"sees-not", {2, 2}},  {"reached", {1, 1}},
  };
  return steps;
}

Status Bad(const Line& line, const std::string& what) {
  std::string text;
  for (const std::string& word : line.words) text += (text.empty() ? "" : " ") + word;
  return Status(Reason::CONFIGURATION,
                "line " + std::to_string(line.number) + " (" + text + "): " + what)
      .Expected("a step of docs/simulation.md, \"Scenarios\"")
      .Suggest("look at the scripts beside it")
      .Example("promote n2 stopped n1");
}

bool TakeHead(const std::vector<std::string>& words, Plan* plan) {
  if (words.size() < 2) return false;
  const auto number = [&] { return std::strtoull(words[1].c_str(), nullptr, 10); };
  if (words[0] == "seed") {
    plan->seed = number();
  } else if (words[0] == "nodes") {
    plan->nodes = number();
  } else if (words[0] == "segment-bytes") {
    plan->segment_bytes = number();
  } else if (words[0] == "tail-bytes") {
    plan->tail_bytes_max = number();
  } else if (words[0] == "window-bytes") {
    plan->window_bytes = number();
  } else if (words[0] == "durability") {
    plan->spaces[0].durability =
        words[1] == "local" ? v1::DURABILITY_LOCAL : v1::DURABILITY_REPLICATED;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<Scenario> ParseScenario(const std::string& text) {
  Scenario scenario;
  scenario.plan.spaces = {{"default", v1::DURABILITY_REPLICATED}};
  scenario.plan.slow_flush = std::chrono::milliseconds(1);
  scenario.plan.clients = 1;
  std::istringstream lines(text);
  std::string whole;
  Line line;
  while (std::getline(lines, whole)) {
    ++line.number;
    if (whole.starts_with("#")) {
      if (scenario.steps.empty()) scenario.pins += whole.substr(1) + "\n";
      continue;
    }
    std::istringstream words(whole);
    line.words.clear();
    for (std::string word; words >> word;) line.words.push_back(word);
    if (line.words.empty() || (scenario.steps.empty() && TakeHead(line.words, &scenario.plan))) {
      continue;
    }
    const auto step = Steps().find(line.words[0]);
    if (step == Steps().end()) return Bad(line, "there is no such step");
    const size_t count = line.words.size() - 1;
    if (count < step->second.first || count > step->second.second) {
      return Bad(line, "it takes " + std::to_string(step->second.first) + " to " +
                           std::to_string(step->second.second) + " words");
    }
    scenario.steps.push_back(line);
  }
  if (scenario.pins.empty()) {
    return Status(Reason::CONFIGURATION, "the scenario does not say what it pins")
        .Expected("a comment at its head")
        .Suggest("name the fault that must not come back")
        .Example("# Pins: …");
  }
  return scenario;
}

}  // namespace engram::sim
