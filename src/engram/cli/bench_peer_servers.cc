#include "engram/cli/bench_peer_servers.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "engram/cli/bench_drive.h"
#include "engram/cli/child.h"

namespace engram::cli {
namespace {

constexpr char kPostgres[] = "/usr/lib/postgresql/15/bin/";
constexpr auto kPatience = std::chrono::seconds(30);

// What the command printed; its output is the error when it fails.
Result<std::string> Shell(const std::string& command) {
  FILE* pipe = popen(("( " + command + " ) 2>&1").c_str(), "r");
  if (pipe == nullptr) return Status(Reason::IO, "No shell could be started.");
  std::string out;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  const int status = pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return out;
  return Status(Reason::IO, "A peer's command failed: " + command + ": " + out);
}

std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

Status ShellUntil(const std::string& command, const std::string& wanted) {
  const env::Instant until = BenchNow() + kPatience;
  while (BenchNow() < until) {
    const Result<std::string> out = Shell(command);
    if (out.ok() && out->find(wanted) != std::string::npos) return OkStatus();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return Status(Reason::CONNECTION_TIMEOUT, "A peer does not become ready: " + command);
}

std::string FreePort() {
  const std::string address = FreePorts(1).front();
  return address.substr(address.rfind(':') + 1);
}

double NumberAfter(const std::string& text, const std::string& what) {
  const size_t at = text.find(what);
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + what.size(), nullptr);
}

std::string FirstMissing(std::initializer_list<std::string> programs) {
  for (const std::string& program : programs) {
    if (!Shell("command -v " + program).ok()) return program;
  }
  return "";
}

// PostgreSQL does not run as root: there its programs are the user's whom Debian's package made.
std::string AsPostgres(const std::string& command) {
  if (geteuid() != 0) return command;
  return "setpriv --reuid=postgres --regid=postgres --clear-groups " + command;
}

std::string Postgres(const std::string& command) {
  return AsPostgres(kPostgres + command);
}

}  // namespace

// ---- PostgreSQL ----

std::string PostgresPair::Missing() {
  const std::string bin = kPostgres;
  return FirstMissing(
      {bin + "initdb", bin + "pg_ctl", bin + "pgbench", bin + "pg_basebackup", bin + "psql"});
}

PostgresPair::PostgresPair(PostgresPair&& other) noexcept
    : directory_(std::exchange(other.directory_, "")), primary_(std::move(other.primary_)) {}

PostgresPair::~PostgresPair() {
  if (directory_.empty()) return;
  for (const char* node : {"/standby", "/primary"}) {
    if (!std::filesystem::exists(directory_ + node + "/postmaster.pid")) continue;
    (void)Shell(Postgres("pg_ctl -m immediate stop -D " + Quoted(directory_ + node)));
  }
}

Result<PostgresPair> PostgresPair::Start(const std::string& directory) {
  PostgresPair pair(std::filesystem::absolute(directory).string());
  std::filesystem::create_directories(pair.directory_);
  if (geteuid() == 0) {
    RETURN_IF_ERROR(Shell("chown postgres: " + Quoted(pair.directory_)).status());
    if (!Shell(AsPostgres("test -x " + Quoted(pair.directory_))).ok()) {
      return Status(Reason::IO, "The user postgres cannot reach " + pair.directory_ + ".")
          .Expected("a directory that everybody may enter")
          .Suggest("name another")
          .Example("engram bench peers --data-dir /var/tmp/engram-bench");
    }
  }
  const std::string data = pair.directory_ + "/primary";
  pair.primary_ = FreePort();
  RETURN_IF_ERROR(Shell(Postgres("initdb -A trust -U postgres -D " + Quoted(data))).status());
  std::ofstream(data + "/postgresql.conf", std::ios::app)
      << "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 100\n"
      << "max_wal_size = '4GB'\nhot_standby = on\n";
  RETURN_IF_ERROR(Shell(Postgres("pg_ctl -w start -l " + Quoted(pair.directory_ + "/primary.log") +
                                 " -o '-p " + pair.primary_ + "' -D " + Quoted(data)))
                      .status());
  RETURN_IF_ERROR(
      Shell(Postgres("psql -q -h 127.0.0.1 -U postgres -p " + pair.primary_ +
                     " -c 'CREATE TABLE notes (id bigserial PRIMARY KEY, what text NOT NULL)'"))
          .status());
  return pair;
}

Status PostgresPair::StartReplica() {
  const std::string data = directory_ + "/standby";
  const std::string psql = "psql -qAt -h 127.0.0.1 -U postgres -p " + primary_;
  const std::string port = FreePort();
  RETURN_IF_ERROR(
      Shell(Postgres("pg_basebackup -h 127.0.0.1 -U postgres -R -X stream --checkpoint=fast -p " +
                     primary_ + " -D " + Quoted(data)))
          .status());
  RETURN_IF_ERROR(Shell(Postgres("pg_ctl -w start -l " + Quoted(directory_ + "/standby.log") +
                                 " -o '-p " + port + "' -D " + Quoted(data)))
                      .status());
  RETURN_IF_ERROR(Shell(Postgres(psql + " -c \"ALTER SYSTEM SET synchronous_standby_names = '*'\""
                                        " -c 'SELECT pg_reload_conf()'"))
                      .status());
  return ShellUntil(Postgres(psql + " -c \"SELECT 'ready' FROM pg_stat_replication WHERE"
                                    " sync_state = 'sync'\""),
                    "ready");
}

// pgbench writes a line for each transaction: client, number, microseconds, …
Result<PeerFigure> PostgresPair::Write(const std::string& level, int clients,
                                       double seconds) const {
  const std::string script = directory_ + "/write.sql", log = directory_ + "/latency";
  std::ofstream(script) << "INSERT INTO notes (what) VALUES ('" << BenchEpisode(false, 1).what()
                        << "');\n";
  const unsigned threads = std::min<unsigned>(static_cast<unsigned>(clients),
                                              std::max(1u, std::thread::hardware_concurrency()));
  const std::string command =
      "PGOPTIONS='-c synchronous_commit=" + level + "' " +
      Postgres("pgbench -n -M prepared -h 127.0.0.1 -U postgres -p " + primary_ + " -c " +
               std::to_string(clients) + " -j " + std::to_string(threads) + " -T " +
               std::to_string(std::max(1, static_cast<int>(seconds))) + " -l --log-prefix " +
               Quoted(log) + " -f " + Quoted(script) + " postgres");
  ASSIGN_OR_RETURN(const std::string out, Shell(command));
  PeerFigure figure;
  figure.per_second = NumberAfter(out, "tps = ");
  Latencies latencies;
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    if (file.path().string().rfind(log, 0) != 0) continue;
    std::ifstream lines(file.path());
    for (std::string line; std::getline(lines, line);) {
      double client = 0, number = 0, took = 0;
      if (std::istringstream(line) >> client >> number >> took) latencies.Add(took);
    }
    std::filesystem::remove(file.path());
  }
  figure.p50_us = latencies.Percentile(50);
  figure.p99_us = latencies.Percentile(99);
  if (figure.per_second > 0) return figure;
  return Status(Reason::IO, "pgbench tells no rate: " + out);
}

