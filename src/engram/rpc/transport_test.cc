// Real transports over loopback: what goes over, in which order, and how they find each other.
#include <atomic>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include "engram/rpc/test_kit.h"

namespace engram::rpc {
namespace {

using testing::HasSubstr;

TEST(TransportTest, MessagesGoBothWaysInOrderOnBothLanes) {
  Cluster cluster(2);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  constexpr uint64_t kEach = 2000;
  for (uint64_t number = 0; number < kEach; ++number) {
    for (size_t from = 0; from < 2; ++from) {
      ASSERT_TRUE(cluster.transports[from]->Send(1 - from, Lane::kLive, Numbered(number)));
      ASSERT_TRUE(cluster.transports[from]->Send(1 - from, Lane::kBulk, Numbered(number)));
    }
  }
  for (size_t to = 0; to < 2; ++to) {
    Recorder& recorder = *cluster.recorders[to];
    ASSERT_TRUE(recorder.Await([&] { return recorder.count == 2 * kEach; })) << recorder.count;
    std::array<uint64_t, 2> next{};
    for (const Recorder::Got& got : recorder.got) {
      EXPECT_EQ(got.peer, 1 - to);
      EXPECT_EQ(NumberOf(got.message), next[static_cast<int>(got.lane)]++);
    }
    EXPECT_EQ(recorder.astray, 0);
  }
}

TEST(TransportTest, ThreeNodesAllReachEachOther) {
  Cluster cluster(3);
  std::vector<GrpcTransportOptions> options;
  for (size_t i = 0; i < 3; ++i) {
    options.push_back(cluster.Options(i));
    cluster.Start(i, options[i]);
  }
  for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster.AwaitUp(i, 2));
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      const runtime::PeerState state = cluster.transports[i]->peer(j);
      EXPECT_EQ(state.connected, i != j);
      if (i == j) continue;
      EXPECT_TRUE(state.why.ok());
      EXPECT_EQ(state.identity->incarnation, options[j].incarnation);
      EXPECT_EQ(state.identity->program_version, "0.1.0");
    }
  }
}

// Local ports of established connections to `port`, as the kernel lists them.
std::set<std::string> ConnectionsTo(const std::string& address) {
  std::ostringstream port;
  port << std::uppercase << std::hex << std::stoi(address.substr(address.rfind(':') + 1));
  std::set<std::string> found;
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    std::ifstream in(table);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string slot, local, remote, state;
      words >> slot >> local >> remote >> state;
      if (state == "01" && remote.ends_with(":" + port.str())) found.insert(local);
    }
  }
  return found;
}

TEST(TransportTest, TheLanesDoNotShareAConnection) {
  Cluster cluster(2);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  // A connection that was replaced before it was up may linger.
  EXPECT_TRUE(Becomes([&] { return ConnectionsTo(cluster.addresses[1].replication).size() == 2; }));
}

