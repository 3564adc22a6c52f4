#include "engram/server/options.h"

#include <cstdio>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/server/server.h"

namespace engram::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string WriteFile(const std::string& text) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = testing::TempDir() + "options_" + test->name() + ".toml";
  std::ofstream(path) << text;
  return path;
}

Result<Options> Read(const std::string& toml) {
  OptionsReader reader;
  RETURN_IF_ERROR(reader.ReadFile(WriteFile(toml)));
  return reader.Finish();
}

TEST(OptionsTest, DefaultsAreValid) {
  Result<Options> options = OptionsReader().Finish();
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->wal.segment_bytes, 64u << 20);
  EXPECT_EQ(options->listen.grpc, "127.0.0.1:50051");
  EXPECT_EQ(options->log.slow_request, std::chrono::milliseconds(200));
}

TEST(OptionsTest, LaterSourcesWin) {
  OptionsReader reader;
  ASSERT_TRUE(reader.ReadFile(WriteFile("[node]\nname = \"file\"\nopen_spaces_max = 9\n")).ok());
  const char* environment[] = {"ENGRAM_NODE_NAME=environment", "ENGRAM_SERVER=x:1", nullptr};
  ASSERT_TRUE(reader.ReadEnvironment(environment).ok());
  EXPECT_EQ(reader.Finish()->node.name, "environment");
  EXPECT_EQ(reader.Finish()->node.open_spaces_max, 9u);
  ASSERT_TRUE(reader.Set("node.name", "flag", "flag --name").ok());
  EXPECT_EQ(reader.Finish()->node.name, "flag");
}

TEST(OptionsTest, UnknownKeyNamesFileLineAndTheNearest) {
  const Status status = Read("[wal]\n\nfsync_mod = \"none\"\n").status();
  EXPECT_THAT(status.message(), HasSubstr(".toml:3: key 'wal.fsync_mod'"));
  EXPECT_THAT(status.suggestion(), HasSubstr("wal.fsync_mode"));
  const char* environment[] = {"ENGRAM_WAL_SPEED=9", nullptr};
  EXPECT_THAT(OptionsReader().ReadEnvironment(environment).message(),
              HasSubstr("ENGRAM_WAL_SPEED"));
}

TEST(OptionsTest, RefusesWhatIsOutOfRange) {
  EXPECT_THAT(Read("[wal]\nfsync_mode = \"sometimes\"\n").status().message(),
              HasSubstr("sometimes"));
  EXPECT_THAT(Read("[wal]\nsegment_bytes = \"1KiB\"\n").status().expected(), HasSubstr("64KiB"));
  EXPECT_THAT(Read("[node]\nmemory_limit = \"150%\"\n").status().message(), HasSubstr("150%"));
  EXPECT_THAT(Read("[wal]\npreallocate = \"maybe\"\n").status().message(), HasSubstr("maybe"));
  EXPECT_THAT(Read("[wal]\nfsync_interval = \"1 week\"\n").status().message(), HasSubstr("1 week"));
  EXPECT_THAT(Read("[node]\nname = [\"a\"]\n").status().message(), HasSubstr("node.name"));
  EXPECT_THAT(Read("[node\n").status().message(), HasSubstr(".toml:1"));
}

TEST(OptionsTest, RefusesKeysThatContradict) {
  EXPECT_THAT(Read("[wal]\nsegment_bytes = \"64KiB\"\n").status().message(),
              HasSubstr("group_commit_bytes"));
  EXPECT_THAT(Read("[listen]\nhttp = \"0.0.0.0:7432\"\n").status().message(), HasSubstr("no keys"));
}

// A pair as the documentation shows it, with one part of it replaced.
std::string Pair(const std::string& what = "", const std::string& by = "") {
  std::string text = R"([node]
name = "n1"
data_dir = "pair/${name}"

[cluster]
mode = "static"
first_primary = "n1"
nodes = [
)"
                     R"(  { name = "n1", grpc = "127.0.0.1:50051", http = "127.0.0.1:7432", )"
                     R"(ops = "127.0.0.1:7433", replication = "127.0.0.1:50052" },
  { name = "n2", grpc = "127.0.0.1:50061", http = "127.0.0.1:7442", )"
                     R"(ops = "127.0.0.1:7443", replication = "127.0.0.1:50062" },
]
)";
  const size_t at = what.empty() ? std::string::npos : text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

