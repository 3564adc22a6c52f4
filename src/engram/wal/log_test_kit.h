// What the tests of this folder share: a seeded entropy, a log over any file system, drafts and
// readers, and a vector that plays the log's oracle. For tests.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engram/base/prng.h"
#include "engram/env/memory_file_system.h"
#include "engram/record/local.h"
#include "engram/wal/log.h"
#include "engram/wal/names.h"
#include "engram/wal/records.h"
#include "engram/wal/segment.h"

namespace engram::wal {

class SeededEntropy : public env::Entropy {
 public:
  explicit SeededEntropy(uint64_t seed) : prng_(seed) {}
  uint64_t Next() override {
    std::lock_guard lock(mutex_);
    return prng_.Next();
  }

 private:
  std::mutex mutex_;
  Prng prng_;
};

// Remembers what a log told its observer.
class RecordingObserver : public LogObserver {
 public:
  void OnGroup(size_t entries, size_t, env::Duration, env::Duration) override {
    std::lock_guard lock(mutex_);
    groups_.push_back(entries);
  }
  void OnEvent(std::string_view event, std::string_view detail) override {
    std::lock_guard lock(mutex_);
    events_.emplace_back(std::string(event) + ": " + std::string(detail));
  }
  void OnPoisoned(const Status&) override {
    std::lock_guard lock(mutex_);
    ++poisoned_;
  }
  std::vector<size_t> groups() {
    std::lock_guard lock(mutex_);
    return groups_;
  }
  bool Saw(std::string_view event) {
    std::lock_guard lock(mutex_);
    for (const auto& e : events_) {
      if (e.starts_with(event)) return true;
    }
    return false;
  }
  int poisoned() {
    std::lock_guard lock(mutex_);
    return poisoned_;
  }

 private:
  std::mutex mutex_;
  std::vector<size_t> groups_;
  std::vector<std::string> events_;
  int poisoned_ = 0;
};

inline constexpr char kDir[] = "/data/spaces/s";

inline Draft Episode(std::string payload) {
  return {record::EntryType::kEpisodeStore, std::move(payload)};
}
inline std::vector<Draft> One(std::string payload) {
  std::vector<Draft> drafts;
  drafts.push_back(Episode(std::move(payload)));
  return drafts;
}
// Bytes that look like nothing in particular, the same for the same seed.
inline std::string Bytes(uint64_t seed, size_t size) {
  Prng prng(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(prng.Next());
  return out;
}

inline Incarnation AnIncarnation(uint8_t tag = 7) {
  Incarnation incarnation;
  incarnation.bytes.fill(tag);
  return incarnation;
}

// A log on a file system, with tasks that run when the test says so.
struct Bench {
  explicit Bench(env::FileSystem* fs, uint64_t seed = 1) : entropy(seed), executor(clock) {
    options.fs = fs;
    options.clock = &clock;
    options.entropy = &entropy;
    options.executor = &executor;
    options.observer = &observer;
    options.directory = kDir;
    options.space = "s";
    options.min_free_bytes = 0;
    options.segment_bytes = 64u << 10;
  }
  std::unique_ptr<Log> Create() {
    auto log = Log::Create(options, AnIncarnation());
    EXPECT_TRUE(log.ok()) << log.status().ToString();
    return log.ok() ? std::move(*log) : nullptr;
  }
  std::unique_ptr<Log> Open() {
    auto log = Log::Open(options);
    EXPECT_TRUE(log.ok()) << log.status().ToString();
    return log.ok() ? std::move(*log) : nullptr;
  }
  // Runs due tasks, an hour of timers included.
  void Settle() {
    executor.RunAll();
    clock.Advance(std::chrono::hours(1));
    executor.RunAll();
  }

  env::ManualClock clock;
  SeededEntropy entropy;
  env::ManualExecutor executor;
  RecordingObserver observer;
  LogOptions options;
};

inline Status Begin(Log& log) {
  return log.BeginEpoch(log.promised().next(), "epoch");
}

inline Sequence Put(Log& log, std::string payload) {
  auto first = log.AppendAndWait(One(std::move(payload)));
  EXPECT_TRUE(first.ok()) << first.status().ToString();
  return first.ok() ? *first : Sequence();
}

// Every entry from `from` on; an error ends the test.
inline std::vector<record::Entry> ReadAll(Log& log, uint64_t from = 1) {
  std::vector<record::Entry> out;
  const auto cursor = log.NewCursor(Sequence(from));
  while (true) {
    auto entry = cursor->Next();
    EXPECT_TRUE(entry.ok()) << entry.status().ToString();
    if (!entry.ok() || !*entry) return out;
    out.push_back(std::move(**entry));
  }
}

inline std::string LastSegmentPath(env::FileSystem& fs) {
  const auto names = fs.List(SegmentDirectory(kDir));
  std::string last;
  for (const std::string& name : *names) {
    if (ParseSegmentName(name)) last = name;
  }
  return env::JoinPath(SegmentDirectory(kDir), last);
}

// What compaction leaves: the entries first..last of one segment replaced by a Hole.
inline void PunchHole(env::FileSystem& fs, const std::string& path, uint64_t first, uint64_t last) {
  auto file = fs.Open(path, env::OpenMode::kRead);
  const SegmentHead head = *ReadSegmentHead(**file);
  FileSource source(**file, *(*file)->Size());
  std::string out = EncodeSegmentHead(head.header, 0);
  for (uint64_t at = head.size;;) {
    const ReadOutcome outcome = *ReadRecord(source, at);
    if (outcome.kind != ReadOutcome::Kind::kRecord) break;
    const Record& record = outcome.record;
    at = record.end();
    const uint64_t sequence = record.header.sequence.value();
    if (sequence == 0) continue;  // marks: offsets change
    record::EntryHeader header = record.header;
    if (sequence == last) {
      const record::Hole hole{Sequence(first), {header.epoch, header.sequence}, header.header_crc};
      record::EntryHeader local;
      local.type = record::EntryType::kHole;
      record::AppendEntry(&local, record::Encode(hole), &out);
    } else if (sequence < first || sequence > last) {
      record::AppendEntry(&header, std::string(record.payload), &out);
    }
  }
  ASSERT_TRUE(env::ReplaceFile(fs, path, out).ok());
  std::string index = path;
  index.replace(index.size() - 4, 4, ".idx");
  ASSERT_TRUE(fs.Remove(index).ok());
}

}  // namespace engram::wal
