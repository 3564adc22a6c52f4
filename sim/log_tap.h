// The structured log of simulated nodes, as remarks in the trace. Owned by a simulation; there is
// one at a time, since the log is the process's.
#pragma once

#include <ostream>
#include <streambuf>
#include <string>

#include "engram/obs/log.h"
#include "sim/scheduler.h"

namespace engram::sim {

class LogTap : public std::streambuf {
 public:
  explicit LogTap(Scheduler& scheduler) : scheduler_(scheduler), stream_(this) {
    obs::ConfigureLog({.level = obs::Level::kInfo, .stream = &stream_});
  }
  ~LogTap() override {
    static std::ostream nowhere(nullptr);
    obs::ConfigureLog({.level = obs::Level::kError, .stream = &nowhere});
  }

 protected:
  int overflow(int c) override {
    if (c != '\n') {
      line_.push_back(static_cast<char>(c));
      return c;
    }
    const std::string text = line_.size() > 25 ? line_.substr(25) : line_;  // without the real time
    const Owner owner = scheduler_.current();
    scheduler_.Remark((owner == kWorld ? std::string("-") : "n" + std::to_string(owner + 1)) +
                      ": " + text);
    line_.clear();
    return c;
  }

 private:
  Scheduler& scheduler_;
  std::ostream stream_;
  std::string line_;
};

}  // namespace engram::sim
