// What a person sees: numbers with separators, padded columns, colours and progress bars. Data goes
// to stdout; progress, notes and errors to stderr; colour and bars only on a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/v1/read.pb.h"

namespace engram::cli {

enum class Colour { kPlain, kDim, kYellow, kRed, kGreen };

std::string Grouped(uint64_t number);        // 41,880
std::string FormatBytes(uint64_t bytes);     // 138 MB, 0.4 MB, 2.1 GB
std::string FormatTook(env::Duration took);  // 0.9 ms, 1.4 s
// Columns that `text` takes on a terminal, and `text` filled with blanks up to `columns`.
size_t DisplayWidth(std::string_view text);
std::string Pad(std::string_view text, size_t columns);
// At most `columns` wide, on one line, with an ellipsis when cut.
std::string OneLine(std::string_view text, size_t columns);
// As is unless the stream is a terminal and NO_COLOR is unset.
std::string Paint(std::string_view text, Colour colour, bool to_stderr);
bool StderrIsTerminal();

// "error: …" and the parts of the text; returns the exit code of the reason.
int PrintError(const Status& status);
void Note(const std::string& line);  // stderr, not with --quiet
void NoteWarnings(const google::protobuf::RepeatedPtrField<v1::Warning>& warnings);
void SetQuiet(bool quiet);

// A bar on stderr: redrawn at most ten times a second on a terminal, nothing elsewhere but the
// final line.
class Progress {
 public:
  Progress(std::string unit, uint64_t total);  // total 0: not known
  void Update(uint64_t done, const std::string& note = "");
  void Finish(const std::string& line);
  env::Duration elapsed() const;

 private:
  std::string unit_;
  uint64_t total_;
  env::Instant start_;
  env::Instant drawn_{};
};

}  // namespace engram::cli
