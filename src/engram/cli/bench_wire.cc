// What the parts of replication cost that need no second node: compressing a batch, and watching
// the lag. The batch is what goes over the wire, with its entries' headers.
#include <sys/resource.h>

#include "engram/base/prng.h"
#include "engram/cli/bench.h"
#include "engram/cli/bench_drive.h"
#include "engram/model/change.h"
#include "engram/record/compress.h"
#include "engram/replication/lag.h"

namespace engram::cli {
namespace {

constexpr int kEntries = 300;  // about 1 MiB with embeddings
constexpr int kLagWrites = 10'000;
constexpr auto kWriteEvery = std::chrono::microseconds(100);  // 10,000/s

// Nine letters or less, drawn anew for each place in the vocabulary.
std::vector<std::string> Words() {
  Prng prng(1);
  std::vector<std::string> words(2000);
  for (std::string& word : words) {
    for (uint64_t i = 2 + prng.Below(8); i > 0; --i) {
      word += static_cast<char>('a' + std::min(prng.Below(26), prng.Below(26)));
    }
  }
  return words;
}

// 40 words, of which early ones of the vocabulary are frequent; or 768 numbers without any pattern,
// as models make them.
v1::Episode RandomEpisode(bool embedded, const std::vector<std::string>& words, Prng* prng) {
  v1::Episode episode;
  for (int i = 0; i < 40 && !embedded; ++i) {
    const uint64_t place = prng->Below(1 + prng->Below(words.size()));
    *episode.mutable_what() += words[place] + " ";
  }
  for (int i = 0; i < kBenchDimension && embedded; ++i) {
    episode.add_embedding(static_cast<float>(prng->Below(1u << 24)) / (1 << 23) - 1);
  }
  return episode;
}

std::string RandomBatch(bool embedded) {
  const std::vector<std::string> words = Words();
  Prng prng(2);
  std::string records;
  record::EntryHeader header;
  for (int i = 1; i <= kEntries; ++i) {
    model::pb::StoreRecord store;
    *store.mutable_episode() = RandomEpisode(embedded, words, &prng);
    store.set_version(1);
    header.sequence = Sequence(static_cast<uint64_t>(i));
    header.type = record::EntryType::kEpisodeStore;
    header.epoch = Epoch(257);
    header.chain = record::AppendEntry(&header, model::Encode(store), &records);
  }
  record::BatchHeader batch;
  batch.start = Sequence(1);
  batch.count = kEntries;
  batch.size = records.size();
  return record::EncodeBatch(batch, records);
}

Status BenchCompression(bool embedded, const std::string& word, double seconds) {
  const std::string batch = RandomBatch(embedded);
  const record::CompressionChoice choice = *record::CompressionFrom(word);
  size_t sent = batch.size();
  uint64_t rounds = 0;
  const env::Instant start = BenchNow();
  for (; MicrosSince(start) < seconds * 1e6; ++rounds) {
    const std::optional<std::string> smaller =
        record::CompressBatch(batch, Choose(choice, record::kEveryCompression, batch));
    if (!smaller.has_value()) continue;
    sent = smaller->size();
    ASSIGN_OR_RETURN(const std::string back, record::ExpandBatch(*smaller, batch.size()));
    if (back != batch) return Status(Reason::CORRUPTION_DETECTED, "a batch came back changed");
  }
  const double took = MicrosSince(start) / 1e6;
  const std::string name = "compression " + word + (embedded ? " embedded" : " text");
  PrintRow(
      {name + " ratio", static_cast<double>(batch.size()) / static_cast<double>(sent), "x", 0, ""});
  PrintRow({name + " there and back, one core", static_cast<double>(rounds) * kEntries / took,
            "entries/s", 0, std::to_string(batch.size() / kEntries) + " bytes an entry"});
  return OkStatus();
}

double CpuMicros() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

// One second of 10,000 writes, each noted when it is durable, and a look at each of two replicas
// at every tick of 50 ms, played as fast as it goes: what it costs of a core.
void BenchLagMonitor() {
  constexpr int kSeconds = 60;
  replication::DurableTimes times;
  std::vector<replication::LagMonitor> monitors(2, replication::LagMonitor({}));
  env::Instant now{1'000'000'000};
  uint64_t entries = 0;
  const double before = CpuMicros();
  for (int i = 1; i <= kSeconds * kLagWrites; ++i) {
    now = now + kWriteEvery;
    times.Note(Sequence(static_cast<uint64_t>(i)), static_cast<uint64_t>(i) * 200, now);
    if (i % 500 != 0) continue;
    for (replication::LagMonitor& monitor : monitors) {
      const replication::LagInput input{
          .acked = Sequence(static_cast<uint64_t>(i - 20)), .connected = true, .last_contact = now};
      entries += monitor.Measure(times, input, now).entries;
    }
  }
  const double share = (CpuMicros() - before) / 1e6 / kSeconds;
  PrintRow({"lag monitor at 10,000 writes/s, 2 replicas", share * 100, "% of a core", share / 0.01,
            "1 %, " + std::to_string(entries / 1000) + "k entries seen behind"});
}

// 1,000 spaces to which nobody writes are looked at once a second.
void BenchLagMonitorAtRest() {
  constexpr int kSpaces = 1000, kSeconds = 600;
  const replication::LagInput input{.acked = Sequence(1), .connected = true};
  std::vector<replication::DurableTimes> times(kSpaces);
  std::vector<replication::LagMonitor> monitors(kSpaces, replication::LagMonitor({}));
  env::Instant now{1'000'000'000};
  for (replication::DurableTimes& space : times) space.Note(Sequence(1), 200, now);
  uint64_t entries = 0;
  const double before = CpuMicros();
  for (int i = 0; i < kSeconds; ++i) {
    now = now + std::chrono::seconds(1);
    replication::LagInput heard = input;
    heard.last_contact = now;
    for (size_t space = 0; space < kSpaces; ++space) {
      entries += monitors[space].Measure(times[space], heard, now).entries;
    }
  }
  const double share = (CpuMicros() - before) / 1e6 / kSeconds;
  PrintRow({"lag monitor of 1,000 quiet spaces, 1 replica", share * 100, "% of a core",
            share / 0.0001, "0.01 %, " + std::to_string(entries) + " entries seen behind"});
}

}  // namespace

Status BenchWire(const BenchOptions& options) {
  for (const bool embedded : {false, true}) {
    for (const char* word : {"lz4", "zstd", "auto"}) {
      RETURN_IF_ERROR(BenchCompression(embedded, word, std::min(options.seconds, 1.0)));
    }
  }
  BenchLagMonitor();
  BenchLagMonitorAtRest();
  return OkStatus();
}

}  // namespace engram::cli
