#include "admin/http_origin.h"

#include <algorithm>
#include <string>

namespace sluice::admin {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// own_too: the server's address and localhost count as well.
bool is_known_host(std::string_view host, const config::AdminHttp& settings, bool own_too) {
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(), lower);
  std::string port;
  const size_t bracket = name.rfind(']');
  const size_t colon = name.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    port = name.substr(colon + 1);
    if (!is_port(port)) return false;
    name.resize(colon);
  }
  if (std::find(settings.hosts.begin(), settings.hosts.end(), name) != settings.hosts.end())
    return true;
  if (!own_too) return false;
  const std::string own = settings.address->str();  // with brackets around IPv6
  const size_t end = own.rfind(':');
  return (name == "localhost" || name == own.substr(0, end)) &&
         (port.empty() || port == own.substr(end + 1));
}

}  // namespace

bool is_own_host(std::string_view host, const config::AdminHttp& settings) {
  return is_known_host(host, settings, true);
}

bool is_own_origin(std::string_view origin, const config::AdminHttp& settings) {
  constexpr std::string_view kHttp = "http://", kHttps = "https://";
  if (origin.starts_with(kHttps))
    return is_known_host(origin.substr(kHttps.size()), settings, false);
  return origin.starts_with(kHttp) && is_own_host(origin.substr(kHttp.size()), settings);
}

}  // namespace sluice::admin
