#include "engram/cli/demo_report.h"

#include <cstdio>
#include <ctime>
#include <thread>

#include "engram/cli/output.h"
#include "engram/server/version.h"

namespace engram::cli {
namespace {
constexpr size_t kNameColumns = 14, kWhatColumns = 37, kResultColumns = 32;
}

DemoReport::DemoReport(const std::string& what) {
  const std::time_t now = env::SystemClock().WallNs() / 1'000'000'000;
  char date[64];
  std::tm local{};
  std::strftime(date, sizeof date, "%d %b %Y %H:%M", localtime_r(&now, &local));
  std::printf("\nengram demo, %s · %s · %u cores · commit %s\n\n", what.c_str(), date,
              std::thread::hardware_concurrency(), server::BuildCommit());
}

void DemoReport::Print(const std::string& name, const std::string& text, const std::string& took) {
  const std::string number = name.empty() ? "" : std::to_string(++rows_);
  std::printf("%3s  %s%s%s\n", number.c_str(), Pad(name, kNameColumns).c_str(),
              Pad(text, kWhatColumns + kResultColumns).c_str(), took.c_str());
  std::fflush(stdout);
}

void DemoReport::Row(const std::string& name, const std::string& what, const std::string& result,
                     env::Duration took) {
  Print(name, Pad(OneLine(what, kWhatColumns - 1), kWhatColumns) + result, FormatTook(took));
}

void DemoReport::Row(const std::string& name, const std::string& what, const std::string& result) {
  Print(name, Pad(OneLine(what, kWhatColumns - 1), kWhatColumns) + result, "");
}

void DemoReport::Line(const std::string& text) {
  std::printf("     %s%s\n", Pad("", kNameColumns).c_str(),
              OneLine("→ " + text, kWhatColumns + kResultColumns).c_str());
}

}  // namespace engram::cli
