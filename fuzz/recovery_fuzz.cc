// Opening a log whose active segment was changed: the input is a list of edits (offset 2 bytes,
// operation and value 1 byte each) to a good one. Whatever happens, opening ends with a log or an
// error; a log that is not read-only holds joined entries, takes more, and opens again.
#include "engram/base/check.h"
#include "engram/env/clock.h"
#include "engram/env/executor.h"
#include "engram/env/memory_file_system.h"
#include "engram/wal/log.h"
#include "engram/wal/names.h"
#include "engram/wal/tool.h"

namespace {

using namespace engram;  // NOLINT

class Counting : public env::Entropy {
 public:
  uint64_t Next() override { return ++count_ * 0x9e3779b97f4a7c15; }

 private:
  uint64_t count_ = 0;
};

constexpr char kDirectory[] = "/s";

struct Opened {
  explicit Opened(env::FileSystem* fs) : executor(clock) {
    options.fs = fs;
    options.clock = &clock;
    options.entropy = &entropy;
    options.executor = &executor;
    options.directory = kDirectory;
    options.space = "s";
    options.min_free_bytes = 0;
    options.segment_bytes = 64u << 10;
  }
  env::ManualClock clock;
  Counting entropy;
  env::ManualExecutor executor;
  wal::LogOptions options;
};

std::vector<wal::Draft> One(std::string payload) {
  std::vector<wal::Draft> drafts;
  drafts.push_back({record::EntryType::kEpisodeStore, std::move(payload)});
  return drafts;
}

const env::MemoryFileSystem& Good() {
  static const auto* good = [] {
    env::MemoryFileSystem fs;
    Opened opened(&fs);
    auto log = std::move(*wal::Log::Create(opened.options, Incarnation{}));
    ENGRAM_CHECK(log->BeginEpoch(Epoch(1), "epoch").ok());
    for (int i = 0; i < 5; ++i) {
      ENGRAM_CHECK(log->AppendAndWait(One(std::string(40 + i * 30, 'a'))).ok());
    }
    opened.executor.RunAll();
    return fs.Clone().release();
  }();
  return *good;
}

void Edit(env::FileSystem& fs, const uint8_t* data, size_t size) {
  const std::string path = wal::SegmentPath(kDirectory, Sequence(1));
  auto file = std::move(*fs.Open(path, env::OpenMode::kReadWrite));
  for (; size >= 4; data += 4, size -= 4) {
    const uint64_t offset = (data[0] | data[1] << 8) % 2048;
    char byte = static_cast<char>(data[3]);
    if (data[2] % 4 == 3) {
      ENGRAM_CHECK(file->Truncate(offset).ok());
      continue;
    }
    if (data[2] % 4 == 1) {
      char old = 0;
      ENGRAM_CHECK(file->ReadAt(offset, &old, 1).ok());
      byte = static_cast<char>(old ^ byte);
    }
    ENGRAM_CHECK(file->WriteAt(offset, ByteView(&byte, 1)).ok());
  }
}

// Reads what there is; entries join.
uint64_t Read(wal::Log& log) {
  const auto cursor = log.NewCursor(Sequence(1));
  uint64_t count = 0;
  while (true) {
    const auto entry = cursor->Next();
    if (!entry.ok()) {
      ENGRAM_CHECK(log.state().read_only);
      return count;
    }
    if (!*entry) return count;
    ++count;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto fs = Good().Clone();
  Edit(*fs, data, size);
  (void)wal::Verify(*fs, kDirectory);
  Opened opened(fs.get());
  auto log = wal::Log::Open(opened.options);
  if (!log.ok()) return 0;
  const uint64_t count = Read(**log);
  if ((*log)->state().read_only) return 0;
  ENGRAM_CHECK(count == (*log)->end().value());
  ENGRAM_CHECK((*log)->BeginEpoch((*log)->promised().next(), "again").ok());
  ENGRAM_CHECK((*log)->AppendAndWait(One("more")).ok());
  log = wal::Log::Open(opened.options);
  ENGRAM_CHECK(log.ok() && !(*log)->state().read_only);
  ENGRAM_CHECK(Read(**log) == count + 2);
  return 0;
}
