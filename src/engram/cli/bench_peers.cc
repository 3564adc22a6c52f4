// Durable small writes of PostgreSQL 15 and Redis 7 beside ours, on the same disk, one after
// another: of one node, and acknowledged by a replica, too.
#include <cstdio>
#include <filesystem>

#include "engram/cli/bench.h"
#include "engram/cli/bench_drive.h"
#include "engram/cli/bench_peer_servers.h"
#include "engram/cli/pair_servers.h"

namespace engram::cli {
namespace {

constexpr int kClientCounts[] = {1, 32};

// What a peer writes at one level; run once for each count of clients.
struct Peer {
  std::string name;
  std::function<Result<PeerFigure>(int clients)> write;
};

std::string Clients(int clients) {
  return std::to_string(clients) + (clients == 1 ? " client" : " clients");
}

void PrintLatency(const std::string& name, double us, double peer_us, const std::string& peer) {
  if (us > 0) PrintRow({name, us, "us", peer_us > 0 ? us / peer_us : 0, peer_us > 0 ? peer : ""});
}

// The peers' rows, then ours against each of them.
Status Compare(const std::string& what, int clients, const std::vector<Peer>& peers,
               const std::function<BenchRun(int clients)>& ours) {
  std::vector<PeerFigure> figures;
  for (const Peer& peer : peers) {
    ASSIGN_OR_RETURN(const PeerFigure figure, peer.write(clients));
    const std::string name = peer.name + ", " + what + ", " + Clients(clients);
    PrintRow({name, figure.per_second, "1/s", 0, ""});
    PrintLatency(name + " p50", figure.p50_us, 0, "");
    PrintLatency(name + " p99", figure.p99_us, 0, "");
    figures.push_back(figure);
  }
  BenchRun run = ours(clients);
  RETURN_IF_ERROR(run.status);
  const double p50 = run.latencies.Percentile(50), p99 = run.latencies.Percentile(99);
  const std::string name = "engram, " + what + ", " + Clients(clients);
  for (size_t i = 0; i < peers.size(); ++i) {
    const PeerFigure& figure = figures[i];
    const std::string& peer = peers[i].name;
    PrintRow({name, run.per_second, "1/s", run.per_second / figure.per_second,
              peer + ", " + std::to_string(static_cast<int>(figure.per_second)) + "/s"});
    PrintLatency(name + " p50", p50, figure.p50_us, peer + " p50");
    PrintLatency(name + " p99", p99, figure.p99_us, peer + " p99");
  }
  if (!peers.empty()) return OkStatus();
  PrintRow({name, run.per_second, "1/s", 0, ""});
  PrintLatency(name + " p50", p50, 0, "");
  PrintLatency(name + " p99", p99, 0, "");
  return OkStatus();
}

bool Installed(const std::string& peer, const std::string& missing, const std::string& package) {
  if (missing.empty()) return true;
  std::fprintf(stderr, "skipped: %s: %s is not here (apt-get install %s)\n", peer.c_str(),
               missing.c_str(), package.c_str());
  return false;
}

// A peer that does not start leaves our own figures to be had.
template <class Pair>
void Take(const std::string& peer, Result<Pair> started, std::optional<Pair>* pair) {
  if (started.ok()) {
    pair->emplace(*std::move(started));
  } else {
    std::fprintf(stderr, "skipped: %s: %s\n", peer.c_str(), started.status().ToString().c_str());
  }
}

// The peers that are installed, and start.
struct Peers {
  std::optional<PostgresPair> postgres;
  std::optional<RedisPair> redis;
};

void StartPeers(const std::string& directory, Peers* peers) {
  if (Installed("PostgreSQL", PostgresPair::Missing(), "postgresql-15")) {
    Take("PostgreSQL", PostgresPair::Start(directory + "/postgres"), &peers->postgres);
  }
  if (Installed("Redis", RedisPair::Missing(), "redis-server")) {
    Take("Redis", RedisPair::Start(directory + "/redis"), &peers->redis);
  }
}

Peer PostgresAt(const Peers& peers, const std::string& level, double seconds) {
  return {"PostgreSQL synchronous_commit=" + level, [&, level, seconds](int clients) {
            return peers.postgres->Write(level, clients, seconds);
          }};
}

Status Alone(const BenchOptions& options, const std::string& directory, const Peers& peers) {
  std::vector<Peer> rows;
  if (peers.postgres) rows.push_back(PostgresAt(peers, "local", options.seconds));
  if (peers.redis) {
    rows.push_back({"Redis appendfsync=always",
                    [&](int clients) { return peers.redis->Write(clients, options.seconds); }});
  }
  std::filesystem::create_directories(directory);
  const Addresses addresses = FreeAddresses();
  ASSIGN_OR_RETURN(ServerProcess server,
                   ServerProcess::Start(options.program, directory + "/data", addresses,
                                        directory + "/server.log"));
  RETURN_IF_ERROR(server.WaitReady(std::chrono::seconds(30)));
  for (const int clients : kClientCounts) {
    RETURN_IF_ERROR(Compare("durable small writes", clients, rows, [&](int count) {
      return Drive(count, options.seconds, [&](int c) { return UnaryCall(addresses.grpc, {}, c); });
    }));
  }
  server.Stop();
  return OkStatus();
}

Status Replicated(const BenchOptions& options, const std::string& directory, Peers& peers) {
  std::vector<Peer> rows;
  if (peers.postgres) {
    RETURN_IF_ERROR(peers.postgres->StartReplica());
    for (const char* level : {"on", "remote_apply"}) {
      rows.push_back(PostgresAt(peers, level, options.seconds));
    }
  }
  if (peers.redis) {
    RETURN_IF_ERROR(peers.redis->StartReplica());
    rows.push_back({"Redis WAIT 1 (the replica's memory)", [&](int clients) {
                      return peers.redis->WriteAndWait(clients, options.seconds);
                    }});
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<PairServers> pair,
                   PairServers::Make(options.program, directory));
  RETURN_IF_ERROR(pair->StartBoth());
  const std::string& address = pair->node(0).addresses.grpc;
  for (const int clients : kClientCounts) {
    RETURN_IF_ERROR(Compare("small writes durable on two nodes", clients, rows, [&](int count) {
      return Drive(count, options.seconds, [&](int c) {
        return UnaryCall(address, {"", v1::DURABILITY_REPLICATED, false}, c);
      });
    }));
  }
  return OkStatus();
}

}  // namespace

Status BenchPeers(const BenchOptions& options) {
  const std::string directory = options.data_dir + "/peers";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  {
    Peers peers;
    StartPeers(directory, &peers);
    RETURN_IF_ERROR(Alone(options, directory + "/alone", peers));
    RETURN_IF_ERROR(Replicated(options, directory + "/pair", peers));
  }
  std::filesystem::remove_all(directory);
  return OkStatus();
}

}  // namespace engram::cli