std::string WhyNot(const std::string& toml) {
  const Status status = Read(toml).status();
  return status.ok() ? "it is valid" : status.ToString();
}

TEST(StaticOptionsTest, APairListensAtItsOwnEntry) {
  const Result<Options> options = Read(Pair("name = \"n1\"", "name = \"n2\""));
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(OwnPlace(*options), 1u);
  EXPECT_EQ(DataDirectory(*options), "pair/n2");
  EXPECT_EQ(options->listen.grpc, "127.0.0.1:50061");
  EXPECT_EQ(options->listen.http, "127.0.0.1:7442");
  EXPECT_EQ(options->listen.ops, "127.0.0.1:7443");
  EXPECT_EQ(options->listen.replication, "127.0.0.1:50062");
  EXPECT_EQ(options->cluster.nodes[0].replication, "127.0.0.1:50052");
}

TEST(StaticOptionsTest, AListenerThatIsSetWins) {
  const Result<Options> options = Read(Pair() + "[listen]\ngrpc = \"127.0.0.1:9\"\n");
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->listen.grpc, "127.0.0.1:9");
  EXPECT_EQ(options->listen.http, "127.0.0.1:7432");
}

TEST(StaticOptionsTest, TheListComesFromAVariableToo) {
  OptionsReader reader;
  const char* environment[] = {
      "ENGRAM_NODE_NAME=a",
      "ENGRAM_CLUSTER_MODE=static",
      "ENGRAM_CLUSTER_FIRST_PRIMARY=a",
      R"(ENGRAM_CLUSTER_NODES=[{name="a",grpc="h:1",http="h:2",ops="h:3",replication="h:4"}])",
      "ENGRAM_TLS_INSECURE=true",
      nullptr};
  ASSERT_TRUE(reader.ReadEnvironment(environment).ok());
  const Result<Options> options = reader.Finish();
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->cluster.nodes.at(0).ops, "h:3");
}

TEST(StaticOptionsTest, RefusesAListThatCannotWork) {
  EXPECT_THAT(WhyNot(Pair("name = \"n1\"", "name = \"n3\"")),
              AllOf(HasSubstr(".toml:8"), HasSubstr("no entry for this node, 'n3'")));
  EXPECT_THAT(WhyNot(Pair("first_primary = \"n1\"", "first_primary = \"n7\"")),
              AllOf(HasSubstr(".toml:7"), HasSubstr("'n7' is not in cluster.nodes")));
  EXPECT_THAT(WhyNot(Pair("first_primary = \"n1\"\n", "")), HasSubstr("nobody would make"));
  EXPECT_THAT(WhyNot(Pair("{ name = \"n2\"", "{ name = \"n1\"")), HasSubstr("name n1 twice"));
  EXPECT_THAT(WhyNot(Pair("127.0.0.1:50062", "127.0.0.1:50051")),
              HasSubstr("127.0.0.1:50051 twice"));
  EXPECT_THAT(WhyNot(Pair("127.0.0.1:50062", "0.0.0.0:50062")),
              AllOf(HasSubstr(".toml:10"), HasSubstr("each would reach itself")));
  EXPECT_THAT(WhyNot(Pair("127.0.0.1:50062", ":50062")), HasSubstr("names no host"));
  EXPECT_THAT(WhyNot(Pair("127.0.0.1:50062", "127.0.0.1:0")), HasSubstr("has no port"));
  EXPECT_THAT(WhyNot(Pair("127.0.0.1:50062", "10.0.0.1:50062")), HasSubstr("it is valid"));
  EXPECT_THAT(WhyNot(Pair("127.0.0.1:50052", "10.0.0.1:50052")), HasSubstr("there are no keys"));
  EXPECT_THAT(WhyNot(Pair("\"127.0.0.1:7443\"", "7443")), HasSubstr("ops is no text"));
  EXPECT_THAT(WhyNot(Pair("ops = \"127.0.0.1:7443\"", "opps = \"127.0.0.1:7443\"")),
              AllOf(HasSubstr("'opps'"), HasSubstr("nearest known key is ops")));
  EXPECT_THAT(WhyNot(Pair("mode = \"static\"\n", "")), HasSubstr("no effect"));
  EXPECT_THAT(WhyNot("[cluster]\nmode = \"static\"\n"), HasSubstr("needs cluster.nodes"));
  EXPECT_THAT(WhyNot("[cluster]\nnodes = [3]\n"), HasSubstr("not a table"));
  EXPECT_THAT(WhyNot(Pair("${name}", "${host}")), HasSubstr("no variable but ${name}"));
}

