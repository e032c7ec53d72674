#include "admin/report_certificates.h"

#include <ctime>
#include <string>
#include <string_view>

#include <fmt/chrono.h>
#include <boost/json/array.hpp>

#include "config/certificates.h"

namespace sluice::admin {
namespace json = boost::json;
namespace {

std::string date(int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

}  // namespace

json::object report_certificates(const config::Snapshot& current, int64_t now) {
  json::array rows;
  config::for_each_certificate(
      current, [&](const std::string& kind, const std::string& name, const config::Certificate& c) {
        json::object row;
        row["used_by"] = kind;
        row[kind] = name;
        row["file"] = c.certificate_file;
        json::array names;
        for (const std::string& n : c.names) names.emplace_back(std::string_view(n));
        row["names"] = std::move(names);
        row["subject"] = c.subject;
        row["issuer"] = c.issuer;
        row["key_type"] = c.key_type;
        row["not_before"] = date(c.not_before);
        row["not_after"] = date(c.not_after);
        row["expires_in_s"] = c.not_after - now;
        row["sha256"] = c.digest;
        rows.push_back(std::move(row));
      });
  return {{"certificates", std::move(rows)}};
}

}  // namespace sluice::admin