TEST(TransportTest, AHeldLaneDoesNotHoldTheOther) {
  if (kMegabytesTakeMinutes) GTEST_SKIP();
  Cluster cluster(2);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  Recorder& recorder = *cluster.recorders[1];
  recorder.Note([&] { recorder.held[static_cast<int>(Lane::kBulk)] = true; });
  const auto batch = std::make_shared<const std::string>(1 << 20, 'b');
  for (uint64_t i = 1; i <= 32; ++i)
    ASSERT_TRUE(cluster.transports[0]->Send(1, Lane::kBulk, WithBatch(i, batch)));
  for (uint64_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(cluster.transports[0]->Send(1, Lane::kLive, Numbered(i)));
  EXPECT_TRUE(recorder.Await([&] { return recorder.count == 1000; }));
  recorder.Note([&] { recorder.held = {}; });
  EXPECT_TRUE(recorder.Await([&] { return recorder.count == 1032; }));
}

TEST(TransportTest, BigBatchesArriveWhole) {
  if (kMegabytesTakeMinutes) GTEST_SKIP();
  Cluster cluster(2);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  std::string bytes(20u << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  const auto batch = std::make_shared<const std::string>(std::move(bytes));
  for (const Lane lane : {Lane::kLive, Lane::kBulk}) {
    ASSERT_TRUE(cluster.transports[0]->Send(1, lane, WithBatch(1, batch)));
    ASSERT_TRUE(cluster.transports[1]->Send(0, lane, WithBatch(1, batch)));
  }
  for (const auto& recorder : cluster.recorders) {
    ASSERT_TRUE(recorder->Await([&] { return recorder->count == 2; }));
    for (const Recorder::Got& got : recorder->got)
      EXPECT_TRUE(*std::get<replication::Entries>(got.message.message.body).batch == *batch);
    EXPECT_EQ(recorder->downs, 0);
  }
}

TEST(TransportTest, AMessageOverTheLimitIsDroppedAndNothingElse) {
  Cluster cluster(2);
  GrpcTransportOptions options = cluster.Options(0);
  options.message_bytes = 1 << 20;
  cluster.Start(0, options);
  cluster.Start(1);
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  const auto batch = std::make_shared<const std::string>((1 << 20) + 1, 'b');
  EXPECT_TRUE(cluster.transports[0]->Send(1, Lane::kLive, WithBatch(1, batch)));
  EXPECT_TRUE(cluster.transports[0]->Send(1, Lane::kLive, Numbered(5)));
  Recorder& recorder = *cluster.recorders[1];
  ASSERT_TRUE(recorder.Await([&] { return recorder.count == 1; }));
  EXPECT_EQ(NumberOf(recorder.got[0].message), 5u);
  EXPECT_EQ(recorder.downs, 0);
}

TEST(TransportTest, ASlowListenerBoundsTheSenderAndLosesNothing) {
  if (kMegabytesTakeMinutes) GTEST_SKIP();
  Cluster cluster(2);
  GrpcTransportOptions options = cluster.Options(0);
  options.stream_bytes = 8u << 20;
  cluster.Start(0, options);
  cluster.Start(1);
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  Recorder& slow = *cluster.recorders[1];
  slow.Note([&] { slow.held = {true, true}; });
  const auto batch = std::make_shared<const std::string>(256 << 10, 'b');
  uint64_t sent = 0;
  while (cluster.transports[0]->Send(1, Lane::kBulk, WithBatch(sent + 1, batch))) {
    ++sent;
    // Queue 8 MiB, window 8 MiB, inbox 4 MiB, sockets and one frame each.
    ASSERT_LE(sent * batch->size(), 64u << 20);
  }
  Recorder& fast = *cluster.recorders[0];
  slow.Note([&] { slow.held = {}; });
  ASSERT_TRUE(fast.Await([&] { return fast.writable[static_cast<int>(Lane::kBulk)] > 0; }));
  EXPECT_EQ(fast.writable[static_cast<int>(Lane::kLive)], 0);
  ASSERT_TRUE(cluster.transports[0]->Send(1, Lane::kBulk, WithBatch(++sent, batch)));
  ASSERT_TRUE(slow.Await([&] { return slow.count == sent; })) << slow.count << " of " << sent;
  for (uint64_t i = 0; i < sent; ++i)
    EXPECT_EQ(std::get<replication::Entries>(slow.got[i].message.message.body).first,
              Sequence(i + 1));
}

TEST(TransportTest, AStoppedNodeGoesDownAndItsNextLifeComesUp) {
  for (const size_t stopped : {size_t{0}, size_t{1}}) {
    Cluster cluster(2);
    cluster.StartAll();
    Recorder& other = *cluster.recorders[1 - stopped];
    ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
    cluster.Stop(stopped);
    ASSERT_TRUE(other.Await([&] { return other.downs == 1; }));
    EXPECT_FALSE(cluster.transports[1 - stopped]->peer(stopped).connected);
    EXPECT_FALSE(cluster.transports[1 - stopped]->Send(stopped, Lane::kLive, Numbered(1)));
    const GrpcTransportOptions next = cluster.Options(stopped);
    cluster.Start(stopped, next);
    ASSERT_TRUE(other.Await([&] { return other.ups == 2; }));
    EXPECT_EQ(other.last_identity.incarnation, next.incarnation);
    ASSERT_TRUE(cluster.AwaitUp(stopped, 2));
    ASSERT_TRUE(cluster.transports[stopped]->Send(1 - stopped, Lane::kLive, Numbered(7)));
    ASSERT_TRUE(other.Await([&] { return other.count == 1; }));
    EXPECT_EQ(other.astray, 0);
  }
}

TEST(TransportTest, TheLaterNodeEndsTheWaitingOfTheEarlier) {
  Cluster cluster(2);
  GrpcTransportOptions patient = cluster.Options(0);
  patient.back_off = {1h, 1h, 1h, 1h};
  cluster.Start(0, patient);
  ASSERT_TRUE(Becomes([&] { return cluster.transports[0]->peer(1).failures_in_a_row == 1; }));
  cluster.Start(1);
  EXPECT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
}

TEST(TransportTest, AfterThreeFailuresTheCircuitIsOpen) {
  Cluster cluster(2);
  GrpcTransportOptions eager = cluster.Options(0);
  eager.back_off = {1ms, 1ms, 1h, 1h};
  cluster.Start(0, eager);
  ASSERT_TRUE(Becomes([&] { return cluster.transports[0]->peer(1).failures_in_a_row == 3; }));
  const runtime::PeerState state = cluster.transports[0]->peer(1);
  EXPECT_EQ(state.why.reason(), Reason::CONNECTION_TIMEOUT);
  EXPECT_THAT(state.why.message(), HasSubstr("circuit open, 3 failures in a row"));
  EXPECT_GT(state.next_try - env::SystemClock().Now(), 30min);
  EXPECT_TRUE(state.circuit_open);
  EXPECT_EQ(state.circuit_openings, 1u);
  // It closes when the other comes, whose knock ends the waiting.
  cluster.Start(1);
  ASSERT_TRUE(Becomes([&] { return cluster.transports[0]->peer(1).connected; }));
  EXPECT_FALSE(cluster.transports[0]->peer(1).circuit_open);
  EXPECT_EQ(cluster.transports[0]->peer(1).circuit_openings, 1u);
}

// A batch of text that shrinks; its records are none, which no transport looks at.
std::shared_ptr<const std::string> TextBatch() {
  std::string records;
  for (int i = 0; i < 500; ++i) records += "Anna takes train " + std::to_string(i) + " to Munich. ";
  record::BatchHeader header;
  header.start = Sequence(1);
  header.count = 1;
  header.size = records.size();
  return std::make_shared<const std::string>(record::EncodeBatch(header, records));
}

struct Carried {
  std::string batch;                // as the receiver got it
  runtime::TransportCounts counts;  // of the sender
};
Carried Carry(const char* compression, record::CompressionSet readable) {
  Cluster cluster(2);
  GrpcTransportOptions from = cluster.Options(0), to = cluster.Options(1);
  from.compression = *record::CompressionFrom(compression);
  to.readable = readable;
  cluster.Start(0, from);
  cluster.Start(1, to);
  Recorder& recorder = *cluster.recorders[1];
  EXPECT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  EXPECT_TRUE(cluster.transports[0]->Send(1, Lane::kBulk, WithBatch(1, TextBatch())));
  EXPECT_TRUE(recorder.Await([&] { return recorder.got.size() == 1; }));
  Carried carried;
  carried.counts = cluster.transports[0]->counts();
  recorder.Note([&] {
    carried.batch = *std::get<replication::Entries>(recorder.got[0].message.message.body).batch;
  });
  return carried;
}

TEST(TransportTest, BatchesAreCompressedOnTheirWay) {
  for (const char* compression : {"zstd", "lz4", "auto"}) {
    const Carried carried = Carry(compression, record::kEveryCompression);
    EXPECT_EQ(carried.batch, *TextBatch());
    EXPECT_EQ(carried.counts.batch_bytes_raw, TextBatch()->size());
    EXPECT_LT(carried.counts.batch_bytes_sent, TextBatch()->size() / 3) << compression;
  }
}

TEST(TransportTest, NothingIsCompressedForWhoCannotReadIt) {
  for (const auto& [compression, readable] : {std::pair("zstd", Only(record::Compression::kLz4)),
                                              std::pair("auto", Only(record::Compression::kNone)),
                                              std::pair("none", record::kEveryCompression)}) {
    const Carried carried = Carry(compression, readable);
    EXPECT_EQ(carried.batch, *TextBatch());
    EXPECT_EQ(carried.counts.batch_bytes_sent, TextBatch()->size()) << compression;
  }
}

TEST(TransportTest, AnIdleConnectionIsHeardOf) {
  Cluster cluster(2);
  for (size_t i = 0; i < 2; ++i) {
    GrpcTransportOptions options = cluster.Options(i);
    options.heartbeat = 5ms;
    cluster.Start(i, options);
  }
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  for (size_t i = 0; i < 2; ++i) {
    const Instant before = cluster.transports[i]->peer(1 - i).last_contact;
    EXPECT_TRUE(
        Becomes([&] { return cluster.transports[i]->peer(1 - i).last_contact - before > 30ms; }));
  }
  EXPECT_EQ(cluster.recorders[0]->downs + cluster.recorders[1]->downs, 0);
}

TEST(TransportTest, ASilentPeerIsDown) {
  Cluster cluster(2);
  GrpcTransportOptions strict = cluster.Options(0), silent = cluster.Options(1);
  strict.read_timeout = strict.write_timeout = 100ms;
  silent.heartbeat = 1h;
  cluster.Start(0, strict);
  cluster.Start(1, silent);
  Recorder& recorder = *cluster.recorders[0];
  ASSERT_TRUE(recorder.Await([&] { return recorder.downs > 0; }));
  EXPECT_EQ(recorder.last_why.reason(), Reason::CONNECTION_TIMEOUT);
  EXPECT_THAT(recorder.last_why.message(), HasSubstr("Nothing was heard of n2"));
}

TEST(TransportTest, APeerThatTakesNothingIsDown) {
  if (kMegabytesTakeMinutes) GTEST_SKIP();
  Cluster cluster(2);
  GrpcTransportOptions strict = cluster.Options(0);
  strict.read_timeout = strict.write_timeout = 2s;
  cluster.Start(0, strict);
  cluster.Start(1);
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  Recorder& slow = *cluster.recorders[1];
  slow.Note([&] { slow.held = {true, true}; });
  const auto batch = std::make_shared<const std::string>(1 << 20, 'b');
  for (uint64_t i = 1; i < 64; ++i)
    (void)cluster.transports[0]->Send(1, Lane::kBulk, WithBatch(i, batch));
  Recorder& recorder = *cluster.recorders[0];
  ASSERT_TRUE(recorder.Await([&] { return recorder.downs > 0; }));
  EXPECT_THAT(recorder.last_why.message(), HasSubstr("takes no messages"));
}

TEST(TransportTest, StopInTheMiddleOfTrafficEndsIt) {
  Cluster cluster(2);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitUp(0, 1) && cluster.AwaitUp(1, 1));
  std::atomic<bool> stop{false};
  std::vector<std::thread> senders;
  const size_t bytes = kMegabytesTakeMinutes ? 100 : 100'000;
  const auto batch = std::make_shared<const std::string>(bytes, 'b');
  for (const Lane lane : {Lane::kLive, Lane::kBulk}) {
    senders.emplace_back([&, lane] {
      for (uint64_t i = 1; !stop; ++i) {
        if (!cluster.transports[0]->Send(1, lane, WithBatch(i, batch))) std::this_thread::yield();
      }
    });
  }
  Recorder& recorder = *cluster.recorders[1];
  recorder.Note([&] { recorder.keep = false; });
  ASSERT_TRUE(recorder.Await([&] { return recorder.count > 100; }));
  cluster.transports[1]->Stop();
  size_t count = 0;
  recorder.Note([&] { count = recorder.count; });
  ASSERT_TRUE(cluster.recorders[0]->Await([&] { return cluster.recorders[0]->downs == 1; }));
  recorder.Note([&] { EXPECT_EQ(recorder.count, count); });
  cluster.transports[0]->Stop();
  stop = true;
  for (std::thread& sender : senders) sender.join();
}

}  // namespace
}  // namespace engram::rpc