TEST(StaticOptionsTest, RefusesMoreThanSixteenNodes) {
  std::string more;
  for (int i = 0; i < 15; ++i) {
    const std::string port = ":" + std::to_string(10 + i);
    more += "{ name = \"m" + std::to_string(i) + "\", grpc = \"a" + port + "\", http = \"b" + port +
            "\", ops = \"c" + port + "\", replication = \"d" + port + "\" },\n";
  }
  EXPECT_THAT(WhyNot(Pair("nodes = [", "nodes = [\n" + more)), HasSubstr("17 entries"));
}

TEST(StaticOptionsTest, ReplicationNeedsOtherNodes) {
  EXPECT_THAT(WhyNot("[space_defaults]\ndurability = \"replicated\"\n"),
              HasSubstr("needs a second node"));
  EXPECT_THAT(WhyNot(Pair() + "[space_defaults]\nmin_in_sync = 3\n"), HasSubstr("2 nodes"));
  EXPECT_THAT(WhyNot("[replication]\ncompression = \"gzip\"\n"), HasSubstr("'gzip'"));
  EXPECT_THAT(WhyNot("[replication]\nbackoff = [\"1s\", \"1ms\"]\n"),
              HasSubstr("replication.backoff"));
  EXPECT_THAT(WhyNot("[replication]\nlag_alert = \"9s\"\n"), HasSubstr("lag_degraded"));
  const Result<Options> options =
      Read("[replication]\nbackoff = [\"1ms\", \"2ms\", \"3ms\", \"1s\"]\n");
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->replication.backoff.at(3), std::chrono::seconds(1));
}

