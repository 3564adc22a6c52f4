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
#include "engram/runtime/transport.h"

namespace engram::server {

struct Options {
  struct Node {
    std::string name, data_dir;
    std::string memory_limit;  // "50%" or bytes; see MemoryLimitBytes
    uint64_t open_spaces_max = 0;
    uint64_t min_free_disk = 0;
  } node;
  struct Listen {
    std::string grpc, http, ops, replication;
    bool reflection = true;
  } listen;
  struct Tls {
    bool insecure = false;
  } tls;
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
    uint64_t replica_count = 0, min_in_sync = 0;
    env::Duration commit_timeout{};
    uint64_t max_episodes = 0, max_bytes = 0;
  } space_defaults;
  struct Replication {
    uint64_t batch_entries = 0, batch_bytes = 0, window_bytes = 0, catch_up_batch_bytes = 0,
             catch_up_rate = 0;
    std::string compression;
    uint64_t stream_memory = 0;
    env::Duration connect_timeout{}, read_timeout{}, write_timeout{}, keepalive{}, heartbeat{};
    uint64_t max_retries = 0;
    std::vector<env::Duration> backoff;  // 4
    env::Duration shrink_after{}, lag_alert{}, lag_degraded{};
  } replication;
  struct Cluster {
    std::string name, mode;
    std::vector<runtime::NodeAddress> nodes;
    std::string first_primary;
    bool static_start_alone = false;
    std::vector<std::string> etcd_endpoints;
    std::string etcd_prefix, etcd_ca_file, etcd_user, etcd_password_file;
    env::Duration lease_ttl{}, lease_margin{}, lease_grace{};
    bool has_nodes() const { return mode != "single"; }
    bool has_store() const { return mode == "etcd"; }
  } cluster;
  struct Maintenance {
    uint64_t scrub_rate = 0;
    env::Duration scrub_every{};
  } maintenance;
  struct Limits {
    uint64_t requests_in_flight = 0, streams = 0, event_streams = 0;
    env::Duration request_timeout{};
    uint64_t metrics_spaces = 0;
  } limits;
};

// The name of this node: node.name, or the host's.
std::string NodeName(const Options& options);
// Its place in cluster.nodes, which holds it (checked by Finish).
size_t OwnPlace(const Options& options);

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
  void ListenAtOwnEntry(Options* options) const;

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
// Of known words the one that `word` was most likely meant to be.
std::string NearestWord(std::string_view word, const std::vector<std::string>& known);
// cluster.nodes: [{ name = "n1", grpc = "127.0.0.1:50051", …}, …]. `source` begins every message.
Result<std::vector<runtime::NodeAddress>> ParseNodes(const std::string& text,
                                                     const std::string& source);

// Where the value of a key comes from: file and line, variable, flag.
using SourceOf = std::function<std::string(const std::string& dotted_key)>;
// Relations that no single key shows.
Status CheckTogether(const Options& options, const SourceOf& source);
// docs/configuration.md, made from options.def.
std::string ConfigurationReference();

}  // namespace engram::server
