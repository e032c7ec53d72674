#pragma once
// The lines of DPDK's drivers, libbpf and libxdp in the daemon's own log. While the daemon starts,
// they are details: shown at log_level = "debug", and all of them when the start fails.

#include <spdlog/spdlog.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "nic/driver_log.h"

namespace sluice {

class StartLog {
 public:
  // From here on drivers' lines come here.
  static void begin() { nic::capture_driver_lines(take); }
  // The start has succeeded: warnings and errors of drivers are the operator's from now on.
  static void succeeded() {
    const std::lock_guard lock(mutex_);
    starting_ = false;
    lines_.clear();
  }
  // The start has failed: what drivers said about it goes to stderr.
  static void failed() {
    const std::lock_guard lock(mutex_);
    if (lines_.empty()) return;
    std::fprintf(stderr, "drivers and libraries said meanwhile:\n");
    for (const std::string& line : lines_) std::fprintf(stderr, "  %s\n", line.c_str());
  }

 private:
  static constexpr size_t kMost = 200;  // lines: a driver that repeats itself must not grow this

  static void take(nic::DriverLine kind, const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (!starting_ && kind != nic::DriverLine::kDetail) {
      spdlog::log(kind == nic::DriverLine::kError ? spdlog::level::err : spdlog::level::warn,
                  "driver: {}", line);
      return;
    }
    spdlog::debug("driver: {}", line);
    if (starting_ && lines_.size() < kMost) lines_.push_back(line);
  }

  static inline std::mutex mutex_;
  static inline bool starting_ = true;
  static inline std::vector<std::string> lines_;
};

}  // namespace sluice