// The same pair with an etcd, and one part of it replaced.
std::string Etcd(const std::string& what = "", const std::string& by = "") {
  std::string text =
      Pair("mode = \"static\"", "mode = \"etcd\"\netcd_endpoints = [\"e1:2379\", \"e2:2379\"]");
  const size_t at = what.empty() ? std::string::npos : text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

TEST(EtcdOptionsTest, APairWithAnEtcd) {
  const Result<Options> options = Read(Etcd());
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_TRUE(options->cluster.has_nodes());
  EXPECT_TRUE(options->cluster.has_store());
  EXPECT_THAT(options->cluster.etcd_endpoints, ElementsAre("e1:2379", "e2:2379"));
  EXPECT_EQ(options->listen.replication, "127.0.0.1:50052");
  EXPECT_EQ(options->cluster.lease_ttl, std::chrono::seconds(2));
  EXPECT_EQ(options->cluster.lease_margin, std::chrono::milliseconds(200));
  EXPECT_EQ(options->cluster.lease_grace, std::chrono::seconds(60));
}

TEST(EtcdOptionsTest, EndpointsComeFromAVariableToo) {
  for (const char* list :
       {"e1:2379,e2:2379", "[\"e1:2379\", \"e2:2379\"]", " e1:2379 , e2:2379,"}) {
    OptionsReader reader;
    ASSERT_TRUE(reader.ReadFile(WriteFile(Etcd("e1:2379", "of the file"))).ok());
    const std::string variable = std::string("ENGRAM_CLUSTER_ETCD_ENDPOINTS=") + list;
    const char* environment[] = {variable.c_str(), nullptr};
    ASSERT_TRUE(reader.ReadEnvironment(environment).ok());
    const Result<Options> options = reader.Finish();
    ASSERT_TRUE(options.ok()) << options.status().ToString();
    EXPECT_THAT(options->cluster.etcd_endpoints, ElementsAre("e1:2379", "e2:2379")) << list;
  }
}

TEST(EtcdOptionsTest, TheFirstPrimaryMayBeAny) {
  EXPECT_EQ(WhyNot(Etcd("first_primary = \"n1\"\n", "")), "it is valid");
  EXPECT_THAT(WhyNot(Etcd("first_primary = \"n1\"", "first_primary = \"n7\"")),
              HasSubstr("'n7' is not in cluster.nodes"));
}

TEST(EtcdOptionsTest, RefusesWhatCannotWork) {
  EXPECT_THAT(WhyNot(Etcd("[\"e1:2379\", \"e2:2379\"]", "[]")),
              AllOf(HasSubstr(".toml:6"), HasSubstr("needs cluster.etcd_endpoints")));
  EXPECT_THAT(WhyNot("[cluster]\nmode = \"etcd\"\n"),
              HasSubstr("cluster.mode = etcd needs cluster.nodes"));
  EXPECT_THAT(WhyNot(Etcd("[cluster]", "[cluster]\nstatic_start_alone = true")),
              HasSubstr("static_start_alone has no effect with cluster.mode = etcd"));
  const std::string user = "[cluster]\netcd_user = \"engram\"";
  const std::string password = "etcd_password_file = \"password\"";
  EXPECT_THAT(WhyNot(Etcd("[cluster]", user)), HasSubstr("need each other"));
  EXPECT_THAT(WhyNot(Etcd("[cluster]", "[cluster]\n" + password)), HasSubstr("need each other"));
  EXPECT_EQ(WhyNot(Etcd("[cluster]", user + "\n" + password)), "it is valid");
  for (const char* ttl : {"1999ms", "61s"}) {
    EXPECT_THAT(WhyNot(Etcd("[cluster]", "[cluster]\nlease_ttl = \"" + std::string(ttl) + "\"")),
                AllOf(HasSubstr("cluster.lease_ttl"), HasSubstr("2s..60s")));
  }
  EXPECT_EQ(WhyNot(Etcd("[cluster]", "[cluster]\nlease_ttl = \"60s\"")), "it is valid");
}

TEST(EtcdOptionsTest, ItsKeysHaveNoEffectElsewhere) {
  for (const char* key :
       {"etcd_prefix", "etcd_ca_file", "etcd_user", "etcd_password_file", "etcd_endpoints"}) {
    const std::string set = std::string(key) + " = \"x\"\n";
    EXPECT_THAT(WhyNot("[cluster]\n" + set),
                AllOf(HasSubstr(".toml:2"), HasSubstr("cluster." + std::string(key)),
                      HasSubstr("no effect with cluster.mode = single")));
    EXPECT_THAT(WhyNot(Pair("mode = \"static\"\n", "mode = \"static\"\n" + set)),
                AllOf(HasSubstr(".toml:7"), HasSubstr("no effect with cluster.mode = static")));
  }
}

TEST(OptionsTest, PrintsWhereEachValueComesFrom) {
  OptionsReader reader;
  ASSERT_TRUE(reader.Set("log.level", "debug", "flag --set").ok());
  for (const KeyValue& key : reader.Keys()) {
    EXPECT_EQ(key.source, key.key == "level" ? "flag --set" : "default") << key.key;
    EXPECT_FALSE(key.help.empty());
  }
}

TEST(OptionsTest, TheReferenceIsUpToDate) {
  std::ifstream file(ENGRAM_SOURCE_DIR "/docs/configuration.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(text, ConfigurationReference()) << "run make docs";
}

TEST(ParseTest, SizesDurationsAddresses) {
  EXPECT_EQ(*ParseBytes("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseBytes("1GB"), 1'000'000'000u);
  EXPECT_FALSE(ParseBytes("99999999999TiB").ok());
  EXPECT_FALSE(ParseBytes("-1").ok());
  EXPECT_EQ(*ParseDuration("2s"), std::chrono::seconds(2));
  EXPECT_FALSE(ParseDuration("2").ok());
  EXPECT_EQ(ParseHostPort("localhost:1")->port, 1);
  EXPECT_TRUE(ParseHostPort("127.0.0.1:0")->loopback);
  EXPECT_FALSE(ParseHostPort("10.0.0.1:80")->loopback);
  EXPECT_FALSE(ParseHostPort("127.0.0.1").ok());
  EXPECT_FALSE(ParseHostPort("127.0.0.1:70000").ok());
  EXPECT_EQ(*MemoryLimitBytes("4GiB"), 4ull << 30);
  EXPECT_GT(*MemoryLimitBytes("50%"), 0u);
}

}  // namespace
}  // namespace engram::server
