#pragma once
// Looks at the dates of certificates: warns before one expires, and keeps one that is out of its
// dates from taking the place of one that is not.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/snapshot.h"

namespace sluice::control {

class CertificateWatch {
 public:
  static constexpr int64_t kDay = 86'400;            // seconds
  static constexpr int64_t kWarnBefore = 14 * kDay;  // before the end of a certificate

  // The lines for the log: one a day for each certificate that expires soon or has expired. Call it
  // now and then. now: seconds since 1970.
  std::vector<std::string> look(const config::Snapshot& current, int64_t now);

 private:
  std::map<std::string, int64_t> told_;  // by digest: when
};

// Why `next` must not follow `current`: it brings a certificate that is out of its dates. Empty: it
// may. A certificate that is already in use does not count.
std::string outdated_news(const config::Snapshot& current, const config::Snapshot& next,
                          int64_t now);

}  // namespace sluice::control
