// Reads the golden files of tests/golden: hexadecimal, '#' begins a comment line. For tests.
#pragma once

#include <fstream>
#include <string>

namespace engram::record {

inline std::string Golden(const std::string& name) {
  std::ifstream in(std::string(ENGRAM_SOURCE_DIR) + "/tests/golden/" + name + ".hex");
  std::string out, line;
  while (std::getline(in, line)) {
    if (line.starts_with('#')) continue;
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      out.push_back(static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16)));
    }
  }
  return out;
}

}  // namespace engram::record
