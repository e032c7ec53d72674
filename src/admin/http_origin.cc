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

}  // namespace

bool is_own_host(std::string_view host, const config::AdminHttp& settings) {
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
  const std::string own = settings.address->str();  // with brackets around IPv6
  const size_t end = own.rfind(':');
  return (name == "localhost" || name == own.substr(0, end)) &&
         (port.empty() || port == own.substr(end + 1));
}

bool is_own_origin(std::string_view origin, const config::AdminHttp& settings) {
  constexpr std::string_view kScheme = "http://";
  return origin.starts_with(kScheme) && is_own_host(origin.substr(kScheme.size()), settings);
}

}  // namespace sluice::admin
