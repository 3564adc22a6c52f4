// One measured figure of an index, for `engram bench`.
#pragma once

#include <string>

namespace engram::index {

struct Measurement {
  std::string name;
  double value = 0;
  std::string unit;
  double ratio = 0;     // to what it was held against; 0 when to nothing
  std::string against;  // in words
};

}  // namespace engram::index
