#include "engram/cli/wal_report.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "engram/cli/output.h"

namespace engram::cli {
namespace {

std::string Counted(uint64_t count, const char* one, const char* many) {
  return Grouped(count) + " " + (count == 1 ? one : many);
}

std::string EpochsText(const std::vector<wal::EpochBegin>& epochs) {
  constexpr size_t kShown = 5;
  std::string text = epochs.size() == 1 ? "epoch" : "epochs";
  if (epochs.size() > kShown) return text + " 1 … " + ToString(epochs.back().epoch);
  for (const wal::EpochBegin& epoch : epochs) text += " " + ToString(epoch.epoch);
  return text;
}

// "spaces/old/wal/x.log" without what stands before the space.
std::string ShortPath(const std::string& path) {
  const std::filesystem::path p(path);
  return (p.parent_path().parent_path().filename() / p.parent_path().filename() / p.filename())
      .string();
}

std::string OneDamage(const wal::DamageReport& damage) {
  std::string text = "\n" + ShortPath(damage.file) + "\n";
  text += "  offset " + Grouped(damage.offset) + "   sequence " + Grouped(damage.sequence.value()) +
          "   " + damage.what + "\n";
  text += "  before it          " + Counted(damage.good_before, "entry", "entries") + ", good\n";
  if (damage.next_sequence) {
    text += "  after it           the next good entry is sequence " +
            Grouped(damage.next_sequence->value()) + " at offset " + Grouped(damage.next_offset) +
            "; " + Grouped(damage.good_after) + " good ones follow\n";
  }
  text += "  verdict            " + damage.verdict + "\n";
  text += "  what to do         stop the server, then: engram wal repair --dry-run --space NAME\n";
  return text;
}

}  // namespace

std::string VerifyLine(const std::string& space, const wal::VerifyReport& report,
                       env::Duration took) {
  std::string text = Pad(space, 16) + " " + Counted(report.segments.size(), "segment", "segments");
  if (!report.good()) return text + "   BAD";
  text += "   " + Counted(report.entries, "entry", "entries") + "   " + EpochsText(report.epochs) +
          "   " + Grouped(report.first.value()) + " … " + Grouped(report.last.value()) +
          "   chain ok   checksums ok   " + FormatBytes(report.bytes) + "   " + FormatTook(took);
  if (report.torn_bytes > 0) {
    text += "   (" + FormatBytes(report.torn_bytes) + " of an unsynced end, cut at the next start)";
  }
  return text;
}

std::string DamageText(const wal::VerifyReport& report) {
  std::string text;
  for (const wal::DamageReport& damage : report.damage) text += OneDamage(damage);
  return text;
}

nlohmann::ordered_json VerifyJson(const std::string& space, const wal::VerifyReport& report) {
  nlohmann::ordered_json json = {{"space", space},
                                 {"good", report.good()},
                                 {"segments", report.segments.size()},
                                 {"entries", report.entries},
                                 {"holes", report.holes},
                                 {"first", report.first.value()},
                                 {"last", report.last.value()},
                                 {"bytes", report.bytes},
                                 {"torn_bytes", report.torn_bytes},
                                 {"damage", nlohmann::ordered_json::array()}};
  for (const wal::DamageReport& damage : report.damage) {
    json["damage"].push_back({{"file", damage.file},
                              {"offset", damage.offset},
                              {"sequence", damage.sequence.value()},
                              {"what", damage.what},
                              {"verdict", damage.verdict}});
  }
  return json;
}

std::string DumpLine(const wal::DumpRecord& record) {
  const record::EntryHeader& header = record.header;
  return record.segment + " " + Pad(std::to_string(record.offset), 10) + " " +
         Pad(ToString(header.sequence), 9) + " epoch " + Pad(ToString(header.epoch), 4) + " " +
         wal::Describe(header, record.payload);
}

std::string DumpJson(const wal::DumpRecord& record) {
  const record::EntryHeader& header = record.header;
  return nlohmann::ordered_json{{"segment", record.segment},
                                {"offset", record.offset},
                                {"sequence", header.sequence.value()},
                                {"epoch", header.epoch.value()},
                                {"type", record::Name(header.type)},
                                {"timestamp_ns", header.timestamp_ns},
                                {"payload_size", header.payload_size},
                                {"header_crc", Hex(header.header_crc, 8)},
                                {"what", wal::Describe(header, record.payload)}}
      .dump();
}

}  // namespace engram::cli
