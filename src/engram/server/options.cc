#include "engram/server/options.h"

#include <algorithm>
#include <sstream>

#include <toml++/toml.h>

namespace engram::server {
namespace {

enum class Kind { Text, Flag, Count, Size, Time, Times, Words, Nodes };

struct KeySpec {
  const char* section;
  const char* key;
  Kind kind;
  const char* initial;
  const char* range;
  const char* help;
  std::string dotted() const { return std::string(section) + "." + key; }
};

constexpr char kDefaultSource[] = "default";

constexpr KeySpec kKeys[] = {
#define ENGRAM_OPTION(section, key, kind, initial, range, help) \
  {#section, #key, Kind::kind, initial, range, help},
#include "engram/server/options.def"
#undef ENGRAM_OPTION
};

const KeySpec* Find(std::string_view dotted) {
  for (const KeySpec& spec : kKeys) {
    if (spec.dotted() == dotted) return &spec;
  }
  return nullptr;
}

Status UnknownKey(const std::string& dotted, const std::string& source) {
  std::vector<std::string> known;
  for (const KeySpec& spec : kKeys) known.push_back(spec.dotted());
  const std::string nearest = NearestWord(dotted, known);
  return Status(Reason::CONFIGURATION, source + ": key '" + dotted + "' is not known.")
      .Expected("one of the keys that engram serve --print-config shows")
      .Suggest("the nearest known key is " + nearest)
      .Example(nearest + " = \"" + Find(nearest)->initial + "\"")
      .With("field", dotted);
}

Status OutOfRange(const KeySpec& spec, const std::string& value, const std::string& source) {
  return Status(Reason::CONFIGURATION,
                source + ": " + spec.dotted() + " = '" + value + "' is out of range.")
      .Expected(spec.range)
      .Suggest(spec.help)
      .Example(spec.dotted() + " = \"" + spec.initial + "\"")
      .With("field", spec.dotted());
}

bool OneOf(std::string_view words, std::string_view value) {
  while (true) {
    const size_t bar = words.find('|');
    if (words.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    words.remove_prefix(bar + 1);
  }
}

// Parses `text` as `spec` says, into the member that the caller names.
Status Parse(const KeySpec& spec, const std::string& text, const std::string& source,
             std::string* out) {
  if (*spec.range != '\0' && !OneOf(spec.range, text)) return OutOfRange(spec, text, source);
  *out = text;
  return OkStatus();
}

Status Parse(const KeySpec& spec, const std::string& text, const std::string& source, bool* out) {
  if (text != "true" && text != "false") {
    return Status(Reason::CONFIGURATION,
                  source + ": " + spec.dotted() + " = '" + text + "' is not true or false.")
        .Expected("true or false")
        .With("field", spec.dotted());
  }
  *out = text == "true";
  return OkStatus();
}

Status Parse(const KeySpec& spec, const std::string& text, const std::string& source,
             uint64_t* out) {
  Result<uint64_t> value = ParseBytes(text);
  if (!value.ok()) return value.status().Annotate(source + ": " + spec.dotted());
  const std::string range = spec.range;
  const size_t dots = range.find("..");
  ASSIGN_OR_RETURN(const uint64_t low, ParseBytes(range.substr(0, dots)));
  ASSIGN_OR_RETURN(const uint64_t high, ParseBytes(range.substr(dots + 2)));
  if (*value < low || *value > high) return OutOfRange(spec, text, source);
  *out = *value;
  return OkStatus();
}

Status Parse(const KeySpec& spec, const std::string& text, const std::string& source,
             env::Duration* out) {
  Result<env::Duration> value = ParseDuration(text);
  if (!value.ok()) return value.status().Annotate(source + ": " + spec.dotted());
  const std::string range = spec.range;
  if (const size_t dots = range.find(".."); dots != std::string::npos) {
    ASSIGN_OR_RETURN(const env::Duration low, ParseDuration(range.substr(0, dots)));
    ASSIGN_OR_RETURN(const env::Duration high, ParseDuration(range.substr(dots + 2)));
    if (*value < low || *value > high) return OutOfRange(spec, text, source);
  }
  *out = *value;
  return OkStatus();
}

Status Parse(const KeySpec& spec, const std::string& text, const std::string& source,
             std::vector<env::Duration>* out) {
  std::istringstream words(text);
  for (std::string word; std::getline(words >> std::ws, word, ',');) {
    const Result<env::Duration> value = ParseDuration(word);
    if (!value.ok()) return value.status().Annotate(source + ": " + spec.dotted());
    out->push_back(*value);
  }
  const bool right = out->size() == 4 && std::is_sorted(out->begin(), out->end()) &&
                     out->front() > env::Duration::zero();
  return right ? OkStatus() : OutOfRange(spec, text, source);
}

// A list of words: separated by commas, or as TOML prints it.
Status Parse(const KeySpec&, const std::string& text, const std::string&,
             std::vector<std::string>* out) {
  std::string plain = text;
  std::erase_if(plain, [](char c) { return c == '[' || c == ']' || c == '"' || c == ' '; });
  std::istringstream words(plain);
  for (std::string word; std::getline(words, word, ',');) {
    if (!word.empty()) out->push_back(word);
  }
  return OkStatus();
}

Status Parse(const KeySpec&, const std::string& text, const std::string& source,
             std::vector<runtime::NodeAddress>* out) {
  ASSIGN_OR_RETURN(*out, ParseNodes(text, source));
  return OkStatus();
}

std::string ScalarText(const toml::node& node) {
  if (auto text = node.value<std::string>(); node.is_string() && text) return *text;
  if (auto flag = node.value<bool>(); node.is_boolean() && flag) return *flag ? "true" : "false";
  if (auto number = node.value<int64_t>(); node.is_integer() && number)
    return std::to_string(*number);
  return "";
}

std::string At(const std::string& path, const toml::source_region& where) {
  return path + ":" + std::to_string(where.begin.line);
}

std::string ListText(const toml::array& array) {
  std::string text;
  for (const toml::node& node : array) text += (text.empty() ? "" : ", ") + ScalarText(node);
  return text;
}

// A list of tables as the text that ParseNodes reads; each table is read once alone, so that a
// mistake is told with its own line.
Result<std::string> NodesText(const toml::array& array, const std::string& path) {
  std::string text;
  for (const toml::node& node : array) {
    std::ostringstream one;
    one << toml::toml_formatter(toml::array{node});
    RETURN_IF_ERROR(ParseNodes(one.str(), At(path, node.source())).status());
    std::ostringstream entry;
    entry << toml::node_view(node);
    text += (text.empty() ? "" : ", ") + entry.str();
  }
  return "[" + text + "]";
}

// A value of the file as the text that variables and flags would give.
Result<std::string> TextOf(const KeySpec& spec, const toml::node& node, const std::string& path) {
  if (spec.kind == Kind::Nodes && node.is_array()) return NodesText(*node.as_array(), path);
  const bool list = spec.kind == Kind::Times || spec.kind == Kind::Words;
  if (list && node.is_array()) return ListText(*node.as_array());
  if (node.is_string() || node.is_boolean() || node.is_integer()) return ScalarText(node);
  return Status(Reason::CONFIGURATION, At(path, node.source()) + ": " + spec.dotted() +
                                           " takes one value, not a list or table.")
      .Expected("text, true or false, or a whole number");
}

}  // namespace

OptionsReader::OptionsReader() {
  for (const KeySpec& spec : kKeys) values_[spec.dotted()] = {spec.initial, kDefaultSource};
}

Status OptionsReader::Set(const std::string& dotted, const std::string& value,
                          const std::string& source) {
  if (Find(dotted) == nullptr) return UnknownKey(dotted, source);
  values_[dotted] = {value, source};
  return OkStatus();
}

Status OptionsReader::ReadFile(const std::string& path) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return Status(Reason::CONFIGURATION,
                  At(path, error.source()) + ": " + std::string(error.description()) + ".")
        .Expected("a TOML file")
        .Example("[listen]\n           grpc = \"127.0.0.1:50051\"");
  }
  for (const auto& [section, content] : table) {
    const std::string name(section.str());
    const toml::table* keys = content.as_table();
    if (keys == nullptr) return UnknownKey(name, At(path, content.source()));
    for (const auto& [key, node] : *keys) {
      const std::string dotted = name + "." + std::string(key.str());
      const KeySpec* spec = Find(dotted);
      if (spec == nullptr) return UnknownKey(dotted, At(path, node.source()));
      ASSIGN_OR_RETURN(const std::string text, TextOf(*spec, node, path));
      RETURN_IF_ERROR(Set(dotted, text, At(path, node.source())));
    }
  }
  return OkStatus();
}

Status OptionsReader::ReadEnvironment(const char* const* environment) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const size_t equals = entry.find('=');
    if (!entry.starts_with("ENGRAM_") || equals == std::string_view::npos) continue;
    std::string name(entry.substr(7, equals - 7));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    for (const KeySpec& spec : kKeys) {
      const std::string prefix = std::string(spec.section) + "_";
      if (!name.starts_with(prefix)) continue;
      RETURN_IF_ERROR(Set(std::string(spec.section) + "." + name.substr(prefix.size()),
                          std::string(entry.substr(equals + 1)),
                          "environment " + std::string(entry.substr(0, equals))));
      break;
    }
  }
  return OkStatus();
}