// ---- Redis ----

std::string RedisPair::Missing() {
  return FirstMissing({"redis-server", "redis-cli", "redis-benchmark"});
}

RedisPair::RedisPair(RedisPair&& other) noexcept
    : directory_(std::exchange(other.directory_, "")),
      primary_(std::move(other.primary_)),
      replica_(std::move(other.replica_)) {}

RedisPair::~RedisPair() {
  if (directory_.empty()) return;
  for (const std::string& port : {replica_, primary_}) {
    if (!port.empty()) (void)Shell("redis-cli -p " + port + " shutdown nosave");
  }
}

Result<std::string> RedisPair::StartOne(const std::string& name, const std::string& more) const {
  const std::string data = directory_ + "/" + name;
  std::filesystem::create_directories(data);
  std::string port = FreePort();
  RETURN_IF_ERROR(Shell("redis-server --bind 127.0.0.1 --daemonize yes --save '' --appendonly yes"
                        " --appendfsync always --port " +
                        port + " --dir " + Quoted(data) + " --logfile " + Quoted(data + "/log") +
                        more)
                      .status());
  RETURN_IF_ERROR(ShellUntil("redis-cli -p " + port + " ping", "PONG"));
  return port;
}

Result<RedisPair> RedisPair::Start(const std::string& directory) {
  RedisPair pair(std::filesystem::absolute(directory).string());
  ASSIGN_OR_RETURN(pair.primary_, pair.StartOne("primary", ""));
  return pair;
}

Status RedisPair::StartReplica() {
  ASSIGN_OR_RETURN(replica_, StartOne("replica", " --replicaof 127.0.0.1 " + primary_));
  return ShellUntil("redis-cli -p " + replica_ + " info replication", "master_link_status:up");
}

// A count, not a time, is what it takes: a tenth of a second of writes says how many to ask for.
Result<PeerFigure> RedisPair::Write(int clients, double seconds) const {
  const auto run = [&](double count) {
    return Shell("redis-benchmark -h 127.0.0.1 --csv -t set -r 1000000000 -d 200 -p " + primary_ +
                 " -c " + std::to_string(clients) + " -n " +
                 std::to_string(std::max<int64_t>(clients, static_cast<int64_t>(count))));
  };
  // "SET",rps,average,min,p50,p95,p99,max in milliseconds
  const auto read = [](const std::string& out) {
    PeerFigure figure;
    std::string line = out.substr(std::min(out.size(), out.find("\"SET\"")));
    std::replace(line.begin(), line.end(), '"', ' ');
    std::replace(line.begin(), line.end(), ',', ' ');
    std::string name;
    double average = 0, least = 0, p95 = 0;
    std::istringstream(line) >> name >> figure.per_second >> average >> least >> figure.p50_us >>
        p95 >> figure.p99_us;
    figure.p50_us *= 1e3;
    figure.p99_us *= 1e3;
    return figure;
  };
  ASSIGN_OR_RETURN(const std::string trial, run(100.0 * clients));
  ASSIGN_OR_RETURN(const std::string out, run(read(trial).per_second * seconds));
  const PeerFigure figure = read(out);
  if (figure.per_second > 0) return figure;
  return Status(Reason::IO, "redis-benchmark tells no rate: " + out);
}

Result<PeerFigure> RedisPair::WriteAndWait(int clients, double seconds) const {
  const std::string script = directory_ + "/write.txt";
  const auto run = [&](int each) -> Result<PeerFigure> {
    std::ofstream out(script);
    for (int i = 0; i < each; ++i) {
      out << "SET note:" << i << " \"" << BenchEpisode(false, 1).what() << "\"\nWAIT 1 0\n";
    }
    out.close();
    const env::Instant start = BenchNow();
    RETURN_IF_ERROR(Shell("for i in $(seq " + std::to_string(clients) + "); do redis-cli -p " +
                          primary_ + " < " + Quoted(script) + " > /dev/null & done; wait")
                        .status());
    PeerFigure figure;
    figure.per_second = each * clients * 1e6 / MicrosSince(start);
    return figure;
  };
  ASSIGN_OR_RETURN(const PeerFigure trial, run(50));
  return run(std::max(50, static_cast<int>(trial.per_second * seconds / clients)));
}

}  // namespace engram::cli
