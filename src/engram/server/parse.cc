// Values of configuration keys: sizes, durations, addresses, shares of memory.
#include <algorithm>
#include <charconv>
#include <fstream>

#include <unistd.h>

#include "engram/server/options.h"

namespace engram::server {
namespace {

Status BadValue(std::string_view text, const std::string& expected, const std::string& example) {
  return Status(Reason::CONFIGURATION, "'" + std::string(text) + "' is not " + expected + ".")
      .Expected(expected)
      .Example(example);
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// The number at the start of `text`, and what follows it.
bool SplitNumber(std::string_view text, uint64_t* number, std::string_view* unit) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc()) return false;
  *unit = text.substr(static_cast<size_t>(end - text.data()));
  while (unit->starts_with(' ')) unit->remove_prefix(1);
  return true;
}

template <size_t N>
bool Scale(std::string_view text, const Unit (&units)[N], uint64_t* out) {
  uint64_t number = 0;
  std::string_view name;
  if (!SplitNumber(text, &number, &name)) return false;
  for (const Unit& unit : units) {
    if (unit.name == name) return !__builtin_mul_overflow(number, unit.factor, out);
  }
  return false;
}

uint64_t MachineMemory() {
  const uint64_t physical =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t cgroup = 0;
  std::ifstream limit("/sys/fs/cgroup/memory.max");  // "max" does not parse: no limit
  if (limit >> cgroup && cgroup > 0 && cgroup < physical) return cgroup;
  return physical;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestWord(std::string_view word, const std::vector<std::string>& known) {
  const auto nearest = std::min_element(known.begin(), known.end(),
                                        [word](const std::string& a, const std::string& b) {
                                          return EditDistance(word, a) < EditDistance(word, b);
                                        });
  return nearest == known.end() ? "" : *nearest;
}

Result<uint64_t> ParseBytes(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"B", 1},
                                    {"KiB", 1ull << 10},
                                    {"MiB", 1ull << 20},
                                    {"GiB", 1ull << 30},
                                    {"TiB", 1ull << 40},
                                    {"KB", 1'000},
                                    {"MB", 1'000'000},
                                    {"GB", 1'000'000'000},
                                    {"TB", 1'000'000'000'000}};
  uint64_t bytes = 0;
  if (!Scale(text, kUnits, &bytes)) return BadValue(text, "a size", "64MiB, 1GB, 4096");
  return bytes;
}

Result<env::Duration> ParseDuration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"us", 1'000},
                                    {"ms", 1'000'000},
                                    {"s", 1'000'000'000},
                                    {"m", 60'000'000'000},
                                    {"h", 3'600'000'000'000}};
  uint64_t ns = 0;
  if (!Scale(text, kUnits, &ns) || ns > INT64_MAX) {
    return BadValue(text, "a duration", "100ms, 2s, 1m, 1h");
  }
  return env::Duration(static_cast<int64_t>(ns));
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort result;
  if (colon == std::string_view::npos || colon == 0) {
    return BadValue(text, "an address host:port", "127.0.0.1:50051");
  }
  result.host = std::string(text.substr(0, colon));
  const std::string_view port = text.substr(colon + 1);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size() || result.port < 0 ||
      result.port > 65535) {
    return BadValue(text, "an address host:port", "127.0.0.1:50051");
  }
  result.loopback =
      result.host == "localhost" || result.host == "[::1]" || result.host.starts_with("127.");
  return result;
}

Result<uint64_t> MemoryLimitBytes(const std::string& limit) {
  if (!limit.ends_with('%')) return ParseBytes(limit);
  uint64_t percent = 0;
  std::string_view rest;
  if (!SplitNumber(limit, &percent, &rest) || rest != "%" || percent < 1 || percent > 100) {
    return BadValue(limit, "a share of memory or a size", "50%, 4GiB");
  }
  return MachineMemory() / 100 * percent;
}

}  // namespace engram::server