Result<Options> OptionsReader::Finish() const {
  Options options;
#define ENGRAM_OPTION(section, key, kind, initial, range, help)                           \
  {                                                                                       \
    const Value& value = values_.at(#section "." #key);                                   \
    RETURN_IF_ERROR(                                                                      \
        Parse(*Find(#section "." #key), value.text, value.source, &options.section.key)); \
  }
#include "engram/server/options.def"
#undef ENGRAM_OPTION
  if (options.cluster.has_nodes()) ListenAtOwnEntry(&options);
  RETURN_IF_ERROR(
      CheckTogether(options, [this](const std::string& key) { return values_.at(key).source; }));
  return options;
}

// What was not set listens where the others are told to find this node.
void OptionsReader::ListenAtOwnEntry(Options* options) const {
  for (const runtime::NodeAddress& node : options->cluster.nodes) {
    if (node.name != NodeName(*options)) continue;
    const auto take = [this](const char* key, const std::string& from, std::string* to) {
      if (values_.at(key).source == kDefaultSource) *to = from;
    };
    take("listen.grpc", node.grpc, &options->listen.grpc);
    take("listen.http", node.http, &options->listen.http);
    take("listen.ops", node.ops, &options->listen.ops);
    take("listen.replication", node.replication, &options->listen.replication);
  }
}

std::vector<KeyValue> OptionsReader::Keys() const {
  std::vector<KeyValue> keys;
  for (const KeySpec& spec : kKeys) {
    const Value& value = values_.at(spec.dotted());
    keys.push_back({spec.section, spec.key, value.text, value.source, spec.help});
  }
  return keys;
}

std::string ConfigurationReference() {
  std::string text =
      "# Configuration\n\n"
      "Made from `src/engram/server/options.def`; `make docs` writes it again. One TOML file\n"
      "(`engram serve --config FILE`), then `ENGRAM_<SECTION>_<KEY>`, then flags; later wins. "
      "Sizes:\n"
      "`64MiB`, `1GB`; durations: `100ms`, `2s`, `1m`, `1h`.\n\n"
      "| key | default | allowed | what it does |\n|---|---|---|---|\n";
  for (const KeySpec& spec : kKeys) {
    std::string range = spec.range;
    for (size_t at = 0; (at = range.find('|', at)) != std::string::npos; at += 2)
      range.replace(at, 1, ", ");
    text += "| `" + spec.dotted() + "` | `" + (*spec.initial ? spec.initial : "\"\"") + "` | " +
            range + " | " + spec.help + " |\n";
  }
  return text;
}

}  // namespace engram::server
