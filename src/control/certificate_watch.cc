#include "control/certificate_watch.h"

#include <set>

#include <fmt/format.h>

#include "config/certificates.h"
#include "tls/credential.h"

namespace sluice::control {

std::vector<std::string> CertificateWatch::look(const config::Snapshot& current, int64_t now) {
  std::vector<std::string> lines;
  config::for_each_certificate(
      current, [&](const std::string& kind, const std::string& name, const config::Certificate& c) {
        if (c.not_after - now > kWarnBefore) return;
        const auto [known, first] = told_.emplace(c.digest, now);
        if (!first && now - known->second < kDay) return;
        known->second = now;
        const std::string out = tls::validity(c, now);
        lines.push_back(out.empty() ? fmt::format("{} {}: {}: the certificate expires in {} "
                                                  "day(s)",
                                                  kind, name, c.certificate_file,
                                                  (c.not_after - now) / kDay)
                                    : fmt::format("{} {}: {}: the certificate {}", kind, name,
                                                  c.certificate_file, out));
      });
  return lines;
}

std::string outdated_news(const config::Snapshot& current, const config::Snapshot& next,
                          int64_t now) {
  std::set<std::string> in_use;
  config::for_each_certificate(
      current,
      [&](const auto&, const auto&, const config::Certificate& c) { in_use.insert(c.digest); });
  std::string news;
  config::for_each_certificate(next, [&](const auto&, const auto&, const config::Certificate& c) {
    const std::string why = tls::validity(c, now);
    if (news.empty() && !why.empty() && !in_use.contains(c.digest))
      news = fmt::format("{}: the certificate {}", c.certificate_file, why);
  });
  return news;
}

}  // namespace sluice::control
