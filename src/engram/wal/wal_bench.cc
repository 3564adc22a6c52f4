#include "engram/wal/wal_bench.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <vector>

#include "engram/base/prng.h"
#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/wal/log.h"

namespace engram::wal {
namespace {

// The disk drifts by factors within seconds, so limit and log take turns, and medians over the
// rounds are what is told.
constexpr int kRounds = 5;
constexpr int kProducers[] = {1, 8, 32, 64};
constexpr uint64_t kFileBytes = 64u << 20;
constexpr size_t kEntryHeader = 64;
constexpr size_t kSyncMark = 91;

struct Size {
  const char* name;
  size_t bytes;
};
constexpr Size kSizes[] = {{"small", 200}, {"embedded", 3300}};

struct Measured {
  uint64_t operations = 0;
  double seconds = 0;
  std::vector<double> us;  // of each operation
  double rate() const { return static_cast<double>(operations) / seconds; }
};

double Percentile(std::vector<double>* values, double p) {
  if (values->empty()) return 0;
  const auto at = static_cast<size_t>(p * static_cast<double>(values->size() - 1));
  std::nth_element(values->begin(), values->begin() + static_cast<long>(at), values->end());
  return (*values)[at];
}

double Us(env::Duration d) {
  return static_cast<double>(d.count()) / 1000;
}

std::string Noise(size_t size) {
  Prng prng(size);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(prng.Next());
  return out;
}

// Writes and syncs `size` bytes again and again, through a file that is allocated beforehand.
Result<Measured> Bare(const WalBenchOptions& options, size_t size) {
  const std::string path = env::JoinPath(options.directory, "bare");
  ASSIGN_OR_RETURN(auto file, options.fs->Open(path, env::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Preallocate(kFileBytes));
  RETURN_IF_ERROR(file->Sync());
  const std::string bytes = Noise(size);
  env::Clock& clock = env::SystemClock();
  Measured measured;
  uint64_t at = 0;
  const env::Instant start = clock.Now();
  env::Instant now = start;
  while (Us(now - start) < options.seconds / kRounds * 1e6) {
    if (at + size > kFileBytes) {
      // A log goes on in a new file; so does this.
      RETURN_IF_ERROR(file->Truncate(0));
      RETURN_IF_ERROR(file->Preallocate(kFileBytes));
      RETURN_IF_ERROR(file->Sync());
      at = 0;
    }
    const env::Instant before = clock.Now();
    RETURN_IF_ERROR(file->WriteAt(at, bytes));
    RETURN_IF_ERROR(file->Sync());
    now = clock.Now();
    measured.us.push_back(Us(now - before));
    ++measured.operations;
    at += size;
  }
  measured.seconds = Us(now - start) / 1e6;
  RETURN_IF_ERROR(options.fs->Remove(path));
  return measured;
}

// What a producer appends until the time is over.
Measured Produce(Log& log, const std::string& payload, env::Instant until) {
  env::Clock& clock = env::SystemClock();
  Measured measured;
  env::Instant now = clock.Now();
  while (now < until) {
    std::vector<Draft> drafts;
    drafts.push_back({record::EntryType::kEpisodeStore, payload});
    if (!log.AppendAndWait(std::move(drafts)).ok()) break;
    const env::Instant after = clock.Now();
    measured.us.push_back(Us(after - now));
    ++measured.operations;
    now = after;
  }
  return measured;
}

Result<std::unique_ptr<Log>> FreshLog(const WalBenchOptions& options, env::Executor* executor) {
  LogOptions log_options;
  log_options.fs = options.fs;
  log_options.clock = &env::SystemClock();
  log_options.entropy = &env::SystemEntropy();
  log_options.executor = executor;
  log_options.directory = env::JoinPath(options.directory, "log");
  log_options.space = "bench";
  log_options.min_free_bytes = 0;
  RETURN_IF_ERROR(options.fs->RemoveAll(log_options.directory));
  ASSIGN_OR_RETURN(auto log, Log::Create(log_options, env::MakeIncarnation(env::SystemEntropy())));
  RETURN_IF_ERROR(log->BeginEpoch(Epoch(1), ""));
  return log;
}

Result<Measured> Ours(const WalBenchOptions& options, int producers, size_t size) {
  const auto flushers = env::MakeThreadPool("flush", 2);
  const auto pool = env::MakeThreadPool("producers", producers);
  ASSIGN_OR_RETURN(auto log, FreshLog(options, flushers.get()));
  const std::string payload = Noise(size);
  env::Clock& clock = env::SystemClock();
  const env::Instant start = clock.Now();
  const env::Instant until =
      start + env::Duration(static_cast<int64_t>(options.seconds / kRounds * 1e9));
  Mutex mutex;
  std::condition_variable_any done;
  Measured total;
  int left = producers;
  for (int i = 0; i < producers; ++i) {
    pool->Post([&] {
      Measured mine = Produce(*log, payload, until);
      MutexLock lock(mutex);
      total.operations += mine.operations;
      total.us.insert(total.us.end(), mine.us.begin(), mine.us.end());
      if (--left == 0) done.notify_all();
    });
  }
  MutexLock lock(mutex);
  while (left > 0) done.wait(lock);
  total.seconds = Us(clock.Now() - start) / 1e6;
  const Status status = log->state().why;
  log.reset();
  RETURN_IF_ERROR(options.fs->RemoveAll(env::JoinPath(options.directory, "log")));
  RETURN_IF_ERROR(status);
  return total;
}

std::string Against(const char* what, double value, const char* unit) {
  return std::string("bare write + fdatasync ") + what + ": " +
         std::to_string(static_cast<int64_t>(value)) + " " + unit;
}

struct Round {
  double value = 0, limit = 0;
};

double Median(const std::vector<Round>& rounds, double (*of)(const Round&)) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(of(round));
  return Percentile(&values, 0.5);
}

WalBenchRow RowOf(const std::string& name, const char* unit, const char* what,
                  const std::vector<Round>& rounds) {
  const double value = Median(rounds, [](const Round& r) { return r.value; });
  const double limit = Median(rounds, [](const Round& r) { return r.limit; });
  const double ratio = Median(rounds, [](const Round& r) { return r.value / r.limit; });
  return {name, value, unit, ratio, Against(what, limit, unit)};
}

Status OneProducer(const WalBenchOptions& options, const Size& size,
                   const std::function<void(const WalBenchRow&)>& row) {
  std::vector<Round> p50, p99;
  for (int i = 0; i < kRounds; ++i) {
    ASSIGN_OR_RETURN(Measured bare, Bare(options, size.bytes + kEntryHeader + kSyncMark));
    ASSIGN_OR_RETURN(Measured ours, Ours(options, 1, size.bytes));
    p50.push_back({Percentile(&ours.us, 0.5), Percentile(&bare.us, 0.5)});
    p99.push_back({Percentile(&ours.us, 0.99), Percentile(&bare.us, 0.99)});
  }
  const std::string name = std::string("wal_") + size.name + "_1_producer";
  row(RowOf(name + "_p50", "us", "of the same bytes", p50));
  row(RowOf(name + "_p99", "us", "of the same bytes", p99));
  return OkStatus();
}

Status ManyProducers(const WalBenchOptions& options, const Size& size, int producers,
                     const std::function<void(const WalBenchRow&)>& row) {
  const size_t group = static_cast<size_t>(producers) * (size.bytes + kEntryHeader) + kSyncMark;
  std::vector<Round> rates, p99;
  for (int i = 0; i < kRounds; ++i) {
    ASSIGN_OR_RETURN(Measured bare, Bare(options, group));
    ASSIGN_OR_RETURN(Measured ours, Ours(options, producers, size.bytes));
    rates.push_back({ours.rate(), bare.rate() * producers});
    p99.push_back({Percentile(&ours.us, 0.99), Percentile(&bare.us, 0.99)});
  }
  const std::string name =
      std::string("wal_") + size.name + "_" + std::to_string(producers) + "_producers";
  row(RowOf(name, "entries/s", "of one entry of each producer", rates));
  row(RowOf(name + "_p99", "us", "of one entry of each producer", p99));
  return OkStatus();
}

}  // namespace

Status BenchWal(const WalBenchOptions& options,
                const std::function<void(const WalBenchRow&)>& row) {
  RETURN_IF_ERROR(options.fs->RemoveAll(options.directory));
  RETURN_IF_ERROR(options.fs->CreateDirectories(options.directory));
  for (const Size& size : kSizes) {
    for (const int producers : kProducers) {
      RETURN_IF_ERROR(producers == 1 ? OneProducer(options, size, row)
                                     : ManyProducers(options, size, producers, row));
    }
  }
  return options.fs->RemoveAll(options.directory);
}

}  // namespace engram::wal
