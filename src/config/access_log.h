#pragma once
// [access_log] of the configuration.

#include <cstdint>
#include <string>

namespace sluice::config {

struct AccessLog {
  static constexpr const char* kStderr = "stderr";

  std::string file;      // or kStderr; empty: there is no access log
  uint32_t one_in = 1;   // every so many-th call is logged; 0: failed ones only
  bool failures = true;  // all failed calls are logged
  bool query = false;    // paths with their query, which may hold secrets

  bool on() const { return !file.empty(); }
  bool operator==(const AccessLog&) const = default;
};

}  // namespace sluice::config
