#include "control/certificate_watch.h"

#include <set>

#include <fmt/format.h>

#include "tls/credential.h"

namespace sluice::control {

std::vector<std::string> CertificateWatch::look(const config::Snapshot& current, int64_t now) {
  std::vector<std::string> lines;
  for (const config::Listener& l : current.listeners)
    for (const config::Certificate& c : l.tls.certificates) {
      if (c.not_after - now > kWarnBefore) continue;
      const auto [known, first] = told_.emplace(c.digest, now);
      if (!first && now - known->second < kDay) continue;
      known->second = now;
      const std::string out = tls::validity(c, now);
      lines.push_back(out.empty()
                          ? fmt::format("listener {}: {}: the certificate expires in {} "
                                        "day(s)",
                                        l.name, c.certificate_file, (c.not_after - now) / kDay)
                          : fmt::format("listener {}: {}: the certificate {}", l.name,
                                        c.certificate_file, out));
    }
  return lines;
}

std::string outdated_news(const config::Snapshot& current, const config::Snapshot& next,
                          int64_t now) {
  std::set<std::string> in_use;
  for (const config::Listener& l : current.listeners)
    for (const config::Certificate& c : l.tls.certificates) in_use.insert(c.digest);
  for (const config::Listener& l : next.listeners)
    for (const config::Certificate& c : l.tls.certificates)
      if (const std::string why = tls::validity(c, now); !why.empty() && !in_use.contains(c.digest))
        return fmt::format("{}: the certificate {}", c.certificate_file, why);
  return {};
}

}  // namespace sluice::control
