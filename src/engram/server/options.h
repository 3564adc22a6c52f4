// Configuration of a server: one TOML file, then ENGRAM_<SECTION>_<KEY>, then flags; later wins.
// One table (options.def) makes parsing, --print-config and docs/configuration.md. An unknown key,
// a value out of range, or keys that contradict each other stop the start and name file, line and
// the nearest known key.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/clock.h"

namespace engram::server {

struct Options {
  struct Node {
    std::string name, data_dir;
    std::string memory_limit;  // "50%" or bytes; see MemoryLimitBytes
    uint64_t open_spaces_max = 0;
    uint64_t min_free_disk = 0;
  } node;
  struct Listen {
    std::string grpc, http, ops;
    bool reflection = true;
  } listen;
  struct Log {
    std::string level, format;
    env::Duration slow_request{};
  } log;
  struct Wal {
    std::string fsync_mode;
    env::Duration fsync_interval{};
    uint64_t segment_bytes = 0, group_commit_bytes = 0;
    bool preallocate = true;
  } wal;
  struct SpaceDefaults {
    uint64_t dimension = 0;
    std::string embedder, analyzer, time_zone, durability;
    uint64_t max_episodes = 0, max_bytes = 0;
  } space_defaults;
  struct Cluster {
    std::string name, mode;
  } cluster;
  struct Limits {
    uint64_t requests_in_flight = 0;
    env::Duration request_timeout{};
    uint64_t metrics_spaces = 0;
  } limits;
};

// One key as it stands, for --print-config.
struct KeyValue {
  std::string section, key, value, source, help;
};

class OptionsReader {
 public:
  OptionsReader();
  // Each later call wins over the earlier ones. CONFIGURATION says where and what.
  Status ReadFile(const std::string& path);
  Status ReadEnvironment(const char* const* environment);
  Status Set(const std::string& dotted_key, const std::string& value, const std::string& source);
  // Parses, checks every value and their relations.
  Result<Options> Finish() const;
  // Every key in order, with its value and where it comes from.
  std::vector<KeyValue> Keys() const;

 private:
  struct Value {
    std::string text;
    std::string source;
  };
  std::map<std::string, Value> values_;
};

// "50%" of the machine's (or its cgroup's) memory, or a size.
Result<uint64_t> MemoryLimitBytes(const std::string& limit);
Result<uint64_t> ParseBytes(std::string_view text);          // 64MiB, 1GB, 4096
Result<env::Duration> ParseDuration(std::string_view text);  // 100ms, 2s, 1m, 1h
struct HostPort {
  std::string host;
  int port = 0;
  bool loopback = false;
};
Result<HostPort> ParseHostPort(std::string_view text);
// docs/configuration.md, made from options.def.
std::string ConfigurationReference();

}  // namespace engram::server
