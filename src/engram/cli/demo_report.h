// The report of the demo: numbered rows of what was done, and the account at the end.
#pragma once

#include <string>

#include "engram/env/clock.h"

namespace engram::cli {

class DemoReport {
 public:
  // Prints the title: what is shown, date, cores, commit.
  explicit DemoReport(const std::string& what);
  // "  3  recall       <what>                <result>      2.1 ms"; an empty name continues a row.
  void Row(const std::string& name, const std::string& what, const std::string& result,
           env::Duration took);
  // Without a time.
  void Row(const std::string& name, const std::string& what, const std::string& result);

  // A result under a row, cut to one line.
  void Line(const std::string& text);

 private:
  void Print(const std::string& name, const std::string& text, const std::string& took);
  int rows_ = 0;
};

}  // namespace engram::cli
